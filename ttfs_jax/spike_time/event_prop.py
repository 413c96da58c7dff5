"""The gradient of the leaky neuron by its adjoint dynamics, run backwards from input to input."""

from functools import partial

import jax
import jax.numpy as jnp

from ttfs_jax.spike_time.causal_search import (
    UNROLL,
    first_crossing,
    solve,
    solve_fwd,
    spread,
)
from ttfs_jax.spike_time.current_based import Leaky
from ttfs_jax.spike_time.silence import NO_SPIKE


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _solve(neuron, min_slope, times, weights, threshold):
    return first_crossing(neuron, times, weights, threshold).time


@partial(jax.jit, static_argnums=(0, 1))
def _solve_bwd(neuron, min_slope, residuals, cotangent):
    times, weights, threshold, found = residuals
    push = spread(found, cotangent, threshold, min_slope)
    fires = found.last > -NO_SPIKE
    wait = jnp.where(fires, found.time - found.last, 0.0)

    def backwards(adjoint, gap):
        """Run λ_V' = λ_V / τ_mem, λ_I' = λ_I / τ_syn − λ_V / τ_mem back over a gap."""
        of_potential, of_current = adjoint
        slow, fast, added = neuron.decay(gap)
        return of_potential * slow, of_current * fast + of_potential * added

    # The jump at the spike is −1 / V'; from there back to the last input that took part.
    first = backwards((-push, jnp.zeros_like(push)), wait)
    order = jnp.argsort(-times)  # latest input first, silent ones before
    ranked = times[order]
    before = jnp.append(ranked[:1], ranked[:-1])
    usable = (ranked < NO_SPIKE) & (before < NO_SPIKE)
    gaps = jnp.where(usable, before - ranked, 0.0)

    def step(adjoint, inputs):
        time, gap, row = inputs
        moved = backwards(adjoint, gap)
        begins = time == found.last
        adjoint = tuple(jnp.where(begins, new, old) for new, old in zip(first, moved, strict=True))
        of_potential, of_current = adjoint
        drift = of_current / neuron.tau_syn - of_potential / neuron.tau_mem
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
    ∂L/∂t_j = w_j λ_I'(t_j).

    Shapes, no spike, `min_slope`, errors: as for `lif`, whose gradient it equals; it needs no
    exponential function per weight.
    Source: Wunderlich & Pehle 2021, eqs. 5-7 (arXiv:2009.08378).
    """
    return solve(
        Leaky(float(tau_mem), float(tau_syn)),
        times,
        weights,
        threshold=threshold,
        delays=delays,
        min_slope=min_slope,
        rule=_solve,
    )
