"""The exact mapping: spike times worked out by hand, agreement with the ReLU twin."""

import chex
import jax.numpy as jnp
import numpy as np
import pytest
from exact_networks import converted, drawn, encode_for, tiny

from hardware.xylo.core import simulate
from hardware.xylo.decision import first_output_spike
from hardware.xylo.families import family, violations
from hardware.xylo.mappings.exact import START, convert, ideal_codes, spike_codes, winning_range
from hardware.xylo.mappings.exact_neurons import GAIN, coarse_and_fine
from hardware.xylo.rockpool.referee import mismatches
from ttfs_jax.network.dense import Dense, relu, ttfs, windows
from ttfs_jax.spike_time import is_spike


def decide(trace):
    return first_output_spike(trace.spikes_out).classes


def run(exact, *inputs):
    return simulate(exact.network, encode_for(exact, np.asarray(inputs, float)))


def test_slopes_by_hand():
    (layer, _) = tiny().slopes
    # |w| ≤ 127 allows R = 127; goal 4 · 127 − 63.5. Two synapses hold 2 · 4 + 1 against each
    # other, which leaves 31 · 127 − 9 for the lift; the slope is then all of w, so ramp = −lift.
    assert (layer.weights.item(), layer.slope.item(), layer.goal.item()) == (127, 127, 444.5)
    assert (layer.lift.item(), layer.ramp.item()) == (3928, -3928)
    assert layer.threshold.item() == 16158  # ⌈1 + 444.5 + 4 · 3928⌉


def test_spikes_by_hand():
    exact = tiny()
    assert exact.starts == (2, 6, 10) and exact.total_steps == 14
    trace = run(exact, [0.5])
    twin, logit = exact.twins[0].item(), exact.twins[1].item()
    # 0.5 arrives in the middle of its window, at step 2 + 2; from step 6 on the slope is 127.
    potential = [1, 1, 3929, 7857, 11912, 15967, 16094, 16221 - 16158]
    np.testing.assert_array_equal(trace.potential[0, :8, twin], potential)
    # Half a window each, less the step it takes to arrive: 6 + 2 − 1 and 10 + 2 − 1.
    assert np.flatnonzero(trace.spikes[0, :, twin]).tolist() == [7]
    assert np.flatnonzero(trace.spikes[0, :, logit]).tolist() == [11]
    assert np.flatnonzero(trace.spikes_out[0, :, 0]).tolist() == [12]
    assert np.flatnonzero(trace.spikes[0, :, exact.complements[0].item()]).tolist() == []


@pytest.mark.parametrize(("steps", "synapses"), [(4, 1), (16, 1), (4, 2), (32, 2), (128, 2)])
def test_identity_copies_every_code(steps, synapses):
    exact = tiny(steps=steps, synapses=synapses)
    codes = np.arange(steps + 1)
    hidden, logit = spike_codes(exact, run(exact, *(1.0 - codes[:, None] / steps)))
    np.testing.assert_array_equal(hidden[:, 0], codes)
    np.testing.assert_array_equal(logit[:, 0], codes)


def test_timers_spike_once_and_relays_31_times():
    exact = tiny()
    spikes = run(exact, [0.5]).spikes[0]
    # Pulses act at the starts 2, 6 and 10 and end the hidden window at 9, one step after the spike.
    for (timer, relay, starter), acting in zip(exact.timers, (2, 6, 10, 9), strict=True):
        assert np.flatnonzero(spikes[:, timer]).tolist() == [acting - 1]
        assert np.flatnonzero(spikes[:, relay]).tolist() == [acting - 1]
        assert np.flatnonzero(spikes[:, starter]).tolist() == [acting - 2]
        assert spikes[:, [timer, relay, starter]].sum(0).tolist() == [1, GAIN, 1]


def test_coarse_and_fine_by_hand():
    coarse, fine = coarse_and_fine(np.array([3937, 100, -47, 0]))
    assert coarse.tolist() == [127, 3, -2, 0] and fine.tolist() == [0, 7, 15, 0]


