"""Gradients of solvers: by two independent ways, under transformations, and always finite."""

from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from neurons import SEARCHED, layer, solver, spikes_only

from ttfs_jax import spike_time
from ttfs_jax.spike_time import NO_SPIKE

NAMES = list(SEARCHED)
WINDOWED = {
    "constant_slope": lambda t, w, limit: spike_time.constant_slope(
        t, w, bias=limit - 1.0, window_in=2.0, window_out=2.0
    ),
    "linear_threshold": lambda t, w, limit: spike_time.linear_threshold(
        t, w, threshold=limit, window=2.0
    ),
    "exponential_threshold": lambda t, w, limit: spike_time.exponential_threshold(
        t, w, threshold=limit, tau_in=0.7, tau_out=0.5, window=2.0
    ),
}


def with_gradient(name):
    @jax.jit
    def run(times, weights, limit):
        found, pull = jax.vjp(solver(name), times, weights, limit)
        return found, pull(jnp.ones_like(found))

    return run


SOLVERS = {name: with_gradient(name) for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_gradient_equals_the_implicit_function(name):
    with jax.enable_x64(True):
        times, weights, limit = layer(12, 60, 3)
        found, pull = jax.vjp(solver(name), *map(jnp.asarray, (times, weights, limit)))
        push = np.random.default_rng(0).normal(size=found.shape)
        moved, change, of_limit = map(np.asarray, pull(jnp.asarray(push)))
        model, found = SEARCHED[name], np.asarray(found)
        expected = [np.zeros_like(x) for x in (times, weights, limit)]
        for o in np.flatnonzero(found < NO_SPIKE):
            causal = times < found[o]
            ages = found[o] - times[causal]
            gain = push[o] / (weights[causal, o] @ model.slope(ages))
            expected[0][causal] += gain * weights[causal, o] * model.slope(ages)
            expected[1][causal, o] = -gain * model.kernel(ages)
            expected[2][o] = gain
        for ours, theirs in zip((moved, change, of_limit), expected, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-8, atol=1e-10)
        assert (found < NO_SPIKE).mean() > 0.4


@pytest.mark.parametrize("name", NAMES + list(WINDOWED))
def test_gradient_equals_finite_differences(name):
    solve = WINDOWED[name] if name in WINDOWED else solver(name)
    with jax.enable_x64(True):
        times, weights, limit = layer(10, 30, 4, silent=0.0)
        if name in WINDOWED:
            weights = weights / 4
        point = tuple(map(jnp.asarray, (times, weights, limit)))
        draw = np.random.default_rng(1)
        ahead = [draw.normal(size=x.shape) for x in point]
        step = 1e-7

        def at(sign):
            return solve(*(x + sign * step * d for x, d in zip(point, ahead, strict=True)))

        # Neurons that fall silent within the step have no derivative.
        smooth = jnp.isfinite(at(1)) & jnp.isfinite(at(-1))
        measured = jnp.where(smooth, at(1) - at(-1), 0.0).sum() / (2 * step)
        gradient = jax.grad(
            lambda *x: jnp.where(smooth, spikes_only(solve(*x)), 0.0).sum(), (0, 1, 2)
        )(*point)
        along = sum((g * d).sum() for g, d in zip(gradient, ahead, strict=True))
        np.testing.assert_allclose(along, measured, rtol=1e-5)
        assert smooth.mean() > 0.3


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_transformations_agree_and_do_not_retrace(name):
    batch = np.stack([layer(9, 1, seed)[0] for seed in range(4)]).astype(np.float32)
    _, weights, limit = map(jnp.float32, layer(9, 20, 9))
    chex.clear_trace_counter()
    solve = chex.assert_max_traces(solver(name), n=1)

    def loss(weights, times):
        return spikes_only(solve(times, weights, limit)).sum()

    one = jax.jit(jax.vmap(jax.grad(loss), (None, 0)))
    each = one(weights, batch)
    np.testing.assert_array_equal(one(weights, batch), each)  # a second call, same trace
    chex.clear_trace_counter()
    solve = solver(name)
    whole = jax.jit(jax.grad(lambda w: jax.vmap(loss, (None, 0))(w, batch).sum()))(weights)
    mapped = jax.jit(jax.grad(lambda w: jax.lax.map(lambda t: loss(w, t), batch).sum()))(weights)
    np.testing.assert_allclose(whole, each.sum(0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(mapped, each.sum(0), rtol=1e-4, atol=1e-5)
    with jax.enable_x64(True):
        fine = solver(name)(batch[0].astype(float), np.float64(weights), np.float64(limit))
        fine = np.asarray(fine)
    coarse = np.asarray(solver(name)(jnp.asarray(batch[0]), weights, limit))
    assert coarse.dtype == np.float32 and fine.dtype == np.float64
    np.testing.assert_array_equal(np.isinf(coarse), np.isinf(fine))
    spiking = np.isfinite(coarse)
    np.testing.assert_allclose(coarse[spiking], fine[spiking], atol=2e-5)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 1000),
    shift=st.floats(0.0, 20.0),
    order=st.permutations(range(8)),
)
def test_shift_permutation_and_finite_gradients(name, seed, shift, order):
    solve, order = SOLVERS[name], np.array(order)
    times, weights, limit = layer(8, 16, seed)
    with jax.enable_x64(True):
        plain, gradient = jax.tree.map(np.asarray, solve(times, weights, limit))
        later = np.asarray(solve(times + shift, weights, limit)[0])
        mixed = np.asarray(solve(times[order], weights[order], limit)[0])
    np.testing.assert_allclose(later, plain + shift, atol=1e-7)
    np.testing.assert_allclose(mixed, plain, atol=1e-9)
    assert all(np.isfinite(leaf).all() for leaf in gradient)


def test_event_prop_has_the_implicit_gradient():
    times, weights, limit = layer(12, 80, 7)
    with jax.enable_x64(True):
        one = SOLVERS["lif"](times, weights, limit)
        other = SOLVERS["lif_event_prop"](times, weights, limit)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-9, atol=1e-11), one, other)
