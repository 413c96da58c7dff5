"""Networks made for the chip: layers of neurons trained through its own integer dynamics.

No biases, so that the states decay to zero without input and the next sample needs no reset; a
strong self-connection against second spikes; short windows. Inputs are spike times: one event per
channel, the earlier the larger the value. Layers are computed one after another, which keeps
training simple and gives the same numbers as the general core.

Letters: T steps, I inputs, J and N neurons of two layers that follow each other, K classes.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from hardware.xylo.arithmetic import power
from hardware.xylo.core import MAX_SPIKES, Neurons, advance, at_rest
from hardware.xylo.decision import first_spike
from hardware.xylo.network import STATE_MAX, ChipNetwork
from ttfs_jax.support import Array

SELF_WEIGHT = -128  # the strongest possible
WEIGHT_MIN, WEIGHT_MAX = -128, 127


class Dynamics(NamedTuple):
    """Constants that all neurons share."""

    window: Array  # [] steps in which inputs spike
    dash_syn: Array  # [] decay of the synaptic currents, in bits
    dash_mem: Array  # [] decay of the membrane potentials, in bits


class NativeLayer(NamedTuple):
    """One layer; values are rounded to the chip's integers whenever they are used."""

    kernel: jax.Array  # [J, N] in units of the weights' least significant bit
    threshold: jax.Array  # [N] in units of the potential's; unused in the last layer


class Run(NamedTuple):
    """The activity of samples in a stack of layers; … is [] or [B], as in `run_layers`."""

    spikes: tuple[jax.Array, ...]  # hidden layers, each [T, N, …]
    potential: jax.Array  # [T, K, …] of the outputs, which do not spike here


def init_native(
    key: jax.Array, sizes: Sequence[int], dynamics: Dynamics
) -> tuple[NativeLayer, ...]:
    """Draw a stack by `key` that is active initially, under `dynamics`.

    `sizes` are those of inputs, hidden layers and classes.

    Weights are normal with a standard deviation of 32 √(16 / J); the threshold is half the total
    charge of a single spike of weight 32, 32 · 2^d_syn / 2.
    """
    keys = jax.random.split(key, len(sizes) - 1)
    reach = 16.0 * power(jnp.asarray(dynamics.dash_syn, jnp.float32))
    return tuple(
        NativeLayer(32.0 * (16.0 / j) ** 0.5 * jax.random.normal(k, (j, n)), jnp.full(n, reach))
        for k, j, n in zip(keys, sizes[:-1], sizes[1:], strict=True)
    )


def encode_native(values: jax.Array, window: Array, *, steps: int) -> jax.Array:
    """Turn values into events, one per channel: k = round(W (1 − a)), silent from k = W on.

    Shapes: values [I] in [0, 1], window W [] -> events [T, I] of 0 and 1, T = `steps`.
    """
    step = jnp.round(window * (1.0 - values))
    fired = (jnp.arange(steps)[:, None] == step[None]) & (step < window)[None]
    return fired.astype(jnp.float32)


def rounded(values: jax.Array, low: float, high: float) -> jax.Array:
    """Round `values` to integers from `low` to `high`, with the gradient of the limits alone.

    Source: straight-through estimator, Bengio et al. 2013 (arXiv:1308.3432).
    """
    limited = jnp.clip(values, low, high)
    return limited + jax.lax.stop_gradient(jnp.round(limited) - limited)


def _evolve(neurons, weights, arriving):
    """Step a layer from rest: weights [1, N, J], arriving [T, J, …] -> its states, each [T, …]."""

    def step(state, now):
        received = state.current + jnp.tensordot(weights, now, 1)
        state = advance(neurons, state, received + SELF_WEIGHT * state.spikes[None])
        return state, state

    return jax.lax.scan(step, at_rest(neurons, arriving.shape[2:]), arriving)[1]


