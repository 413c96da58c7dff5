"""Cycles by hand, powers against published readings, estimates with their uncertainty."""

import jax.numpy as jnp
import numpy as np
import pytest
from chips import dense

from hardware.target import DISCLAIMER, Estimate, Range
from hardware.xylo.core import simulate
from hardware.xylo.cycles import ChipActivity, cycles_per_step, measure_activity
from hardware.xylo.energy import CONSTANTS, estimate, idle_power, running_power
from ttfs_jax.support.errors import InputError


def test_worst_case_cycles_by_hand():
    # 16 (3.5 · 60 + 1) + 100 (7 · 24 + 3) + 40 (1 + 56) + 100 · 22 + 84
    assert cycles_per_step(dense(16, 60, 40, 7)) == 3376 + 17100 + 2280 + 2200 + 84
    # Audio 2: all 100 hidden neurons count as reached and reaching.
    full = cycles_per_step(dense(16, 60, 40, 7), full_matrices=True)
    assert full == 5616 + 17100 + 5700 + 2200 + 84


def test_silent_network_costs_22_cycles_a_neuron():
    silent = ChipActivity(jnp.zeros(()), jnp.zeros(()))
    assert cycles_per_step(dense(16, 60, 40, 7), silent) == 16 + 100 * 22 + 84


def test_aliases_cost_cycles():
    alias = np.full(100, -1)
    alias[:50] = np.arange(50, 100)
    silent = ChipActivity(jnp.zeros(()), jnp.zeros(()))
    # s = t = 1/2: 2 · 1/4 + 3 · 1/4 + 1/2 · 1/2 more per neuron.
    more = cycles_per_step(dense(16, 60, 40, 7, alias=alias), silent) - (16 + 2200 + 84)
    assert more == 100 * 1.5


def test_activity_is_measured():
    events = np.zeros((1, 4, 16))
    events[0, 0, :4] = 15
    trace = simulate(dense(16, 60, 40, 7), events)
    shares = measure_activity(events, trace)
    assert shares.inputs == 1 / 16
    assert shares.hidden == (trace.spikes > 0).mean() > 0


@pytest.mark.parametrize(
    ("clock", "watts"), [(6.25, 302e-6), (12.5, 456e-6), (25.0, 773e-6), (50.0, 1407e-6)]
)
def test_idle_power_as_published(clock, watts):
    assert abs(idle_power(clock, mapped=False).nominal - watts) <= 3e-6


@pytest.mark.parametrize(
    ("clock", "watts"), [(6.25, 327e-6), (12.5, 501e-6), (25.0, 852e-6), (50.0, 1550e-6)]
)
def test_idle_power_of_a_mapped_network_as_published(clock, watts):
    power = idle_power(clock, mapped=True)
    assert power.low <= watts <= power.high


def test_running_power_as_published():
    # 792 steps per second of 1,600 to 4,600 cycles at 50 MHz: 1599 µW, idle 1550.
    for cycles in (1600, 4600):
        power = running_power(50.0, 792 * cycles)
        assert power.low <= 1599e-6 <= power.high


@pytest.mark.parametrize(
    ("options", "milliseconds", "microjoules"),
    [
        ({"clock_mhz": 50.0}, 1.31, (2.0, 3.3, 4.6)),
        ({"clock_mhz": 6.25}, 10.5, (3.4, 4.7, 6.0)),
    ],
)
def test_estimate_of_24_steps_by_hand(options, milliseconds, microjoules):
    found = estimate(2737, 24, **options)
    assert found.latency == pytest.approx(milliseconds * 1e-3, rel=0.01)
    # Worked out with fixed clock constants, which vary by 0.2 pJ here.
    energy = 1e6 * np.array([found.energy.low, found.energy.nominal, found.energy.high])
    np.testing.assert_allclose(energy, microjoules, atol=0.1)
    assert DISCLAIMER in str(found) and "low" in str(found) and "high" in str(found)
    assert found.fits and found.constants is CONSTANTS


def test_real_time_takes_as_long_as_its_steps():
    found = estimate(2737, 24, clock_mhz=6.25, step_seconds=1e-3)
    assert found.latency == 24e-3
    assert found.energy.nominal == pytest.approx(9.1e-6, rel=0.03)
    with pytest.raises(InputError, match="use a faster clock or longer steps"):
        estimate(24_158, 24, clock_mhz=6.25, step_seconds=1e-3)


def test_bad_input_is_refused():
    with pytest.raises(InputError, match="clock_mhz must be one of"):
        estimate(1000, 10, clock_mhz=10.0)
    with pytest.raises(InputError, match="must be finite"):
        estimate(float("nan"), 10)
    with pytest.raises(InputError, match="low ≤ nominal ≤ high"):
        Range(2.0, 1.0, 3.0)


def test_what_does_not_fit_says_why():
    found = Estimate("xylo-a3", {"all": Range(1.0, 2.0, 3.0)}, 1.0, ("17 inputs, the chip has 16",))
    assert not found.fits and "does not fit: 17 inputs" in str(found)
