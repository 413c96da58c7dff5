"""The first threshold crossing of a layer, and its gradient, for any neuron with exact dynamics.

Inputs are sorted once. The state of all O neurons is then carried exactly from one input to the
next, which needs no exponential function per neuron, until every neuron has fired. A gap between
two inputs in which the potential reaches the threshold is recognised from the states at its ends
and, if the potential rises and falls inside, from its peak: so the result is the first crossing.
Memory: [O] in the forward pass, [I, O] in the backward pass.
"""

from functools import partial
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp

from ttfs_jax.spike_time.arguments import check_layer, per_neuron, promote, static_number
from ttfs_jax.spike_time.silence import NO_SPIKE
from ttfs_jax.support.errors import InputError

UNROLL = 2  # inputs per loop iteration: more is hardly faster, or slower, and compiles longer
ROUNDING = 4  # errors of a potential at the end of a gap, in units of the precision
NOT_YET = 0  # inputs up to the crossing of a neuron that has not crossed
NO_INPUT = -NO_SPIKE  # time of the last input that took part, if none did
SURE_CURRENT = 1e3  # in thresholds: a neuron at rest with it crosses at once, whatever its dynamics


class State(NamedTuple):
    """The state of each neuron between inputs."""

    potential: jax.Array  # [O]
    current: jax.Array  # [O] synaptic current, in units of potential


class Crossing(NamedTuple):
    """Where each neuron reaches its threshold first."""

    time: jax.Array  # [O] `NO_SPIKE` if it never does
    last: jax.Array  # [O] time of the last input that took part, `NO_INPUT` if it never does
    wait: jax.Array  # [O] time from there to the crossing, in full precision; 0 if it never does
    slope: jax.Array  # [O] dV/dt at the crossing, in thresholds per unit of time
    natural: jax.Array  # [O] the slope that is one threshold in the neuron's own unit of time


