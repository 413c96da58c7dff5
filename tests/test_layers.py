"""Every layer on its own: hand numbers, and gradients of both codes against finite differences."""

from collections.abc import Callable
from functools import cache, partial
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from ttfs_jax.network.architecture import CONV3, CONV5, RESIDUAL, SKIP
from ttfs_jax.network.layers import (
    Reading,
    Readout,
    Signal,
    SpikingConv,
    SpikingDense,
    activation,
    average_pool,
    delay,
    earliest_spike_pool,
)
from ttfs_jax.network.masked import Block
from ttfs_jax.spike_time import NO_SPIKE, fire

WINDOW = 40.0  # wide enough for every activation here
USED = jnp.array([True, True, True, False])
PLANE = (2, 5, 4, 4)  # B, H, W, C; odd height on purpose


def charged(layer, signal, reading, _):
    return layer(activation(signal, reading), reading, mask=USED)[0]


class Case(NamedTuple):
    """A layer, the shape of its input, and how it is called."""

    layer: nn.Module | None
    shape: tuple[int, ...]
    call: Callable  # (layer, signal, reading, operator) -> signal or array


BLOCK = Case(
    Block(4),
    PLANE,
    lambda layer, signal, reading, operator: layer(signal, operator, reading, mask=USED)[0],
)
OPERATOR = {  # of one block, and so of one program
    "block skip": SKIP,
    "block conv3x3": CONV3,
    "block conv5x5": CONV5,
    "block residual": RESIDUAL,
}
LAYERS = {
    "dense": Case(SpikingDense(6, 4), (3, 6), charged),
    "conv3x3": Case(SpikingConv(36, 4, size=3), PLANE, charged),
    "conv5x5 stride 2": Case(SpikingConv(100, 4, size=5, stride=2), PLANE, charged),
    **dict.fromkeys(OPERATOR, BLOCK),
    "readout": Case(
        Readout(6, 3), (3, 6), lambda layer, signal, reading, _: layer(activation(signal, reading))
    ),
    "earliest spike": Case(
        None, PLANE, lambda layer, signal, reading, _: earliest_spike_pool(signal, reading)
    ),
    "average": Case(
        None, PLANE, lambda layer, signal, reading, _: average_pool(activation(signal, reading))
    ),
}


def draw(shape, seed=0):
    """Activations, a third of them silent."""
    return np.maximum(np.random.default_rng(seed).uniform(-0.5, 1.0, shape), 0.0)


def variables_of(case):
    """Random float64 variables: positive statistics, windows in which no neuron is clipped."""
    if case.layer is None:
        return {}
    generator = np.random.default_rng(3)
    signal = Signal(jnp.zeros(case.shape), jnp.array(1.0))
    initial = partial(case.layer.init, method=case.call)
    shapes = jax.eval_shape(lambda: initial(jax.random.key(0), signal, Reading(), jnp.array(0)))

    def fill(path, leaf):
        name = path[-1].key
        if name == "window":
            return jnp.full(leaf.shape, WINDOW)
        low, high = {"std": (0.5, 1.5), "scale": (0.5, 1.5)}.get(name, (-0.5, 0.5))
        return jnp.asarray(generator.uniform(low, high, leaf.shape))

    return jax.tree_util.tree_map_with_path(fill, shapes)


def prepared(name):
    """Return params, other variables and operator of a layer."""
    variables = variables_of(LAYERS[name])
    params = variables.pop("params", {})
    return params, variables, jnp.array(OPERATOR.get(name, 0))


def forward(case, reading, params, x, others, operator):
    """Map activations to those of one layer."""
    values = fire(x, 2.0) if reading.spiking else x
    signal = Signal(values, jnp.asarray(2.0, x.dtype))
    if case.layer is None:
        out = case.call(None, signal, reading, operator)
    else:
        everything = others | {"params": params}
        out = case.layer.apply(everything, signal, reading, operator, method=case.call)
    return activation(out, reading) if isinstance(out, Signal) else out


def squares(*arguments):
    return (forward(*arguments) ** 2).sum()


@cache
def program(transform, case, code, batch_statistics=False):
    return jax.jit(transform(partial(squares, case, Reading(code, batch_statistics))))


def value_and_gradients(function):
    return jax.value_and_grad(function, argnums=(0, 1))


def gradient(function):
    return jax.grad(function, 1)


def vmap_of_gradient(function):
    return jax.vmap(gradient(function), (None, 0, None, None))


def gradient_of_vmap(function):
    return gradient(lambda *a: jax.vmap(function, (None, 0, None, None))(*a).sum())


@pytest.mark.parametrize("batch_statistics", [False, True])
@pytest.mark.parametrize("name", LAYERS)
def test_both_codes_give_the_same_values_and_gradients(name, batch_statistics):
    with jax.enable_x64(True):
        params, others, operator = prepared(name)
        x = jnp.asarray(draw(LAYERS[name].shape))
        relu, ttfs = (
            program(value_and_gradients, LAYERS[name], code, batch_statistics)(
                params, x, others, operator
            )
            for code in ("relu", "ttfs")
        )
        # A pixel at exactly 0 is silent and its spike time cannot move, but in the relu code
        # of the layers it is an ordinary 0, so those entries are compared where they spike.
        spiking = (x > 0).astype(x.dtype)
        relu = relu[0], (relu[1][0], relu[1][1] * spiking)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9), relu, ttfs)
        assert float(relu[0]) > 0