def test_complement_spikes_at_the_end_exactly_when_its_twin_is_silent():
    layers, inputs = drawn(1)
    exact = converted(layers, inputs, steps=16)
    trace = run(exact, *np.asarray(inputs))
    shares = []
    for number, (twins, complements) in enumerate(
        zip(exact.twins, exact.complements, strict=False)
    ):
        silent = trace.spikes[:, :, twins].sum(1) == 0
        at_end = exact.starts[number + 1] + 16 - 1
        np.testing.assert_array_equal(trace.spikes[:, at_end][:, complements], silent)
        np.testing.assert_array_equal(trace.spikes[:, :, complements].sum(1), silent)
        shares.append(silent.mean())
    assert 0.3 < min(shares) and max(shares) < 0.7


def rounded(exact):
    """The stack that the rounded weights stand for, with windows of length 1."""
    return tuple(
        Dense(
            jnp.asarray(s.weights / s.slope),
            jnp.asarray(1.0 - (s.goal + s.slope / 2) / (s.slope * exact.steps)),
        )
        for s in exact.slopes
    )


@pytest.mark.parametrize("steps", [16, 32])
@pytest.mark.parametrize("seed", range(3))
def test_spike_times_are_those_of_the_network_in_steps(seed, steps):
    layers, inputs = drawn(seed)
    exact = converted(layers, inputs, steps=steps)
    trace = run(exact, *np.asarray(inputs))
    codes = spike_codes(exact, trace)
    for code, ideal in zip(codes, ideal_codes(exact, inputs), strict=True):
        np.testing.assert_array_equal(np.clip(code, 0, steps), ideal)
    logits, times = ttfs(rounded(exact), inputs, [1.0, 1.0], bits=float(np.log2(steps)))
    for code, time in zip(codes, times, strict=False):
        expected = np.where(is_spike(time), np.round(np.asarray(time) * steps), steps)
        assert np.abs(code - expected).max() <= 1
        assert (code == expected).mean() > 0.99
    # Steps do not tell classes apart that are nearer than one of them.
    second, first = np.sort(logits, 1)[:, -2:].T
    clear = first - second > 1 / steps
    assert clear.mean() > 0.4
    np.testing.assert_array_equal(decide(trace)[clear], logits.argmax(1)[clear])
    # And those of the weights before they were rounded, mostly.
    lengths = windows(layers, inputs)
    _, times = ttfs(layers, inputs, lengths, bits=float(np.log2(steps)))
    for code, time, length in zip(codes, times, lengths, strict=False):
        code_before = np.where(is_spike(time), np.round(np.asarray(time / length) * steps), steps)
        assert np.abs(code - code_before).max() <= 2 and (code == code_before).mean() > 0.85


@pytest.mark.parametrize("seed", range(3))
def test_one_synapse_is_near(seed):
    layers, inputs = drawn(seed)
    exact = converted(layers, inputs, steps=16, synapses=1, chip="xylo-imu")
    codes = spike_codes(exact, run(exact, *np.asarray(inputs)))
    for code, ideal in zip(codes, ideal_codes(exact, inputs), strict=True):
        assert np.abs(np.clip(code, 0, 16) - ideal).max() <= 2
        assert (np.clip(code, 0, 16) == ideal).mean() > 0.8


def test_one_spike_a_neuron():
    layers, inputs = drawn(1)
    exact = converted(layers, inputs, steps=16)
    trace = run(exact, *np.asarray(inputs))
    for ids in (*exact.twins, *exact.complements):
        assert trace.spikes[:, :, ids].sum(1).max() == 1
    assert trace.spikes_out.sum(1).max() == 1


def test_without_complements_the_identity_breaks():
    layers, inputs = drawn(2)
    exact = converted(layers, inputs, steps=32)
    recurrent = np.array(exact.network.weights_rec)
    recurrent[np.concatenate(exact.complements)] = 0
    broken = exact._replace(network=exact.network.replace(weights_rec=recurrent))
    ideal = ideal_codes(exact, inputs)
    first, second, _ = spike_codes(broken, run(broken, *np.asarray(inputs)))
    # The first layer only receives inputs, all of which spike.
    np.testing.assert_array_equal(first, ideal[0])
    assert (np.abs(np.clip(second, 0, 32) - ideal[1]) > 1).mean() > 0.2


