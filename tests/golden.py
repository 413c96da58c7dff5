"""Results of small seeded runs that are kept in golden/, to see that later commits give the same.

    python tests/golden.py NAME RUN

keeps those of a run directory; the commit that does so says which figures changed, and why.
"""

import json
import os
import sys
from pathlib import Path

import jax
import numpy as np
import pyarrow.parquet as pq
from command import results

import ttfs_jax
from hardware.xylo.decision import classify
from search.reports.chip import channels, load_network
from search.saved_config import read_config
from ttfs_jax import datasets
from ttfs_jax.datasets import digits
from ttfs_jax.support.cache_folder import processor

FOLDER = Path(__file__).parent / "golden"
EYE_RUN = (
    "--data=eye --space=tiny --preset=smoke --eye.subjects=8 --eye.draws=1 --eye.test-draws=1"
    " --supernet.batch-size=64 --supernet.train.epochs=2 --evolution.population=4"
    " --evolution.generations=2 --retrain.top=1 --retrain.train.epochs=1"
    " --retrain.fine-tune.epochs=1"
).split()


def outputs(name: str, folder: Path) -> list:
    """Compute what the best network says of the first test samples: potentials, or decisions."""
    if name == "xylo":
        network, meta = load_network(folder / "front/0")
        events = network.events(channels(digits.load_digits().test.images[:32], network, meta))
        decided = classify(network.chip, events).decision
        return [np.asarray(decided.classes).tolist(), np.asarray(decided.steps).tolist()]
    config = read_config(folder)
    test = datasets.load_dataset(config.data, config.data_options).test
    return np.asarray(ttfs_jax.load(folder / "best/0")(test.images[:8])).tolist()


def collect(name: str, folder: Path) -> dict:
    """Collect what has to stay: history, metrics without times and versions, outputs."""
    metrics = results(folder)
    del metrics["environment"]
    history = pq.read_table(folder / "history.parquet").to_pydict()
    return {"history": history, "metrics": metrics, "outputs": outputs(name, folder)}


def machine() -> dict:
    """Name all on which the last bit depends."""
    fast = os.environ.get("JAX_DISABLE_MOST_OPTIMIZATIONS", "0")
    return {"processor": processor(), "jax": jax.__version__, "fast": fast}


def kept(name: str) -> dict:
    return json.loads((FOLDER / f"{name}.json").read_text())


if __name__ == "__main__":
    name, folder = sys.argv[1], Path(sys.argv[2])
    found = {"machine": machine(), **collect(name, folder)}
    (FOLDER / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n")
