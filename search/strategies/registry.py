"""Strategies by name: how candidates get their scores. A new one is one file and a line here."""

from typing import Any, ClassVar, Protocol

import numpy as np

from search.config import Config
from search.loop.exploration import Search
from search.strategies.inherited.strategy import Inherited
from search.strategies.xylo.strategy import ChipStrategy
from ttfs_jax.support import errors


class Strategy(Protocol):
    """Gives the candidates of one run their scores; made once what it needs can be trained.

    `search` has the run's config, data, space and goal.
    """

    objectives: ClassVar[tuple[str, ...]]
    """Scores that `--objectives` may name; those of `goal.RECALLS` are maximised."""
    streams: ClassVar[dict[str, int]]
    """Numbers of the randomness of the searches "evolution" and "random"."""
    fields: tuple[str, ...]
    """Scores of a candidate in the order of `history.parquet`."""

    def __init__(self, search: Search[Config, Any]): ...

    def __call__(self, genotypes: np.ndarray) -> dict[str, np.ndarray]:
        """Score genotypes [n, G] on validation data: the scores named in `fields`, each [n]."""
        ...

    @staticmethod
    def options(config: Config) -> dict[str, str]:
        """Name the options that are read, or groups of them, as a.b for b of a config a.

        Each with the option, as on the command line, under which the `config` reads it; that is
        empty if it is read already. Options of the pipeline are not included.
        """
        ...

    @staticmethod
    def recipes(config: Config) -> dict[str, Any]:
        """Name the recipes of training in a `config` by the group of options of their steps.

        Each has a `batch_size`.
        """
        ...

    @classmethod
    def check(cls, config: Config) -> None:
        """Check a `config` before data are loaded. Raises: InputError naming an option."""
        ...


# The strategies by the names that spaces use.
STRATEGIES: dict[str, type[Strategy]] = {"inherited": Inherited, "chip": ChipStrategy}


def strategy_entry(name: str) -> type[Strategy]:
    """Look up a strategy by `name`. Raises: InputError for an unknown one."""
    return errors.look_up("strategy", name, STRATEGIES)
