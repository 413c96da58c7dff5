"""The operators of a searchable block, chosen by a traced integer, with a lean backward pass.

`lax.switch` would keep what the backward pass of any branch needs, filled with zeros by all the
others: a dozen maps a block. Here every branch keeps the same two, the potentials of its layers,
and the backward pass computes the rest again from them, without the convolutions.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from ttfs_jax.convolution import convolve, inner_kernel, recall
from ttfs_jax.layers import (
    LayerInfo,
    Reading,
    Signal,
    Weights,
    activation,
    delay,
    idle,
    neurons,
)


class Kept(NamedTuple):
    """What the backward pass starts from; zeros for a layer that was not run."""

    first: jax.Array  # [B, H, W, C] potentials of the first layer
    second: jax.Array  # [B, H, W, C] potentials of the second layer


Result = tuple[Signal, LayerInfo, LayerInfo]


def _layer(signal, weights, size, reading, mask, known, **skip):
    arriving = activation(signal, reading)
    if known is None:
        potential = convolve(arriving, weights.kernel, size=size)
    else:
        potential = recall(arriving, weights.kernel, known, size=size)
    return *neurons(potential, weights, reading, mask=mask, **skip), potential


def _centre(weights):
    return weights.replace(kernel=inner_kernel(weights.kernel, size=5, inner=3))


def _skip(signal, layers, reading, mask, known):
    def run(signal):
        return _layer(signal, _centre(layers[0]), 3, reading, mask, None)[1]

    report = jax.eval_shape(run, signal)
    nothing = idle(jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), report))
    silent = jnp.zeros_like(signal.values)
    return (signal, nothing, nothing), Kept(silent, silent)


def _conv3(signal, layers, reading, mask, known):
    after, info, potential = _layer(
        signal, _centre(layers[0]), 3, reading, mask, known and known.first
    )
    return (after, info, idle(info)), Kept(potential, jnp.zeros_like(potential))


def _conv5(signal, layers, reading, mask, known):
    after, info, potential = _layer(signal, layers[0], 5, reading, mask, known and known.first)
    return (after, info, idle(info)), Kept(potential, jnp.zeros_like(potential))


def _residual(signal, layers, reading, mask, known):
    middle, info, first = _layer(
        signal, _centre(layers[0]), 3, reading, mask, known and known.first
    )
    waiting = delay(signal, middle.window) if reading.spiking else signal
    after, last, second = _layer(
        middle,
        layers[1],
        3,
        reading,
        mask,
        known and known.second,
        skip=activation(waiting, reading),
    )
    return (after, info, last), Kept(first, second)


_OPERATORS = (_skip, _conv3, _conv5, _residual)


def _choose(signal, operator, layers, reading, mask, *, keep):
    def branch(run):
        result = run(signal, layers, reading, mask, None)
        return result if keep else result[0]

    return jax.lax.switch(operator, [lambda run=run: branch(run) for run in _OPERATORS])


@jax.custom_vjp
def _run_operator(signal, operator, layers, reading, mask):
    return _choose(signal, operator, layers, reading, mask, keep=False)


def _run_operator_fwd(signal, operator, layers, reading, mask):
    result, kept = _choose(signal, operator, layers, reading, mask, keep=True)
    return result, (signal, operator, layers, reading, mask, kept)


def _run_operator_bwd(residuals, cotangent):
    signal, operator, layers, reading, mask, kept = residuals

    def branch(run):
        def again(signal, layers):
            return run(signal, layers, reading, mask, kept)[0]

        return jax.vjp(again, signal, layers)[1](cotangent)

    branches = [lambda run=run: branch(run) for run in _OPERATORS]
    signal_bar, layers_bar = jax.lax.switch(operator, branches)
    return signal_bar, None, layers_bar, None, None


_run_operator.defvjp(_run_operator_fwd, _run_operator_bwd)


def run_operator(
    signal: Signal,
    operator: jax.Array,
    layers: tuple[Weights, Weights],
    reading: Reading,
    mask: jax.Array,
) -> Result:
    """Run one operator: 0 passes the signal on, 1 is 3 × 3, 2 is 5 × 5, 3 two 3 × 3 and a skip.

    The first layer's kernel is 5 × 5, its centre the 3 × 3. The second belongs to operator 3.
    Shapes: signal values [B, H, W, C], operator [], mask [C] -> signal alike, two reports; that of
    a layer that was not run is idle.
    No spike: see `neurons`. No gradient goes to `reading` and `mask`.
    """
    return _run_operator(signal, operator, layers, reading, mask)
