"""`lif_double` against jaxsnn, whose next-spike solver is differentiated through step by step."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxsnn.event.solver.lif_analytical import ttfs_solver
from jaxsnn.event.states import LIFState
from neurons import layer

from ttfs_jax import spike_time
from ttfs_jax.spike_time import NO_SPIKE

TAU_SYN, LONG = 0.8, 50.0


def peer(times, weights, threshold):
    """Go from input to input with jaxsnn's solver: times [I], weights [I], threshold [] -> []."""
    order = jnp.argsort(times)
    times, weights = times[order], weights[order]
    gaps = jnp.append(times[1:] - times[:-1], LONG)
    potential = current = jnp.zeros(())
    found = jnp.asarray(NO_SPIKE)
    for time, weight, gap in zip(times, weights, gaps, strict=True):
        current = current + weight
        state = LIFState(V=potential, I=current)
        wait = ttfs_solver(2 * TAU_SYN, TAU_SYN, threshold, state, gap)
        found = jnp.where((found == NO_SPIKE) & (wait < gap), time + wait, found)
        slow, fast = jnp.exp(-gap / (2 * TAU_SYN)), jnp.exp(-gap / TAU_SYN)
        potential = potential * slow + current * (slow - fast)
        current = current * fast
    return found


def test_times_and_gradients_are_those_of_jaxsnn():
    times, weights, limit = layer(8, 60, 2, silent=0.0)
    with jax.enable_x64(True):

        def ours(times, weights, limit):
            return spike_time.lif_double(times, weights, threshold=limit, tau_syn=TAU_SYN)

        def theirs(times, weights, limit):
            return jax.vmap(peer, (None, 1, 0))(times, weights, limit)

        def pulled(solve):
            found, pull = jax.vjp(solve, *map(jnp.asarray, (times, weights, limit)))
            return found, pull(jnp.where(found < NO_SPIKE, 1.0, 0.0))

        both = jax.jit(lambda: (pulled(ours), pulled(theirs)))()
    (found, gradient), (expected, reference) = jax.tree.map(np.asarray, both)
    assert 0.3 < (found < NO_SPIKE).mean() < 1.0
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    for one, other in zip(gradient, reference, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-8)
