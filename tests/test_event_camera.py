"""The event camera against closed forms: ramps, refractory time, noise, polarity."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttfs_jax.datasets.events import camera
from ttfs_jax.datasets.events.camera import CameraConfig, Pixels

QUIET = CameraConfig(
    threshold_spread=0.0,
    refractory=0.0,
    leak_rate=0.0,
    bright_cutoff=1e9,
    dark_cutoff=1e9,
    dark_light=0.0,
    bright_noise=1e-9,
    dark_noise=1e-9,
    hot_share=0.0,
)


def pixels(shape, on=0.2, off=0.2):
    return Pixels(jnp.full(shape, on), jnp.full(shape, off), jnp.zeros(shape, bool))


def watch(levels, duration, config, sensor, key=0):
    """Run the sensor over log intensities [n, H, W] and list all events."""
    images = jnp.exp(jnp.asarray(levels, jnp.float32))
    step = jax.jit(lambda state, image: camera.step(state, image, duration, sensor, config))
    state, listed = camera.start_sensor(jax.random.key(key), images[0], config), []
    for number, image in enumerate(images[1:]):
        state, events = step(state, image)
        counts = camera.polarity_counts(events)
        part = camera.event_list(events, begin=number * duration)
        assert counts.sum() == len(part)
        assert counts[..., 0].sum() == part["p"].sum()
        listed.append(part)
    return np.concatenate(listed)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("refractory", [0.0, 0.004])
def test_ramp_gives_the_exact_number_and_times(sign, refractory):
    # 5 log units per second against a threshold of 0.2: one event every 40 ms of live time.
    steps, duration = 90, 1 / 300
    ramp = -3.0 + sign * 5.0 * duration * np.arange(steps + 1)
    config = dataclasses.replace(QUIET, refractory=refractory)
    events = watch(ramp[:, None, None], duration, config, pixels((1, 1)))
    distance = 0.04 + refractory
    expected = 0.04 + distance * np.arange(int((steps * duration - 0.04) / distance + 1 + 1e-6))
    np.testing.assert_allclose(events["t"], expected, atol=2e-5)
    assert (events["p"] == (sign > 0)).all()


@settings(max_examples=25, deadline=None)
@given(
    st.floats(-400.0, 400.0).filter(lambda s: abs(s) > 1.0),
    st.floats(0.05, 0.5),
    st.floats(0.0, 0.002),
)
def test_one_step_equals_many_small_ones(slope, threshold, refractory):
    """Cutting a line into pieces must not move its events, and the dead time is kept."""
    slope, sensor = jnp.full((1, 1), slope), pixels((1, 1), threshold, threshold)
    zero, duration = jnp.zeros((1, 1)), 0.02
    solve = jax.jit(camera.ramp_events, static_argnames="refractory")
    whole, *_ = solve(slope, zero, zero, duration, sensor, refractory=refractory)
    times, change, blind = [], zero, zero
    for number in range(8):
        part, change, blind = solve(
            slope, change, blind, duration / 8, sensor, refractory=refractory
        )
        times.append(camera.event_list(part, begin=number * duration / 8)["t"])
    ours, theirs = np.concatenate(times), camera.event_list(whole)["t"]
    assert abs(len(ours) - len(theirs)) <= 1  # an event may fall on the very end
    shared = min(len(ours), len(theirs))
    np.testing.assert_allclose(ours[:shared], theirs[:shared], atol=1e-5)
    assert (np.diff(ours) >= refractory - 1e-6).all()


def test_static_scene_makes_noise_at_the_set_rate_only():
    shape, steps, duration = (64, 64), 60, 1 / 300
    still = np.full((steps + 1, *shape), np.log(0.5))
    assert len(watch(still, duration, QUIET, pixels(shape))) == 0
    noisy = dataclasses.replace(QUIET, bright_noise=4.0, dark_noise=4.0)
    events = watch(still, duration, noisy, pixels(shape))
    expected = 4.0 * 64 * 64 * steps * duration
    assert abs(len(events) - expected) < 5 * np.sqrt(expected) + 0.01 * expected
    assert abs(events["p"].mean() - 0.5) < 5 * 0.5 / np.sqrt(expected)


def test_leak_makes_on_events_only():
    still = np.full((301, 2, 2), np.log(0.5))
    leaky = dataclasses.replace(QUIET, leak_rate=2.5)
    events = watch(still, 1 / 100, leaky, pixels((2, 2)))  # three seconds: 7.5 periods
    assert len(events) == 7 * 4
    assert events["p"].all()


def test_less_light_means_a_slower_pixel():
    def early_share(level):
        config = dataclasses.replace(QUIET, bright_cutoff=100.0, dark_cutoff=5.0)
        edge = np.full((31, 1, 1), level) + np.where(np.arange(31) > 0, 2.0, 0.0)[:, None, None]
        times = watch(edge, 1 / 300, config, pixels((1, 1)))["t"]
        assert len(times) >= 5
        return (times < 0.01).mean()

    assert early_share(-2.0) > early_share(-5.0)


def test_dark_current_flattens_contrast():
    """From light I to I', the change seen is ln((I' + D) / (I + D)), in thresholds of 0.2."""
    for low, high, dark in ((0.01, 0.03, 0.02), (0.25, 0.75, 0.02), (0.01, 0.03, 0.0)):
        config = dataclasses.replace(QUIET, dark_light=dark)
        edge = np.log([[[low]], [[high]], [[high]]])
        expected = int(np.log((high + dark) / (low + dark)) / 0.2)
        assert len(watch(edge, 1 / 300, config, pixels((1, 1)))) == expected


def test_sensor_is_the_same_for_the_same_seed():
    config = CameraConfig(hot_share=0.05)
    one, same, other = (
        camera.make_pixels(jax.random.key(seed), (40, 40), config) for seed in (0, 0, 1)
    )
    jax.tree.map(np.testing.assert_array_equal, one, same)
    assert (one.threshold_on != other.threshold_on).any()
    assert (one.threshold_on >= 0.02).all()
    assert one.threshold_on.std() == pytest.approx(0.03, rel=0.1)
    assert 0.02 < one.hot.mean() < 0.08
