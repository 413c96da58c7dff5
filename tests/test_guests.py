"""A space with a strategy, retraining and a report of its own goes through the one pipeline."""

import dataclasses
import sys
from dataclasses import dataclass

import numpy as np
import pyarrow.parquet as pq
import pytest
from rich.console import Console
from rich.table import Table

import search
from search import evolve
from search.config import EvolutionConfig
from search.loop.genes import Gene, Genes
from search.loop.goal import make_goal
from search.reports.registry import REPORTS
from search.retraining.registry import RETRAININGS
from search.spaces.registry import SPACES, SpaceEntry
from search.strategies.registry import STRATEGIES
from ttfs_jax.support.errors import InputError

FOLDER = "best"  # this module is retraining and report, as one of its own would be


@dataclass(frozen=True)
class Sums(Genes):
    """Three numbers to add up."""

    name: str
    genes: tuple[Gene, ...]

    def decode(self, genotype):
        return int(np.sum(genotype))


def make_sums(image_shape, classes):
    return Sums("sums", tuple(Gene(f"term_{n}", tuple(range(5))) for n in range(3)))


class Adding:
    """Scores a genotype by its sum, and by the energy that this takes."""

    objectives = ("war", "energy")
    streams = {"evolution": 20, "random": 21}
    fields = ("war", "energy", "violations")

    def __init__(self, run):
        self._run = run

    def __call__(self, genotypes):
        sums = np.array([self._run.space.decode(genotype) for genotype in genotypes], float)
        scores = {"war": sums / 12, "energy": (1 + sums) ** 2}
        return scores | {"violations": self._run.goal.exceeded(scores) + 0 * sums}

    @staticmethod
    def options(config):
        return {}

    @staticmethod
    def recipes(config):
        return {}

    @classmethod
    def check(cls, config):
        make_goal(config.objectives, vars(config.limits), offered=cls.objectives)


def options(config):
    return {}


recipes = options


def check(config):
    """Nothing to check."""


check_new = check


def retrain(run, strategy, archives):
    chosen = run.goal.finalists(archives["evolution"], 3)
    return {"best": [run.space.decode(genotype) for genotype in chosen]}


def write(folder, data):
    (folder / "report.txt").write_text(data.name)


def table(metrics):
    return Table(title=f"sums {metrics['best']}")


def failures(metrics):
    return []


def load(folder):
    raise AssertionError("nothing was saved")


@pytest.fixture(autouse=True)
def guests(monkeypatch):
    module = sys.modules[__name__]
    entry = SpaceEntry(make_sums, strategy="adding", retraining="own", report="own")
    for registry, name, guest in (
        (SPACES, "sums", entry),
        (STRATEGIES, "adding", Adding),
        (RETRAININGS, "own", module),
        (REPORTS, "own", module),
    ):
        monkeypatch.setitem(registry, name, guest)


def given(objectives, *more):
    return [
        *("--data=digits", "--preset=smoke", "--space=sums", "--objectives", *objectives.split()),
        *("--evolution.population=4", "--evolution.generations=4", *more),
    ]


def test_a_command_searches_a_space_of_its_own(tmp_path, capsys):
    run = tmp_path / "run"
    evolve.main(given("war", "--limits", "energy-uj=50e6", f"--run-dir={run}"))
    result = search.Result(run)
    assert "Space sums: 125 architectures" in " ".join(capsys.readouterr().out.split())
    assert "hypervolume" not in result.metrics
    history = {name: np.array(column) for name, column in result.history.items()}
    assert ((history["energy"] > 50) == history["violations"]).all()
    sums = history["genotype"].sum(1)[(history["stage"] == "evolution")]
    assert result.metrics["best"][0] == sums[sums <= 6].max()  # (1 + 6)² is within the limit
    assert (run / "report.txt").read_text() == "digits"


def test_several_objectives_and_a_resume_in_the_middle(tmp_path, monkeypatch):
    config = dataclasses.replace(
        search.preset("digits", "smoke", space="sums", objectives=("war", "energy")),
        evolution=EvolutionConfig("nsga2", population=4, generations=4),
    )
    screen, folder = Console(quiet=True), tmp_path / "run"
    whole = search.run(config, run_dir=tmp_path / "whole", screen=screen)
    usual, calls = Adding.__call__, []

    def stop(self, genotypes):
        calls.append(1)
        if len(calls) == 6:
            raise KeyboardInterrupt
        return usual(self, genotypes)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Adding, "__call__", stop)
        search.run(config, run_dir=folder, screen=screen)
    result = search.run(config, run_dir=folder, resume=True, screen=screen)
    for name in ("best", "hypervolume", "objectives", "architectures_evaluated"):
        assert result.metrics[name] == whole.metrics[name]
    assert result.metrics["objectives"] == ["war", "energy"]
    assert 0 < result.metrics["hypervolume"]["evolution"] <= 1
    tables = [pq.read_table(run.path / "history.parquet") for run in (result, whole)]
    assert tables[0].equals(tables[1])


def test_a_limit_that_nothing_keeps_is_named(tmp_path, capsys):
    with pytest.raises(SystemExit, match="2"):
        evolve.main(given("war", "--limits", "energy-uj=1e5", f"--run-dir={tmp_path / 'run'}"))
    assert "no candidate is within the limits" in capsys.readouterr().err
    for options_, words in (
        (given("war", "--limits", "synops=3"), "unknown score of limits 'synops'"),
        (given("war uar"), "unknown objectives 'uar'"),
    ):
        config = evolve.parse(options_).config
        with pytest.raises(InputError, match=words):
            search.run(config, run_dir=tmp_path / "other", screen=Console(quiet=True))
