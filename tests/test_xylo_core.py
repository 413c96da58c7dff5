"""The integer core: numbers worked out by hand, XyloSim bit for bit, gradients, refusals."""

import json
import sys

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import xylo
from hardware.xylo.arithmetic import count_spikes, integrate, leak, saturate
from hardware.xylo.core import run_core, simulate
from hardware.xylo.network import ChipNetwork, check_network
from hardware.xylo.rockpool.referee import Referee, mismatches
from ttfs_jax.support.errors import InputError


def chain(**changes):
    """One input, two hidden neurons in a row, one output; decays halve."""
    fields = {
        "weights_in": np.array([[[100], [0]]]),
        "weights_rec": np.array([[[0], [80]], [[0], [0]]]),
        "weights_out": np.array([[0], [60]]),
        "dash_syn": np.ones((2, 1), int),
        "dash_mem": np.ones(2, int),
        "threshold": np.array([40, 40]),
        "bias": np.zeros(2, int),
        "dash_syn_out": np.ones(1, int),
        "dash_mem_out": np.ones(1, int),
        "threshold_out": np.array([25]),
        "bias_out": np.zeros(1, int),
        "shift_in": np.int32(0),
        "shift_rec": np.int32(0),
        "shift_out": np.int32(0),
    }
    return ChipNetwork(**(fields | changes))


def impulse(steps=5):
    events = np.zeros((1, steps, 1))
    events[0, 0] = 1
    return events


def test_chain_by_hand():
    trace = simulate(chain(), impulse())
    # Neuron 0: I 50, 25, 13, 7, 4; V 50 → 10 after its spike, 5 + 25, 15 + 13, 14 + 7, 11 + 4.
    np.testing.assert_array_equal(trace.current[0, :, 0, 0], [50, 25, 13, 7, 4])
    np.testing.assert_array_equal(trace.potential[0, :, 0], [10, 30, 28, 21, 15])
    np.testing.assert_array_equal(trace.spikes[0], [[1, 0], [0, 1], [0, 0], [0, 0], [0, 0]])
    # Neuron 1 receives it one step later, and the output one step after that.
    np.testing.assert_array_equal(trace.current[0, :, 1, 0], [0, 40, 20, 10, 5])
    np.testing.assert_array_equal(trace.current_out[0, :, 0], [0, 0, 30, 15, 8])
    np.testing.assert_array_equal(trace.spikes_out[0, :, 0], [0, 0, 1, 0, 0])
    np.testing.assert_array_equal(trace.potential_out[0, :, 0], [0, 0, 5, 18, 17])


def test_leak_by_hand():
    states = jnp.array([100.0, 3.0, 1.0, 0.0, -1.0, -3.0, -100.0])
    halves = jnp.full(7, 0.5)
    np.testing.assert_array_equal(leak(states, halves), [50, 1, 1, 0, -1, -2, -50])
    np.testing.assert_array_equal(leak(states, halves * 2), states)
    slow = jnp.full(7, 2.0**-15)
    np.testing.assert_array_equal(leak(states, slow), [1, 1, 1, 0, -1, -1, -1])


def test_change_of_the_potential_saturates_on_its_own():
    # −2397 would decay by 600, but 32736 + 600 is more than 16 bits hold.
    one = jnp.ones(1)
    moved = integrate(-2397 * one, 32736 * one, 0.25 * one, 0 * one)
    np.testing.assert_array_equal(moved, [-2397 + 32767])


