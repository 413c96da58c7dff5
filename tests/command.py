"""Start the command as a person would, and read what it leaves behind.

As a script, `python tests/command.py` is `python -m search.evolve` with one more space.
"""

import json
import os
import subprocess
import sys

from places import ROOT
from small_spaces import tiny_space

from search import evolve
from search.spaces.registry import SPACES, SpaceEntry

SPACES["tiny"] = SpaceEntry(tiny_space)
TINY = (
    "--data=digits --space=tiny --preset=smoke --supernet.train.epochs=2 --evolution.population=4"
    " --evolution.generations=3 --retrain.top=1 --retrain.train.epochs=2"
    " --retrain.fine-tune.epochs=1"
).split()
XYLO = (
    "--data=digits --space=xylo --preset=smoke --evolution.population=4 --evolution.generations=2"
    " --xylo.front=2 --xylo.train.epochs=1 --xylo.retrain.epochs=1 --xylo.relu.epochs=2"
    " --xylo.relu-retrain.epochs=2 --objectives war uar energy latency"
).split()


def start(*options, program=(__file__,)):
    return subprocess.Popen(
        [sys.executable, *program, *map(str, options)],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "200"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def complete(*options, **program):
    """Wait for the command to end well; return what it printed."""
    process = start(*options, **program)
    output, _ = process.communicate()
    assert process.returncode == 0, output
    return output


def results(folder):
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics.pop("seconds")
    return metrics


if __name__ == "__main__":
    evolve.main()
