"""ReLU networks trained elsewhere give the same logits here, in both codes."""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ttfs_jax.imports import from_arrays, from_flax
from ttfs_jax.network.architecture import largest
from ttfs_jax.network.conversion import calibrate, fold
from ttfs_jax.network.kinds import (
    add,
    average_pool,
    convolution,
    dense,
    earliest_pool,
    flatten,
    readout,
)
from ttfs_jax.network.masked import Network
from ttfs_jax.network.plan import Plan
from ttfs_jax.support.errors import InputError

RESIDUAL = Plan(
    (8, 6, 2),
    (
        convolution("stem", 4, kernel=5),
        convolution("block/first", 4),
        convolution("block/second", 4, add="stem"),
        convolution("down", 6, stride=2),
        average_pool("mean"),
        dense("head", 7),
        readout("classes", 3),
    ),
)
PATHS = {"stem": "Conv_0", "block/first": "body/Conv_0", "block/second": "body/Conv_1"}
NORMS = {
    "stem": "BatchNorm_0",
    "block/first": "body/BatchNorm_0",
    "block/second": "body/BatchNorm_1",
    "head": "norm",
    "classes": "last_norm",
}


class Body(nn.Module):
    """Two convolutions beside the identity."""

    @nn.compact
    def __call__(self, x):
        norm = partial(nn.BatchNorm, use_running_average=True)
        inner = nn.relu(norm()(nn.Conv(4, (3, 3))(x)))
        return nn.relu(norm()(nn.Conv(4, (3, 3), use_bias=False)(inner)) + x)


class Residual(nn.Module):
    """A residual network with batch norms, as one writes it in flax."""

    @nn.compact
    def __call__(self, x):
        norm = partial(nn.BatchNorm, use_running_average=True)
        x = nn.relu(norm()(nn.Conv(4, (5, 5))(x)))
        x = Body(name="body")(x)
        x = nn.relu(nn.Conv(6, (3, 3), strides=2, padding=1, name="down")(x))
        # Odd borders count as silent here.
        x = jnp.pad(x, ((0, 0), (0, 0), (0, 1), (0, 0)))
        x = nn.avg_pool(x, (2, 2), (2, 2))
        x = x.reshape(len(x), -1)
        x = nn.relu(norm(name="norm", use_scale=False)(nn.Dense(7, name="head")(x)))
        return norm(name="last_norm")(nn.Dense(3, name="classes")(x))


def drawn(shapes, seed=0):
    """Draw every array of a tree at random; variances are positive."""
    generator = np.random.default_rng(seed)

    def draw(path, leaf):
        low, high = {"var": (0.5, 2.0), "scale": (0.5, 1.5)}.get(path[-1].key, (-0.5, 0.5))
        return jnp.asarray(generator.uniform(low, high, leaf.shape))

    return jax.tree_util.tree_map_with_path(draw, shapes)


def images(plan, seed=1):
    pixels = np.random.default_rng(seed).uniform(-0.3, 1.0, (5, *plan.image_shape))
    return jnp.asarray(np.maximum(pixels, 0.0))


def require_equal(plan, variables, logits):
    """Compare with the logits that another library gives, before and after the conversion."""
    network, architecture, x = Network(plan), largest(plan), images(plan)

    def all_readings(variables):
        windows = calibrate(network, variables, architecture, x, batch_statistics=False)
        readings = [(variables, "relu"), (windows, "ttfs"), (fold(windows), "relu")]
        readings.append((fold(windows), "ttfs"))
        return [network.apply(v, x, architecture, code=code).logits for v, code in readings]

    for reading in jax.jit(all_readings)(variables):
        np.testing.assert_allclose(reading, logits, atol=1e-10)
    assert np.abs(logits).max() > 0.1


def test_a_flax_residual_network_with_batch_norms():
    with jax.enable_x64(True):
        module, x = Residual(), images(RESIDUAL)
        tree = drawn(jax.eval_shape(module.init, jax.random.key(0), x))
        variables = from_flax(RESIDUAL, tree, paths=PATHS, norms=NORMS)
        require_equal(RESIDUAL, variables, jax.jit(module.apply)(tree, x))


def test_names_of_the_tree_are_those_of_the_plan_unless_said_otherwise():
    class Small(nn.Module):
        @nn.compact
        def __call__(self, x):
            x = nn.relu(nn.Conv(3, (3, 3), name="one")(x))
            x = nn.max_pool(x, (2, 2), (2, 2)).reshape(len(x), -1)
            return nn.Dense(2, name="end")(x)

    plan = Plan(
        (4, 6, 1), (convolution("one", 3), earliest_pool("p"), flatten("f"), readout("end", 2))
    )
    with jax.enable_x64(True):
        x = images(plan)
        tree = drawn(jax.eval_shape(Small().init, jax.random.key(0), x))
        logits = jax.jit(Small().apply)(tree, x)
        require_equal(plan, from_flax(plan, tree), logits)
        # The parameters alone, too.
        require_equal(plan, from_flax(plan, tree["params"]), logits)


