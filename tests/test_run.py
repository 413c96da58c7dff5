"""A whole run of the command: what it leaves behind, and that a killed one ends the same."""

import dataclasses
import gzip
import json
import random
import shutil
import signal
import time
from pathlib import Path

import jax
import numpy as np
import pyarrow.parquet as pq
import pytest
from command import TINY, complete, results, start

import ttfs_jax
from search import evolve
from ttfs_jax import datasets
from ttfs_jax.datasets import DATASETS, DatasetEntry, digits
from ttfs_jax.support import checkpoint
from ttfs_jax.support.errors import InputError

pytestmark = pytest.mark.xdist_group("run")


def test_metrics_hold_what_readers_rely_on(finished):
    metrics = json.loads((finished / "metrics.json").read_text())
    assert metrics["dataset"] == "digits"
    assert metrics["classes"] == [str(digit) for digit in range(10)]
    assert metrics["architectures_evaluated"] == metrics["random_architectures_evaluated"] == 12
    assert {"max_abs_logit_error", "argmax_agreement", "clip_rate"} <= metrics["identity"].keys()
    assert {"supernet", "evolution", "random", "retrain"} <= metrics["seconds"].keys()
    assert len(metrics["best"]) == len(metrics["random_search"]) == 1
    readings = ("relu", "ttfs", "ttfs_continuous", "first_spike", "lost_to_time_steps")
    for row in [*metrics["best"], *metrics["random_search"]]:
        assert {"genotype", "validation", "spikes_per_neuron", "synops", "params"} <= row.keys()
        assert all({"war", "uar"} <= row[reading].keys() for reading in readings)
        assert all({"war", "uar"} <= row["before_fine_tuning"][c].keys() for c in ("relu", "ttfs"))
    assert metrics["identity"]["max_rel_logit_error"] < 1e-4
    assert metrics["identity"]["failures"] == []


def test_history_has_every_candidate_once_in_each_stage(finished):
    table = pq.read_table(finished / "history.parquet")
    rows = list(
        zip(table["stage"].to_pylist(), map(tuple, table["genotype"].to_pylist()), strict=True)
    )
    assert len(rows) == len(set(rows)) == 24
    assert np.isfinite(table["fitness"]).all()
    for name in ("pareto.csv", "report.html", "figures/search.png", "figures/tradeoff.png"):
        assert (finished / name).stat().st_size > 0


def test_saved_network_gives_the_accuracy_of_the_metrics(finished):
    net = ttfs_jax.load(finished / "best/0")
    test = datasets.load_dataset("digits").test
    row = json.loads((finished / "metrics.json").read_text())["best"][0]
    assert (net.predict(test.images) == test.labels).mean() == pytest.approx(row["ttfs"]["war"])
    assert net.meta["metrics"]["genotype"] == row["genotype"]
    first = net.predict(test.images, readout="first-spike")
    assert (first == net.predict(test.images)).mean() > 0.99
    assert (first == test.labels).mean() == pytest.approx(row["first_spike"]["war"])
    # The ReLU reading of the network that is saved, not of the one before fine-tuning.
    twin = np.asarray(net(test.images, code="relu")).argmax(-1)
    assert (twin == test.labels).mean() == pytest.approx(row["relu"]["war"])
    same = (twin == net.predict(test.images)).mean()
    assert same == pytest.approx(row["agreement_with_relu"])
    stepless = dataclasses.replace(
        net, architecture=net.architecture.replace(time_bits=np.zeros((), np.int32))
    )
    continuous = (stepless.predict(test.images) == test.labels).mean()
    assert continuous == pytest.approx(row["ttfs_continuous"]["war"])
    lost = row["lost_to_time_steps"]["war"]
    assert continuous - lost == pytest.approx(row["ttfs"]["war"])
    assert row["latency"] == {"windows": net.timeline.windows, "time_steps": net.timeline.steps}
    with pytest.raises(ValueError, match="readout must be"):
        net.predict(test.images, readout="last")
    with pytest.raises(InputError, match=r"images must be \[B"):
        net(test.images[:, :4])
    with pytest.raises(InputError, match="finite"):
        net(test.images * np.nan)


