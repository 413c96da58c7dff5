"""Shared by all kinds of run: its parts, and evolution and random search of equal budget."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import jax
import numpy as np

from search.loop import algorithms, evolution
from search.loop.algorithms import Algorithm
from search.loop.archive import Archive
from search.loop.evolution import Evaluate
from search.loop.genes import Genes
from search.loop.goal import Goal
from search.loop.progress import Reporter
from search.loop.run_directory import RunDirectory
from ttfs_jax.datasets import Dataset


class Seeded(Protocol):
    """What the loop needs of a config."""

    @property
    def seed(self) -> int:
        """Give the seed of everything random."""
        ...


AnyConfig = TypeVar("AnyConfig", bound=Seeded)
AnySpace = TypeVar("AnySpace", bound=Genes)


@dataclass(frozen=True)
class Search(Generic[AnyConfig, AnySpace]):
    """The objects that the stages of a run share."""

    config: AnyConfig  # of the run
    data: Dataset  # train, validation and test
    space: AnySpace  # what genotypes stand for
    algorithm: Algorithm  # proposes genotypes, and receives their scores
    directory: RunDirectory  # where results are written
    reporter: Reporter  # shows the progress of the run
    goal: Goal = Goal()  # objectives and limits

    def seed(self, purpose: int) -> int:
        """Derive the seed of one purpose from the run's."""
        key = jax.random.fold_in(jax.random.key(self.config.seed), purpose)
        return int(jax.random.randint(key, (), 0, np.iinfo(np.int32).max))


def write_history(search: Search, archives: dict[str, Archive]) -> None:
    """Write the candidates of `archives`, by the names of searches, for the run of `search`."""
    tables = [
        archive.columns(search.space, stage=stage, seed=search.config.seed)
        for stage, archive in archives.items()
    ]
    joined = {key: np.concatenate([table[key] for table in tables]) for key in tables[0]}
    joined["genotype"] = joined["genotype"].tolist()
    search.directory.write_history(joined)


def explore(
    search: Search,
    evaluate: Evaluate,
    *,
    fields: tuple[str, ...],
    streams: Mapping[str, int],
    population: int,
    generations: int,
) -> dict[str, Archive]:
    """Search by the run's algorithm, then at random with the same budget, on validation data.

    `search` holds what the stages of the run share. `evaluate` gives the scores named in `fields`.
    `streams` number the randomness of the searches "evolution" and "random"; evolution gets
    `generations` of a `population`.
    """

    def search_by(name, algorithm, *, budget, before):
        total = budget or population * generations
        with (
            search.directory.stage(name),
            search.reporter.bar(name, total, unit="candidates") as bar,
        ):
            return evolution.run_generations(
                name,
                algorithm,
                search.space,
                evaluate,
                goal=search.goal,
                fields=fields,
                generations=generations,
                budget=budget,
                seed=search.seed(streams[name]),
                directory=search.directory,
                bar=bar,
                on_generation=lambda archive: write_history(search, before | {name: archive}),
            )

    evolved = search_by("evolution", search.algorithm, budget=None, before={})
    chance = algorithms.make("random", search.space, population=population)
    archives = {"evolution": evolved}
    return archives | {"random": search_by("random", chance, budget=len(evolved), before=archives)}
