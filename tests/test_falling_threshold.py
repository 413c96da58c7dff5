"""Falling thresholds: times by hand, the proxy, and ReLU networks in exponential code."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from neurons import layer, spikes_only

from ttfs_jax import spike_time
from ttfs_jax.spike_time import NO_SPIKE


def test_hand_computed_times_of_falling_thresholds():
    # V = ½ + t meets 1 − t at ¼; twice the weight is above at once; −½ − t/… never meets.
    weights = jnp.array([[1.0, 2.0, -1.0]])
    times = spike_time.linear_threshold(jnp.array([0.5]), weights)
    np.testing.assert_allclose(times, [0.25, 0.0, NO_SPIKE])
    # e^(−t) = e^(−1), e^(−1) e, e^(−6) (after the window of 5)
    weights = jnp.exp(jnp.array([[0.0, 1.0, -5.0]]))
    times = spike_time.exponential_threshold(jnp.array([1.0]), weights)
    np.testing.assert_allclose(times, [1.0, 0.0, NO_SPIKE], atol=1e-6)


def test_proxy_of_the_linear_threshold_has_its_values():
    times, weights, _ = layer(12, 200, 8)
    times, weights = jnp.asarray(times / 2, jnp.float32), jnp.float32(weights / 4 - 0.15)
    spikes = spike_time.linear_threshold(times, weights)
    activations = jnp.where(spike_time.is_spike(times), 1.0 - spikes_only(times), 0.0)
    proxy = spike_time.linear_threshold_proxy(activations, weights)
    expected = jnp.where(spike_time.is_spike(spikes), 1.0 - spikes_only(spikes), 0.0)
    np.testing.assert_allclose(proxy, expected, atol=1e-5)
    assert 0.1 < (expected > 0).mean() < 0.9


def test_a_converted_relu_network_keeps_its_logits():
    draw = np.random.default_rng(0)
    images = jnp.asarray(draw.uniform(0.0, 1.0, (20, 8)), jnp.float32)
    one, two = (jnp.asarray(draw.normal(size=s), jnp.float32) for s in ((8, 30), (30, 5)))
    bias, offset = jnp.full(30, 0.1), jnp.linspace(-1.0, 1.0, 5)
    hidden = jax.nn.relu(images @ one + bias[None])
    expected = hidden @ two + offset[None]
    first = spike_time.convert_to_exponential(one, bias, largest_in=1.0, largest_out=hidden.max())
    last = spike_time.convert_to_exponential(two, offset, largest_in=hidden.max(), largest_out=1.0)

    def logits(image, window):
        code = partial(spike_time.exponential_code, tau=0.5, window=window)
        solve = partial(spike_time.exponential_threshold, tau_in=0.5, tau_out=0.5, window=window)
        times = solve(code(image), first[0], bias=first[1])
        return spike_time.exponential_value(times, tau=0.5) @ last[0] + last[1]

    long = jax.vmap(partial(logits, window=8.0))(images)
    np.testing.assert_allclose(long, expected, atol=1e-4)
    # A shorter window loses the small activations, below e^(−2 / 0.5) of the largest.
    short = jax.vmap(partial(logits, window=2.0))(images)
    error = np.abs(short - expected).max()
    assert 1e-3 < error < 0.02 * hidden.max() * jnp.abs(two).sum(0).max()
