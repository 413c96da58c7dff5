"""Integrate-and-fire neurons: hand numbers, the rate as the limit, straight-through gradients."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttfs_jax.codes import CODES, Signal
from ttfs_jax.codes.rate import Rate, integrate_and_fire
from ttfs_jax.network.architecture import largest
from ttfs_jax.network.conversion import calibrate, fold
from ttfs_jax.network.kinds import convolution, dense, earliest_pool, readout
from ttfs_jax.network.masked import Network, initialise
from ttfs_jax.network.plan import Plan
from ttfs_jax.network.timeline import make_timeline
from ttfs_jax.support.errors import InputError
from ttfs_jax.training.recipe import TrainConfig, make_train

LAYERS = (convolution("stem", 4), convolution("body", 4, add="stem"), earliest_pool("pool"))
PLAN = Plan((6, 6, 1), (*LAYERS, dense("head", 6), readout("output", 3)))


def images(count=16):
    return jax.nn.relu(jax.random.uniform(jax.random.key(1), (count, 6, 6, 1), minval=-0.3))


@pytest.fixture(scope="module")
def converted():
    network, architecture = Network(PLAN), largest(PLAN)
    variables = initialise(network, jax.random.key(0))
    return fold(calibrate(network, variables, architecture, images(), margin=1.2))


def constant(drive, steps):
    return jnp.broadcast_to(drive[None], (steps, *drive.shape))


def test_neurons_by_hand():
    drive = jnp.array([0.25, 0.5, 1.0, -1.0, 3.0])
    spikes = integrate_and_fire(constant(drive, 4), jnp.array(1.0))
    expected = [[0, 1, 1, 0, 1], [1, 0, 1, 0, 1], [0, 1, 1, 0, 1], [0, 0, 1, 0, 1]]
    np.testing.assert_array_equal(spikes, expected)
    by_step = jnp.array([0.0, 0.75, 0.0, 0.25])
    np.testing.assert_array_equal(integrate_and_fire(by_step, jnp.array(1.0)), [0, 1, 0, 0])


@settings(deadline=None, max_examples=50)
@given(st.floats(-2, 3, width=32), st.integers(1, 40))
def test_the_number_of_spikes_is_the_rounded_rate(drive, steps):
    spikes = integrate_and_fire(jnp.full(steps, drive), jnp.array(1.0)).sum()
    assert abs(float(spikes) - np.clip(steps * drive, 0, steps)) <= 0.5 + 1e-4


def test_gradient_is_that_of_the_clipped_rate():
    threshold = jnp.array(2.0)

    def rate(drive):
        return threshold * integrate_and_fire(constant(drive, 8), threshold).mean(0)

    drive = jnp.array([-0.5, 0.0, 0.5, 1.9, 2.0, 2.5])
    run = jax.jit(jax.grad(lambda d: rate(d).sum()))
    np.testing.assert_allclose(run(drive), [0, 0, 1, 1, 0, 0], atol=1e-6)
    many = jnp.stack([drive, drive[::-1]])
    outside = jax.vmap(jax.grad(lambda d: rate(d).sum()))(many)
    inside = jax.grad(lambda d: jax.vmap(rate)(d).sum())(many)
    np.testing.assert_array_equal(outside, inside)
    by_threshold = jax.grad(lambda t: integrate_and_fire(constant(drive, 8), t).sum())(threshold)
    assert by_threshold == 0


def test_pool_has_as_many_spikes_as_the_neuron_with_most():
    values = jnp.array([[0, 1, 0, 0], [1, 1, 0, 0], [1, 0, 0, 0], [1, 0, 0, 1]], jnp.float32)
    signal = Signal(values.reshape(4, 1, 2, 2, 1), jnp.array(1.0))
    pooled = Rate(steps=4).pool(signal, size=2).values
    np.testing.assert_array_equal(pooled.ravel(), [1, 1, 0, 1])
    assert pooled.shape == (4, 1, 1, 1, 1)

    def rate(values):
        return Rate(steps=4).pool(signal._replace(values=values), size=2).values.sum()

    by_neuron = jax.grad(rate)(signal.values).reshape(4, 4)
    np.testing.assert_array_equal(by_neuron, np.tile([1.0, 0, 0, 0], (4, 1)))


def test_more_steps_come_closer_to_the_twin(converted):
    network, architecture = Network(PLAN), largest(PLAN)
    apply = jax.jit(partial(network.apply), static_argnames="code")
    twin = apply(converted, images(), architecture, code="relu").logits
    errors = [
        float(jnp.abs(apply(converted, images(), architecture, code=Rate(n)).logits - twin).max())
        for n in (8, 64, 512)
    ]
    assert errors[2] < errors[1] < errors[0]
    assert errors[2] < 0.02 * float(jnp.abs(twin).max())


def test_spikes_are_counted(converted):
    network, architecture = Network(PLAN), largest(PLAN)
    out = network.apply(converted, images(), architecture, code=Rate(8), record=True)
    for name, info in out.layers.items():
        assert float(info.spikes.sum()) == float(out.signals[name].values.sum())
    assert out.signals["stem"].values.shape == (8, 16, 6, 6, 4)
    assert out.signals["pool"].values.shape == (8, 16, 3, 3, 4)


@pytest.mark.parametrize("mixed", ["head", "body"])
def test_a_layer_of_its_own_code_in_a_network_of_spike_times(converted, mixed):
    layers = tuple(layer if layer.name != mixed else replace(layer, code="rate") for layer in PLAN)
    plan = Plan(PLAN.image_shape, layers)
    network, architecture = Network(plan), largest(plan)
    twin = network.apply(converted, images(), architecture).logits
    hybrid = network.apply(converted, images(), architecture, code="ttfs", record=True)
    assert hybrid.signals[mixed].values.shape[0] == CODES["rate"].steps
    assert hybrid.signals["stem"].values.shape[0] == 16
    assert jnp.abs(hybrid.logits - twin).max() < 0.3 * jnp.abs(twin).max()
    with pytest.raises(InputError, match=f"{mixed} computes in rate code, which has no windows"):
        make_timeline(plan, architecture, converted["windows"])


@pytest.mark.parametrize("steps", [0, -1, 1.5])
def test_steps_are_a_whole_number_from_1(steps):
    with pytest.raises(InputError, match="whole number of steps from 1"):
        Rate(steps)


def test_it_trains(converted):
    config = TrainConfig(epochs=20, batch_size=16, learning_rate=3e-2, label_smoothing=0.0)
    network, architecture = Network(PLAN), largest(PLAN)
    pictures, labels = images(), jnp.arange(16) % 3
    recipe = make_train(network, config, samples=16, code=Rate(8))
    state, epoch = recipe.init(converted), jax.jit(recipe.epoch)
    losses = []
    for _ in range(20):
        state, loss = epoch(state, architecture, pictures, labels, jnp.uint32(0))
        losses.append(float(loss))
    assert losses[-1] < losses[0] - 0.1
