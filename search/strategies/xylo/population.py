"""Train and measure networks for the chip, a population at a time, through its integer core."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from hardware.xylo.mappings import exact
from hardware.xylo.mappings.native import Dynamics, NativeLayer, assemble, encode_native
from hardware.xylo.mappings.native_training import (
    choose_threshold,
    decide_batch,
    make_native_train,
    run_native_batch,
)
from hardware.xylo.network import ChipNetwork
from search.spaces.features import full_scale, pool, scale
from search.spaces.xylo import Candidate, XyloSpace
from ttfs_jax.datasets import Dataset
from ttfs_jax.population.program import Program, pick
from ttfs_jax.tasks.recall import (
    confusion,
    unweighted_average_recall,
    weighted_average_recall,
)

CHANNELS = 16
CALIBRATION = 1024  # training samples for choosing the outputs' threshold


class Inputs(NamedTuple):
    """One part of the data as the chip's inputs, for every grid of the space."""

    values: np.ndarray  # [F, N, 16] in [0, 1]; channels that a grid does not use are 0
    labels: np.ndarray  # [N]


class ChipScores(NamedTuple):
    """One network on samples; classes by the first output spike, none counts as wrong."""

    war: jax.Array  # [] weighted average recall
    uar: jax.Array  # [] unweighted average recall
    decided: jax.Array  # [] share of samples with an output spike
    step: jax.Array  # [] mean step of the decision, from 1
    spikes: jax.Array | np.ndarray  # [] hidden spikes per sample
    active_inputs: jax.Array  # [] share of channels that spike in a step
    active_hidden: jax.Array | np.ndarray  # [] share of hidden neurons in use that spike in a step


class Outcome(NamedTuple):
    """A trained network and its results."""

    layers: tuple[NativeLayer, ...]  # the stack, in floats
    threshold: jax.Array  # [] of the outputs
    loss: jax.Array  # [] of the last epoch
    measured: ChipScores  # on validation data


@dataclass(frozen=True)
class XyloNetwork:
    """A trained candidate on the chip."""

    candidate: Candidate
    """The candidate of its genotype."""
    chip: ChipNetwork
    """The network in the core."""
    steps: int
    """Steps of an inference, without a silent gap."""
    layers: tuple[Any, ...]
    """Its original layers: `native.NativeLayer` or, for an exact copy, `dense.Dense`."""

    def events(self, values: np.ndarray) -> np.ndarray:
        """Encode `values` of inputs [B, 16] in [0, 1] as spikes of the channels: [B, T, 16]."""
        if self.candidate.mapping == "exact":
            return exact.encode_exact(values, steps=self.candidate.window, total_steps=self.steps)
        one = partial(encode_native, window=jnp.float32(self.candidate.window), steps=self.steps)
        return np.asarray(jax.vmap(one)(jnp.asarray(values)))


def full_scales(space: XyloSpace, data: Dataset) -> list[np.ndarray]:
    """Choose the scale of every feature, by grid of the `space`, from training `data`."""
    return [
        full_scale(pool(data.train.images, grid, polarities=space.polarities))
        for grid in space.grids
    ]


def make_inputs(space: XyloSpace, data: Dataset, scales: Sequence[np.ndarray]) -> dict[str, Inputs]:
    """Pool all parts of the `data` by every grid of the `space`.

    `scales`, see `full_scales`, are the values that become 1. Event frames, which have two
    polarities, are replaced by their square root.
    """
    values: dict[str, list[np.ndarray]] = {"train": [], "validation": [], "test": []}
    for grid, full in zip(space.grids, scales, strict=True):
        for part, grids in values.items():
            images = getattr(data, part).images
            pooled = pool(images, grid, polarities=space.polarities)
            scaled = scale(pooled, full, root=space.polarities == 2)
            grids.append(np.pad(scaled, ((0, 0), (0, CHANNELS - grid.count))))
    return {
        part: Inputs(np.stack(grids), np.asarray(getattr(data, part).labels))
        for part, grids in values.items()
    }


def war_and_uar(
    predictions: jax.Array, labels: jax.Array, *, classes: int
) -> tuple[jax.Array, jax.Array]:
    """Return WAR and UAR of `classes` classes: an undecided sample, −1, is wrong.

    Shapes: `predictions` and `labels` [B] -> [] each.
    """
    wrong = (labels + 1) % classes
    counts = confusion(labels, jnp.where(predictions < 0, wrong, predictions), classes=classes)
    return weighted_average_recall(counts), unweighted_average_recall(counts)


def _measure_member(
    layers: Sequence[NativeLayer],
    dynamics: Dynamics,
    threshold: jax.Array,
    widths: Sequence[jax.Array],
    inputs: jax.Array,
    labels: jax.Array,
    *,
    steps: int,
    classes: int,
) -> ChipScores:
    """Run samples through the integer core and score the first output spikes; traceable.

    `layers` and `dynamics` are the network, `threshold` [] that of its outputs, and `widths` []
    each the neurons in use; `inputs` [B, 16] with `labels` [B] of so many `classes` are run for
    `steps`.
    """
    outcome = run_native_batch(layers, dynamics, inputs, steps=steps)
    predictions, step = decide_batch(outcome.potential, threshold)
    war, uar = war_and_uar(predictions, labels, classes=classes)
    active = sum((spikes > 0).sum((1, 2)).mean() for spikes in outcome.spikes)
    channels = ((inputs > 0) & (jnp.round(dynamics.window * (1 - inputs)) < dynamics.window)).sum(1)
    return ChipScores(
        war=war,
        uar=uar,
        decided=(predictions >= 0).mean(),
        step=(step + 1).mean(),
        spikes=jnp.asarray(sum(spikes.sum((1, 2)).mean() for spikes in outcome.spikes)),
        active_inputs=channels.mean() / (steps * CHANNELS),
        active_hidden=jnp.asarray(active / (steps * sum(widths))),
    )


