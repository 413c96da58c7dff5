"""A whole run for the chip: what it leaves behind, and how it goes on."""

import sys

import pyarrow.parquet as pq
import pytest
from command import complete, results

from hardware.xylo.decision import classify
from hardware.xylo.network import ChipNetwork
from search import checks, evolve
from search.config import Config, XyloConfig
from search.xylo_report import channels, load_network
from ttfs_jax.datasets import digits
from ttfs_jax.errors import InputError

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("xylo-run")]
TINY_RUN = (
    "--data=digits --space=xylo --preset=smoke --evolution.population=4 --evolution.generations=2"
    " --xylo.front=2 --xylo.train.epochs=1 --xylo.retrain.epochs=1 --xylo.relu.epochs=2"
    " --xylo.relu-retrain.epochs=2 --objectives=war,uar,energy,latency"
).split()


def test_an_absent_referee_is_told_before_the_run(monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(sys.modules, "xylosim", None)
    with pytest.raises(SystemExit) as stopped:
        evolve.main(["--data", "digits", "--space", "xylo", "--run-dir", str(tmp_path / "run")])
    assert stopped.value.code == 2
    assert "--xylo.no-referee" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
    checks.check_referee(Config(space="xylo", xylo=XyloConfig(referee=False)))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("xylo") / "whole"
    output = complete(*TINY_RUN, "--run-dir", folder, program=("-m", "search.evolve"))
    assert "estimated, not measured" in output
    return folder


def test_a_run_leaves_networks_for_the_chip(run):
    metrics = results(run)
    assert metrics["architectures_evaluated"] == metrics["random_architectures_evaluated"] == 8
    assert set(metrics["hypervolume"]) == {"evolution", "random"}
    assert set(metrics["comparison"]) == {"evolution", "random", "baseline"}
    assert metrics["comparison"]["baseline"]["energy"] > 0
    load_network(run / "baseline")
    assert metrics["front"]
    for number, row in enumerate(metrics["front"]):
        assert row["test"]["xylosim_differs"] == 0
        assert "estimated, not measured" in row["test"]["hardware"]["summary"]
        assert row["test"]["hardware"]["fits"]
        network, meta = load_network(run / "front" / str(number))
        assert isinstance(network.chip, ChipNetwork)
        test = digits.load().test
        decided = classify(network.chip, network.events(channels(test.images, network, meta)))
        right = (decided.decision.classes == test.labels).mean()
        assert right == pytest.approx(row["test"]["war"])
    for name in ("figures/front.png", "figures/trace.png", "pareto.csv", "energy.csv"):
        assert (run / name).stat().st_size > 0
    assert len(pq.read_table(run / "history.parquet")) == 16


def test_a_finished_run_is_shown_without_the_referee(run, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "xylosim", None)
    evolve.main(["--resume", str(run)])
    assert "estimated, not measured" in capsys.readouterr().out


def test_a_damaged_network_is_named(run, tmp_path):
    with pytest.raises(InputError, match=r"specification.npz"):
        load_network(tmp_path)
    (tmp_path / "specification.npz").write_bytes((run / "front/0/specification.npz").read_bytes())
    with pytest.raises(InputError, match="holds no network"):
        load_network(tmp_path)


def test_a_run_goes_on_where_it_stopped(run):
    """Without its last checkpoint and metrics it ends the same."""
    before = results(run)
    (run / "metrics.json").unlink()
    complete("--resume", run)
    assert results(run) == before
