"""Every kind of layer on its own: hand numbers, gradients of both codes, finite differences."""

from dataclasses import dataclass
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from ttfs_jax.codes import CODES
from ttfs_jax.codes.ttfs import Ttfs
from ttfs_jax.network.architecture import (
    CONV3,
    CONV5,
    RESIDUAL,
    SKIP,
    Architecture,
    _block,
    largest,
)
from ttfs_jax.network.conversion import fold
from ttfs_jax.network.kinds import (
    Width,
    add,
    concatenate,
    convolution,
    dense,
    earliest_pool,
    flatten,
    pixel_shuffle,
    readout,
    upsample,
)
from ttfs_jax.network.kinds import (
    average_pool as average,
)
from ttfs_jax.network.masked import Network
from ttfs_jax.network.plan import Plan
from ttfs_jax.spike_time import NO_SPIKE, constant_slope

WINDOW = 40.0  # wide enough for every activation here
PLANE = (5, 4, 4)  # H, W, C; odd height on purpose
TTFS = CODES["ttfs"]
USED = Width(4, "widths", 0)  # of which three are in use

OPERATOR = {  # of one block, and so of one program
    "block skip": SKIP,
    "block conv3x3": CONV3,
    "block conv5x5": CONV5,
    "block residual": RESIDUAL,
}
BLOCK = Plan(PLANE, (*_block(0, "input", Width(4)), readout("output", 3)))


def plan(*layers, kernel=0, shape=PLANE):
    """A plan of these layers, with a read-out of its own."""
    return Plan(shape, (*layers, readout("output", 3, kernel=kernel)))


PLANS = {
    "dense": plan(dense("only", USED)),
    "conv3x3": plan(convolution("only", USED)),
    "conv5x5 stride 2": plan(convolution("only", USED, kernel=5, stride=2)),
    **dict.fromkeys(OPERATOR, BLOCK),
    "readout": plan(),
    "readout with a kernel": plan(kernel=3),
    "two skips": plan(
        convolution("one", 4), convolution("two", 4), convolution("only", 4, add=("one", "input"))
    ),
    "a skip from a later layer": plan(
        convolution("one", 4), convolution("only", 4, after="input", add="one")
    ),
    "add": plan(convolution("one", 4), convolution("two", 4), add("sum", ("input", "one", "two"))),
    "concatenate": plan(convolution("one", 3), concatenate("both", ("input", "one")), kernel=1),
    "earliest spike": plan(earliest_pool("pool")),
    "average": plan(average("pool")),
    "average behind a convolution": plan(convolution("one", 3), average("pool"), kernel=1),
    "upsample": plan(upsample("twice"), kernel=3),
    "pixel shuffle": plan(pixel_shuffle("shuffle"), kernel=3),
    "flatten": plan(flatten("row"), dense("only", USED)),
    "dense joins a convolution": plan(
        dense("one", 4), convolution("two", 4), add("sum", ("one", "two")), shape=(1, 1, 4)
    ),
}


def draw(shape, seed=0):
    """Activations, a third of them silent."""
    return np.maximum(np.random.default_rng(seed).uniform(-0.5, 1.0, shape), 0.0)


def chosen(name):
    """Return an architecture with the case's operator and three channels in use."""
    return Architecture(
        operators=jnp.full(1, OPERATOR.get(name, 0)),
        widths=jnp.full(1, 3),
        head=jnp.array(0),
        time_bits=jnp.array(0),
    )


def images_of(name, generator=draw, **options):
    return jnp.asarray(generator((2, *PLANS[name].image_shape), **options))


def prepared(name):
    """Random float64 variables: positive statistics, windows in which no neuron is clipped."""
    generator, network = np.random.default_rng(3), Network(PLANS[name])
    shapes = jax.eval_shape(
        lambda: network.init(jax.random.key(0), images_of(name), largest(PLANS[name]))
    )

    def fill(path, leaf):
        kind = path[-1].key
        if kind == "window":
            return jnp.full(leaf.shape, WINDOW)
        low, high = {"std": (0.5, 1.5), "scale": (0.5, 1.5)}.get(kind, (-0.5, 0.5))
        return jnp.asarray(generator.uniform(low, high, leaf.shape))

    variables = jax.tree_util.tree_map_with_path(fill, shapes)
    params = variables.pop("params")
    return params, variables, chosen(name)


def forward(plan, code, batch_statistics, params, x, others, architecture):
    """Map images to output potentials."""
    everything = others | {"params": params}
    out = Network(plan).apply(
        everything, x, architecture, code=code, batch_statistics=batch_statistics
    )
    return out.logits


def squares(*arguments):
    return (forward(*arguments) ** 2).sum()


@cache
def program(transform, plan, code, batch_statistics=False):
    return jax.jit(transform(partial(squares, plan, code, batch_statistics)))


def value_and_gradients(function):
    return jax.value_and_grad(function, argnums=(0, 1))


def gradient(function):
    return jax.grad(function, 1)