@pytest.mark.parametrize("threshold", [1, 3, 164, 715, 1057, 32767])
def test_counts_are_exact_at_multiples_of_the_threshold(threshold):
    multiples = jnp.arange(1, min(32767 // threshold, 31) + 1, dtype=jnp.float32)
    level = jnp.full(multiples.shape, float(threshold))
    np.testing.assert_array_equal(count_spikes(multiples * threshold, level, most=31), multiples)
    below = count_spikes(multiples * threshold - 1, level, most=31)
    np.testing.assert_array_equal(below, multiples - 1)


@pytest.mark.parametrize("case", xylo.CASES)
@pytest.mark.parametrize("synapses", [1, 2])
def test_equals_xylosim_bit_for_bit(case, synapses):
    rng = np.random.default_rng(1)
    network = xylo.draw_network(rng, sizes=(16, 12, 4, synapses), **xylo.CASES[case])
    events = xylo.draw_events(rng, 8, 30, 16)
    trace = simulate(network, events)
    assert not any(mismatches(network, events, trace).values())
    if case.startswith("saturating"):
        assert trace.suspect.any()


def test_order_of_events_matters_where_a_sum_saturates():
    network = chain(
        weights_in=np.array([[[127], [0]], [[-128], [0]]]),
        shift_in=np.int32(8),
        threshold=np.array([32767, 32767]),
        dash_syn=np.full((2, 1), 15),
    )
    events = np.full((1, 1, 2), 3)
    trace = simulate(network, events)
    # 32767 at most after the first channel, −32768 at least after the second, one unit lost.
    assert trace.suspect.all() and trace.current[0, 0, 0, 0] == -32767
    together = run_core(network, jnp.asarray(events[0]))
    assert together.current[0, 0, 0] == 3 * 256 * (127 - 128) + 1


def test_mismatches_are_found():
    events = impulse()
    trace = simulate(chain(), events)
    wrong = trace._replace(potential=trace.potential + (np.arange(2) == 1)[None, None])
    assert mismatches(chain(), events, wrong)["potential"] == 5
    assert mismatches(chain(threshold=np.array([41, 40])), events, trace)["spikes"] == 0
    assert mismatches(chain(threshold=np.array([51, 40])), events, trace)["spikes"] > 0


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32 - 1), st.integers(1, 9))
def test_silence_before_the_input_only_shifts_time(seed, silence):
    rng = np.random.default_rng(seed)
    network = xylo.draw_network(rng, sizes=(16, 12, 4, 1), **xylo.CASES["plain"])
    events = xylo.draw_events(rng, 1, 10, 16)
    later = np.concatenate([np.zeros((1, silence, 16)), events, np.zeros((1, 9 - silence, 16))], 1)
    early, late = (jax.jit(run_core)(network, jnp.asarray(e[0])) for e in (events, later))
    np.testing.assert_array_equal(early.spikes, late.spikes[silence : silence + 10])
    np.testing.assert_array_equal(early.potential_out, late.potential_out[silence : silence + 10])


def test_permuting_hidden_neurons_permutes_the_trace():
    rng = np.random.default_rng(3)
    net = xylo.draw_network(rng, sizes=(16, 12, 4, 2), **xylo.CASES["weak"])
    order = rng.permutation(12)
    rows = {
        name: getattr(net, name)[order]
        for name in ("weights_out", "dash_syn", "dash_mem", "threshold", "bias")
    }
    permuted = net.replace(
        weights_in=net.weights_in[:, order], weights_rec=net.weights_rec[order][:, order], **rows
    )
    events = xylo.draw_events(rng, 4, 20, 16)
    ours, theirs = simulate(net, events), simulate(permuted, events)
    np.testing.assert_array_equal(ours.spikes[..., order], theirs.spikes)
    np.testing.assert_array_equal(ours.spikes_out, theirs.spikes_out)


def objective(weights, network, events):
    return run_core(network.replace(weights_in=weights), events).potential_out[-1, 0]


def test_gradient_of_the_current_by_hand():
    network = chain(threshold=np.array([30000, 30000]), dash_syn=np.full((2, 1), 2))

    def current(weight):
        weights = jnp.zeros((1, 2, 1)).at[0, 0, 0].set(weight)
        return run_core(network.replace(weights_in=weights), jnp.asarray(impulse(3)[0])).current[
            2, 0, 0
        ]

    # Three decays by a quarter; rounding passes the gradient straight through.
    assert jax.grad(current)(100.0) == (3 / 4) ** 3


def test_surrogate_gradient_by_hand():
    slope = jax.vmap(jax.grad(lambda v: count_spikes(v, jnp.float32(100), most=31)))
    # 1 / θ at the threshold, 1 / 9 of it half a threshold away, 1 / 25 at rest.
    expected = [1 / 100, 1 / 900, 1 / 900, 1 / 2500]
    np.testing.assert_allclose(slope(jnp.array([100.0, 50.0, 150.0, 0.0])), expected, rtol=1e-6)


def test_outputs_that_may_not_spike_have_no_gradient_of_it():
    slope = jax.grad(lambda v: count_spikes(v, jnp.float32(100), most=jnp.float32(0)))
    assert slope(jnp.float32(100)) == 0


def test_nan_is_not_hidden():
    nan, one = jnp.full(1, jnp.nan), jnp.ones(1)
    assert jnp.isnan(saturate(nan)).all() and jnp.isnan(leak(nan, 0.5 * one)).all()
    assert jnp.isnan(count_spikes(nan, one, most=31 * one)).all()