def test_signals_come_in_the_order_of_time(finished):
    net = ttfs_jax.load(finished / "best/0")
    operators = jax.numpy.array([1, 3])
    net = dataclasses.replace(net, architecture=net.architecture.replace(operators=operators))
    signals = net.signals(datasets.load_dataset("digits").test.images[:2])
    names = "input stem block_0/first pool1 entry_0 block_1/first block_1/second head"
    assert list(signals) == names.split() == list(net.timeline.slots)
    for name, slot in net.timeline.slots.items():
        assert float(signals[name].window) == pytest.approx(slot.length)
    assert all(
        (np.asarray(s.values)[np.isfinite(s.values)] <= s.window).all() for s in signals.values()
    )


def test_damaged_or_foreign_network_is_named(finished, tmp_path):
    with pytest.raises(InputError, match="not a ttfs-jax checkpoint"):
        ttfs_jax.load(finished)
    with pytest.raises(InputError, match="holds no network"):
        ttfs_jax.load(finished / "checkpoints/supernet")
    copy = Path(shutil.copytree(finished / "best/0", tmp_path / "copy"))
    largest = max((p for p in copy.rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)
    largest.write_bytes(largest.read_bytes()[:-1])
    with pytest.raises(InputError, match="damaged"):
        ttfs_jax.load(copy)


def kill_and_resume(folder, finished, seed):
    """Kill a run at a random line of its log, go on, and compare it with the whole run."""
    chance = random.Random(seed)
    lines = len((finished / "log.txt").read_text().splitlines())
    last, pause = chance.randrange(1, lines - 1), chance.uniform(0.0, 0.3)
    process = start(*TINY, "--run-dir", folder)
    log = folder / "log.txt"
    while not log.exists() or len(log.read_text().splitlines()) < last:
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.02)
    time.sleep(pause)
    assert process.poll() is None, "the run ended before it was killed"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (folder / "metrics.json").exists()
    complete("--resume", folder)
    where = f"killed {pause:.2f} s after line {last} of the log"
    assert results(folder) == results(finished), where
    history = "history.parquet"
    assert (folder / history).read_bytes() == (finished / history).read_bytes(), where
    for name in ("best/0", "random_search/0"):
        ours, theirs = (ttfs_jax.load(run / name).variables for run in (folder, finished))
        jax.tree.map(np.testing.assert_array_equal, ours, theirs)


def test_killed_run_ends_bit_for_bit_like_a_whole_one(finished, tmp_path):
    seed = random.SystemRandom().randrange(10_000)
    kill_and_resume(tmp_path / "killed", finished, seed)


def test_interrupted_replacement_keeps_the_old_checkpoint(tmp_path):
    tree = {"a": np.arange(3.0)}
    checkpoint.save(tmp_path / "c", tree, meta={"epoch": 1})
    (tmp_path / "c").rename(tmp_path / ".c.old")
    (tmp_path / ".c.new").mkdir()
    assert checkpoint.exists(tmp_path / "c")
    assert checkpoint.restore(tmp_path / "c", tree)[1] == {"epoch": 1}
    checkpoint.save(tmp_path / "c", tree, meta={"epoch": 2}, replace=True)
    assert checkpoint.read_meta(tmp_path / "c") == {"epoch": 2}


def refused(capsys, *options):
    with pytest.raises(SystemExit) as stopped:
        evolve.main([str(option) for option in options])
    message = capsys.readouterr().err
    assert stopped.value.code == 2
    return message


