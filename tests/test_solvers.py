"""Solvers: hand numbers, gradients by two independent ways, transformations, invariances."""

from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from neurons import SEARCHED, layer, spikes_only
from scipy.special import lambertw

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


def solver(name):
    return lambda t, w, limit: SEARCHED[name].solve(t, w, threshold=limit)


@pytest.mark.parametrize(
    "name, weight, expected",
    [
        ("non_leaky", 2.0, np.log(2.0)),  # 2 (1 − 1/2) = 1
        ("lif_equal", 1.0 / (0.5 * np.exp(-0.5)), 0.5),  # w s e^(−s) = 1
        ("lif_double", 16.0 / 3.0, 2.0 * np.log(4.0 / 3.0)),  # 16/3 (3/4 − 9/16) = 1
        ("linear_psp", 4.0, 0.25),
    ],
)
def test_hand_computed_times_of_one_input(name, weight, expected):
    times = SEARCHED[name].solve(jnp.array([0.25, NO_SPIKE]), jnp.array([[weight], [9.0]]))
    np.testing.assert_allclose(times, [0.25 + expected], rtol=1e-6)


def test_equal_time_constants_solve_by_the_lambert_function():
    with jax.enable_x64(True):
        draw = np.random.default_rng(0)
        inputs, weights = draw.uniform(0.0, 0.3, 6), draw.uniform(0.5, 1.0, (6, 50))
        found = np.asarray(spike_time.lif_equal(inputs, weights, tau=0.8))
        # All inputs take part, as all spikes are later.
        assert (found > 0.3).all() and (found < NO_SPIKE).all()
        a = np.exp(inputs / 0.8) @ weights
        b = (inputs / 0.8 * np.exp(inputs / 0.8)) @ weights
        expected = 0.8 * (b / a - lambertw(-np.exp(b / a) / a).real)
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_any_ratio_meets_both_closed_forms():
    with jax.enable_x64(True):
        times, weights, limit = layer(12, 300, 1)
        solve = partial(spike_time.lif, times, weights, threshold=limit)
        double = spike_time.lif_double(times, weights, threshold=limit, tau_syn=0.6)
        np.testing.assert_allclose(solve(tau_mem=1.2, tau_syn=0.6), double, rtol=1e-9)
        near = solve(tau_mem=0.6 * (1 + 1e-7), tau_syn=0.6)
        equal = spike_time.lif_equal(times, weights, threshold=limit, tau=0.6)
        np.testing.assert_array_equal(jnp.isinf(near), jnp.isinf(equal))
        spiking = np.isfinite(equal)
        np.testing.assert_allclose(near[spiking], equal[spiking], atol=1e-5)


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


def with_gradient(name):
    @jax.jit
    def run(times, weights, limit):
        found, pull = jax.vjp(solver(name), times, weights, limit)
        return found, pull(jnp.ones_like(found))

    return run


SOLVERS = {name: with_gradient(name) for name in NAMES}


