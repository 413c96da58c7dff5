"""Solvers against SciPy's integrator with event detection, thousands of neurons per model."""

from functools import partial

import jax
import numpy as np
import pytest
from neurons import SEARCHED, layer
from scipy.integrate import solve_ivp

from ttfs_jax import spike_time
from ttfs_jax.spike_time import NO_SPIKE

NETWORKS, NEURONS, HORIZON, WINDOW = 10, 200, 12.0, 2.0
integrate = partial(solve_ivp, method="DOP853", rtol=1e-12, atol=1e-14, max_step=0.05)


def crossings(motion, times, weights, threshold):
    """Integrate from input to input: first upward crossing of every neuron, and its highest."""
    count = weights.shape[1]
    events = [lambda t, y, o=o: y[o] - threshold[o] for o in range(count)]
    for event in events:
        event.direction = 1
    found, highest = np.full(count, NO_SPIKE), np.zeros(count)
    order = np.argsort(times)
    order = order[times[order] < NO_SPIKE]
    state = np.zeros(2 * count)
    ends = np.append(times[order][1:], HORIZON)
    for k, end in zip(order, ends, strict=True):
        state[count:] += weights[k]
        done = integrate(
            lambda t, y: np.concatenate(motion(y[:count], y[count:])),
            (times[k], end),
            state,
            events=events,
        )
        for o, hits in enumerate(done.t_events):
            if len(hits) and found[o] == NO_SPIKE:
                found[o] = hits[0]
        highest = np.maximum(highest, done.y[:count].max(1))
        state = done.y[:, -1].copy()
        if (found < NO_SPIKE).all():
            break
    return found, highest


@pytest.mark.parametrize("name", [n for n in SEARCHED if n != "lif_event_prop"])
def test_every_neuron_fires_when_the_integrator_says(name):
    model, spikes = SEARCHED[name], 0
    with jax.enable_x64(True):
        solver = jax.jit(lambda t, w, limit: model.solve(t, w, threshold=limit))
        for seed in range(NETWORKS):
            times, weights, threshold = layer(12, NEURONS, seed)
            ours = np.asarray(solver(times, weights, threshold))
            ours = np.where(ours > HORIZON, NO_SPIKE, ours)
            theirs, highest = crossings(model.motion, times, weights, threshold)
            differ = (ours < NO_SPIKE) != (theirs < NO_SPIKE)
            # The integrator looks for a change of sign between its steps, and misses a peak that
            # is over the threshold for less than one.
            assert np.abs(highest - threshold)[differ].max(initial=0.0) < 1e-3
            assert differ.sum() <= 1
            both = (ours < NO_SPIKE) & ~differ
            np.testing.assert_allclose(ours[both], theirs[both], rtol=0, atol=1e-9)
            spikes += both.sum()
    assert 0.2 < spikes / (NETWORKS * NEURONS) < 0.99


def meets(rise, threshold, window, start):
    """Let the integrator find where a potential of slope `rise` meets a threshold: times [O]."""
    found = np.full(len(start), NO_SPIKE)
    events = [lambda t, y, o=o: y[o] - threshold(t)[o] for o in range(len(start))]
    done = integrate(lambda t, y: rise, (0.0, window), start, events=events)
    for o, hits in enumerate(done.t_events):
        if len(hits):
            found[o] = hits[0]
    return np.where(start >= threshold(0.0), 0.0, found)


def constant_slope(times, own, charge, weights, limit):
    bias, window = limit - 1.0, WINDOW
    ours = spike_time.constant_slope(times, weights, bias=bias, window_in=window, window_out=window)
    return ours, meets(np.ones(NEURONS), lambda t: window - bias, window, charge @ weights)


def linear_threshold(times, own, charge, weights, limit):
    ours = spike_time.linear_threshold(times, weights, threshold=limit, window=WINDOW)
    return ours, meets(own @ weights, lambda t: limit * (1 - t / WINDOW), WINDOW, charge @ weights)


def exponential_threshold(times, own, charge, weights, limit):
    ours = spike_time.exponential_threshold(
        times, weights, threshold=limit, tau_in=0.7, tau_out=0.5, window=WINDOW
    )
    start = (own * np.exp(-np.where(own > 0.0, times, 0.0) / 0.7)) @ weights
    return ours, meets(np.zeros(NEURONS), lambda t: limit * np.exp(-t / 0.5), WINDOW, start)


@pytest.mark.parametrize("case", [constant_slope, linear_threshold, exponential_threshold])
def test_windowed_neurons_fire_when_the_integrator_says(case):
    share = []
    with jax.enable_x64(True):
        for seed in range(NETWORKS):
            times, weights, limit = layer(12, NEURONS, seed)
            silent = times == NO_SPIKE
            own, charge = np.where(silent, 0.0, 1.0), np.where(silent, 0.0, WINDOW - times)
            ours, theirs = case(times, own, charge, weights / 4, limit)
            np.testing.assert_array_equal(np.isinf(ours), np.isinf(theirs))
            spiking = theirs < NO_SPIKE
            np.testing.assert_allclose(ours[spiking], theirs[spiking], rtol=0, atol=1e-9)
            share.append(((theirs > 0) & spiking).mean())
    assert 0.1 < np.mean(share) < 0.95
