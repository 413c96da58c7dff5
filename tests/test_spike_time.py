"""The constant-slope solver: hand numbers, gradients, silence, clipping, invariances."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.test_util import check_grads

from ttfs_jax.spike_time import NO_SPIKE, constant_slope, fire

TIMES = np.array([0.25, 0.5, NO_SPIKE])
WEIGHTS = np.array([[1.0, -1.0, 0.5], [2.0, 1.0, 0.5], [9.0, 9.0, 9.0]])
BIAS = np.array([0.25, 0.0, -0.625])


def solve(times, weights, bias, window=3.0):
    return constant_slope(times, weights, bias=bias, window_in=1.0, window_out=window)


def test_hand_computed_times():
    # charges .75, .5, 0: drives 2.0, -0.25 (silent), 0 (grazing, silent)
    times = solve(jnp.array(TIMES), jnp.array(WEIGHTS), jnp.array(BIAS))
    np.testing.assert_allclose(times, [1.0, NO_SPIKE, NO_SPIKE], rtol=1e-6)


def test_clipped_spike_is_at_zero_without_gradient():
    value, gradient = jax.value_and_grad(lambda a: fire(a, 1.0))(jnp.array(1.5))
    assert (value, gradient) == (0.0, 0.0)


def test_silence_and_grazing_have_no_gradient_and_nan_stays():
    gradient = jax.vmap(jax.grad(lambda a: fire(a, 1.0)))(jnp.array([-1.0, 0.0, 0.5]))
    np.testing.assert_array_equal(gradient, [0.0, 0.0, -1.0])
    assert jnp.isnan(fire(jnp.array(jnp.nan), 1.0))


def test_gradient_equals_finite_differences_and_implicit_function():
    with jax.enable_x64(True):
        times = jnp.array([0.25, 0.5, 0.75])
        weights = jnp.array([[1.0, 0.5], [0.5, 1.0], [0.25, 0.5]])
        bias = jnp.array([0.1, 0.2])
        check_grads(solve, (times, weights, bias), order=1, modes=["rev"])
        jacobian = jax.jacrev(solve)(times, weights, bias)
        # V(t) = sum_j w_ji (T_in - t_j) + t - theta = 0, so dt_i/dt_j = w_ji / 1
        np.testing.assert_allclose(jacobian, weights.T, rtol=1e-12)


def test_grad_of_vmap_equals_vmap_of_grad_under_jit():
    batch = jnp.array([[0.25, 0.5, 0.75], [0.0, NO_SPIKE, 0.5]])
    weights = jnp.array([[1.0, 0.5], [0.5, 1.0], [0.25, 0.5]])
    bias = jnp.zeros(2)

    def loss(weights, times):
        return solve(times, weights, bias).sum()

    one = jax.jit(jax.vmap(jax.grad(loss), (None, 0)))(weights, batch).sum(0)
    other = jax.grad(lambda w: jax.vmap(loss, (None, 0))(w, batch).sum())(weights)
    np.testing.assert_allclose(one, other, rtol=1e-6)
    assert np.isfinite(one).all()


def test_second_call_does_not_retrace():
    chex.clear_trace_counter()
    traced = jax.jit(chex.assert_max_traces(solve, n=1))
    for shift in (0.0, 0.1):
        traced(jnp.array([shift, 0.5]), jnp.ones((2, 2)), jnp.zeros(2))


def test_wrong_shapes_are_named():
    with pytest.raises(ValueError, match=r"times \[I\]"):
        solve(jnp.ones((2, 3)), jnp.ones((3, 2)), jnp.zeros(2))


@settings(max_examples=30, deadline=None)
@given(st.permutations(range(4)), st.integers(0, 8))
def test_permutation_and_time_shift(order, eighths):
    times, weights = jnp.arange(4) / 8.0, jnp.arange(8.0).reshape(4, 2) / 8.0
    order, shift = jnp.array(order), eighths / 8.0
    plain = solve(times, weights, jnp.zeros(2))
    np.testing.assert_allclose(plain, solve(times[order], weights[order], jnp.zeros(2)), 1e-6)
    later = constant_slope(
        times + shift, weights, bias=jnp.zeros(2), window_in=1.0 + shift, window_out=3.0
    )
    np.testing.assert_allclose(plain, later, rtol=1e-6)
