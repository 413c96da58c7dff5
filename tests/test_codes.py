"""What codes do to signals, by hand: delays, pools, and who gets the gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ttfs_jax.codes import CODES, Signal
from ttfs_jax.codes.pooling import block_means
from ttfs_jax.codes.ttfs import delay
from ttfs_jax.spike_time import NO_SPIKE, fire

TTFS = CODES["ttfs"]


def test_delay_keeps_the_charge_and_silence():
    signal = Signal(jnp.array([0.5, 2.0, NO_SPIKE]), jnp.array(3.0))
    later, weight = delay(signal, jnp.array(1.0), time_bits=jnp.array(0))
    np.testing.assert_array_equal(later.values, [-1.5, 0.0, NO_SPIKE])
    np.testing.assert_array_equal(TTFS.deliver(later), TTFS.deliver(signal))
    assert weight == 1.0


def test_in_time_steps_a_delay_is_one_window_of_whole_steps():
    steps = jnp.array([1.0, 5.0, NO_SPIKE])  # of 8 in a window of 3
    signal = Signal(steps * 3.0 / 8, jnp.array(3.0))
    later, weight = delay(signal, jnp.array(0.7), time_bits=jnp.array(3))
    np.testing.assert_allclose(later.values / later.window * 8, steps, rtol=1e-6)
    delivered = weight * TTFS.deliver(later)
    np.testing.assert_allclose(delivered, [21 / 8, 9 / 8, 0.0], rtol=1e-6)

    def charge(values, window):
        signal = Signal(values, window)
        later, weight = delay(signal, jnp.array(0.7), time_bits=jnp.array(3))
        return (weight * TTFS.deliver(later)).sum()

    by_time, by_window = jax.grad(charge, (0, 1))(signal.values, signal.window)
    np.testing.assert_allclose(by_time, [-1.0, -1.0, 0.0], rtol=1e-6)
    assert np.isfinite(by_window)


def test_pools_by_hand():
    x = jnp.array([[0.0, 0.75, 0.25], [0.5, 0.0, 0.0], [0.0, 0.0, 0.0]])[None, :, :, None]
    signal = Signal(fire(x, 1.0), jnp.array(1.0))
    first = TTFS.pool(signal, size=2).values[0, :, :, 0]
    np.testing.assert_array_equal(first, [[0.25, 0.75], [NO_SPIKE, NO_SPIKE]])
    mean = block_means(TTFS.deliver(signal))[0, :, :, 0]
    np.testing.assert_allclose(mean, [[0.3125, 0.0625], [0.0, 0.0]])


@pytest.mark.parametrize("code", ["relu", "ttfs"])
@pytest.mark.parametrize(
    ("values", "shares"),
    [
        ([0.5, 0.5, 0.75, NO_SPIKE], [0.5, 0.5, 0.0, 0.0]),
        ([0.5, 0.5, 0.75, 0.5], [1 / 3, 1 / 3, 0.0, 1 / 3]),
        ([0.25, 0.5, 0.25 + 2**-24, 0.5], [1.0, 0.0, 0.0, 0.0]),
    ],
)
def test_simultaneous_first_spikes_share_the_gradient(code, values, shares):
    times = jnp.array(values).reshape(1, 2, 2, 1)
    signal = Signal(times if code == "ttfs" else -times, jnp.array(1.0))

    def pooled(values):
        return CODES[code].pool(signal._replace(values=values), size=2).values.sum()

    gradient = jax.grad(pooled)(signal.values)
    np.testing.assert_allclose(gradient.ravel(), shares, rtol=1e-7)
    forward = jax.jvp(pooled, (signal.values,), (jnp.arange(4.0).reshape(1, 2, 2, 1),))[1]
    np.testing.assert_allclose(forward, np.arange(4.0) @ shares, rtol=1e-6)
