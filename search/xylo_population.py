"""Train and measure networks for the chip, a population at a time, through its integer core."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from hardware.xylo import exact
from hardware.xylo.features import full_scale, pool, scale
from hardware.xylo.native import Dynamics, Layer, assemble, encode
from hardware.xylo.native_training import (
    NativeTrainConfig,
    choose_threshold,
    decide_batch,
    make_train,
    run_batch,
)
from hardware.xylo.network import ChipNetwork
from search.xylo_space import FIRST, Candidate, XyloSpace
from ttfs_jax.datasets import Dataset
from ttfs_jax.metrics import confusion, unweighted_average_recall, weighted_average_recall
from ttfs_jax.population import PopulationConfig, Program, pick

CHANNELS = 16
CALIBRATION = 1024  # training samples that the outputs' threshold is chosen on


class Inputs(NamedTuple):
    """One part of the data as the chip's inputs, for every grid of the space."""

    values: np.ndarray  # [F, N, 16] in [0, 1]; channels that a grid does not need are 0
    labels: np.ndarray  # [N]


class Measured(NamedTuple):
    """One network on samples; classes by the first output spike, none counts as wrong."""

    war: jax.Array  # [] weighted average recall
    uar: jax.Array  # [] unweighted average recall
    decided: jax.Array  # [] share of samples with an output spike
    step: jax.Array  # [] mean step of the decision, from 1
    spikes: jax.Array  # [] hidden spikes a sample
    active_inputs: jax.Array  # [] share of channels that spike in a step
    active_hidden: jax.Array  # [] share of hidden neurons in use that spike in a step


class Found(NamedTuple):
    """A trained network and how it did."""

    layers: tuple[Layer, ...]
    threshold: jax.Array  # [] of the outputs
    loss: jax.Array  # [] of the last epoch
    measured: Measured


@dataclass(frozen=True)
class Network:
    """A trained candidate on the chip."""

    candidate: Candidate
    chip: ChipNetwork
    steps: int
    """Steps of an inference, without a silent gap."""
    layers: tuple[Any, ...]
    """What it was made of: `native.Layer` or, of an exact copy, `dense.Dense`."""

    def events(self, values: np.ndarray) -> np.ndarray:
        """Encode inputs [B, 16] in [0, 1] as spikes of the channels: [B, T, 16]."""
        if self.candidate.mapping == "exact":
            return exact.encode(values, steps=self.candidate.window, total_steps=self.steps)
        window = jnp.float32(self.candidate.window)
        one = partial(encode, window=window, steps=self.steps)
        return np.asarray(jax.vmap(lambda sample: one(sample))(jnp.asarray(values)))


def full_scales(space: XyloSpace, data: Dataset) -> list[np.ndarray]:
    """Choose what counts as 1 of every feature, grid by grid, from the training part."""
    return [
        full_scale(pool(data.train.images, grid, polarities=space.polarities))
        for grid in space.grids
    ]


def make_inputs(space: XyloSpace, data: Dataset, scales: Sequence[np.ndarray]) -> dict[str, Inputs]:
    """Pool all parts of the data by every grid of the space, scaled by `full_scales`.

    Of event frames, which have two polarities, the square root is taken.
    """
    values: dict[str, list[np.ndarray]] = {"train": [], "validation": [], "test": []}
    for grid, full in zip(space.grids, scales, strict=True):
        for part, found in values.items():
            images = getattr(data, part).images
            pooled = pool(images, grid, polarities=space.polarities)
            scaled = scale(pooled, full, root=space.polarities == 2)
            found.append(np.pad(scaled, ((0, 0), (0, CHANNELS - grid.count))))
    return {
        part: Inputs(np.stack(found), np.asarray(getattr(data, part).labels))
        for part, found in values.items()
    }


def score(
    predictions: jax.Array, labels: jax.Array, *, classes: int
) -> tuple[jax.Array, jax.Array]:
    """Return WAR and UAR, with a sample that is not decided, −1, counted as wrong: [B] -> []."""
    wrong = (labels + 1) % classes
    counts = confusion(labels, jnp.where(predictions < 0, wrong, predictions), classes=classes)
    return weighted_average_recall(counts), unweighted_average_recall(counts)