def run_layers(layers: Sequence[NativeLayer], dynamics: Dynamics, events: jax.Array) -> Run:
    """Run one sample from rest: events [T, I] or [T, I, B] -> `Run`, equal to `assemble`'s network.

    `layers` are the stack, under `dynamics`. Exact as long as no current comes near the 16-bit
    limit, as in `core.run_core`.
    """
    rate_syn = power(-jnp.asarray(dynamics.dash_syn, jnp.float32))
    rate_mem = power(-jnp.asarray(dynamics.dash_mem, jnp.float32))
    ones = [1] * (events.ndim - 2)
    arriving, spikes = events, []
    for number, layer in enumerate(layers):
        last = number == len(layers) - 1
        weights = rounded(layer.kernel, WEIGHT_MIN, WEIGHT_MAX).T[None]
        size = weights.shape[1]
        neurons = Neurons(
            rate_syn=jnp.full((1, size, *ones), rate_syn),
            rate_mem=jnp.full((size, *ones), rate_mem),
            threshold=rounded(layer.threshold, 1, STATE_MAX).reshape(size, *ones),
            bias=jnp.zeros((size, *ones)),
            # The last layer does not spike: the read-out uses its potentials.
            most=jnp.full((size, *ones), 0.0 if last else MAX_SPIKES),
        )
        states = _evolve(neurons, weights, arriving)
        if last:
            return Run(tuple(spikes), states.raised)
        spikes.append(states.spikes)
        # Spikes of neurons arrive one step later.
        arriving = jnp.concatenate([jnp.zeros_like(states.spikes[:1]), states.spikes[:-1]])
    raise ValueError("a stack has at least one layer")


def decide(potential: jax.Array, threshold: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Classify by the first output spike: the class [] and the step [] of the decision, from 0.

    Shapes: potential [T, K] without spikes, threshold []. See `decision.first_spike`.
    """
    return first_spike(potential >= threshold)


def assemble(layers: Sequence[NativeLayer], dynamics: Dynamics, threshold_out: int) -> ChipNetwork:
    """Lay trained `layers` out as the chip holds them: hidden ones one after another by id.

    `dynamics` are those of all neurons, `threshold_out` is the outputs' threshold.
    """
    kernels = [np.clip(np.round(layer.kernel), WEIGHT_MIN, WEIGHT_MAX) for layer in layers]
    sizes = [kernel.shape[1] for kernel in kernels[:-1]]
    hidden, outputs = sum(sizes), kernels[-1].shape[1]
    begins = np.cumsum([0, *sizes])
    weights_in = np.zeros((len(kernels[0]), hidden, 1), np.int32)
    weights_rec = np.zeros((hidden, hidden, 1), np.int32)
    weights_out = np.zeros((hidden, outputs), np.int32)
    weights_in[:, : sizes[0], 0] = kernels[0]
    weights_out[begins[-2] :] = kernels[-1]
    for number, kernel in enumerate(kernels[1:-1]):
        before, here, after = begins[number : number + 3]
        weights_rec[before:here, here:after, 0] = kernel
    weights_rec[np.arange(hidden), np.arange(hidden), 0] = SELF_WEIGHT
    thresholds = np.concatenate([np.asarray(layer.threshold) for layer in layers[:-1]])
    dash_syn, dash_mem = int(dynamics.dash_syn), int(dynamics.dash_mem)
    return ChipNetwork(
        weights_in=weights_in,
        weights_rec=weights_rec,
        weights_out=weights_out,
        dash_syn=np.full((hidden, 1), dash_syn),
        dash_mem=np.full(hidden, dash_mem),
        threshold=np.clip(np.round(thresholds), 1, STATE_MAX).astype(np.int32),
        bias=np.zeros(hidden, np.int32),
        dash_syn_out=np.full(outputs, dash_syn),
        dash_mem_out=np.full(outputs, dash_mem),
        threshold_out=np.full(outputs, threshold_out),
        bias_out=np.zeros(outputs, np.int32),
        shift_in=np.zeros((), np.int32),
        shift_rec=np.zeros((), np.int32),
        shift_out=np.zeros((), np.int32),
    )
