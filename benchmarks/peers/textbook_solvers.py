"""The textbook forms of the solvers, for plain automatic differentiation: the baseline of ours.

Inputs are sorted, running sums over them are taken for all causal sets at once, every set gives a
candidate, and the first one that lies between its last input and the next is the spike. All of it
is [I, O] for one sample.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

NEVER = float("inf")
ITERATIONS = 12  # of Halley's and Newton's method; where they have converged, nothing changes


def _first_valid(candidates, valid, times):
    """Return the earliest candidate that lies within its gap: [I, O] -> [O]."""
    following = jnp.append(times[1:], NEVER)
    inside = valid & (candidates >= times[:, None]) & (candidates <= following[:, None])
    return jnp.where(inside, candidates, NEVER).min(0)


def _sort(times, weights):
    order = jnp.argsort(times)
    return times[order], weights[order]


def non_leaky(times, weights):
    """Solve as Mostafa 2017 with τ = θ = 1.

    Shapes: times [I], weights [I, O] -> [O].
    """
    times, weights = _sort(times, weights)
    total = jnp.cumsum(weights, 0)
    grown = jnp.cumsum(weights * jnp.exp(times)[:, None], 0)
    valid = (total > 1.0) & (grown > 0.0)
    ratio = jnp.where(valid, grown, 1.0) / jnp.where(valid, total - 1.0, 1.0)
    return _first_valid(jnp.log(ratio), valid, times)


def _lambert(x):
    """Compute W₀ by Halley's method; the derivative is that of one more Newton step."""
    start = jnp.sqrt(jnp.maximum(2.0 * (jnp.e * x + 1.0), 1e-12)) - 1.0
    w = jax.lax.stop_gradient(start)
    fixed = jax.lax.stop_gradient(x)
    for _ in range(ITERATIONS):
        error = w * jnp.exp(w) - fixed
        rise = jnp.exp(w) * (w + 1.0) - (w + 2.0) * error / (2.0 * w + 2.0)
        w = w - error / rise
    return w - (w * jnp.exp(w) - x) / (jnp.exp(w) * (1.0 + w))


def lif_equal(times, weights):
    """Solve as Göltz et al. 2021, τ_mem = τ_syn = 1, θ = 1.

    Shapes: times [I], weights [I, O] -> [O].
    """
    times, weights = _sort(times, weights)
    grown = jnp.exp(times)[:, None] * weights
    a, b = jnp.cumsum(grown, 0), jnp.cumsum(times[:, None] * grown, 0)
    ratio = b / jnp.where(a > 0.0, a, 1.0)
    argument = -jnp.exp(ratio) / jnp.where(a > 0.0, a, 1.0)
    valid = (a > 0.0) & (argument > -1.0 / jnp.e + 1e-6)
    return _first_valid(ratio - _lambert(jnp.where(valid, argument, -0.1)), valid, times)


def lif_double(times, weights):
    """Solve as Göltz et al. 2021, τ_mem = 2 τ_syn = 2, θ = 1.

    Shapes: times [I], weights [I, O] -> [O].
    """
    times, weights = _sort(times, weights)
    a = jnp.cumsum(jnp.exp(times)[:, None] * weights, 0)
    b = jnp.cumsum(jnp.exp(0.5 * times)[:, None] * weights, 0)
    inside = b**2 - 4.0 * a
    valid = (a > 0.0) & (b > 0.0) & (inside > 0.0)
    root = b + jnp.sqrt(jnp.where(valid, inside, 1.0))
    return _first_valid(2.0 * jnp.log(jnp.where(valid, 2.0 * a / root, 1.0)), valid, times)


def lif(times, weights, *, tau_mem=3.0, tau_syn=1.0):
    """Solve for any ratio of the time constants `tau_mem` and `tau_syn`, with θ = 1.

    Newton's method from the last input of each causal set.

    Shapes: times [I], weights [I, O] -> [O].
    """
    times, weights = _sort(times, weights)
    scale = tau_syn / (tau_mem - tau_syn)
    slow = jnp.cumsum(jnp.exp(times / tau_mem)[:, None] * weights, 0)
    fast = jnp.cumsum(jnp.exp(times / tau_syn)[:, None] * weights, 0)

    def step(t, slow, fast):
        one, two = slow * jnp.exp(-t / tau_mem), fast * jnp.exp(-t / tau_syn)
        slope = scale * (two / tau_syn - one / tau_mem)
        rising = slope > 1e-6
        return t - (scale * (one - two) - 1.0) / jnp.where(rising, slope, 1.0), rising

    t = jnp.broadcast_to(times[:, None], weights.shape)
    fixed = jax.lax.stop_gradient((slow, fast))
    valid = jnp.ones(weights.shape, bool)
    for _ in range(ITERATIONS):
        t, rising = step(t, *fixed)
        valid &= rising
    t, _ = step(jax.lax.stop_gradient(t), slow, fast)
    return _first_valid(t, valid, times)


def linear_psp(times, weights):
    """Solve as Zhang et al. 2021, θ = 1.

    Shapes: times [I], weights [I, O] -> [O].
    """
    times, weights = _sort(times, weights)
    total = jnp.cumsum(weights, 0)
    moment = jnp.cumsum(times[:, None] * weights, 0)
    valid = total > 0.0
    return _first_valid((1.0 + moment) / jnp.where(valid, total, 1.0), valid, times)


def constant_slope(times, weights, *, window=2.0):
    """Solve as Stanojevic et al. 2024 without bias: there is no causal set to search.

    Shapes: times [I], weights [I, O], window [] -> [O].
    """
    charge = jnp.where(times < window, window - times, 0.0)
    time = window - charge @ weights
    return jnp.where(time < window, jnp.maximum(time, 0.0), NEVER)


def linear_threshold(times, weights, *, window=2.0):
    """Solve as Wei et al. 2023, θ = 1: there is no causal set to search.

    Shapes: times [I], weights [I, O], window [] -> [O].
    """
    spiking = times < window
    closing = spiking.astype(weights.dtype) @ weights + 1.0 / window
    missing = 1.0 - jnp.where(spiking, window - times, 0.0) @ weights
    valid = (closing > 0.0) & (missing < closing * window)
    time = jnp.maximum(missing, 0.0) / jnp.where(valid, closing, 1.0)
    return jnp.where(valid | (missing <= 0.0), time, NEVER)


def exponential_threshold(times, weights, *, window=5.0):
    """Solve as Park et al. 2020, τ = θ = 1: there is no causal set to search.

    Shapes: times [I], weights [I, O], window [] -> [O].
    """
    drive = jnp.exp(-times) @ weights
    valid = drive > jnp.exp(-window)
    return jnp.where(valid, -jnp.log(jnp.where(valid, jnp.minimum(drive, 1.0), 1.0)), NEVER)


TEXTBOOK: dict[str, Callable] = {
    "non_leaky": non_leaky,
    "lif_equal": lif_equal,
    "lif_double": lif_double,
    "lif": lif,
    "lif_event_prop": lif,
    "linear_psp": linear_psp,
    "linear_threshold": linear_threshold,
    "exponential_threshold": exponential_threshold,
    "constant_slope": constant_slope,
}
