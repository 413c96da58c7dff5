"""The gradient of the leaky neuron by its adjoint dynamics, run backwards from input to input."""

from functools import partial

import jax
import jax.numpy as jnp

from ttfs_jax.spike_time.arguments import time_constant
from ttfs_jax.spike_time.causal_search import (
    UNROLL,
    first_crossing,
    solve,
    solve_fwd,
    spread,
)
from ttfs_jax.spike_time.dynamics import Leaky
from ttfs_jax.spike_time.silence import NO_SPIKE


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _solve(neuron, min_slope, times, weights, threshold):
    return first_crossing(neuron, times, weights, threshold).time


@partial(jax.jit, static_argnums=(0, 1))
def _solve_bwd(neuron, min_slope, residuals, cotangent):
    times, weights, threshold, crossing = residuals
    push = spread(crossing, cotangent, threshold, min_slope)

    def backwards(adjoint, gap):
        """Run λ_I' = λ_I / τ_longest − λ / τ_mem and λ' = λ / τ_shortest back over a gap."""
        fast_part, of_current = adjoint
        slow, fast, added = neuron.slow_fast(gap)
        return fast_part * fast, of_current * slow + fast_part * added

    # The jump at the spike is −1 / V'; from there back to the last causal input.
    first = backwards((-push, jnp.zeros_like(push)), crossing.wait)
    order = jnp.argsort(-times)  # latest input first, silent ones before
    ranked = times[order]
    before = jnp.append(ranked[:1], ranked[:-1])
    usable = (ranked < NO_SPIKE) & (before < NO_SPIKE)
    gaps = jnp.where(usable, before - ranked, 0.0)

    def step(adjoint, inputs):
        time, gap, row = inputs
        moved = backwards(adjoint, gap)
        begins = time == crossing.last
        adjoint = tuple(jnp.where(begins, new, old) for new, old in zip(first, moved, strict=True))
        fast_part, of_current = adjoint
        drift = of_current / neuron.longest - fast_part / neuron.tau_mem
        return adjoint, (of_current, (row * drift).sum())

    silent = (jnp.zeros_like(push), jnp.zeros_like(push))
    _, (rows, moved) = jax.lax.scan(step, silent, (ranked, gaps, weights[order]), unroll=UNROLL)
    back = jnp.argsort(order)
    return moved[back], rows[back], push


_solve.defvjp(solve_fwd, _solve_bwd)


def lif_event_prop(
    times: jax.Array,
    weights: jax.Array,
    *,
    threshold: jax.Array | float = 1.0,
    tau_mem: float,
    tau_syn: float,
    delays: jax.Array | None = None,
    min_slope: float = 0.0,
) -> jax.Array:
    """Solve a layer as `lif` does, with the gradient of EventProp.

    The adjoint variables jump at the spike, λ_V = −(∂L/∂t) / V', and run back in time by
    λ_V' = λ_V / τ_mem and λ_I' = λ_I / τ_syn − λ_V / τ_mem; then ∂L/∂w_j = λ_I(t_j) and
    ∂L/∂t_j = w_j λ_I'(t_j). For τ_mem > τ_syn λ_V is replaced by λ = λ_V − (τ_mem/τ_syn − 1) λ_I,
    with λ' = λ / τ_syn and λ_I' = λ_I / τ_mem − λ / τ_mem: the same, without cancellation.

    Shapes: times [I], weights [I, O], threshold [] or [O] (above 0), delays [I] or [I, O] -> [O];
    times, `tau_mem` and `tau_syn` in one unit. `min_slope`, no spike, errors: as for `lif`, whose
    gradient it equals; it needs no exponential function per weight.
    Source: Wunderlich & Pehle 2021, eqs. 5-7 (arXiv:2009.08378).

    Examples:
        >>> import jax
        >>> from ttfs_jax import spike_time
        >>> def total(solver, weights):
        ...     return solver([0.0, 0.1], weights, tau_mem=2.0, tau_syn=1.0).sum()
        >>> weights = jax.numpy.array([[3.0], [3.0]])
        >>> one = jax.grad(lambda w: total(spike_time.lif, w))(weights)
        >>> other = jax.grad(lambda w: total(spike_time.lif_event_prop, w))(weights)
        >>> bool(abs(one - other).max() < 1e-5)
        True
    """
    return solve(
        Leaky(time_constant("tau_mem", tau_mem), time_constant("tau_syn", tau_syn)),
        times,
        weights,
        threshold=threshold,
        delays=delays,
        min_slope=min_slope,
        rule=_solve,
    )
