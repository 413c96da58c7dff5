"""Networks trained through the chip's core: dynamics, training, decisions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hardware.xylo.core import simulate
from hardware.xylo.decision import classify, classify_stream, first_output_spike
from hardware.xylo.mappings import native
from hardware.xylo.mappings.native import Dynamics, NativeLayer
from hardware.xylo.mappings.native_training import (
    NativeTrainConfig,
    choose_threshold,
    make_native_train,
    run_native_batch,
)
from hardware.xylo.network import STATE_MAX
from hardware.xylo.rockpool.referee import Referee
from ttfs_jax.support.errors import InputError
from ttfs_jax.training.fitting import FitConfig, fit, shift_inputs

PACE = Dynamics(jnp.float32(8), jnp.float32(3), jnp.float32(4))
STEPS = 16


def stack(seed, sizes):
    return native.init_native(jax.random.key(seed), sizes, PACE)


def some_inputs(seed, count, channels=5):
    return np.random.default_rng(seed).random((count, channels)).astype(np.float32)


def events_of(values, steps=STEPS):
    encode = jax.vmap(lambda one: native.encode_native(one, PACE.window, steps=steps))
    return np.asarray(encode(jnp.asarray(values)))


def test_encoding_by_hand():
    events = native.encode_native(jnp.array([1.0, 0.5, 0.0, 0.05]), jnp.float32(8), steps=10)
    # 8 (1 − 0.05) = 7.6 rounds to 8, the end of the window: silent.
    assert np.argwhere(np.asarray(events)).tolist() == [[0, 0], [4, 1]]


def test_one_neuron_by_hand():
    layers = (
        NativeLayer(jnp.array([[100.0]]), jnp.array([150.0])),
        NativeLayer(jnp.array([[64.0]]), jnp.array([1.0])),
    )
    dynamics = Dynamics(jnp.float32(8), jnp.float32(2), jnp.float32(15))
    events = jnp.zeros((5, 1)).at[0, 0].set(1.0)
    found = native.run_layers(layers, dynamics, events)
    # Currents 75, 57, 43, 33: potentials 75, 131, 173 ≥ 150, with a leak of 1 per step.
    assert found.spikes[0][:, 0].tolist() == [0, 0, 1, 0, 0]
    # The spike arrives one step later: 64 − 16 = 48, then 48 − 12 = 36.
    assert found.potential[:, 0].tolist() == [0, 0, 0, 48, 48 + 36 - 1]


@pytest.mark.parametrize("hidden", [(7,), (7, 6), (7, 6, 5)])
def test_layers_equal_the_general_core_bit_for_bit(hidden):
    layers = stack(len(hidden), (5, *hidden, 4))
    values = some_inputs(0, 12)
    found = run_native_batch(layers, PACE, jnp.asarray(values), steps=STEPS)
    trace = simulate(native.assemble(layers, PACE, STATE_MAX), events_of(values))
    assert not trace.suspect.any()
    assert trace.spikes.sum() > 0
    np.testing.assert_array_equal(np.concatenate(found.spikes, -1), trace.spikes)
    np.testing.assert_array_equal(found.potential, trace.potential_out)


def test_samples_as_the_last_axis_give_what_one_by_one_does():
    layers = stack(5, (5, 7, 6, 4))
    events = jnp.asarray(events_of(some_inputs(3, 6)))

    def total(layers, events):
        outcome = native.run_layers(layers, PACE, events)
        return outcome.potential.sum() + outcome.spikes[1].sum(), outcome

    def each(sample):
        return jax.grad(total, has_aux=True)(layers, sample)

    one_by_one, outcomes = jax.jit(jax.vmap(each, out_axes=(0, -1)))(events)
    all_at_once = jax.jit(jax.grad(total, has_aux=True))
    together, outcome = all_at_once(layers, jnp.moveaxis(events, 0, 2))
    jax.tree.map(np.testing.assert_array_equal, outcomes, outcome)
    for expected, found in zip(jax.tree.leaves(one_by_one), jax.tree.leaves(together), strict=True):
        np.testing.assert_allclose(found, expected.sum(0), rtol=1e-4, atol=1e-4)
    # The last layer does not spike, so that its threshold is of no use.
    assert (together[-1].threshold == 0).all() and (together[0].threshold != 0).any()


def test_decisions_of_potentials_core_and_xylosim_agree():
    layers = stack(3, (5, 9, 4))
    values = some_inputs(1, 20)
    threshold = 400
    potential = run_native_batch(layers, PACE, jnp.asarray(values), steps=STEPS).potential
    classes, steps = jax.vmap(lambda one: native.decide(one, jnp.float32(threshold)))(potential)
    network = native.assemble(layers, PACE, threshold)
    ours = classify(network, events_of(values)).decision
    theirs = Referee(network).decide(events_of(values))
    assert 0 < (ours.classes < 0).sum() < 20  # some are undecided, some are not
    for decision in (ours, theirs):
        np.testing.assert_array_equal(classes, decision.classes)
        np.testing.assert_array_equal(np.asarray(steps) + 1, decision.steps)


def test_classify_is_exact_where_sums_saturate():
    """Near 16 bits samples are computed again event by event; the decisions are XyloSim's."""
    layers = tuple(NativeLayer(kernel * 4, threshold) for kernel, threshold in stack(4, (5, 9, 4)))
    network = native.assemble(layers, PACE, 3000).replace(shift_in=np.int32(7))
    events = 15.0 * events_of(some_inputs(2, 12))
    trace = simulate(network, events)
    assert trace.suspect.any()
    found = classify(network, events)
    np.testing.assert_array_equal(found.decision.classes, Referee(network).decide(events).classes)
    np.testing.assert_allclose(found.spikes, trace.spikes.sum((1, 2)).mean())
    np.testing.assert_allclose(found.active_hidden, (trace.spikes > 0).mean(), rtol=1e-5)