@pytest.mark.parametrize("bias", [-2.0, 0.6, 1.3])
def test_bias_beyond_the_window(bias):
    # The largest activations are 0, 0.6 and 1.3 windows.
    kernel = -np.sign(bias) * 0.9 * np.ones((1, 1))
    exact = tiny(Dense(kernel, np.array([bias])), steps=16)
    inputs = np.linspace(0, 1, 17)[:, None]
    trace = run(exact, *inputs)
    code, _ = spike_codes(exact, trace)
    activation = np.maximum(0, inputs * kernel + bias)
    expected = np.clip(np.round(16 * (1 - activation)), None, 16)
    inside = activation <= 1
    assert np.abs(code - expected)[inside].max() <= 1
    # More than a whole window comes before it, and still only once.
    assert (code[~inside] <= 0).all()
    assert trace.spikes[:, :, exact.twins[0]].sum(1).max() <= 1


@pytest.mark.parametrize("steps", [16, 32, 64])
@pytest.mark.parametrize(("synapses", "chip"), [(2, "xylo-a3"), (1, "xylo-imu")])
def test_16_60_40_10_fits(steps, synapses, chip):
    layers, inputs = drawn(0, (16, 60, 40, 10))
    exact = converted(layers, inputs, steps=steps, synapses=synapses, chip=chip)
    assert violations(exact.network, family(chip)) == ()
    # Twins and complements, logits, and three neurons for each of six pulses.
    assert exact.network.sizes == (16, 2 * 60 + 2 * 40 + 10 + 18, 10, synapses)
    assert exact.total_steps == START + 4 * steps
    used = np.concatenate([*exact.twins, *exact.complements, exact.timers.ravel()])
    np.testing.assert_array_equal(np.sort(used), np.arange(228))


@pytest.mark.parametrize("synapses", [1, 2])
def test_xylosim_agrees(synapses):
    layers, inputs = drawn(4, (16, 60, 40, 10), samples=3)
    exact = converted(layers, inputs, steps=32, synapses=synapses)
    events = encode_for(exact, inputs)
    trace = simulate(exact.network, events)
    assert not trace.suspect.any()
    assert not any(mismatches(exact.network, events, trace).values())
    assert (decide(trace) >= 0).all()


def test_events_by_hand():
    exact = tiny()
    events = encode_for(exact, np.array([[1.0], [0.5], [0.1], [0.0]]))
    chex.assert_shape(events, (4, 14, 1))
    assert events.sum() == 4
    # 4 · 0.9 = 3.6 rounds to the end of the window, where an input of 0 spikes as well.
    assert events.argmax(1).ravel().tolist() == [START, START + 2, START + 4, START + 4]


def test_decision_by_hand():
    spikes = np.zeros((3, 14, 3))
    spikes[0, 9, 2], spikes[0, 10, 1] = 1, 1  # the first one wins
    spikes[1, 9, 1:] = 1  # a tie
    assert first_output_spike(spikes).classes.tolist() == [2, 1, -1]


def test_winning_range_by_hand():
    logits = np.array([[0.0, 4.0], [8.0, -9.0], [6.0, 6.0]])
    assert winning_range(logits, margin=0.25) == (3.0, 8.0)


def test_classes_below_the_range_stay_silent():
    layers, inputs = drawn(5)
    logits = np.asarray(relu(layers, inputs)[0])
    low, high = winning_range(logits)
    exact = convert(layers, windows(layers, inputs), (low, high), steps=32)
    trace = run(exact, *np.asarray(inputs))
    silent = trace.spikes_out.sum(1) == 0
    np.testing.assert_array_equal(silent, ideal_codes(exact, inputs)[-1] == 32)
    below = logits < low - 0.3 * (high - low)
    assert silent[below].all() and below.mean() > 0.2
    assert not silent.all(1).any()


def test_single_layer():
    kernel = np.array([[0.5, -0.5], [0.2, 0.9]])
    exact = convert((Dense(kernel, np.zeros(2)),), [], (-0.5, 1.0), steps=32)
    inputs = np.array([[1.0, 0.0], [0.2, 1.0]])
    assert decide(run(exact, *inputs)).tolist() == [0, 1]
