"""Spike times: hand numbers, scaling, silence, simultaneous inputs, crossings, delays."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from neurons import SEARCHED, layer, spikes_only
from scipy.special import lambertw

from ttfs_jax import spike_time
from ttfs_jax.spike_time import NO_SPIKE

NAMES = list(SEARCHED)


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
