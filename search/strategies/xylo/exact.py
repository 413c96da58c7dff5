"""Candidates that are exact copies of ReLU networks: trained dense, then converted."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from hardware.xylo.families import family
from hardware.xylo.mappings import exact
from search.spaces.xylo import Candidate
from search.strategies.xylo.population import Inputs, Population, XyloNetwork, cut_layers
from ttfs_jax.network import dense
from ttfs_jax.network.dense import Dense
from ttfs_jax.support.errors import InputError
from ttfs_jax.training.dense import DenseTrainConfig, make_dense_train

CALIBRATION = 2048  # training samples for measuring windows and logits


class ExactPopulation(Population):
    """Dense ReLU networks, converted for a chip; programs by number of layers.

    See `Population` for `inputs`, `config`, `classes` and `widest`.
    """

    def __init__(
        self,
        inputs: dict[str, Inputs],
        config: DenseTrainConfig,
        *,
        classes: int,
        widest: int,
        chip: str,
    ):
        super().__init__(inputs, config, classes=classes, widest=widest)
        self.chip = chip

    def train(self, candidates: Sequence[Candidate], seeds: np.ndarray) -> list[XyloNetwork | None]:
        """Train and convert exact candidates, with seeds [n]; None where no conversion fits."""
        trained = self.outcomes(candidates, seeds)
        return [self._convert(*pair) for pair in zip(candidates, trained, strict=True)]

    def _shape(self, candidate: Candidate) -> tuple[int, ...]:
        return (len(candidate.widths),)

    def _shared(self) -> Any:
        return self.inputs["train"]

    def _function(self, depth: int):
        train = make_dense_train(self._sizes(depth), self.config)

        def one(member, given):
            widths = [member["widths"][n] for n in range(depth)]
            values = given.values[member["grid"]]
            return train(jax.random.key(member["seed"]), widths, values, given.labels)[0]

        return one

    def _convert(self, candidate: Candidate, layers: Sequence[Dense]) -> XyloNetwork | None:
        own = cut_layers(layers, candidate)
        values = jnp.asarray(self.inputs["train"].values[candidate.number, :CALIBRATION])
        logits = np.asarray(dense.relu(own, values)[0])
        windows = [float(window) for window in dense.windows(own, values)]
        try:
            mapping = exact.convert(
                own,
                windows,
                exact.winning_range(logits),
                steps=candidate.window,
                synapses=family(self.chip).synapses,
                chip=self.chip,
            )
        except InputError:
            return None
        return XyloNetwork(candidate, mapping.network, mapping.total_steps, own)
