"""The first threshold crossing of a layer, and its gradient, for any neuron with exact dynamics.

Inputs are sorted once. The state of all O neurons is then carried exactly from one input to the
next, which needs no exponential function per neuron, until every neuron has fired. A gap between
two inputs in which the potential reaches the threshold is recognised from the states at its ends
and, if the potential rises and falls inside, from its peak: so the crossing that is found is the
first one. Memory: [O] in the forward pass, [I, O] in the backward pass.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from ttfs_jax.spike_time.shapes import check_layer
from ttfs_jax.spike_time.silence import NO_SPIKE

UNROLL = 2  # inputs a turn of the loop: more is hardly faster, or slower, and costs compile time


class State(NamedTuple):
    """What a neuron carries from one input to the next."""

    potential: jax.Array  # [O]
    current: jax.Array  # [O] synaptic current, in units of potential


class Crossing(NamedTuple):
    """Where each neuron reaches its threshold first."""

    time: jax.Array  # [O] `NO_SPIKE` if it never does
    last: jax.Array  # [O] time of the last input that took part, −inf if it never does
    slope: jax.Array  # [O] dV/dt at the crossing


class Neuron(Protocol):
    """Exact dynamics between inputs; hashable, all methods elementwise over neurons."""

    def decay(self, gap: jax.Array) -> tuple[jax.Array, ...]:
        """Return the factors by which a state moves on over gaps [...], each [...]."""
        ...

    def advance(self, state: State, decay: tuple[jax.Array, ...]) -> State:
        """Move states on over a gap; a gap may be infinite."""
        ...

    def reaches(self, start: State, end: State, threshold: jax.Array) -> jax.Array:
        """Tell which potentials, below the threshold at the start, reach it within the gap."""
        ...

    def wait(self, state: State, gap: jax.Array, threshold: jax.Array) -> jax.Array:
        """Return the time from the start of a gap to the crossing that is known to be in it."""
        ...

    def slope(self, state: State) -> jax.Array:
        """Return dV/dt."""
        ...

    def kernel(self, age: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Return the potential of a unit weight and its slope, `age` ≥ 0 after its input."""
        ...


class _Progress(NamedTuple):
    state: State  # after the gap
    before: State  # at the start of the gap with the crossing
    causal: jax.Array  # int [O] inputs up to the crossing, 0 before it is found


