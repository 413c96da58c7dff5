"""A whole run for the chip: what it leaves behind, and how it goes on."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from command import complete, results
from PIL import Image

from hardware.xylo.decision import classify
from hardware.xylo.network import ChipNetwork
from search import evolve, predict
from search.config import Config, XyloConfig
from search.reports.chip import channels, load_network
from search.retraining import front
from ttfs_jax import predict as predict_models
from ttfs_jax.datasets import digits
from ttfs_jax.support.errors import InputError

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("xylo-run")]


def test_an_absent_referee_is_told_before_the_run(monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(sys.modules, "xylosim", None)
    with pytest.raises(SystemExit) as stopped:
        evolve.main(["--data", "digits", "--space", "xylo", "--run-dir", str(tmp_path / "run")])
    assert stopped.value.code == 2
    assert "--xylo.no-referee" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
    front.check_new(Config(space="xylo", xylo=XyloConfig(referee=False)))


def test_a_run_leaves_networks_for_the_chip(finished_xylo):
    metrics = results(finished_xylo)
    assert metrics["classes"] == [str(digit) for digit in range(10)]
    assert metrics["architectures_evaluated"] == metrics["random_architectures_evaluated"] == 8
    assert set(metrics["hypervolume"]) == {"evolution", "random"}
    assert set(metrics["comparison"]) == {"evolution", "random", "baseline"}
    assert metrics["comparison"]["baseline"]["energy"] > 0
    load_network(finished_xylo / "baseline")
    assert metrics["front"]
    for number, row in enumerate(metrics["front"]):
        assert row["test"]["xylosim_differs"] == 0
        assert "estimated, not measured" in row["test"]["hardware"]["summary"]
        assert row["test"]["hardware"]["fits"]
        network, meta = load_network(finished_xylo / "front" / str(number))
        assert isinstance(network.chip, ChipNetwork)
        test = digits.load_digits().test
        decided = classify(network.chip, network.events(channels(test.images, network, meta)))
        right = (decided.decision.classes == test.labels).mean()
        assert right == pytest.approx(row["test"]["war"])
    for name in ("figures/front.png", "figures/trace.png", "pareto.csv", "energy.csv"):
        assert (finished_xylo / name).stat().st_size > 0
    assert len(pq.read_table(finished_xylo / "history.parquet")) == 16


def test_a_finished_run_is_shown_without_the_referee(finished_xylo, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "xylosim", None)
    evolve.main(["--resume", str(finished_xylo)])
    assert "estimated, not measured" in capsys.readouterr().out


def test_a_damaged_network_is_named(finished_xylo, tmp_path):
    with pytest.raises(InputError, match=r"specification.npz"):
        load_network(tmp_path)
    (tmp_path / "specification.npz").write_bytes(
        (finished_xylo / "front/0/specification.npz").read_bytes()
    )
    with pytest.raises(InputError, match="holds no network"):
        load_network(tmp_path)


def test_a_network_on_the_chip_classifies_files(finished_xylo, tmp_path, capsys):
    """Its classes are those of the first output spikes; other commands say which one to use."""
    folder = finished_xylo / "front/0"
    images = digits.load_digits().test.images[:40]
    (tmp_path / "files").mkdir()
    np.save(tmp_path / "files" / "a.npy", images)
    Image.fromarray(np.round(255 * images[0, ..., 0]).astype(np.uint8)).save(
        tmp_path / "files" / "b.png"
    )
    network, meta = load_network(folder)
    decided = classify(network.chip, network.events(channels(images, network, meta))).decision
    command = [f"--checkpoint={folder}", "--inputs", str(tmp_path / "files")]
    try:
        predict.main([*command, "--json"])
    except SystemExit as stopped:
        assert stopped.code == 1 and (decided.classes < 0).any()
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    silent = "no output neuron spikes, so that the network names no class"
    for row, number in zip(rows, decided.classes.tolist(), strict=False):
        assert row.get("class") == (None if number < 0 else str(number))
        assert row.get("problem") == (silent if number < 0 else None)
        assert sum(row["shares"].values()) == (number >= 0)
    assert len(rows) == 41 and rows[-1].get("class") == rows[0].get("class")
    with pytest.raises(SystemExit):
        predict_models.main(command)
    assert "are for python -m search.predict" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        predict.main([f"--checkpoint={folder}", "--events=x.txt"])
    assert "trained on digits, not on clips of recordings" in capsys.readouterr().err


def test_networks_on_a_chip_of_old_runs_are_named(finished_xylo, tmp_path):
    copy = Path(shutil.copytree(finished_xylo / "front/0", tmp_path / "old"))
    meta = json.loads((copy / "network.json").read_text())
    assert meta.pop("image_shape") == [8, 8, 1] and "source" in meta
    (copy / "network.json").write_text(json.dumps(meta))
    with pytest.raises(InputError, match="before networks on a chip kept .*: search again"):
        predict.open_chip(copy)


def test_a_run_goes_on_where_it_stopped(finished_xylo):
    """Without its last checkpoint and metrics it ends the same."""
    before = results(finished_xylo)
    (finished_xylo / "metrics.json").unlink()
    complete("--resume", finished_xylo)
    assert results(finished_xylo) == before
