"""Train and score candidates for the chip, native and exact ones together."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hardware.xylo.families import family, violations
from search.config import Config
from search.loop.exploration import Search
from search.spaces.xylo import Candidate, XyloSpace
from search.strategies.xylo.exact import ExactPopulation
from search.strategies.xylo.measure import measure_on_chip
from search.strategies.xylo.population import ChipScores, NativePopulation, XyloNetwork, single
from search.strategies.xylo.scores import score_network, skeleton


@dataclass(frozen=True)
class Populations:
    """Both kinds of candidates, trained by one recipe each."""

    native: NativePopulation  # trained through the chip's dynamics
    exact: ExactPopulation  # exact copies of ReLU networks

    def train(
        self, candidates: Sequence[Candidate], seeds: np.ndarray
    ) -> list[tuple[XyloNetwork, ChipScores] | None]:
        """Train candidates and measure them on validation data; None where that is impossible.

        `seeds` [n] are those of the candidates.
        """
        results: list[tuple[XyloNetwork, ChipScores] | None] = [None] * len(candidates)
        native, exact = (
            [n for n, candidate in enumerate(candidates) if candidate.mapping == mapping]
            for mapping in ("native", "exact")
        )
        if native:
            outcomes = self.native.train([candidates[n] for n in native], seeds[native])
            for n, one in zip(native, outcomes, strict=True):
                results[n] = single(candidates[n], one), one.measured
        if exact:
            networks = self.exact.train([candidates[n] for n in exact], seeds[exact])
            for n, network in zip(exact, networks, strict=True):
                if network is not None:
                    validation = self.exact.inputs["validation"]
                    classes = self.exact.classes
                    results[n] = (
                        network,
                        measure_on_chip(network, validation, classes=classes).measured,
                    )
        return results


class Evaluator:
    """Scores of candidates, which depend only on the network and the run's seed.

    `search` has the run's config, data and goal, `populations` train, `purpose` separates the
    randomness of searching and retraining, and `fields` are the scores to return.
    """

    def __init__(
        self,
        search: Search[Config, XyloSpace],
        populations: Populations,
        purpose: int,
        *,
        fields: tuple[str, ...],
    ):
        self._space, self._goal, self._fields = search.space, search.goal, fields
        self._config, self._target = search.config.xylo, search.config.target
        self._populations = populations
        self._seed = search.seed(purpose)

    def score(
        self, candidates: Sequence[Candidate]
    ) -> tuple[list[dict[str, float]], list[XyloNetwork | None]]:
        """Train and score candidates; those that do not fit are not trained.

        Returns the scores named in `fields`, a dict per candidate, and the networks.
        """
        limits = [self._beyond(candidate) for candidate in candidates]
        fitting = [n for n, limit in enumerate(limits) if not limit]
        numbers = [np.asarray(candidates[n].numbers, "<i4") for n in fitting]
        seeds = np.array([self._seed ^ zlib.crc32(own.tobytes()) for own in numbers])
        results = self._populations.train([candidates[n] for n in fitting], seeds)
        trained = dict(zip(fitting, results, strict=True))
        rows, networks = [], []
        for n in range(len(candidates)):
            if (pair := trained.get(n)) is None:
                # An exact copy that fits the chip in no setting violates at least one limit.
                rows.append(dict.fromkeys(self._fields, np.nan) | {"violations": max(limits[n], 1)})
                networks.append(None)
                continue
            network, measured = pair
            scores, _ = score_network(
                network, measured, self._config, target=self._target, goal=self._goal
            )
            rows.append({name: scores[name] for name in self._fields})
            networks.append(network)
        return rows, networks

    def _beyond(self, candidate: Candidate) -> int:
        if candidate.mapping == "exact":
            return 0
        network = skeleton(candidate, self._space.classes)
        return len(violations(network, family(self._target)))
