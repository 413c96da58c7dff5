"""The chip's integer arithmetic on float32, exact, with gradients to train through it.

Every function takes states of any shape and parameters that broadcast against them without adding
dimensions: [N] or [S, N].
"""

from functools import partial

import jax
import jax.numpy as jnp

from hardware.xylo.network import STATE_MAX, STATE_MIN

SURROGATE_SLOPE = 4.0  # steepness of the spike's stand-in derivative


def power(exponent: jax.Array) -> jax.Array:
    """Return 2^n exactly, for whole numbers n held as floats."""
    # jnp.exp2 is not exact for whole numbers.
    return jnp.ldexp(jnp.ones_like(exponent), exponent.astype(jnp.int32))


@jax.custom_vjp
def _decay(state, rate):
    # The shifted value, but 1 where a positive state would lose nothing; below 0 it never is 0.
    return state - jnp.maximum(jnp.floor(state * rate), jnp.minimum(state, 1.0))


def _decay_fwd(state, rate):
    return _decay(state, rate), rate


def _decay_bwd(rate, cotangent):
    return cotangent * (1.0 - rate), jnp.zeros_like(rate)


_decay.defvjp(_decay_fwd, _decay_bwd)


def decay(state: jax.Array, rate: jax.Array) -> jax.Array:
    """Decay by bit shift: x ← x − (x >> d), and by one toward zero if that changes nothing.

    `rate` is 2^−d: 1 clears the state, and even 2^−15 still loses one unit a step. Shapes [..., N],
    as rate. The gradient is that of x (1 − 2^−d).

    Source: black-box probing of xylosim 0.1.3.
    """
    return _decay(state, rate)


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def _count(potential, threshold, most):
    # Half a unit keeps the quotient away from whole numbers, where its rounding would matter.
    return jnp.clip(jnp.floor((potential + 0.5) * (1.0 / threshold)), 0, most)


def _count_fwd(potential, threshold, most):
    return _count(potential, threshold, most), (potential, threshold)


def _count_bwd(most, residuals, cotangent):
    potential, threshold = residuals
    distance = jnp.abs(potential / threshold - 1.0)
    slope = cotangent / (threshold * (1.0 + SURROGATE_SLOPE * distance) ** 2)
    return slope, -slope * potential / threshold


_count.defvjp(_count_fwd, _count_bwd)


def count_spikes(potential: jax.Array, threshold: jax.Array, *, most: int) -> jax.Array:
    """Count the spikes of one step: n = min(most, ⌊V / θ⌋), 0 below the threshold.

    Shapes: [N], [N] -> [N]. The gradient is a surrogate, 1 / θ (1 + s |V / θ − 1|)², that of a
    fast sigmoid about the first spike.

    Source: fast sigmoid, Zenke & Ganguli 2018 (arXiv:1705.11146).
    """
    return _count(potential, threshold, most)


def saturate(state: jax.Array) -> jax.Array:
    """Keep a state within 16 bits, −32768 … 32767; the gradient is 0 outside."""
    return jnp.clip(state, STATE_MIN, STATE_MAX)


def integrate(
    potential: jax.Array, current: jax.Array, rate: jax.Array, bias: jax.Array
) -> jax.Array:
    """Move the potential by current, decay and bias: V ← sat(V + sat(sat(I − leak(V)) + b)).

    Shapes: all [N] -> [N]. The change saturates on its own, before and after the bias is added.

    Source: black-box probing of xylosim 0.1.3.
    """
    change = saturate(current + (decay(potential, rate) - potential))
    return saturate(potential + saturate(change + bias))