@pytest.mark.parametrize("factor", [1e-3, 40.0])
def test_scaling_of_time(factor):
    times, weights, limit = layer(8, 50, 0)
    with jax.enable_x64(True):

        def check(solve, **constants):
            scaled = {name: value * factor for name, value in constants.items()}
            plain = solve(times, weights, threshold=limit, **constants)
            wide = solve(times * factor, weights, threshold=limit, **scaled)
            np.testing.assert_allclose(wide, plain * factor, rtol=1e-9)

        check(spike_time.non_leaky, tau=1.0)
        check(spike_time.lif_equal, tau=1.0)
        check(spike_time.lif_double, tau_syn=1.0)
        check(spike_time.lif, tau_mem=3.0, tau_syn=0.7)
        # V is in units of time: the threshold scales along.
        plain = spike_time.linear_psp(times, weights, threshold=limit)
        wide = spike_time.linear_psp(times * factor, weights, threshold=limit * factor)
        np.testing.assert_allclose(wide, plain * factor, rtol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_silence_in_all_its_forms(name):
    solve = SEARCHED[name].solve

    def loss(times, weights):
        return spikes_only(solve(times, weights)).sum()

    nothing = solve(jnp.zeros(0), jnp.zeros((0, 3)))
    np.testing.assert_array_equal(nothing, [NO_SPIKE] * 3)
    for times, weights in [
        (jnp.array([0.0, 0.5]), -jnp.ones((2, 3))),
        (jnp.full(2, NO_SPIKE), 9.0 * jnp.ones((2, 3))),
        (jnp.array([0.0, 0.5]), jnp.zeros((2, 3))),
    ]:
        np.testing.assert_array_equal(solve(times, weights), [NO_SPIKE] * 3)
        for leaf in jax.grad(loss, (0, 1))(times, weights):
            np.testing.assert_array_equal(leaf, jnp.zeros_like(leaf))
    for times in (jnp.array([0.0, jnp.nan]), jnp.array([0.0, -jnp.inf])):
        assert jnp.isnan(solve(times, jnp.ones((2, 3)))).all()
    broken = solve(jnp.array([0.0, 0.5]), jnp.array([[jnp.nan, 0.0], [0.0, 0.0]]))
    assert jnp.isnan(broken[0]) and broken[1] == NO_SPIKE


@pytest.mark.parametrize("name", NAMES)
def test_simultaneous_inputs_act_as_one(name):
    solve = SEARCHED[name].solve
    one = solve(jnp.array([0.25]), jnp.array([[8.0]]))
    many = solve(jnp.full(4, 0.25), jnp.full((4, 1), 2.0))
    np.testing.assert_allclose(many, one, rtol=1e-6)
    gradient = jax.grad(lambda w: solve(jnp.full(4, 0.25), w)[0])(jnp.full((4, 1), 2.0))
    np.testing.assert_allclose(gradient, jnp.broadcast_to(gradient[:1], (4, 1)), rtol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_an_input_at_the_spike_takes_no_part_in_it(name):
    solve = SEARCHED[name].solve
    alone = solve(jnp.array([0.0]), jnp.array([[8.0]]))[0]
    times = jnp.stack([jnp.zeros(()), alone])
    for weight in (5.0, -5.0):
        weights = jnp.array([[8.0], [weight]])
        value, gradient = jax.value_and_grad(lambda t, w=weights: solve(t, w)[0])(times)
        np.testing.assert_allclose(value, alone, rtol=1e-6)
        np.testing.assert_allclose(gradient, [1.0, 0.0], atol=1e-5)


def test_the_first_crossing_is_found_and_later_inputs_do_not_undo_it():
    # Up at 0, inhibited at 1, excited again at 2: two crossings, of which the first counts.
    times, weights = jnp.array([0.0, 1.0, 2.0]), jnp.array([[6.0], [-9.0], [20.0]])
    first = spike_time.lif_double(times[:1], weights[:1])
    assert first[0] < 1.0
    np.testing.assert_allclose(spike_time.lif_double(times, weights), first, rtol=1e-6)
    # Inhibition before the crossing puts it off to the last input.
    early = times.at[1].set(0.1)
    assert spike_time.lif_double(early, weights)[0] > 2.0
    # A peak inside a gap: below the threshold at both of its ends.
    far = spike_time.lif_double(jnp.array([0.0, 9.0]), jnp.array([[6.0], [1.0]]))
    np.testing.assert_allclose(far, first, rtol=1e-6)


@pytest.mark.parametrize(
    "solve, touch",
    [
        (spike_time.lif_double, 4.0),  # w (x − x²) = w / 4 at its peak
        (spike_time.lif_equal, np.e),  # w s e^(−s) = w / e
        (partial(spike_time.lif, tau_mem=3.0, tau_syn=1.0), 3.0**1.5),  # w (1/√3)/3
    ],
)
def test_a_touch_is_silence_and_gradients_near_it_are_bounded(solve, touch):
    def time(weight, **options):
        return solve(jnp.zeros(1), weight[None, None], **options)[0]

    with jax.enable_x64(True):
        at = jax.value_and_grad(time)
        value, gradient = at(jnp.float64(touch) * (1 - 1e-12))
        assert (value, gradient) == (NO_SPIKE, 0.0)
        value, gradient = at(jnp.float64(touch) * (1 + 1e-10))
        assert np.isfinite(value) and -np.inf < gradient < -1e3
        bounded = jax.grad(partial(time, min_slope=0.1))(jnp.float64(touch) * (1 + 1e-10))
        # ∂t/∂w = −ε / V' with ε = θ / w and V' at least 0.1 θ
        np.testing.assert_allclose(bounded, -10.0 / touch, rtol=1e-4)
        far = jnp.float64(3 * touch)
        np.testing.assert_allclose(jax.grad(partial(time, min_slope=0.1))(far), at(far)[1])


@pytest.mark.parametrize("name", NAMES)
def test_delays_are_later_inputs(name):
    solve = SEARCHED[name].solve
    times, weights, _ = map(jnp.float32, layer(6, 3, 5))
    delays = jnp.linspace(0.0, 1.0, 6)
    axonal = solve(times, weights, delays=delays)
    np.testing.assert_allclose(axonal, solve(times + delays, weights), rtol=1e-6)
    synaptic = jnp.stack([delays, 0.5 * delays, 0.0 * delays], 1)

    def loss(delays):
        return spikes_only(solve(times, weights, delays=delays)).sum()

    gradient = jax.grad(loss)(synaptic)
    for o in range(3):
        own = solve(times + synaptic[:, o], weights[:, o : o + 1])
        np.testing.assert_allclose(solve(times, weights, delays=synaptic)[o], own[0], rtol=1e-5)
        alone = jax.grad(lambda t, o=o: spikes_only(solve(t, weights[:, o : o + 1])).sum())
        np.testing.assert_allclose(gradient[:, o], alone(times + synaptic[:, o]), atol=1e-4)


def test_event_prop_has_the_implicit_gradient():
    times, weights, limit = layer(12, 80, 7)
    with jax.enable_x64(True):
        one = SOLVERS["lif"](times, weights, limit)
        other = SOLVERS["lif_event_prop"](times, weights, limit)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-9, atol=1e-11), one, other)


def test_mistakes_are_named():
    times, weights = jnp.zeros(3), jnp.zeros((3, 2))
    with pytest.raises(ValueError, match=r"times \[I\] and weights"):
        spike_time.lif_double(times[None], weights)
    with pytest.raises(ValueError, match=r"threshold must be \[\] or \[2\]"):
        spike_time.non_leaky(times, weights, threshold=jnp.ones(3))
    with pytest.raises(ValueError, match="threshold must be above 0"):
        spike_time.linear_psp(times, weights, threshold=0.0)
    with pytest.raises(ValueError, match=r"delays must be \[3\] or \[3, 2\]"):
        spike_time.lif_equal(times, weights, delays=jnp.zeros(2))
    with pytest.raises(ValueError, match="min_slope"):
        spike_time.lif_equal(times, weights, min_slope=-1.0)
    with pytest.raises(ValueError, match="time constants"):
        spike_time.lif(times, weights, tau_mem=0.0, tau_syn=1.0)
    with pytest.raises(ValueError, match="tau_syn"):
        spike_time.lif_double(times, weights, tau_syn=0.0)
    with pytest.raises(ValueError, match=r"times \[I\] and weights"):
        spike_time.linear_threshold(times, weights[:2])
