"""Networks of plans as NIR graphs: what the graph computes, and the way back."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, event, given, settings
from nir_graphs import images, rates, readouts
from plans import plans

from hardware.nir_export import load_nir, save_nir
from hardware.nir_import import network_from_nir
from hardware.nir_network import network_to_nir
from ttfs_jax.model import Model
from ttfs_jax.network.architecture import (
    CONV5,
    RESIDUAL,
    SKIP,
    Architecture,
    NetworkSpec,
    largest,
    make_plan,
)
from ttfs_jax.network.conversion import calibrate
from ttfs_jax.network.kinds import (
    Width,
    add,
    average_pool,
    concatenate,
    convolution,
    dense,
    earliest_pool,
    flatten,
    pixel_shuffle,
    readout,
    upsample,
)
from ttfs_jax.network.masked import Network
from ttfs_jax.network.plan import Plan
from ttfs_jax.network.timeline import signal_names
from ttfs_jax.support.errors import InputError

SEARCHED = make_plan(NetworkSpec((7, 6, 2), 3, (4, 5), (2, 2), head_width=5, head_pool=2))
GENES = Architecture(
    operators=jnp.array([SKIP, CONV5, RESIDUAL, 1]),
    widths=jnp.array([3, 4]),
    head=jnp.array(4),
    time_bits=jnp.array(5),
)
HAND = Plan(
    (6, 6, 1),
    (
        convolution("body/stem", 3, stride=2),
        convolution("first", 3, kernel=5),
        convolution("second", 3, add=("body/stem", "body/stem", "first")),
        add("sum", ("first", "second", "body/stem")),
        convolution("other", 2, kernel=1, after="body/stem"),
        concatenate("both", ("sum", "other")),
        convolution("small", 4, stride=3, code="rate"),
        flatten("row", after="both"),
        dense("head", 4, add="small"),
        earliest_pool("most", size=2, after="sum"),
        readout("potentials", 2, after="head"),
        readout("map", 1, kernel=3, after="both"),
        readout("third", 2, after="most"),
        convolution("nobody hears it", 2, after="both"),
    ),
)
VECTOR = Plan(
    (1, 1, 5),
    (
        dense("one", 4),
        convolution("two", 4, add="one"),
        average_pool("mean"),
        earliest_pool("first", after="two"),
        concatenate("both", ("mean", "first")),
        dense("last", 3, after="both"),
        readout("c", 2),
    ),
)
REFUSED = ("no node for", "put a dense layer between", "where other channels are in use")
CASES = {
    "searched": (SEARCHED, GENES),
    "by hand": (HAND, largest(HAND)),
    "one position": (VECTOR, largest(VECTOR)),
}


@partial(jax.jit, static_argnums=0)
def converted(network, architecture, x):
    """Random weights, norms not folded yet, and windows that fit."""
    generator = np.random.default_rng(2)
    shapes = jax.eval_shape(lambda: network.init(jax.random.key(0), x[:1], largest(network.plan)))
    variables = jax.tree.map(lambda leaf: generator.normal(0.2, 0.5, leaf.shape), shapes)
    return calibrate(network, jax.tree.map(jnp.asarray, variables), architecture, x)


@pytest.fixture(scope="module", params=CASES)
def model(request):
    plan, architecture = CASES[request.param]
    with jax.enable_x64(True):
        variables = converted(Network(plan), architecture, jnp.asarray(images(plan)))
        return Model(plan, architecture, variables)


def test_the_way_through_a_file_and_back_keeps_logits_and_windows(model, tmp_path):
    with jax.enable_x64(True):
        save_nir(tmp_path / "net.nir", network_to_nir(model))
        back = network_from_nir(load_nir(tmp_path / "net.nir"))
        x = jnp.asarray(images(model.plan))
        for code in ("relu", "ttfs"):
            ours, theirs = readouts(model, x, code), readouts(back, x, code)
            assert list(ours) == list(theirs)
            for name in ours:
                assert np.abs(ours[name]).max() > 0.01
                np.testing.assert_allclose(theirs[name], ours[name], atol=1e-10, err_msg=name)
        assert int(back.architecture.time_bits) == int(model.architecture.time_bits)
        again = network_from_nir(network_to_nir(back))
        assert again.plan == back.plan


def test_names_and_layers_that_the_architecture_uses_come_back():
    with jax.enable_x64(True):
        x = jnp.asarray(images(SEARCHED))
        model = Model(SEARCHED, GENES, converted(Network(SEARCHED), GENES, x))
        back = network_from_nir(network_to_nir(model))
    names = signal_names(SEARCHED, np.asarray(GENES.operators))
    assert set(signal_names(back.plan, np.zeros(0))) == set(names)
    assert back.plan["block_1/first"].kernels == (5,)
    assert back.plan["block_2/second"].skips == ("entry_0",)
    assert back.plan.shapes["entry_0"] == (4, 3, 4)


def test_rates_of_the_graph_are_the_relu_network(model):
    with jax.enable_x64(True):
        graph, x = network_to_nir(model), images(model.plan)
        expected = readouts(model, jnp.asarray(x))
        assert set(graph.outputs) == set(expected)
        for number, image in enumerate(x):
            image = image.transpose(2, 0, 1)
            outputs = rates(graph, image.ravel() if image[0].size == 1 else image)
            for name, output in outputs.items():
                ours = np.asarray(expected[name][number])
                ours = ours.transpose(2, 0, 1) if ours.ndim == 3 and ours[..., 0].size > 1 else ours
                np.testing.assert_allclose(output, ours, atol=1e-10, err_msg=name)


def test_what_nir_cannot_say_is_refused():
    def refuse(message, *layers, genes=None):
        plan = Plan((4, 4, 4), (*layers, readout("end", 2)))
        network, architecture = Network(plan), largest(plan)
        if genes is not None:
            architecture = architecture.replace(widths=jnp.array(genes))
        variables = network.init(jax.random.key(0), jnp.zeros((1, 4, 4, 4)), architecture)
        with pytest.raises(InputError, match=message):
            network_to_nir(Model(plan, architecture, variables))

    refuse("no node for upsample: leave larger out", upsample("larger"))
    refuse("no node for pixel_shuffle", pixel_shuffle("shuffle"))
    refuse("put a dense layer between", flatten("row"), add("sum", ("row", "row")))
    two = convolution("a", Width(4, "widths", 0)), convolution("b", 4, add="a")
    refuse("b adds a, where other channels are in use", *two, genes=[3])
    refuse("two nodes would be called a.b", convolution("a/b", 2), convolution("a.b", 2))


def test_damaged_variables_are_refused():
    plan = Plan((2, 2, 1), (convolution("a", 2), readout("end", 2)))
    variables = Network(plan).init(jax.random.key(0), jnp.zeros((1, 2, 2, 1)), largest(plan))
    nan = jax.tree.map(lambda leaf: leaf * jnp.nan, variables)
    with pytest.raises(InputError, match="a holds NaN"):
        network_to_nir(Model(plan, largest(plan), variables | {"params": nan["params"]}))
    with pytest.raises(InputError, match="window of a must be positive"):
        network_to_nir(Model(plan, largest(plan), variables | {"windows": nan["windows"]}))


def test_a_changed_pool_is_refused():
    plan = Plan((4, 4, 1), (earliest_pool("p"), readout("end", 2)))
    variables = Network(plan).init(jax.random.key(0), jnp.zeros((1, 4, 4, 1)), largest(plan))
    graph = network_to_nir(Model(plan, largest(plan), variables))
    graph.nodes["p"].nodes["last"].weight[0, 0, 1, 1] = 2.0
    with pytest.raises(InputError, match="weight of node 'last' is nothing that an earliest-spike"):
        network_from_nir(graph)


@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(plans())
def test_random_plans_come_back_or_are_refused(drawn):
    plan, architecture = drawn
    with jax.enable_x64(True):
        x = jnp.asarray(images(plan))
        model = Model(plan, architecture, converted(Network(plan), architecture, x))
        try:
            graph = network_to_nir(model)
        except InputError as error:
            event("refused")
            assert any(word in str(error) for word in REFUSED), error
            return
        back = network_from_nir(graph)
        ours, theirs = readouts(model, x), readouts(back, x)
        for name in ours:
            np.testing.assert_allclose(theirs[name].ravel(), ours[name].ravel(), atol=1e-10)
