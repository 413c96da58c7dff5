"""A plain stack of dense layers, read in either code: small heads and networks for small chips.

The codes are `relu` (activations) and `ttfs` (spike times).
Letters: B batch, I inputs and O outputs of a layer, K classes.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from ttfs_jax.codes.encoding import INPUT_WINDOW, encode
from ttfs_jax.codes.window import quantise, window_length
from ttfs_jax.spike_time import charge, fire


class Dense(NamedTuple):
    """One layer; the last one of a stack sums into logits and does not spike."""

    kernel: jax.Array  # [I, O]
    bias: jax.Array  # [O]


def init_dense(key: jax.Array, sizes: Sequence[int]) -> tuple[Dense, ...]:
    """Draw a stack by a random `key`: `sizes` are the numbers of inputs, hidden neurons, classes.

    Source: variance 2 / I before rectification, He et al. 2015 (arXiv:1502.01852).
    """
    keys = jax.random.split(key, len(sizes) - 1)
    return tuple(
        Dense(jax.random.normal(k, (i, o)) * jnp.sqrt(2.0 / i), jnp.zeros(o))
        for k, i, o in zip(keys, sizes[:-1], sizes[1:], strict=True)
    )


def relu(layers: Sequence[Dense], inputs: jax.Array) -> tuple[jax.Array, tuple[jax.Array, ...]]:
    """Compute the ReLU network: inputs [B, I] -> logits [B, K], activations of hidden layers.

    a = max(0, a W + b), each [B, O].
    """
    activations, arriving = [], inputs
    for layer in layers[:-1]:
        arriving = jax.nn.relu(arriving @ layer.kernel + layer.bias[None])
        activations.append(arriving)
    return arriving @ layers[-1].kernel + layers[-1].bias[None], tuple(activations)


def windows(
    layers: Sequence[Dense], inputs: jax.Array, *, margin: float = 1.1
) -> tuple[jax.Array, ...]:
    """Choose each hidden layer's window from its largest activation; see `window.window_length`.

    Shapes: inputs [B, I] -> one [] per hidden layer of `layers`; the window holds `margin` times
    the largest activation.
    """
    return tuple(window_length(a.max(), margin=margin) for a in relu(layers, inputs)[1])


def ttfs(
    layers: Sequence[Dense],
    inputs: jax.Array,
    window_lengths: Sequence[jax.Array],
    *,
    bits: float = 0,
) -> tuple[jax.Array, tuple[jax.Array, ...]]:
    """Compute the same network in spike times: inputs [B, I] in [0, 1] -> logits, spike times.

    The times [B, O] of each of the `layers` are local to its window of `window_lengths`; `NO_SPIKE`
    where the activation is 0. `bits` rounds them to 2^b steps of the window (0: continuous).

    Source: Stanojevic et al. 2024 (arXiv:2306.08744).
    """
    times, length = encode(inputs), jnp.asarray(INPUT_WINDOW)
    recorded = []
    resolution = jnp.asarray(bits)
    for layer, own in zip(layers[:-1], window_lengths, strict=True):
        arriving = charge(quantise(times, length, resolution), length)
        times, length = fire(arriving @ layer.kernel + layer.bias[None], own), own
        recorded.append(quantise(times, length, resolution))
    arriving = charge(quantise(times, length, resolution), length)
    return arriving @ layers[-1].kernel + layers[-1].bias[None], tuple(recorded)
