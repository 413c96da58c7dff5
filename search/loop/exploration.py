"""What every kind of run shares: its parts, and evolution beside random search of equal budget."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import jax
import numpy as np

from search.loop import algorithms, evolution
from search.loop.algorithms import Algorithm
from search.loop.archive import Archive
from search.loop.genes import Genes
from search.loop.progress import Reporter
from search.loop.run_directory import RunDirectory
from ttfs_jax.datasets import Dataset


class Seeded(Protocol):
    """What the loop asks of a config."""

    @property
    def seed(self) -> int:
        """Give the seed of everything random."""
        ...


AnyConfig = TypeVar("AnyConfig", bound=Seeded)
AnySpace = TypeVar("AnySpace", bound=Genes)


@dataclass(frozen=True)
class Search(Generic[AnyConfig, AnySpace]):
    """What the stages of a run share."""

    config: AnyConfig
    data: Dataset
    space: AnySpace
    algorithm: Algorithm
    directory: RunDirectory
    reporter: Reporter

    def seed(self, purpose: int) -> int:
        """Derive the seed of one purpose from the run's."""
        key = jax.random.fold_in(jax.random.key(self.config.seed), purpose)
        return int(jax.random.randint(key, (), 0, np.iinfo(np.int32).max))


def write_history(search: Search, archives: dict[str, Archive]) -> None:
    """Write the candidates of several searches, by name, one after another."""
    tables = [
        archive.columns(search.space, stage=stage, seed=search.config.seed)
        for stage, archive in archives.items()
    ]
    joined = {key: np.concatenate([table[key] for table in tables]) for key in tables[0]}
    joined["genotype"] = joined["genotype"].tolist()
    search.directory.write_history(joined)


def explore(
    search: Search,
    evaluate: Callable[[np.ndarray], Any],
    *,
    purposes: dict[str, int],
    population: int,
    generations: int,
    **options: Any,
) -> dict[str, Archive]:
    """Search by the run's algorithm, then at random with the same budget, on validation data.

    `purposes` are those of the searches "evolution" and "random", in this order: evolution gets
    `generations` of a `population`. Further options go to `evolution.run`.
    """
    archives: dict[str, Archive] = {}
    chance = algorithms.make("random", search.space, population=population)
    for name, purpose in purposes.items():
        budget = len(archives["evolution"]) if archives else None
        total = budget or population * generations

        def keep_history(archive, name=name):
            write_history(search, archives | {name: archive})

        with (
            search.directory.stage(name),
            search.reporter.bar(name, total, unit="candidates") as bar,
        ):
            archives[name] = evolution.run(
                name,
                chance if archives else search.algorithm,
                search.space,
                evaluate,
                generations=generations,
                budget=budget,
                seed=search.seed(purpose),
                directory=search.directory,
                bar=bar,
                on_generation=keep_history,
                **options,
            )
    return archives
