"""Candidates that are exact copies of ReLU networks: trained dense, converted, run in the core."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from hardware.xylo import exact
from hardware.xylo.decision import classify
from hardware.xylo.families import family
from hardware.xylo.network import ChipNetwork
from search.xylo_population import CHANNELS, Inputs, Measured, Network, score
from search.xylo_space import FIRST, Candidate
from ttfs_jax import dense
from ttfs_jax.dense import Dense
from ttfs_jax.dense_training import DenseTrainConfig, make_train
from ttfs_jax.errors import InputError
from ttfs_jax.population import PopulationConfig, Program, pick

CALIBRATION = 2048  # training samples that windows and logits are measured on
BLOCK = 64  # chips are filled up to a multiple of so many neurons, for few compilations


class ExactPopulation:
    """Programs that train dense ReLU networks, one for every number of layers."""

    def __init__(
        self,
        inputs: dict[str, Inputs],
        config: DenseTrainConfig,
        *,
        classes: int,
        chip: str,
        population: PopulationConfig | None = None,
        widest: int = max(FIRST),
    ):
        self.inputs, self.config, self.classes, self.chip = inputs, config, classes, chip
        self.population, self.widest = population or PopulationConfig(), widest
        self._programs: dict[int, Program] = {}

    def train(self, candidates: Sequence[Candidate], seeds: np.ndarray) -> list[Network | None]:
        """Train and convert; None where no conversion fits. A result depends on its seed only."""
        networks: list[Network | None] = [None] * len(candidates)
        shared = self.inputs["train"]
        for depth in sorted({len(candidate.widths) for candidate in candidates}):
            numbers = [n for n, c in enumerate(candidates) if len(c.widths) == depth]
            members = {
                "seed": seeds[numbers].astype(np.uint32),
                "widths": np.array([candidates[n].widths for n in numbers], np.int32),
                "grid": np.array([candidates[n].number for n in numbers], np.int32),
            }
            if depth not in self._programs:
                self._programs[depth] = Program(
                    self._function(depth), members, shared, config=self.population
                )
            trained = self._programs[depth](members, shared)
            for row, number in enumerate(numbers):
                networks[number] = self._convert(candidates[number], pick(trained, row))
        return networks

    def _function(self, depth: int):
        train = make_train((CHANNELS, *[self.widest] * depth, self.classes), self.config)

        def one(member, given):
            widths = [member["widths"][n] for n in range(depth)]
            values = given.values[member["grid"]]
            return train(jax.random.key(member["seed"]), widths, values, given.labels)[0]

        return one

    def _convert(self, candidate: Candidate, layers: Sequence[Dense]) -> Network | None:
        sizes = (CHANNELS, *candidate.widths, self.classes)
        own = tuple(
            Dense(kernel[:before, :after], bias[:after])
            for (kernel, bias), before, after in zip(layers, sizes[:-1], sizes[1:], strict=True)
        )
        values = jnp.asarray(self.inputs["train"].values[candidate.number, :CALIBRATION])
        logits = np.asarray(dense.relu(own, values)[0])
        windows = [float(window) for window in dense.windows(own, values)]
        try:
            made = exact.convert(
                own,
                windows,
                exact.winning_range(logits),
                steps=candidate.window,
                synapses=family(self.chip).synapses,
                chip=self.chip,
            )
        except InputError:
            return None
        return Network(candidate, made.network, made.total_steps, own)


def filled(network: ChipNetwork) -> ChipNetwork:
    """Add neurons that nothing reaches, up to a multiple of 64; the others do as before."""
    hidden = network.sizes[1]
    more = -hidden % BLOCK

    def grow(values, axes, fill):
        width = [(0, more if axis in axes else 0) for axis in range(np.ndim(values))]
        return np.pad(np.asarray(values), width, constant_values=fill)

    return network.replace(
        weights_in=grow(network.weights_in, (1,), 0),
        weights_rec=grow(network.weights_rec, (0, 1), 0),
        weights_out=grow(network.weights_out, (0,), 0),
        dash_syn=grow(network.dash_syn, (0,), 1),
        dash_mem=grow(network.dash_mem, (0,), 1),
        threshold=grow(network.threshold, (0,), 1),
        bias=grow(network.bias, (0,), 0),
    )


def measure(network: Network, inputs: Inputs, *, classes: int) -> Measured:
    """Run a converted network's samples through the integer core and score the first spikes."""
    events = network.events(inputs.values[network.candidate.number])
    grown = filled(network.chip)
    found = classify(grown, events)
    predictions = found.decision.classes
    war, uar = score(jnp.asarray(predictions), jnp.asarray(inputs.labels), classes=classes)
    return Measured(
        war=war,
        uar=uar,
        decided=(predictions >= 0).mean(),
        step=found.decision.steps.mean(),
        spikes=found.spikes,
        active_inputs=(events > 0).mean(),
        active_hidden=found.active_hidden * grown.sizes[1] / network.chip.sizes[1],
    )
