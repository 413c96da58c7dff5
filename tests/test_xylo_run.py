"""A whole run for the chip: what it leaves behind, and how it goes on."""

import sys

import pyarrow.parquet as pq
import pytest
from command import complete, results

from hardware.xylo.decision import classify
from hardware.xylo.network import ChipNetwork
from search import evolve
from search.config import Config, XyloConfig
from search.reports.chip import channels, load_network
from search.retraining import front
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


def test_a_run_goes_on_where_it_stopped(finished_xylo):
    """Without its last checkpoint and metrics it ends the same."""
    before = results(finished_xylo)
    (finished_xylo / "metrics.json").unlink()
    complete("--resume", finished_xylo)
    assert results(finished_xylo) == before