class Population(ABC):
    """Programs that train candidates of one mapping, one for every shape of a program.

    `inputs` are those of all parts of the data, `config` is the recipe, `classes` the number of
    outputs, and `widest` the most neurons of a layer. A result depends on the candidate and its own
    seed only.
    """

    def __init__(self, inputs: dict[str, Inputs], config: Any, *, classes: int, widest: int):
        self.inputs, self.config, self.classes, self.widest = inputs, config, classes, widest
        self._programs: dict[tuple[int, ...], Program] = {}

    def outcomes(self, candidates: Sequence[Candidate], seeds: np.ndarray) -> list[Any]:
        """Run the candidates' programs with their seeds [P], and return the results."""
        groups: dict[tuple[int, ...], list[int]] = {}
        for number, candidate in enumerate(candidates):
            groups.setdefault(self._shape(candidate), []).append(number)
        shared, waiting, by_number = self._shared(), [], {}
        for shape, numbers in groups.items():
            members = self._members([candidates[n] for n in numbers], seeds[numbers])
            if shape not in self._programs:
                self._programs[shape] = Program(self._function(*shape), members, shared)
            waiting.append((numbers, self._programs[shape].start(members, shared)))
        for numbers, wait in waiting:
            results = wait()
            by_number |= {number: pick(results, row) for row, number in enumerate(numbers)}
        return [by_number[number] for number in range(len(candidates))]

    def _members(self, candidates: Sequence[Candidate], seeds: np.ndarray) -> dict[str, Any]:
        def column(name, kind):
            return np.array([getattr(candidate, name) for candidate in candidates], kind)

        pace: Any = [column(name, np.float32) for name in ("window", "dash_syn", "dash_mem")]
        return {
            "seed": seeds.astype(np.uint32),
            "widths": column("widths", np.int32),
            "grid": column("number", np.int32),
            "dynamics": Dynamics(*pace),
        }

    def _sizes(self, depth: int) -> tuple[int, ...]:
        return (CHANNELS, *[self.widest] * depth, self.classes)

    @abstractmethod
    def _shape(self, candidate: Candidate) -> tuple[int, ...]:
        """Return what candidates of one program have in common."""

    @abstractmethod
    def _shared(self) -> Any:
        """Return the common arguments of all members of a program."""

    @abstractmethod
    def _function(self, *shape: int) -> Callable[[Any, Any], Any]:
        """Make the function (member, shared) of all candidates of a shape."""


def cut_layers(layers: Sequence[Any], candidate: Candidate) -> tuple[Any, ...]:
    """Cut trained layers, pairs of a kernel and a vector, down to a candidate's neurons in use.

    `candidate` has the widths.
    """
    sizes = (CHANNELS, *candidate.widths, layers[-1].kernel.shape[1])
    return tuple(
        type(layer)(layer[0][:before, :after], layer[1][:after])
        for layer, before, after in zip(layers, sizes[:-1], sizes[1:], strict=True)
    )


class NativePopulation(Population):
    """Networks trained through the integer core; programs by number of layers and steps."""

    def train(self, candidates: Sequence[Candidate], seeds: np.ndarray) -> list[Outcome]:
        """Train native candidates, with seeds [n], and measure them on validation data."""
        return self.outcomes(candidates, seeds)

    def _shape(self, candidate: Candidate) -> tuple[int, ...]:
        return len(candidate.widths), candidate.steps

    def _shared(self) -> Any:
        return self.inputs["train"], self.inputs["validation"]

    def _function(self, depth: int, steps: int):
        train = make_native_train(self._sizes(depth), self.config, steps=steps)

        def one(member, shared):
            given, judged = shared
            values, dynamics = given.values[member["grid"]], member["dynamics"]
            widths = [member["widths"][n] for n in range(depth)]
            trained = train(jax.random.key(member["seed"]), widths, dynamics, values, given.labels)
            potential = run_native_batch(
                trained.layers, dynamics, values[:CALIBRATION], steps=steps
            ).potential
            threshold = choose_threshold(potential, given.labels[:CALIBRATION])
            measured = _measure_member(
                trained.layers,
                dynamics,
                threshold,
                widths,
                judged.values[member["grid"]],
                judged.labels,
                steps=steps,
                classes=self.classes,
            )
            return Outcome(trained.layers, threshold, trained.loss[-1], measured)

        return one


def single(candidate: Candidate, outcome: Outcome) -> XyloNetwork:
    """Cut a trained candidate down to the neurons in use, and lay it out for the chip.

    `outcome` is the result of training.
    """
    layers = cut_layers(outcome.layers, candidate)
    chip = assemble(layers, candidate.dynamics, int(outcome.threshold))
    return XyloNetwork(candidate, chip, candidate.steps, layers)
