"""Scores from the chip's own integer core: every candidate is trained briefly and laid out."""

from typing import Any, ClassVar

import numpy as np

from hardware.xylo.families import family
from search.config import Config
from search.loop.exploration import Search
from search.loop.goal import make_goal
from search.spaces.xylo import XyloSpace
from search.strategies.xylo.evaluation import Evaluator, Populations
from search.strategies.xylo.exact import ExactPopulation
from search.strategies.xylo.population import NativePopulation, full_scales, make_inputs
from search.strategies.xylo.scores import FIELDS, MORE, OBJECTIVES

# Each purpose has its own stream of randomness; those of other strategies are below 10.
EVOLUTION, RANDOM, TRAIN, RETRAIN = range(10, 14)


class ChipStrategy:
    """Strategy `chip`: trained for the chip, and measured on validation data in its core.

    `search` has the run's config, data and space.
    """

    objectives: ClassVar[tuple[str, ...]] = OBJECTIVES
    """Scores that a run can optimise."""
    streams: ClassVar[dict[str, int]] = {"evolution": EVOLUTION, "random": RANDOM}
    """Streams of random numbers, by search."""

    def __init__(self, search: Search[Config, XyloSpace]):
        self._search = search
        config = search.config.xylo
        self.fields = (*FIELDS, *(name for name in MORE if name in search.goal.names))
        self.scales = full_scales(search.space, search.data)
        self.inputs = make_inputs(search.space, search.data, self.scales)
        self.evaluator = self._evaluator(config.train, config.relu, TRAIN)

    def __call__(self, genotypes: np.ndarray) -> dict[str, np.ndarray]:
        """Train and score genotypes [n, G]: the scores named in `fields`, each [n]."""
        candidates = [self._search.space.decode(genotype) for genotype in genotypes]
        rows, _ = self.evaluator.score(candidates)
        return {name: np.array([row[name] for row in rows]) for name in self.fields}

    def longer(self) -> Evaluator:
        """Return the evaluator for the final networks of the search."""
        config = self._search.config.xylo
        return self._evaluator(config.retrain, config.relu_retrain, RETRAIN)

    def _evaluator(self, native, relu, purpose: int) -> Evaluator:
        space, config = self._search.space, self._search.config
        options = {"classes": space.classes, "widest": space.widest}
        dense = config.xylo.dense(relu)
        populations = Populations(
            NativePopulation(self.inputs, config.xylo.native(native), **options),
            ExactPopulation(self.inputs, dense, chip=config.target, **options),
        )
        return Evaluator(self._search, populations, purpose, fields=self.fields)

    @staticmethod
    def options(config: Config) -> dict[str, str]:
        """Name the options that are read, and their conditions on the `config`."""
        exact = "" if "exact" in config.xylo.mappings else "--xylo.mappings exact"
        read = ("xylo.train", "xylo.batch_size", "xylo.clock_mhz", "xylo.gap")
        return {**dict.fromkeys(read, ""), "xylo.relu": exact}

    @staticmethod
    def recipes(config: Config) -> dict[str, Any]:
        """Name the recipe of native training in a `config`; others have its batches."""
        return {"xylo": config.xylo.native(config.xylo.train)}

    @classmethod
    def check(cls, config: Config) -> None:
        """Check that the target of a `config` is a chip, and the goal. Raises: InputError."""
        family(config.target)
        make_goal(config.objectives, vars(config.limits), offered=cls.objectives)