def snapshot(folder):
    return {p: p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_a_run_is_neither_overwritten_nor_changed(finished, capsys, monkeypatch):
    before = snapshot(finished)
    monkeypatch.setattr(datasets, "load_dataset", None)  # refused before data are loaded
    for options, words in (
        (("--run-dir", finished), "already holds a run"),
        (("--resume", finished, "--seed", 5), "--seed 5 differs from the 0"),
        (("--resume", finished, "--retrain.train.epochs", 9), "--retrain.train.epochs 9 differs"),
        (("--resume", finished, "--run-dir", "x"), "leave out --run-dir"),
    ):
        message = refused(capsys, *options)
        assert words in message
        assert message.count("\n") == 1
    assert snapshot(finished) == before


def test_a_failed_proof_is_loud_and_ends_with_status_1(finished, tmp_path, capsys):
    run = Path(shutil.copytree(finished, tmp_path / "run"))
    metrics = json.loads((run / "metrics.json").read_text())
    metrics["random_search"][0]["identity"]["failures"] = ["the codes agree on 2.00% of the images"]
    (run / "metrics.json").write_text(json.dumps(metrics))
    with pytest.raises(SystemExit) as stopped:
        evolve.main(["--resume", str(run)])
    assert stopped.value.code == 1
    message = capsys.readouterr().err
    assert "PROOF FAILED" in message
    assert "random_search/0: before fine-tuning the codes agree on 2.00% of the images" in message


def test_a_finished_run_is_shown_from_a_disk_that_is_read_only(
    finished, tmp_path, capsys, monkeypatch
):
    folder = Path(shutil.copytree(finished, tmp_path / "seeds [0, 1]"))
    before = snapshot(folder)
    monkeypatch.setattr("os.access", lambda *_: False)
    evolve.main(["--resume", str(folder)])
    assert "test results" in capsys.readouterr().out
    assert snapshot(folder) == before


def test_unknown_option_is_suggested(capsys):
    assert "--evolution.population" in refused(capsys, "--evolution.populatio", 8)


def idx_files(folder, images=6000, labels=6000):
    for part in ("train", "t10k"):
        for kind, count, shape in (("images-idx3", images, (28, 28)), ("labels-idx1", labels, ())):
            sizes = b"".join(int(n).to_bytes(4, "big") for n in (count, *shape))
            head = b"\x00\x00\x08" + bytes([1 + len(shape)]) + sizes
            body = bytes(count * int(np.prod(shape, dtype=int)))
            (folder / f"{part}-{kind}-ubyte.gz").write_bytes(gzip.compress(head + body, 1))


@pytest.mark.parametrize("damage", ["folder", "gzip", "idx", "length"])
def test_bad_data_files_end_in_one_line(damage, tmp_path, capsys):
    idx_files(tmp_path, labels=5999 if damage == "length" else 6000)
    packed = tmp_path / "train-images-idx3-ubyte.gz"
    words = {
        "folder": "is not a folder",
        "gzip": "truncated or damaged",
        "idx": "is truncated",
        "length": "6000 images but 5999 labels",
    }[damage]
    folder = tmp_path / "nowhere" if damage == "folder" else tmp_path
    if damage == "gzip":
        packed.write_bytes(packed.read_bytes()[:-20])
    if damage == "idx":
        packed.with_suffix("").write_bytes(gzip.decompress(packed.read_bytes())[:-20])
    run = tmp_path / "run"
    message = refused(capsys, "--data=fashion-mnist", "--data-dir", folder, "--run-dir", run)
    assert words in message
    assert message.count("\n") == 1
    assert not run.exists()


def test_nan_pixels_end_in_one_line(monkeypatch, tmp_path, capsys):
    def spoilt(options, *, split_seed):
        data = digits.load_digits(options, split_seed=split_seed)
        data.validation.images[3, 2, 1] = np.nan
        return data

    monkeypatch.setitem(DATASETS, "digits", DatasetEntry(spoilt))
    message = refused(capsys, "--data=digits", "--run-dir", tmp_path / "run")
    assert "digits validation images contain NaN" in message
    assert message.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_impossible_sizes_are_named(tmp_path, capsys):
    for option, words in (
        ("--evolution.population=2", "at least 4"),
        ("--supernet.batch-size=4000", "1077 training images"),
        ("--supernet.batch-size=66", "multiple of --supernet.paths 4"),
        ("--evolution.generations=5000", "at most the space's 13689"),
        ("--space=konv", "did you mean conv"),
    ):
        message = refused(capsys, "--data=digits", option, "--run-dir", tmp_path / "run")
        assert words in message
        assert not (tmp_path / "run").exists()