class Neuron(Protocol):
    """Exact dynamics between inputs; hashable, all methods elementwise over neurons."""

    def decay(self, gap: jax.Array) -> tuple[jax.Array, ...]:
        """Return the factors by which a state changes over a `gap` [...], each [...]."""
        ...

    def advance(self, state: State, decay: tuple[jax.Array, ...]) -> State:
        """Advance a `state` over a gap, which may be infinite, by its factors `decay`."""
        ...

    def peaks_over(self, start: State, end: State, threshold: jax.Array) -> jax.Array:
        """Tell which potentials rise above `threshold` [O] and fall again within a gap.

        `start` and `end` are the states at its ends.
        """
        ...

    def wait(self, state: State, gap: jax.Array) -> jax.Array:
        """Return the time from the start of a `gap` to the crossing that is known to be in it.

        `state` is the one at its start, in units of the threshold.
        """
        ...

    def slope(self, state: State, wait: jax.Array) -> jax.Array:
        """Return dV/dt, `wait` after a `state`."""
        ...

    def unit(self, elapsed: jax.Array) -> jax.Array | float:
        """Return the neuron's own unit of time; `elapsed` is the time from input to crossing."""
        ...

    def kernel(self, age: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Return the potential of a unit weight and its slope, `age` ≥ 0 after its input."""
        ...


class _Arrivals(NamedTuple):
    """Inputs in time order, padded with silent ones so that every iteration is full."""

    order: jax.Array  # int [J] number of the input
    time: jax.Array  # [J] `NO_SPIKE` from the first silent one on
    finite: jax.Array  # bool [J]
    gap: jax.Array  # [J] to the next one: infinite behind the last spike, 0 for silent inputs


class _Progress(NamedTuple):
    state: State  # after the gap
    before: State  # at the start of the gap with the crossing
    causal: jax.Array  # int [O] inputs up to the crossing, `NOT_YET` before it is found


@partial(jax.jit, static_argnums=0)  # an eager call would compile its loop again every time
def first_crossing(neuron: Neuron, times, weights, threshold) -> Crossing:
    """Find the first crossing of every neuron: times [I], weights [I, O], threshold [O]."""
    arrivals = _sort(times)
    progress = _search(neuron, arrivals, weights, threshold)
    return _solve_gap(neuron, arrivals, progress, threshold)


def _sort(times) -> _Arrivals:
    order = jnp.argsort(times)
    ranked = times[order]
    padding = -len(times) % UNROLL
    order = jnp.pad(order, (0, padding))
    ranked = jnp.pad(ranked, (0, padding), constant_values=NO_SPIKE)
    finite = ranked < NO_SPIKE
    following = jnp.append(jnp.where(finite, ranked, NO_SPIKE)[1:], NO_SPIKE)
    gaps = jnp.where(finite, following - jnp.where(finite, ranked, 0.0), 0.0)
    return _Arrivals(order, ranked, finite, gaps)


def _search(neuron, arrivals, weights, threshold) -> _Progress:
    """Carry all neurons from input to input until each has crossed or no input is left."""
    order, ranked, finite, gaps = arrivals
    turns, outputs = len(ranked) // UNROLL, weights.shape[1]
    decays = neuron.decay(gaps)

    def some_left(carry):
        turn, progress = carry
        more = (turn < turns) & (ranked[jnp.minimum(turn * UNROLL, len(ranked) - 1)] < NO_SPIKE)
        return more & (progress.causal == NOT_YET).any()

    def advance(carry):
        turn, (state, before, causal) = carry
        for step in range(UNROLL):
            k = turn * UNROLL + step
            weight = jnp.where(finite[k], weights[order[k]], 0.0)
            start = State(state.potential, state.current + weight)
            state = neuron.advance(start, tuple(factor[k] for factor in decays))
            reached = (state.potential >= close) | neuron.peaks_over(start, state, threshold)
            now = reached & (causal == NOT_YET) & finite[k]
            before = jax.tree.map(partial(jnp.where, now), start, before)
            causal = jnp.where(now, k + 1, causal)
        return turn + 1, _Progress(state, before, causal)

    zero = jnp.zeros(outputs, weights.dtype)
    # Up to rounding, so that an input at exactly the time of a spike comes after it.
    close = threshold * (1.0 - ROUNDING * jnp.finfo(threshold.dtype).eps)
    causal = jnp.full(outputs, NOT_YET, jnp.int32)
    progress = _Progress(State(zero, zero), State(zero, zero), causal)
    return jax.lax.while_loop(some_left, advance, (0, progress))[1]


def _solve_gap(neuron, arrivals, progress, threshold) -> Crossing:
    """Solve for the crossing within the gap that holds it."""
    state, before, causal = progress
    fires = causal > NOT_YET
    place = jnp.maximum(causal - 1, 0)
    last = arrivals.time[place]
    gap = jnp.where(fires, arrivals.gap[place], NO_SPIKE)
    # A silent neuron is solved from a state that fires, to keep its branch finite.
    before = State(
        jnp.where(fires, before.potential / threshold, 0.0),
        jnp.where(fires, before.current / threshold, SURE_CURRENT),
    )
    wait = neuron.wait(before, gap)
    slope = neuron.slope(before, wait)
    fires &= wait < NO_SPIKE  # a threshold that is reached in the limit only
    time = jnp.where(fires, last + wait, NO_SPIKE)
    elapsed = jnp.where(fires, (last - arrivals.time[0]) + wait, 1.0)
    # A NaN must not look like silence, nor must a time that no neuron can have.
    broken = ~(arrivals.time > NO_INPUT).all() | (jnp.isnan(state.potential) & ~fires)
    broken |= jnp.isnan(threshold)
    return Crossing(
        time=jnp.where(broken, jnp.nan, time),
        last=jnp.where(fires, last, NO_INPUT),
        wait=jnp.where(fires, wait, 0.0),
        slope=jnp.where(fires, slope, 1.0),
        natural=1.0 / jnp.broadcast_to(neuron.unit(elapsed), elapsed.shape),
    )


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _solve(neuron, min_slope, times, weights, threshold):
    return first_crossing(neuron, times, weights, threshold).time


def solve_fwd(neuron, min_slope, times, weights, threshold):
    """Find first crossings, and keep what a backward rule needs.

    Shapes: `times` [I], `weights` [I, O], `threshold` [O] -> spike times [O], and the arguments
    with the `Crossing` of every `neuron`. `min_slope` is for the backward rule.
    """
    crossing = first_crossing(neuron, times, weights, threshold)
    return crossing.time, (times, weights, threshold, crossing)


@partial(jax.jit, static_argnums=(0, 1))
def _solve_bwd(neuron, min_slope, residuals, cotangent):
    times, weights, threshold, crossing = residuals
    push = spread(crossing, cotangent, threshold, min_slope)
    causal = times[:, None] <= crossing.last[None]
    # Not from the rounded spike time: next to the last input all precision would be lost.
    since = crossing.last[None] - jnp.where(causal, times[:, None], 0.0)
    age = jnp.where(causal, since + crossing.wait[None], 0.0)
    potential, slope = neuron.kernel(age)
    moved = jnp.where(causal, weights * slope, 0.0) @ push
    return moved, jnp.where(causal, -potential * push[None], 0.0), push


_solve.defvjp(solve_fwd, _solve_bwd)


def spread(crossing: Crossing, cotangent, threshold, min_slope: float) -> jax.Array:
    """Return the cotangent over dV/dt, 0 for silent neurons: ∂t/∂θ times the cotangent, [O].

    `crossing` says where neurons fired, `cotangent` [O] is that of their spike times, and
    `threshold` θ is [O].

    A slope below √ε θ per the neuron's unit of time cannot be distinguished from a touch in this
    precision, and is set to that value; `min_slope`, in θ per unit of time, bounds the gradient
    further.
    """
    resolved = jnp.sqrt(jnp.finfo(crossing.slope.dtype).eps) * crossing.natural
    slope = jnp.maximum(crossing.slope, jnp.maximum(resolved, min_slope))
    return jnp.where(crossing.last > NO_INPUT, cotangent, 0.0) / slope / threshold


def solve(
    neuron: Neuron,
    times,
    weights,
    *,
    threshold,
    delays,
    min_slope,
    rule: Any = _solve,
) -> jax.Array:
    """Check the arguments, apply the delays, and find the first crossings: [O].

    Shapes: `times` [I], `weights` [I, O], `threshold` [] or [O], `delays` None, [I] or [I, O],
    added to the times. `neuron` has the dynamics, `min_slope` bounds the gradient, and a `rule`
    with another gradient may replace the usual one.
    No spike: `NO_SPIKE` with gradient 0.

    Raises: InputError when the shapes do not fit together, a threshold is not above 0 or
    `min_slope` is negative.
    """
    times, weights, threshold, delays = promote(
        times=times, weights=weights, threshold=threshold, delays=delays, positive=("threshold",)
    )
    check_layer(times, weights)
    inputs, outputs = weights.shape
    threshold = per_neuron("threshold", threshold, outputs)
    min_slope = static_number("min_slope", min_slope)
    if not 0.0 <= min_slope < NO_SPIKE:
        raise InputError(f"min_slope must be finite and not negative, not {min_slope}")
    if delays is not None and delays.shape not in ((inputs,), (inputs, outputs)):
        raise InputError(f"delays must be [{inputs}] or [{inputs}, {outputs}]: {delays.shape}")
    if inputs == 0:
        return jnp.full((outputs,), NO_SPIKE, weights.dtype)
    if delays is None:
        return rule(neuron, min_slope, times, weights, threshold)
    if delays.ndim == 1:
        return rule(neuron, min_slope, times + delays, weights, threshold)

    def one(delay, weight, threshold):
        return rule(neuron, min_slope, times + delay, weight[:, None], threshold[None])[0]

    return jax.vmap(one, (1, 1, 0))(delays, weights, threshold)