def measure(
    layers: Sequence[Layer],
    dynamics: Dynamics,
    threshold: jax.Array,
    widths: jax.Array,
    inputs: jax.Array,
    labels: jax.Array,
    *,
    steps: int,
    classes: int,
) -> Measured:
    """Run samples through the integer core and score the first output spikes; traceable."""
    outcome = run_batch(layers, dynamics, inputs, steps=steps)
    predictions, step = decide_batch(outcome.potential, threshold)
    war, uar = score(predictions, labels, classes=classes)
    active = sum((spikes > 0).sum((1, 2)).mean() for spikes in outcome.spikes)
    channels = ((inputs > 0) & (jnp.round(dynamics.window * (1 - inputs)) < dynamics.window)).sum(1)
    return Measured(
        war=war,
        uar=uar,
        decided=(predictions >= 0).mean(),
        step=(step + 1).mean(),
        spikes=jnp.asarray(sum(spikes.sum((1, 2)).mean() for spikes in outcome.spikes)),
        active_inputs=channels.mean() / (steps * CHANNELS),
        active_hidden=active / (steps * sum(widths)),
    )


class NativePopulation:
    """Programs that train native candidates, one for every number of layers and steps."""

    def __init__(
        self,
        inputs: dict[str, Inputs],
        config: NativeTrainConfig,
        *,
        classes: int,
        population: PopulationConfig | None = None,
        widest: int = max(FIRST),
    ):
        self.inputs, self.config, self.classes = inputs, config, classes
        self.population, self.widest = population or PopulationConfig(), widest
        self._programs: dict[tuple[int, int], Program] = {}

    def train(
        self, candidates: Sequence[Candidate], seeds: np.ndarray, *, judged_on: str = "validation"
    ) -> list[Found]:
        """Train and measure native candidates; a result depends on its own seed [P] only."""
        groups: dict[tuple[int, int], list[int]] = {}
        for number, candidate in enumerate(candidates):
            groups.setdefault((len(candidate.widths), candidate.steps), []).append(number)
        found: list[Found] = [None] * len(candidates)  # type: ignore[list-item]
        waiting = []
        shared = (self.inputs["train"], self.inputs[judged_on])
        for shape, numbers in groups.items():
            members = self._members([candidates[n] for n in numbers], seeds[numbers])
            if shape not in self._programs:
                self._programs[shape] = Program(
                    self._function(*shape), members, shared, config=self.population
                )
            waiting.append((numbers, self._programs[shape].start(members, shared)))
        for numbers, wait in waiting:
            results = wait()
            for row, number in enumerate(numbers):
                found[number] = pick(results, row)
        return found

    def _members(self, candidates: Sequence[Candidate], seeds: np.ndarray) -> dict[str, Any]:
        def column(name):
            return np.array([getattr(candidate, name) for candidate in candidates])

        return {
            "seed": seeds.astype(np.uint32),
            "widths": np.array([candidate.widths for candidate in candidates], np.int32),
            "grid": column("number").astype(np.int32),
            "dynamics": Dynamics(
                *(column(name).astype(np.float32) for name in ("window", "dash_syn", "dash_mem"))
            ),
        }

    def _function(self, depth: int, steps: int):
        sizes = (CHANNELS, *[self.widest] * depth, self.classes)
        train = make_train(sizes, self.config, steps=steps)

        def one(member, shared):
            given, judged = shared
            values, dynamics = given.values[member["grid"]], member["dynamics"]
            widths = [member["widths"][n] for n in range(depth)]
            trained = train(jax.random.key(member["seed"]), widths, dynamics, values, given.labels)
            potential = run_batch(
                trained.layers, dynamics, values[:CALIBRATION], steps=steps
            ).potential
            threshold = choose_threshold(potential, given.labels[:CALIBRATION])
            measured = measure(
                trained.layers,
                dynamics,
                threshold,
                widths,
                judged.values[member["grid"]],
                judged.labels,
                steps=steps,
                classes=self.classes,
            )
            return Found(trained.layers, threshold, trained.loss[-1], measured)

        return one


def single(candidate: Candidate, found: Found) -> Network:
    """Cut a trained candidate down to the neurons in use, and lay it out for the chip."""
    sizes = (CHANNELS, *candidate.widths, found.layers[-1].kernel.shape[1])
    layers = tuple(
        Layer(np.asarray(kernel)[:before, :after], np.asarray(threshold)[:after])
        for (kernel, threshold), before, after in zip(
            found.layers, sizes[:-1], sizes[1:], strict=True
        )
    )
    chip = assemble(layers, candidate.dynamics, int(found.threshold))
    return Network(candidate, chip, candidate.steps, layers)