@partial(jax.jit, static_argnums=0)  # an eager call would compile its loop again every time
def first_crossing(neuron: Neuron, times, weights, threshold) -> Crossing:
    """Find the first crossing of every neuron: times [I], weights [I, O], threshold [O]."""
    inputs, outputs = weights.shape
    turns = -(-inputs // UNROLL)
    order = jnp.argsort(times)
    ranked = times[order]
    # Beyond the last spike: silent inputs at infinity, so that every turn is a full one.
    padding = turns * UNROLL - inputs
    order = jnp.pad(order, (0, padding))
    ranked = jnp.pad(ranked, (0, padding), constant_values=NO_SPIKE)
    finite = ranked < NO_SPIKE
    following = jnp.append(jnp.where(finite, ranked, NO_SPIKE)[1:], NO_SPIKE)
    gaps = jnp.where(finite, following - jnp.where(finite, ranked, 0.0), 0.0)
    decays = neuron.decay(gaps)

    def some_left(carry):
        turn, progress = carry
        more = (turn < turns) & (ranked[jnp.minimum(turn * UNROLL, len(ranked) - 1)] < NO_SPIKE)
        return more & (progress.causal == 0).any()

    def advance(carry):
        turn, (state, before, causal) = carry
        for step in range(UNROLL):
            k = turn * UNROLL + step
            weight = jnp.where(finite[k], weights[order[k]], 0.0)
            start = State(state.potential, state.current + weight)
            state = neuron.advance(start, tuple(factor[k] for factor in decays))
            now = neuron.reaches(start, state, threshold) & (causal == 0) & finite[k]
            before = jax.tree.map(partial(jnp.where, now), start, before)
            causal = jnp.where(now, k + 1, causal)
        return turn + 1, _Progress(state, before, causal)

    zero = jnp.zeros(outputs, weights.dtype)
    # A neuron that never fires is solved from a state that does, to keep its branch finite.
    sure = State(zero, zero + 1e3 * threshold)
    progress = _Progress(State(zero, zero), sure, jnp.zeros(outputs, jnp.int32))
    _, progress = jax.lax.while_loop(some_left, advance, (0, progress))
    state, before, causal = progress

    fires = causal > 0
    place = jnp.maximum(causal - 1, 0)
    last, gap = ranked[place], jnp.where(fires, gaps[place], NO_SPIKE)
    wait = neuron.wait(before, gap, threshold)
    slope = neuron.slope(neuron.advance(before, neuron.decay(wait)))
    fires &= wait < NO_SPIKE  # a threshold that is reached in the limit only
    time = jnp.where(fires, last + wait, NO_SPIKE)
    # A NaN must not pass for silence, nor a time that no neuron can have.
    broken = ~(times > -NO_SPIKE).all() | (jnp.isnan(state.potential) & ~fires)
    return Crossing(
        time=jnp.where(broken, jnp.nan, time),
        last=jnp.where(fires, last, -NO_SPIKE),
        slope=jnp.where(fires, slope, 1.0),
    )


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _solve(neuron, min_slope, times, weights, threshold):
    return first_crossing(neuron, times, weights, threshold).time


def solve_fwd(neuron, min_slope, times, weights, threshold):
    """Keep what a backward rule needs: the arguments and the crossings."""
    found = first_crossing(neuron, times, weights, threshold)
    return found.time, (times, weights, threshold, found)


@partial(jax.jit, static_argnums=(0, 1))
def _solve_bwd(neuron, min_slope, residuals, cotangent):
    times, weights, threshold, found = residuals
    push = spread(found, cotangent, threshold, min_slope)
    causal = times[:, None] <= found.last[None]
    age = jnp.where(causal, found.time[None] - jnp.where(causal, times[:, None], 0.0), 0.0)
    potential, slope = neuron.kernel(age)
    moved = jnp.where(causal, weights * slope, 0.0) @ push
    return moved, jnp.where(causal, -potential * push[None], 0.0), push


_solve.defvjp(solve_fwd, _solve_bwd)


def spread(found: Crossing, cotangent, threshold, min_slope: float) -> jax.Array:
    """Return the cotangent over dV/dt, 0 for silent neurons: ∂t/∂θ times the cotangent, [O].

    A slope below √ε θ per unit of time cannot be told from a touch in this precision, and counts
    as that much; `min_slope`, in units of θ, bounds the gradient further.
    """
    resolved = jnp.sqrt(jnp.finfo(found.slope.dtype).eps)
    floor = jnp.maximum(resolved, min_slope) * jnp.abs(threshold)
    return jnp.where(found.last > -NO_SPIKE, cotangent, 0.0) / jnp.maximum(found.slope, floor)


def solve(
    neuron: Neuron,
    times,
    weights,
    *,
    threshold,
    delays,
    min_slope,
    rule: Callable[..., jax.Array] = _solve,
) -> jax.Array:
    """Check the arguments, apply the delays, and find the first crossings: [O].

    `rule` brings its own gradient.

    Raises: ValueError when the shapes do not fit together or a threshold is not above 0.
    """
    times, weights = jnp.asarray(times), jnp.asarray(weights)
    check_layer(times, weights)
    # With NumPy: under jit an operation of JAX on a constant is traced too.
    if not isinstance(threshold, jax.core.Tracer) and not (np.asarray(threshold) > 0.0).all():
        raise ValueError(f"threshold must be above 0, not {threshold}")
    inputs, outputs = weights.shape
    dtype = jnp.result_type(times, weights, jnp.float32)
    times, weights = times.astype(dtype), weights.astype(dtype)
    threshold = jnp.asarray(threshold, dtype)
    if threshold.shape not in ((), (outputs,)):
        raise ValueError(f"threshold must be [] or [{outputs}], not {threshold.shape}")
    threshold = jnp.broadcast_to(threshold, (outputs,))
    if min_slope < 0:
        raise ValueError(f"min_slope must not be negative, not {min_slope}")
    if inputs == 0:
        return jnp.full((outputs,), NO_SPIKE, dtype)
    if delays is None:
        return rule(neuron, min_slope, times, weights, threshold)
    delays = jnp.asarray(delays, dtype)
    if delays.shape == (inputs,):
        return rule(neuron, min_slope, times + delays, weights, threshold)
    if delays.shape != (inputs, outputs):
        raise ValueError(f"delays must be [{inputs}] or [{inputs}, {outputs}]: {delays.shape}")

    def one(delay, weight, threshold):
        return rule(neuron, min_slope, times + delay, weight[:, None], threshold[None])[0]

    return jax.vmap(one, (1, 1, 0))(delays, weights, threshold)
