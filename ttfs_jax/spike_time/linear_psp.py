"""Neurons whose post-synaptic potential grows linearly after an input spike."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from ttfs_jax.spike_time.causal_search import State, solve


@dataclass(frozen=True)
class Linear:
    """V' = I, and I is constant."""

    def decay(self, gap):
        """Return the `gap`."""
        return (gap,)

    def advance(self, state, decay):
        """Move the `state` on by `decay`, the gap; a potential without slope stays constant."""
        (gap,) = decay
        moves = state.current != 0.0
        risen = jnp.where(moves, state.current, 1.0) * gap
        return State(state.potential + jnp.where(moves, risen, 0.0), state.current)

    def peaks_over(self, start, end, threshold):
        """Return False: the potential is straight from `start` to `end`, below any `threshold`."""
        del start, threshold
        return jnp.zeros_like(end.potential, bool)

    def wait(self, state, gap):
        """Return Δ = (θ − V) / I after `state`, at most `gap`."""
        return jnp.minimum((1.0 - state.potential) / state.current, gap)

    def slope(self, state, wait):
        """Return I of `state`, whatever the `wait`."""
        del wait
        return state.current

    def unit(self, elapsed):
        """Return `elapsed`, the time since the first input, as the neuron has none of its own."""
        return elapsed

    def kernel(self, age):
        """Return ε = s of `age` s, and its slope 1."""
        return age, jnp.ones_like(age)


def linear_psp(
    times: jax.Array,
    weights: jax.Array,
    *,
    threshold: jax.Array | float = 1.0,
    delays: jax.Array | None = None,
    min_slope: float = 0.0,
) -> jax.Array:
    """Solve one layer of neurons with linear post-synaptic potentials for its first spikes.

    V(t) = Σ_j w_j (t − t_j) over past inputs, so with the causal inputs C
    t = (θ + Σ_C w_j t_j) / Σ_C w_j.

    Shapes: times [I], weights [I, O], threshold [] or [O] (above 0), delays [I] (axonal) or
    [I, O] (synaptic), added to the times -> [O]. `min_slope` bounds the gradient: a slope
    Σ_C w_j below `min_slope` · θ counts as that much.
    No spike: a silent input adds nothing; a potential that never reaches θ gives `NO_SPIKE` with
    gradient 0. An input at exactly the time of a spike does not contribute to it. NaN stays NaN.
    Raises: InputError when the shapes do not fit together or a threshold is not above 0; one that
    is traced and not above 0 gives NaN.
    Source: Zhang et al. 2021, ReL-PSP (arXiv:2003.11837).

    Examples:
        >>> from ttfs_jax import spike_time
        >>> spike_time.linear_psp([0.0], [[0.5, -1.0]]).tolist()  # at θ / w, and never
        [2.0, inf]
    """
    return solve(Linear(), times, weights, threshold=threshold, delays=delays, min_slope=min_slope)