def test_first_output_spike_by_hand():
    spikes = np.zeros((3, 5, 3))
    spikes[0, 3, 2], spikes[0, 4, 0] = 1, 1  # the earlier one
    spikes[1, 2, 1:] = 1  # at once: the lowest id
    decision = first_output_spike(spikes)
    assert decision.classes.tolist() == [2, 1, -1]
    assert decision.steps.tolist() == [4, 3, 5]


def test_a_stream_with_a_long_gap_needs_no_reset():
    layers = stack(3, (5, 9, 4))
    network = native.assemble(layers, PACE, 300)
    events = events_of(some_inputs(3, 16))
    alone = classify(network, events).decision.classes
    streamed = classify_stream(network, events, gap=8 * 2**4, streams=4).classes
    assert (alone >= 0).any()
    # Without a reset an undecided sample may still decide within the gap.
    np.testing.assert_array_equal(streamed[alone >= 0], alone[alone >= 0])
    hurried = classify_stream(network, events, gap=0, streams=4).classes
    np.testing.assert_array_equal(hurried[::4][alone[::4] >= 0], alone[::4][alone[::4] >= 0])
    assert (hurried != streamed).any()


def test_rounding_passes_gradients_straight_through_within_limits():
    slope = jax.vmap(jax.grad(lambda x: native.rounded(x, -128, 127)))
    np.testing.assert_array_equal(slope(jnp.array([0.4, -127.6, 200.0, -300.0])), [1, 1, 0, 0])
    np.testing.assert_array_equal(native.rounded(jnp.array([0.6, 200.0]), -128, 127), [1, 127])


