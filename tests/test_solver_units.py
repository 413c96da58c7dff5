"""Solvers at any ratio of time constants, and in any unit of time and of charge."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from neurons import spikes_only

from ttfs_jax import spike_time

RATIOS = (1.0, 1.0 + 2**-52, 1.0 + 1e-7, 1.0 + 1e-5, 1.01, 1.5, 10.0, 100.0)


def potential(age, tau_mem, tau_syn):
    """Integrate ε(s) = ∫₀ˢ e^(−(s−u)/τ_mem) e^(−u/τ_syn) du / τ_mem: no difference, no ratio."""
    nodes, weights = np.polynomial.legendre.leggauss(60)
    at = 0.5 * age[..., None] * (1.0 + nodes)
    inside = np.exp(-(age[..., None] - at) / tau_mem - at / tau_syn) / tau_mem
    return 0.5 * age * (inside @ weights)


def draw(inputs=8, outputs=40):
    """Draw times and weights of which all take part, exact in float32."""
    source = np.random.default_rng(3)
    times = np.float32(source.uniform(0.0, 0.3, inputs)).astype(float)
    return times, np.float32(source.uniform(0.5, 1.5, (inputs, outputs))).astype(float)


def pulled(solve, times, weights):
    found, pull = jax.vjp(solve, times, weights)
    return jax.tree.map(np.asarray, (found, *pull(jnp.ones_like(found))))


@pytest.mark.slow
@pytest.mark.parametrize(
    "solver, ratio",
    [(spike_time.lif, ratio) for ratio in RATIOS]
    + [(spike_time.lif_event_prop, ratio) for ratio in (1.0 + 1e-7, 100.0)],
)
def test_no_digit_is_lost_at_any_ratio_of_time_constants(solver, ratio):
    times, weights = draw()
    for tau_mem, tau_syn in ((0.3 * ratio, 0.3), (0.3, 0.3 * ratio)):
        # Above all peaks of less than two inputs, below that of all.
        limit = 2.0 * potential(np.linspace(0.01, 3.0, 300), tau_mem, tau_syn).max()
        solve = partial(solver, threshold=float(limit), tau_mem=tau_mem, tau_syn=tau_syn)
        with jax.enable_x64(True):
            fine = pulled(solve, jnp.asarray(times), jnp.asarray(weights))
        coarse = pulled(solve, jnp.float32(times), jnp.float32(weights))
        assert np.isfinite(fine[0]).all()
        np.testing.assert_allclose(coarse[0], fine[0], rtol=5e-7)
        for ours, exact in zip(coarse[1:], fine[1:], strict=True):
            np.testing.assert_allclose(ours, exact, rtol=1e-5, atol=1e-6 * np.abs(exact).max())
        # The exact ones against the integral, and its differences.
        age = np.maximum(fine[0][None] - times[:, None], 0.0)
        value = potential(age, tau_mem, tau_syn)
        slope = (np.where(age > 0, np.exp(-age / tau_syn), 0.0) - value) / tau_mem
        rise = (weights * slope).sum(0)
        np.testing.assert_allclose((weights * value).sum(0), limit, rtol=1e-12)
        np.testing.assert_allclose(fine[2], -value / rise, rtol=1e-8, atol=1e-12)
        np.testing.assert_allclose(fine[1], (weights * slope / rise).sum(1), rtol=1e-8)


@pytest.mark.parametrize("solver", [spike_time.lif, spike_time.lif_event_prop])
def test_times_are_continuous_in_the_ratio(solver):
    times, weights = map(jnp.float32, draw())
    equal, *gradient = pulled(partial(solver, tau_mem=0.3, tau_syn=0.3), times, weights)
    for near in ({"tau_mem": 3 * 0.1, "tau_syn": 0.3}, {"tau_mem": 0.3, "tau_syn": 0.3 + 1e-8}):
        found, *own = pulled(partial(solver, **near), times, weights)
        np.testing.assert_allclose(found, equal, rtol=1e-6)
        for one, other in zip(own, gradient, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


# Every solver, with its constants in units of time; the limits are in units of charge (and for
# those whose potential is charge times time, of both).
SPREAD = {"threshold": 1.0}
# Where a window begins with all charge, the threshold is above it, so that no neuron is clipped.
CASES = {
    "non_leaky": (spike_time.non_leaky, {"tau": 1.0}, SPREAD),
    "lif_equal": (spike_time.lif_equal, {"tau": 0.8}, SPREAD),
    "lif_double": (spike_time.lif_double, {"tau_syn": 0.7}, SPREAD),
    "lif": (spike_time.lif, {"tau_mem": 3.0, "tau_syn": 0.7}, SPREAD),
    "lif_fast": (spike_time.lif, {"tau_mem": 0.4, "tau_syn": 2.0}, {"threshold": 2.0}),
    "lif_event_prop": (spike_time.lif_event_prop, {"tau_mem": 3.0, "tau_syn": 0.7}, SPREAD),
    "linear_psp": (spike_time.linear_psp, {}, SPREAD),
    "linear_threshold": (spike_time.linear_threshold, {"window": 2.0}, {"threshold": 30.0}),
    "exponential_threshold": (
        spike_time.exponential_threshold,
        {"tau_in": 0.7, "tau_out": 0.5, "window": 4.0},
        {"threshold": 15.0},
    ),
}
CHARGE_TIMES_TIME = ("linear_psp", "linear_threshold")


def both(name, time, charge):
    """Solve a layer in other units: spike times, and their gradients by times and weights."""
    solver, constants, limits = CASES[name]
    times, weights = draw()
    if name == "linear_psp":
        weights[3] -= 0.9 * weights.sum(0)  # nearly level at the end, so that gradients are large
    by_time = time if name in CHARGE_TIMES_TIME else 1.0
    constants = {key: value * time for key, value in constants.items()}
    limits = {key: value * charge * by_time for key, value in limits.items()}
    solve = partial(solver, **constants, **limits)
    point = jnp.float32(times * time), jnp.float32(weights * charge)
    found, moved, change = pulled(solve, *point)
    assert np.isfinite(found).all() and (found > 0).all()
    return found / time, moved, change * (charge / time)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_the_unit_of_time_changes_nothing(name):
    plain = both(name, 1.0, 1.0)
    for time in (1e-6, 1e3, 1e9):
        for one, other in zip(both(name, time, 1.0), plain, strict=True):
            np.testing.assert_allclose(one, other, rtol=2e-4, atol=1e-6 * np.abs(other).max())


@pytest.mark.parametrize("name", CASES)
def test_the_unit_of_charge_changes_nothing(name):
    plain = both(name, 1.0, 1.0)
    for charge in (1e-12, 1e-6, 1e6, 1e12):
        for one, other in zip(both(name, 1.0, charge), plain, strict=True):
            np.testing.assert_allclose(one, other, rtol=2e-4, atol=1e-6 * np.abs(other).max())


def test_units_of_the_constant_slope_neuron():
    times, weights = draw()

    def solve(times, weights, unit):
        return spike_time.constant_slope(
            times, weights, bias=-2.0 * unit, window_in=0.5 * unit, window_out=8.0 * unit
        )

    plain = pulled(partial(solve, unit=1.0), jnp.float32(times), jnp.float32(weights))
    assert 0.2 < np.isfinite(plain[0]).mean() and (plain[0] > 0).all()
    for unit in (2.0**-30, 2.0**-20, 2.0**30):
        found, moved, change = pulled(
            partial(solve, unit=unit), jnp.float32(times * unit), jnp.float32(weights)
        )
        np.testing.assert_array_equal(found / unit, plain[0])
        np.testing.assert_array_equal(moved, plain[1])
        np.testing.assert_array_equal(change / unit, plain[2])


@pytest.mark.parametrize("name", ["non_leaky", "lif", "lif_double"])
def test_the_slope_floor_next_to_a_touch_has_the_unit_of_time(name):
    """Just above a touch, where the floor rules the gradient, it scales as the gradient does."""
    solver, constants, _ = CASES[name]

    def gradient(unit, excess):
        own = {key: value * unit for key, value in constants.items()}
        tau_mem = own.get("tau_mem", 2 * own["tau_syn"] if "tau_syn" in own else own.get("tau"))
        tau_syn = own.get("tau_syn", own.get("tau"))
        if name == "non_leaky":
            peak = 1.0
        else:
            peak = potential(np.linspace(0.0, 9.0, 20001) * unit, tau_mem, tau_syn).max()
        weight = jnp.full((1, 1), (1.0 + excess) / peak, jnp.float32)
        found, slope = jax.value_and_grad(
            lambda w: spikes_only(solver(jnp.zeros(1), w, **own, threshold=1.0))[0]
        )(weight)
        return float(found) / unit, float(slope[0, 0]) / unit

    for excess, tolerance in ((3e-6, 0.3), (1e-3, 1e-3)):  # digits of a slope next to a touch
        plain = gradient(1.0, excess)
        assert plain[0] > 0 and plain[1] < 0
        for unit in (2.0**-20, 2.0**10):
            np.testing.assert_allclose(gradient(unit, excess), plain, rtol=tolerance)


@pytest.mark.parametrize("solver", [spike_time.non_leaky, spike_time.lif_equal])
def test_short_times_keep_their_digits(solver):
    """Times far below τ: w s / τ = θ to first order, and no difference of exponentials left."""
    for unit in (1e-3, 1e-6):
        found, _, change = pulled(
            partial(solver, tau=1.0), jnp.zeros(1), jnp.full((1, 1), 1.0 / unit)
        )
        np.testing.assert_allclose(found, [unit], rtol=1.5 * unit + 2e-7)
        np.testing.assert_allclose(change, [[-(unit**2)]], rtol=3.0 * unit + 2e-6)


@pytest.mark.parametrize("name", list(CASES)[:7])
def test_an_input_at_the_spike_of_any_weight_takes_no_part_in_it(name):
    solver, constants, limits = CASES[name]
    solve = partial(solver, **constants, **limits)
    weights = jnp.asarray(np.geomspace(8.0, 1e5, 200), jnp.float32)
    alone = solve(jnp.zeros(1), weights[None])

    def second(weight, time):
        return solve(jnp.stack([0.0 * time, time]), jnp.stack([weight, -1e6])[:, None])[0]

    both = jax.jit(jax.vmap(second))(weights, alone)
    np.testing.assert_allclose(both, alone, rtol=1e-5)
