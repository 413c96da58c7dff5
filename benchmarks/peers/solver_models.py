"""Networks of one hidden layer for each spike-time solver, and how they are trained."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import struct

from ttfs_jax.population.program import map_members
from ttfs_jax.spike_time import (
    charge,
    constant_slope,
    exponential_threshold,
    exponential_value,
    lif,
    lif_double,
    lif_equal,
    linear_psp,
    linear_threshold,
    non_leaky,
)
from ttfs_jax.tasks.losses import cross_entropy, first_spike_logits, silence_penalty
from ttfs_jax.training.batches import batch_order

INPUT_WINDOW = 2.0  # inputs spike from 0.15 to here, in units of τ_syn
HIDDEN_WINDOW = 20.0  # of constant-slope neurons: far beyond their drives, so none is clipped
DECAY_WINDOW = 5.0  # of exponential thresholds, in units of τ
MIN_SLOPE = 0.3  # thresholds per τ_syn; a spike near a touch would dominate the gradient


class SolverLayer(NamedTuple):
    """Parameters of a layer."""

    weights: jax.Array  # [I, O]
    bias: jax.Array | None  # [O] None if the neuron has none


class SolverNetwork(NamedTuple):
    """Parameters of a network."""

    hidden: SolverLayer
    output: SolverLayer


@dataclass(frozen=True)
class SolverModel:
    """A neuron model, its initial weights, and the read-out of its output layer.

    Initial weights of I inputs have the mean `mean` / I times the drive of the recipe, and the
    deviation `spread` / √I.
    """

    solve: Callable[[jax.Array, SolverLayer], jax.Array]
    """times [I] -> times [O]."""
    read: Callable[[jax.Array, SolverLayer], jax.Array] | None = None
    """times [I] -> potentials [O] of the output layer; None where the first spike decides."""
    mean: float = 1.5
    spread: float = 1.0
    learning_rate: float = 0.03
    bias: bool = False
    silence: float = 1.0
    """Weight of the term against silent neurons; those with a bias train without."""


def searched(solver, peak: float, **options) -> SolverModel:
    """Make the model of neurons that can spike while their inputs still arrive.

    `solver` finds its spikes, given the `options`. With its threshold at the `peak` of the
    potential of a unit weight, a weight of 1 means the same for all of them: an input just too weak
    alone.
    """

    def solve(times, layer):
        return solver(times, layer.weights, threshold=peak, min_slope=MIN_SLOPE, **options)

    return SolverModel(solve)


def _double_peak(tau_mem: float, tau_syn: float) -> float:
    # V' = 0 where e^(−s/τ_mem) / e^(−s/τ_syn) = τ_mem / τ_syn; there V = I.
    ratio = tau_mem / tau_syn
    return ratio ** (-ratio / (ratio - 1.0))


def _constant_slope(times, layer):
    return constant_slope(
        times,
        layer.weights,
        bias=layer.bias,
        window_in=INPUT_WINDOW,
        window_out=HIDDEN_WINDOW,
    )


def _read_constant_slope(times, layer):
    return charge(times, HIDDEN_WINDOW) @ layer.weights + layer.bias


def _linear_threshold(times, layer):
    return linear_threshold(times, layer.weights, window=INPUT_WINDOW)


def _read_linear_threshold(times, layer):
    return charge(times, INPUT_WINDOW) @ layer.weights


def _exponential_threshold(times, layer):
    return exponential_threshold(times, layer.weights, bias=layer.bias, window=DECAY_WINDOW)


def _read_exponential_threshold(times, layer):
    return exponential_value(times) @ layer.weights + layer.bias


MODELS = {
    "non_leaky": searched(non_leaky, 1.0),
    "lif_equal": searched(lif_equal, float(jnp.exp(-1.0))),
    "lif_double": searched(lif_double, _double_peak(2.0, 1.0)),
    "lif": searched(lif, _double_peak(4.0, 1.0), tau_mem=4.0, tau_syn=1.0),
    "linear_psp": searched(linear_psp, 1.0),
    "linear_threshold": SolverModel(
        _linear_threshold, _read_linear_threshold, mean=0.3, silence=0.1
    ),
    "exponential_threshold": SolverModel(
        _exponential_threshold,
        _read_exponential_threshold,
        mean=1.0,
        spread=2.0,
        learning_rate=0.1,
        bias=True,
        silence=0.0,
    ),
    "constant_slope": SolverModel(
        _constant_slope,
        _read_constant_slope,
        mean=1.0,
        spread=1.4,
        learning_rate=0.1,
        bias=True,
        silence=0.0,
    ),
}


@dataclass(frozen=True)
class Recipe:
    """How the models are trained on one data set."""

    epochs: int = 300
    batch_size: int = 150
    rate: float = 1.0
    """Factor of the learning rates."""
    drive: float = 1.0
    """Factor of the initial mean weights; more if many inputs are silent."""
    temperature: float = 0.025
    """Of the first-spike softmax, in units of τ_syn."""
    latest: float = 3.0
    """The time that silence counts as in the loss, in units of τ_syn."""
    margin: float = 1.5
    """Target sum of weights of a silent neuron; 1 is just too small."""
    gradient_norm: float = 1.0
    """Longer gradients are scaled down to it."""
    chunk: int | None = None
    """Samples that run at once, see `map_members`."""


class SolverReading(NamedTuple):
    """The outputs of a network for a batch."""

    hidden: jax.Array  # [B, H] spike times
    output: jax.Array  # [B, K] spike times, or potentials where they are read
    logits: jax.Array  # [B, K]


@struct.dataclass
class TrainingState:
    """The state of training."""

    network: SolverNetwork
    optimiser: optax.OptState
    epoch: jax.Array  # []


def initialise_model(
    model: SolverModel, recipe: Recipe, key: jax.Array, sizes: tuple[int, int, int]
) -> SolverNetwork:
    """Draw normal weights by `key`; biases are 0.

    `model` and `recipe` say how large, `sizes` are those of inputs, hidden layer and classes.
    """

    def layer(key, inputs, outputs):
        noise = jax.random.normal(key, (inputs, outputs))
        weights = recipe.drive * model.mean / inputs + model.spread / inputs**0.5 * noise
        return SolverLayer(weights, jnp.zeros(outputs) if model.bias else None)

    keys = jax.random.split(key)
    return SolverNetwork(layer(keys[0], *sizes[:2]), layer(keys[1], *sizes[1:]))


def run_model(
    model: SolverModel, network: SolverNetwork, times: jax.Array, recipe: Recipe
) -> SolverReading:
    """Run a `network` of a `model` on inputs: times [B, I] -> `SolverReading`.

    `recipe` says how first spikes are read as logits.
    """

    def one(times):
        hidden = model.solve(times, network.hidden)
        read = model.read or model.solve
        return hidden, read(hidden, network.output)

    hidden, output = map_members(one, times, lanes=recipe.chunk)
    if model.read is not None:
        return SolverReading(hidden, output, output)
    logits = first_spike_logits(output, window=recipe.latest, temperature=recipe.temperature)
    return SolverReading(hidden, output, logits)


def loss(network: SolverNetwork, model: SolverModel, times, labels, recipe: Recipe) -> jax.Array:
    """Return the cross-entropy, and the term against silence in every layer that spikes: [].

    `network` is one of `model`, and `recipe` says how it is read and trained.

    Shapes: times [B, I], labels [B].
    """
    reading = run_model(model, network, times, recipe)
    penalty = partial(silence_penalty, margin=recipe.margin)
    silent = penalty(times, network.hidden.weights, reading.hidden)
    if model.read is None:
        silent += penalty(reading.hidden, network.output.weights, reading.output)
    return cross_entropy(reading.logits, labels) + model.silence * silent


def make_epoch(model: SolverModel, recipe: Recipe, *, samples: int):
    """Make init and epoch of one member: Adam, cosine decay to 0, gradients clipped by norm.

    `init(network) -> state`; `epoch(state, times [N, I], labels [N], key) -> (state, mean loss)`.
    The networks are of `model`, trained by `recipe` on as many `samples` as N.
    Source: Kingma & Ba 2015 (arXiv:1412.6980).
    """
    steps = recipe.epochs * (samples // recipe.batch_size)
    optimiser = optax.chain(
        optax.clip_by_global_norm(recipe.gradient_norm),
        optax.adam(optax.cosine_decay_schedule(model.learning_rate * recipe.rate, steps)),
    )

    def init(network):
        return TrainingState(network, optimiser.init(network), jnp.zeros((), jnp.int32))

    def epoch(state, times, labels, key):
        def step(carry, index):
            network, moments = carry
            value, gradient = jax.value_and_grad(loss)(
                network, model, times[index], labels[index], recipe
            )
            updates, moments = optimiser.update(gradient, moments, network)
            moved: Any = optax.apply_updates(network, updates)
            return (moved, moments), value

        order = batch_order(jax.random.fold_in(key, state.epoch), samples, recipe.batch_size)
        carry, losses = jax.lax.scan(step, (state.network, state.optimiser), order)
        return TrainingState(*carry, state.epoch + 1), losses.mean()

    return init, epoch
