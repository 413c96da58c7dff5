"""A whole run on own data by the command, interrupted and resumed: `--data npz`."""

import signal
import time

import numpy as np
import pytest
from command import complete, results, start
from own_data import CLASSES, made_images, write_npz

import ttfs_jax
from search.saved_config import read_config

OPTIONS = (
    "--data=npz --space=tiny --preset=smoke --supernet.train.epochs=1 --evolution.population=4"
    " --evolution.generations=2 --retrain.top=1 --retrain.train.epochs=1"
    " --retrain.fine-tune.epochs=1"
).split()


@pytest.mark.slow
def test_own_arrays_are_searched_and_the_run_goes_on(tmp_path):
    data, run = write_npz(tmp_path / "mine.npz"), tmp_path / "run"
    process = start(*OPTIONS, f"--data-dir={data}", "--run-dir", run)
    log = run / "log.txt"
    while not log.exists() or "supernet" not in log.read_text():
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (run / "metrics.json").exists()
    assert "test results" in complete("--resume", run)
    metrics = results(run)
    assert metrics["dataset"] == "mine"
    assert tuple(metrics["best"][0]["protocol"]["recall"]) == CLASSES
    assert read_config(run).data_options.data_dir == data
    network = ttfs_jax.load(run / "best/0")
    images = (made_images()[0][:2] / 255.0).astype(np.float32)
    assert network.meta["classes"] == list(CLASSES)
    assert network(images).shape == (2, 3) and network.meta["source"] == {"kind": "array"}