@pytest.mark.parametrize("name", LAYERS)
def test_spike_gradients_equal_finite_differences(name):
    with jax.enable_x64(True):
        params, others, operator = prepared(name)
        run = jax.jit(partial(forward, LAYERS[name], Reading("ttfs")))
        # Every input spikes and none together: the differences have no derivative there.
        x = jnp.asarray(np.random.default_rng(1).uniform(0.05, 1.0, LAYERS[name].shape))

        def of(params, x):
            return run(params, x, others, operator)

        check_grads(of, (params, x), order=1, modes=["rev"], eps=1e-6)


@pytest.mark.parametrize("name", LAYERS)
def test_vmap_of_grad_equals_grad_of_vmap(name):
    with jax.enable_x64(True):
        params, others, operator = prepared(name)
        x = jnp.asarray(draw(LAYERS[name].shape))
        many = jnp.stack([x, x[::-1] * 0.5, jnp.zeros_like(x)])
        outside, inside = (
            program(transform, LAYERS[name], "ttfs")(params, many, others, operator)
            for transform in (vmap_of_gradient, gradient_of_vmap)
        )
        np.testing.assert_allclose(outside, inside, rtol=1e-12)
        alone = program(gradient, LAYERS[name], "ttfs")(params, x, others, operator)
        np.testing.assert_allclose(outside[0], alone, rtol=1e-12)
        assert np.isfinite(outside).all()


def test_delay_keeps_the_charge_and_silence():
    signal = Signal(jnp.array([0.5, 2.0, NO_SPIKE]), jnp.array(3.0))
    later, weight = delay(signal, jnp.array(1.0), time_bits=jnp.array(0))
    np.testing.assert_array_equal(later.values, [-1.5, 0.0, NO_SPIKE])
    reading = Reading("ttfs")
    np.testing.assert_array_equal(activation(later, reading), activation(signal, reading))
    assert weight == 1.0


def test_in_time_steps_a_delay_is_one_window_of_whole_steps():
    steps = jnp.array([1.0, 5.0, NO_SPIKE])  # of 8 in a window of 3
    signal = Signal(steps * 3.0 / 8, jnp.array(3.0))
    later, weight = delay(signal, jnp.array(0.7), time_bits=jnp.array(3))
    np.testing.assert_allclose(later.values / later.window * 8, steps, rtol=1e-6)
    delivered = weight * activation(later, Reading("ttfs"))
    np.testing.assert_allclose(delivered, [21 / 8, 9 / 8, 0.0], rtol=1e-6)

    def charge(values, window):
        signal = Signal(values, window)
        later, weight = delay(signal, jnp.array(0.7), time_bits=jnp.array(3))
        return (weight * activation(later, Reading("ttfs"))).sum()

    by_time, by_window = jax.grad(charge, (0, 1))(signal.values, signal.window)
    np.testing.assert_allclose(by_time, [-1.0, -1.0, 0.0], rtol=1e-6)
    assert np.isfinite(by_window)


def test_pools_by_hand():
    x = jnp.array([[0.0, 0.75, 0.25], [0.5, 0.0, 0.0], [0.0, 0.0, 0.0]])[None, :, :, None]
    signal = Signal(fire(x, 1.0), jnp.array(1.0))
    first = earliest_spike_pool(signal, Reading("ttfs")).values[0, :, :, 0]
    np.testing.assert_array_equal(first, [[0.25, 0.75], [NO_SPIKE, NO_SPIKE]])
    mean = average_pool(activation(signal, Reading("ttfs")))[0, :, :, 0]
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
    reading, signal = Reading(code), Signal(times if code == "ttfs" else -times, jnp.array(1.0))

    def pooled(values):
        return earliest_spike_pool(signal._replace(values=values), reading).values.sum()

    gradient = jax.grad(pooled)(signal.values)
    np.testing.assert_allclose(gradient.ravel(), shares, rtol=1e-7)
    forward = jax.jvp(pooled, (signal.values,), (jnp.arange(4.0).reshape(1, 2, 2, 1),))[1]
    np.testing.assert_allclose(forward, np.arange(4.0) @ shares, rtol=1e-6)


def test_masked_neurons_are_silent_and_counted_out():
    layer, shape, *_ = LAYERS["dense"]
    x = jnp.asarray(draw(shape), jnp.float32)
    reading = Reading("ttfs")
    variables = layer.init(jax.random.key(0), x, reading, mask=USED)
    signal, info = layer.apply(variables, x, reading, mask=USED)
    assert (signal.values[:, 3] == NO_SPIKE).all()
    assert info.spikes.sum() == (signal.values[:, :3] != NO_SPIKE).sum()
    everything = layer.apply(variables, x, reading, mask=jnp.ones(4, bool))[0]
    np.testing.assert_array_equal(everything.values[:, :3], signal.values[:, :3])
