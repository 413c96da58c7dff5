"""Whole runs on own data by the command, interrupted in every stage and resumed."""

import csv
import io
import json
import signal
import sys
import time
from functools import partial

import jax
import numpy as np
import pytest
from command import complete, results, start
from own_data import CLASSES, made_images, write_npz
from PIL import Image
from test_own_events import write_folders, write_recording
from test_own_folder import write_folder
from test_own_idx import write_idx
from test_own_tonic import stand_in, write_nmnist

import ttfs_jax
from search import Result, evolve
from search.loop.run_directory import RunDirectory
from search.saved_config import read_config
from search.spaces.convolutional import _convolutional
from search.spaces.registry import SPACES, SpaceEntry
from ttfs_jax import predict
from ttfs_jax.datasets.own.image_folder import read_image

pytestmark = pytest.mark.slow
# One block is traced in half the time, and three runs of each set are.
SPACES["smallest"] = SpaceEntry(
    partial(
        _convolutional,
        "smallest",
        widths=((4, 6, 8),),
        heads=(8, 12),
        bits=(4, 5),
        blocks=(1,),
        halve=False,
    )
)
OPTIONS = (
    "--preset=smoke --supernet.train.epochs=2 --evolution.population=4"
    " --evolution.generations=2 --retrain.top=1 --retrain.train.epochs=1"
    " --retrain.fine-tune.epochs=1"
).split()
CLIPS = "--clips.size=12 --clips.pool=1 --clips.code=first-event --clips.test-draws=2".split()
DIGITS = tuple("0123456789")
RUNS = {
    # How the data are written, options of their own, classes, and after what the run is stopped.
    "idx": (write_idx, [], ("0", "1", "2"), "supernet"),
    "mnist": (lambda path: write_idx(path, classes=10), [], DIGITS, "evolution"),
    "folder": (write_folder, ["--size=12"], CLASSES, "random"),
    "events": (write_folders, [*CLIPS, "--time-unit=us"], CLASSES, "retrain"),
    "tonic": (
        write_nmnist,
        [*CLIPS, "--set-name=NMNIST"],
        tuple(f"{n} - digit" for n in range(10)),
        "metrics",
    ),
}


def stop_after(name, patch):
    """Interrupt the run as Ctrl-C does: once it has saved the checkpoint `name`, or has results."""
    save, ends = RunDirectory.save, name == "metrics"

    def stopping(self, path, tree, **options):
        save(self, path, tree, **options)
        if path.name == name:
            raise KeyboardInterrupt

    def interrupted(self, metrics):
        raise KeyboardInterrupt

    patch.setattr(
        RunDirectory, "write_metrics" if ends else "save", interrupted if ends else stopping
    )


def snapshot(run):
    """Collect all that a run computed."""
    networks = {
        f"{folder}/0": jax.tree.map(np.asarray, ttfs_jax.load(run / folder / "0").variables)
        for folder in ("best", "random_search")
    }
    return results(run), (run / "history.parquet").read_bytes(), networks


@pytest.mark.parametrize("name", RUNS)
def test_interrupted_runs_go_on_and_end_as_whole_ones(name, tmp_path, monkeypatch, capsys):
    write, options, classes, stage = RUNS[name]
    monkeypatch.setitem(sys.modules, "tonic", stand_in())
    data = write(tmp_path / "mine")
    command = [f"--data={name}", f"--data-dir={data}", *options, "--space=smallest", *OPTIONS]
    whole, run = tmp_path / "whole", tmp_path / "run"
    evolve.main([*command, f"--run-dir={whole}"])
    with monkeypatch.context() as patch, pytest.raises(SystemExit) as stopped:
        stop_after(stage, patch)
        evolve.main([*command, f"--run-dir={run}"])
    assert stopped.value.code == 130 and "continue with --resume" in capsys.readouterr().err
    assert not (run / "metrics.json").exists()
    evolve.main(["--resume", str(run)])
    assert "test results" in capsys.readouterr().out
    (metrics, history, networks), expected = snapshot(run), snapshot(whole)
    assert (metrics, history) == expected[:2]
    jax.tree.map(np.testing.assert_array_equal, networks, expected[2])
    assert metrics["dataset"] == {"mnist": "mnist", "tonic": "NMNIST"}.get(name, "mine")
    assert tuple(metrics["classes"]) == classes == tuple(Result(run).best[0].meta["classes"])
    page = (run / "report.html").read_text()
    assert f"Classes: {', '.join(classes)}." in page
    assert read_config(run).data_options.data_dir == data
    check_predictions(name, run, data, capsys)


def predicted(run, *inputs, capsys):
    """Classify files by the best network: in lines of CSV and of JSON, which say the same."""
    command = [f"--checkpoint={run / 'best/0'}", "--inputs", *map(str, inputs)]
    capsys.readouterr()
    predict.main(command)
    lines = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    predict.main([*command, "--json"])
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["class"] for line in lines] == [row["class"] for row in rows]
    assert [line["file"] for line in lines] == [row["file"] for row in rows]
    return rows


def check_predictions(name, run, data, capsys):
    """Compare what is said of the files of a kind with what the network says of their images."""
    network = ttfs_jax.load(run / "best/0")
    files = data.parent / "files"
    files.mkdir()
    if network.meta["source"]["kind"] == "events":
        for number in range(3):
            write_recording(files / f"{number}.txt", number, number)
        rows = predicted(run, files, capsys=capsys)
        assert [row["clips"] > 0 for row in rows] == [True] * 3
        assert all(sum(row["shares"].values()) == pytest.approx(1) for row in rows)
        return
    images = made_images()[0][:4, ..., 0]
    if name == "folder":
        inputs, images = (
            [data / "dots"],
            [
                read_image(path, size=(12, 12), colour="grey")
                for path in sorted(data.glob("dots/*"))
            ],
        )
    else:
        np.save(files / "three.npy", images[:3])
        Image.fromarray(images[3]).save(files / "x.png")
        inputs, images = [files], (images / 255.0)[..., None]
    rows = predicted(run, *inputs, capsys=capsys)
    classes = [network.meta["classes"][n] for n in network.predict(np.asarray(images))]
    assert [row["class"] for row in rows] == classes


def test_killed_runs_on_own_arrays_go_on(tmp_path):
    data, run = write_npz(tmp_path / "mine.npz"), tmp_path / "run"
    process = start("--data=npz", "--space=tiny", *OPTIONS, f"--data-dir={data}", "--run-dir", run)
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
    assert metrics["classes"] == list(metrics["best"][0]["protocol"]["recall"]) == list(CLASSES)
    assert read_config(run).data_options.data_dir == data
    network = ttfs_jax.load(run / "best/0")
    images = (made_images()[0][:2] / 255.0).astype(np.float32)
    assert network.meta["classes"] == list(CLASSES)
    assert network(images).shape == (2, 3) and network.meta["source"] == {"kind": "array"}
