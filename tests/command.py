"""Start the command as a person would, and read what it leaves behind."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
TINY = (
    "--data=digits --preset=smoke --supernet.train.epochs=2 --evolution.population=4"
    " --evolution.generations=3 --retrain.top=1 --retrain.train.epochs=2"
    " --retrain.fine-tune.epochs=1"
).split()


def start(*options):
    return subprocess.Popen(
        [sys.executable, "-m", "search.evolve", *map(str, options)],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "200"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def complete(*options):
    """Wait for the command to end well; return what it printed."""
    process = start(*options)
    output, _ = process.communicate()
    assert process.returncode == 0, output
    return output


def results(folder):
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics.pop("seconds")
    return metrics