def test_a_dict_of_arrays_by_hand():
    plan = Plan((1, 2, 1), (dense("a", 2), dense("b", 2), add("sum", ("a", "b")), readout("c", 1)))
    arrays = {
        "a": {"kernel": [[1.0, 0.0], [0.0, -1.0]]},
        "b": {
            "kernel": [[2.0, 0.0], [0.0, 1.0]],
            "bias": [1.0, 0.5],
            "norm": {"mean": [1.0, 0.0], "var": [3.0, 0.0], "epsilon": 1.0, "bias": [0.0, 1.0]},
        },
        "c": {"kernel": [[1.0], [10.0]], "bias": [0.25]},
    }
    variables = from_arrays(plan, arrays)
    x = jnp.array([0.5, 0.25]).reshape(1, 1, 2, 1)
    logits = Network(plan).apply(variables, x, largest(plan)).logits
    # a = (0.5, 0); b = relu((2 · 0.5 + 1 − 1) / 2, 0 + 0.5 + 1).
    np.testing.assert_allclose(logits, [[0.5 + 0.5 + 15.0 + 0.25]])


def arrays_of(plan):
    network = Network(plan)
    params = network.init(jax.random.key(0), images(plan), largest(plan))["params"]
    return {name: {"kernel": np.asarray(params[name]["kernel"])} for name in params}


def test_arrays_that_do_not_fit_are_named():
    plan = Plan((4, 4, 2), (convolution("one", 3), dense("two", 5), readout("end", 2)))

    def refuse(message, **changes):
        with pytest.raises(InputError, match=message):
            from_arrays(plan, arrays_of(plan) | changes)

    refuse("did you mean two", too={})
    refuse("unknown array of layer one 'weight': choose one of kernel, bias", one={"weight": 1})
    refuse(r"layer one: kernel \[3, 3, 2, 3\] is missing", one={})
    torch = np.ones((3, 2, 3, 3))
    refuse(r"must be \[3, 3, 2, 3\], not \[3, 2, 3, 3\]: .*\(2, 3, 1, 0\)", one={"kernel": torch})
    refuse(r"PyTorch's order \[O, I\], .*row, column, channel", two={"kernel": np.ones((5, 48))})
    refuse("as many numbers, so reshape", two={"kernel": np.ones((4, 4, 3, 5))})
    refuse(r"must be \[5, 2\], not \[4, 2\]$", end={"kernel": np.ones((4, 2))})
    kernel = arrays_of(plan)["end"]["kernel"]
    refuse(r"end: bias must be \[2\], not \[\]$", end={"kernel": kernel, "bias": 0.0})
    refuse("kernel holds NaN", end={"kernel": kernel * np.nan})
    refuse("norm 'variance': choose one of scale", end={"kernel": kernel, "norm": {"variance": 1}})
    negative = {"mean": np.zeros(2), "var": np.full(2, -1.0)}
    refuse("epsilon must be positive", end={"kernel": kernel, "norm": negative})
    refuse(r"end: mean \[2\] is missing", end={"kernel": kernel, "norm": {"var": np.ones(2)}})
    with pytest.raises(InputError, match="layer two are missing"):
        from_arrays(plan, {"one": arrays_of(plan)["one"]})


def test_trees_that_do_not_fit_are_named():
    plan = Plan((4, 4, 2), (convolution("one", 3), readout("end", 2)))
    tree = {"params": arrays_of(plan)}
    with pytest.raises(InputError, match="unknown module for layer one 'ones': did you mean one"):
        from_flax(plan, tree, paths={"one": "ones"})
    with pytest.raises(InputError, match="unknown layer with weights 'two'"):
        from_flax(plan, tree, norms={"two": "BatchNorm_0"})
    with pytest.raises(InputError, match="'BatchNorm_0' of layer one: the tree has no batch_stats"):
        from_flax(plan, tree, norms={"one": "BatchNorm_0"})
    tree["batch_stats"] = {"Norm": {"mean": np.zeros(3), "var": np.ones(3)}}
    with pytest.raises(InputError, match="unknown batch norm for layer one 'BatchNorm_0'"):
        from_flax(plan, tree, norms={"one": "BatchNorm_0"})
    left = {"params": arrays_of(plan) | {"body": {"BatchNorm_0": {"scale": np.ones(3)}}}}
    with pytest.raises(InputError, match="no layer takes body/BatchNorm_0"):
        from_flax(plan, left)