def test_gradients_of_samples_as_the_last_axis():
    rng = np.random.default_rng(4)
    network = xylo.draw_network(rng, sizes=(16, 12, 4, 2), **xylo.CASES["weak"])
    network = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), network)
    events = jnp.asarray(xylo.draw_events(rng, 3, 20, 16), jnp.float32)

    def total(network, events):
        return run_core(network, events).potential_out[-1].sum()

    def scaled(leaf):
        return leaf / jnp.abs(leaf).max()

    one_by_one = jax.jit(jax.vmap(jax.grad(total), (None, 0)))(network, events)
    together = jax.jit(jax.grad(total))(network, jnp.moveaxis(events, 0, 2))
    for name in ("weights_in", "weights_rec", "weights_out", "threshold", "bias"):
        expected, found = getattr(one_by_one, name).sum(0), getattr(together, name)
        assert jnp.abs(expected).max() > 0
        np.testing.assert_allclose(scaled(found), scaled(expected), atol=1e-5)


def test_gradients_under_transformations():
    rng = np.random.default_rng(0)
    network = xylo.draw_network(rng, sizes=(16, 12, 4, 1), **xylo.CASES["weak"])
    events = jnp.asarray(xylo.draw_events(rng, 3, 20, 16), jnp.float32)
    weights = jnp.asarray(network.weights_in, jnp.float32)
    each = jax.jit(jax.vmap(jax.grad(objective), (None, None, 0)))(weights, network, events)

    def total(weights):
        return jax.vmap(objective, (None, None, 0))(weights, network, events).sum()

    together = jax.jit(jax.grad(total))(weights)
    assert np.isfinite(each).all() and np.abs(each).max() > 0
    np.testing.assert_allclose(each.sum(0), together, rtol=1e-4, atol=1e-6)


def test_one_program_for_all_networks_of_a_size():
    rng = np.random.default_rng(0)
    once = jax.jit(chex.assert_max_traces(run_core, 1))
    for case in ("plain", "weak", "many spikes"):
        network = xylo.draw_network(rng, sizes=(16, 12, 4, 1), **xylo.CASES[case])
        once(network, jnp.zeros((5, 16)))
    chex.clear_trace_counter()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"threshold": np.array([np.nan, 1])}, "threshold holds NaN"),
        ({"threshold": np.array([0, 1])}, "threshold must be within 1 … 32767"),
        ({"threshold": np.array([32768, 1])}, "threshold must be within 1 … 32767"),
        ({"dash_syn": np.zeros((2, 1))}, "kills the synapse"),
        ({"weights_in": np.array([[[128], [0]]])}, "weights_in must be within -128 … 127"),
        ({"weights_out": np.array([[0.5], [0]])}, "weights_out must hold integers"),
        ({"bias": np.zeros(3)}, r"bias must have shape \(2,\)"),
        ({"shift_in": np.int32(9)}, "leave the 16 bits"),
        ({"weights_in": np.zeros((1, 2, 3))}, "1 or 2 synapses"),
        ({"weights_in": np.zeros((1, 2))}, r"weights_in must be \[I, N, S\]"),
        ({"alias": np.array([0, -1])}, "its own alias"),
        ({"alias": np.array([5, -1])}, "ids below 2"),
        ({"alias": np.array([1])}, r"alias must be \[2\]"),
    ],
)
def test_networks_that_no_chip_can_hold_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        check_network(chain(**changes))


@pytest.mark.parametrize(
    ("events", "message"),
    [
        (np.zeros((1, 5, 2)), r"\[B, T, 1\]"),
        (np.full((1, 5, 1), np.nan), "whole numbers"),
        (np.full((1, 5, 1), 0.5), "whole numbers"),
        (np.full((1, 5, 1), 16), "0 … 15"),
        (np.full((1, 5, 1), -1), "0 … 15"),
    ],
)
def test_events_that_the_chip_cannot_take_are_refused(events, message):
    with pytest.raises(InputError, match=message):
        simulate(chain(), events)
    with pytest.raises(InputError, match=message):
        Referee(chain())(events[0])


def test_missing_simulator_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "xylosim", None)
    with pytest.raises(InputError, match=r"pip install 'ttfs-jax\[xylo\]'"):
        Referee(chain())


def test_benchmark(capsys):
    xylo.main(["--networks=6", "--samples=2", "--batch=8", "--repeats=1", "--json"])
    result = json.loads(capsys.readouterr().out)
    assert result["networks"] == 6 and result["samples"] == 2
    assert result["mismatches"] == 0 and result["timed_equal"]
    assert result["speedup_vs_xylosim"] > 0
