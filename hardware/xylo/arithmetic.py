"""The chip's integer arithmetic on float32, exact, with gradients to train through it.

Every function takes states [N, …] or [S, N, …], where … is nothing or samples, and parameters that
broadcast against them without adding dimensions.
"""

import jax
import jax.numpy as jnp

from hardware.xylo.network import STATE_MAX, STATE_MIN

SURROGATE_SLOPE = 4.0  # steepness of the spike's surrogate derivative


def power(exponent: jax.Array) -> jax.Array:
    """Return 2^n exactly, for whole numbers n held as floats, the `exponent`."""
    # jnp.exp2 is not exact for whole numbers.
    return jnp.ldexp(jnp.ones_like(exponent), exponent.astype(jnp.int32))


def floor_at(state: jax.Array, low: jax.Array | float) -> jax.Array:
    """Return the larger one of `state` and `low`; a NaN state stays one.

    One instruction on a CPU, as `jnp.maximum` is not, which looks for NaN in the limit too.
    """
    return jnp.where(state < low, low, state)


def at_most(state: jax.Array, high: jax.Array | float) -> jax.Array:
    """Return the smaller one of `state` and `high`; a NaN state stays one."""
    return jnp.where(state > high, high, state)


@jax.custom_vjp
def _leak(state, rate):
    # The shifted value, but 1 where a positive state would lose nothing; below 0 it never is 0.
    return floor_at(jnp.floor(state * rate), at_most(state, 1.0))


def _leak_fwd(state, rate):
    return _leak(state, rate), rate


def _leak_bwd(rate, cotangent):
    return cotangent * rate, jnp.zeros_like(rate)


_leak.defvjp(_leak_fwd, _leak_bwd)


def leak(state: jax.Array, rate: jax.Array) -> jax.Array:
    """Return the loss of a state in a step by bit shift: x >> d, and 1 if that is 0 and x positive.

    `rate` is 2^−d: 1 clears the state, and even 2^−15 still loses one unit per step, toward zero.
    The gradient is that of 2^−d x.

    Source: black-box probing of xylosim 0.1.3.
    """
    return _leak(state, rate)


@jax.custom_vjp
def _count(potential, threshold, most):
    # Half a unit keeps the quotient away from whole numbers, where rounding would matter.
    count = jnp.floor((potential + 0.5) * (1.0 / threshold))
    return at_most(floor_at(count, 0.0), most)


def _count_fwd(potential, threshold, most):
    return _count(potential, threshold, most), (potential, threshold, most)


def _count_bwd(residuals, cotangent):
    potential, threshold, most = residuals
    distance = jnp.abs(potential / threshold - 1.0)
    slope = cotangent / (threshold * (1.0 + SURROGATE_SLOPE * distance) ** 2)
    slope = jnp.where(most > 0, slope, 0.0)
    raised = -slope * potential / threshold
    shared = [n for n, size in enumerate(threshold.shape) if size < raised.shape[n]]
    return slope, raised.sum(shared, keepdims=True), jnp.zeros_like(most)


_count.defvjp(_count_fwd, _count_bwd)


def count_spikes(potential: jax.Array, threshold: jax.Array, *, most: jax.Array) -> jax.Array:
    """Count the spikes of one step, n = min(most, ⌊V / θ⌋), 0 below θ.

    Shapes: `potential` V and `threshold` θ [N, …], of parameters with axes that are as long or 1.
    The gradient is a surrogate, 1 / θ (1 + s |V / θ − 1|)², that of a fast sigmoid about the first
    spike, and 0 where no spike is allowed.

    Source: fast sigmoid, Zenke & Ganguli 2018 (arXiv:1705.11146).
    """
    return _count(potential, threshold, most)


def saturate(state: jax.Array) -> jax.Array:
    """Keep a state within 16 bits, −32768 … 32767; the gradient is 0 outside."""
    return at_most(floor_at(state, float(STATE_MIN)), float(STATE_MAX))


def integrate(
    potential: jax.Array, current: jax.Array, rate: jax.Array, bias: jax.Array
) -> jax.Array:
    """Move the potential by current, decay and bias: V ← sat(V + sat(sat(I − leak(V)) + b)).

    `rate` is that of the leak. The change saturates separately, before and after the bias is added.

    Source: black-box probing of xylosim 0.1.3.
    """
    change = saturate(current - leak(potential, rate))
    return saturate(potential + saturate(change + bias))