def vmap_of_gradient(function):
    return jax.vmap(gradient(function), (None, 0, None, None))


def gradient_of_vmap(function):
    return gradient(lambda *a: jax.vmap(function, (None, 0, None, None))(*a).sum())


@pytest.mark.parametrize("batch_statistics", [False, True])
@pytest.mark.parametrize("name", PLANS)
def test_both_codes_give_the_same_values_and_gradients(name, batch_statistics):
    with jax.enable_x64(True):
        params, others, operator = prepared(name)
        x = images_of(name)
        relu, ttfs = (
            program(value_and_gradients, PLANS[name], code, batch_statistics)(
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


@pytest.mark.parametrize("name", PLANS)
def test_spike_gradients_equal_finite_differences(name):
    with jax.enable_x64(True):
        params, others, operator = prepared(name)
        run = jax.jit(partial(forward, PLANS[name], "ttfs", False))
        # Every input spikes and none together: the differences have no derivative there.
        shape = (2, *PLANS[name].image_shape)
        x = jnp.asarray(np.random.default_rng(1).uniform(0.05, 1.0, shape))

        def of(params, x):
            return run(params, x, others, operator)

        check_grads(of, (params, x), order=1, modes=["rev"], eps=1e-6)


@pytest.mark.parametrize("name", PLANS)
def test_vmap_of_grad_equals_grad_of_vmap(name):
    with jax.enable_x64(True):
        params, others, operator = prepared(name)
        x = images_of(name)
        many = jnp.stack([x, x[::-1] * 0.5, jnp.zeros_like(x)])
        outside, inside = (
            program(transform, PLANS[name], "ttfs")(params, many, others, operator)
            for transform in (vmap_of_gradient, gradient_of_vmap)
        )
        np.testing.assert_allclose(outside, inside, rtol=1e-12)
        alone = program(gradient, PLANS[name], "ttfs")(params, x, others, operator)
        np.testing.assert_allclose(outside[0], alone, rtol=1e-12)
        assert np.isfinite(outside).all()


def test_masked_neurons_are_silent_and_counted_out():
    network, x = Network(PLANS["dense"]), jnp.asarray(images_of("dense"), jnp.float32)
    variables = network.init(jax.random.key(0), x, chosen("dense"))

    def run(architecture):
        out = network.apply(variables, x, architecture, code="ttfs", record=True)
        return out.signals["only"], out.layers["only"]

    signal, info = run(chosen("dense"))
    assert (signal.values[:, 3] == NO_SPIKE).all()
    assert info.spikes.sum() == (signal.values[:, :3] != NO_SPIKE).sum()
    everything, _ = run(chosen("dense").replace(widths=jnp.full(1, 4)))
    np.testing.assert_array_equal(everything.values[:, :3], signal.values[:, :3])


def test_shuffle_and_upsample_by_hand():
    x = jnp.arange(1.0, 17.0).reshape(1, 1, 2, 8) / 16
    network = Network(plan(pixel_shuffle("only"), kernel=1, shape=(1, 2, 8)))
    variables = network.init(jax.random.key(0), x, largest(network.plan))
    kernel = jnp.eye(2, 3)[None, None]
    variables = variables | {"params": {"output": {"kernel": kernel, "bias": jnp.zeros(3)}}}
    for code in ("relu", "ttfs"):
        first = network.apply(variables, x, largest(network.plan), code=code).logits[0, :, :, 0]
        np.testing.assert_allclose(first * 16, [[1, 2, 9, 10], [3, 4, 11, 12]])


@dataclass(frozen=True)
class Solving(Ttfs):
    """Spike times solved on patches by the library's own solver: the same network."""

    name = "solving"

    def integrate(self, charge, synapses, window):
        patches = synapses.patches(charge)
        kernel = synapses.kernel.reshape(-1, synapses.kernel.shape[-1])
        solve = partial(
            constant_slope, weights=kernel, bias=0.0, window_in=WINDOW, window_out=window
        )
        times = jnp.where(patches > 0, WINDOW - patches, NO_SPIKE)
        solved = jax.vmap(solve)(times.reshape(-1, times.shape[-1]))
        return (window - solved).reshape(*patches.shape[:-1], -1)


def test_a_code_may_solve_for_its_spike_times():
    """A guest that needs the times of its inputs gets them from charge, patch by patch."""
    with jax.enable_x64(True):
        params, others, architecture = prepared("conv5x5 stride 2")
        x = images_of("conv5x5 stride 2")
        variables = jax.jit(fold)(others | {"params": params})
        others, params = {k: v for k, v in variables.items() if k != "params"}, variables["params"]
        params["only"]["bias"] = jnp.zeros(4)  # which the solver has within
        known, solved = (
            forward(PLANS["conv5x5 stride 2"], code, False, params, x, others, architecture)
            for code in ("ttfs", Solving())
        )
        np.testing.assert_allclose(solved, known, rtol=1e-9)