def test_threshold_by_hand():
    """Class 0 rises to 10 first where it is right, class 1 to 20 later."""
    potential = np.zeros((2, 3, 2))
    potential[0] = [[10, 0], [10, 0], [10, 0]]
    potential[1] = [[5, 0], [5, 20], [5, 20]]
    found = float(choose_threshold(jnp.asarray(potential), jnp.array([0, 1])))
    classes = [int(native.decide(jnp.asarray(one), jnp.float32(found))[0]) for one in potential]
    assert 5 < found <= 10
    assert classes == [0, 1]


CONFIG = NativeTrainConfig(epochs=40, batch_size=32, jitter=0.0)


def two_classes(count=256):
    """Which of two channels is larger, beside three that say nothing."""
    values = some_inputs(5, count)
    return jnp.asarray(values), jnp.asarray((values[:, 0] > values[:, 1]).astype(np.int32))


@pytest.fixture(scope="module")
def trained():
    inputs, labels = two_classes()
    train = jax.jit(make_native_train((5, 12, 2), CONFIG, steps=STEPS))
    return train(jax.random.key(0), jnp.array([8]), PACE, inputs, labels)


def test_training_through_the_core_learns(trained):
    inputs, labels = two_classes()
    potential = run_native_batch(trained.layers, PACE, inputs, steps=STEPS).potential
    right = (potential[:, -1].argmax(1) == labels).mean()
    assert trained.loss[-1] < 0.7 * trained.loss[0]
    assert right > 0.9


def test_neurons_out_of_use_stay_silent(trained):
    inputs, _ = two_classes()
    (spikes,) = run_native_batch(trained.layers, PACE, inputs, steps=STEPS).spikes
    assert spikes[:, :, 8:].sum() == 0
    assert spikes[:, :, :8].sum() > 0


def test_members_of_a_population_train_as_they_would_alone(trained):
    inputs, labels = two_classes()
    train = make_native_train((5, 12, 2), CONFIG, steps=STEPS)
    together = jax.jit(jax.vmap(train, (0, 0, None, None, None)))(
        jax.random.split(jax.random.key(7), 2).at[0].set(jax.random.key(0)),
        jnp.array([[8], [4]]),
        PACE,
        inputs,
        labels,
    )
    # Rounding grows in training, as one spike more or less changes the rest.
    np.testing.assert_allclose(together.loss[0, :10], trained.loss[:10], rtol=1e-3)


def test_too_few_samples_are_refused():
    train = make_native_train((5, 4, 2), CONFIG, steps=STEPS)
    with pytest.raises(ValueError, match="do not fill one batch"):
        train(jax.random.key(0), [4], PACE, jnp.zeros((8, 5)), jnp.zeros(8, int))


@pytest.mark.parametrize("change", [{"epochs": 0}, {"jitter": -1.0}])
def test_recipes_out_of_range_are_refused(change):
    with pytest.raises(ValueError, match=next(iter(change))):
        NativeTrainConfig(**change)


def test_events_of_another_shape_are_refused():
    with pytest.raises(InputError, match="events must be"):
        classify(native.assemble(stack(0, (5, 4, 2)), PACE, 100), np.zeros((2, 8, 3)))


def test_fitting_a_line():
    x = jnp.linspace(-1, 1, 64)[:, None]

    def loss(params, inputs, targets, key):
        return ((inputs[:, 0] * params["slope"] - targets) ** 2).mean()

    params, losses = fit(
        loss,
        {"slope": jnp.zeros(())},
        jax.random.key(0),
        x,
        3.0 * x[:, 0],
        config=FitConfig(epochs=40, batch_size=16, learning_rate=0.1),
    )
    np.testing.assert_allclose(params["slope"], 3.0, atol=1e-2)
    assert losses.shape == (40,)


def test_noise_keeps_silence_and_limits():
    values = jnp.array([[0.0, 1.0, 0.5]])
    moved = shift_inputs(jax.random.key(0), jnp.tile(values, (100, 1)), spread=0.2)
    assert (moved[:, 0] == 0).all()
    assert ((moved >= 0) & (moved <= 1)).all()
    assert moved[:, 2].std() > 0.1
