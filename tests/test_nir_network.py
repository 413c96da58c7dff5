"""Networks of plans as NIR graphs: what the graph computes, and the way back."""

from functools import partial

import jax
import jax.numpy as jnp
import nir
import numpy as np
import pytest
from hypothesis import HealthCheck, event, given, settings
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


def images(plan):
    pixels = np.random.default_rng(1).uniform(-0.3, 1.0, (4, *plan.image_shape))
    return np.maximum(pixels, 0.0)


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


def readouts(model, x, code="relu"):
    exact = model.architecture.replace(time_bits=jnp.zeros_like(model.architecture.time_bits))
    return jax.jit(partial(model.network.apply, code=code))(model.variables, x, exact).readouts


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


def convolved(node, x):
    """Correlate [C, H, W] with the kernels of a `Conv2d`."""
    height, width = node.weight.shape[2:]
    same = isinstance(node.padding, str)
    top, left = (height // 2, width // 2) if same else node.padding
    padded, stride = np.pad(x, ((0, 0), (top, top), (left, left))), node.stride[0]
    windows = np.lib.stride_tricks.sliding_window_view(padded, (height, width), (1, 2))
    windows = windows[:, ::stride, ::stride]
    groups = np.split(windows, node.groups)
    weights = np.split(node.weight, node.groups)
    parts = [np.einsum("chwij,ocij->ohw", w, k) for w, k in zip(groups, weights, strict=True)]
    return np.concatenate(parts) + node.bias[:, None, None]


def rates(graph, x):
    """Compute the mean outputs of a graph under a constant input, by the definitions of NIR."""
    values = {}

    def value(name):
        if name in values:
            return values[name]
        node = graph.nodes[name]
        heard = [value(source) for source, target in graph.edges if target == name]
        total = sum(heard[1:], heard[0]) if heard else x
        if isinstance(node, nir.Conv2d):
            total = convolved(node, total)
        elif isinstance(node, nir.Affine):
            total = node.weight @ total + node.bias
        elif isinstance(node, nir.Linear):
            total = node.weight @ total
        elif isinstance(node, nir.IF):
            total = np.maximum(0, node.r * total) / node.v_threshold
        elif isinstance(node, nir.Scale):
            total = total * node.scale
        elif isinstance(node, nir.Flatten):
            total = total.ravel()
        elif isinstance(node, nir.AvgPool2d):
            (size, _), (channels, height, width) = node.kernel_size, total.shape
            total = total.reshape(channels, height // size, size, width // size, size).mean((2, 4))
        elif isinstance(node, nir.NIRGraph):
            total = rates(node, total)["output"]
        values[name] = total
        return total

    return {name: value(name) for name, node in graph.nodes.items() if isinstance(node, nir.Output)}


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


def neurons(*sizes, gain=1.0, threshold=1.0):
    ones = np.ones(sizes)
    return nir.IF(r=gain * ones, v_threshold=threshold * ones)


def foreign(**changes):
    """A graph as another tool writes it, with even kernels, groups and own thresholds."""
    generator = np.random.default_rng(3)

    def conv(outputs, inputs, edge, **options):
        defaults = {"stride": 1, "padding": 1, "dilation": 1, "groups": 1}
        weight = generator.normal(0.1, 0.5, (outputs, inputs, *edge))
        bias = generator.normal(0.1, 0.2, outputs)
        return nir.Conv2d(input_shape=None, weight=weight, bias=bias, **(defaults | options))

    nodes = {
        "in": nir.Input(np.array([2, 6, 4])),
        "conv": conv(4, 2, (2, 2), stride=2, padding=0),
        "fires": neurons(4, 3, 2, gain=2.0, threshold=0.5),
        "wide": conv(4, 2, (1, 3), padding=(0, 1), groups=2),
        "scaled": nir.Scale(np.full((4, 3, 2), 0.5)),
        "fires2": neurons(4, 3, 2, threshold=3.0),
        "same": conv(2, 4, (3, 3), padding="same"),
        "fires3": neurons(2, 3, 2),
        "flat": nir.Flatten(None, start_dim=0),
        "affine": nir.Linear(weight=generator.normal(size=(5, 12))),
        "fires4": neurons(5),
        "last": nir.Affine(weight=generator.normal(size=(3, 5)), bias=generator.normal(size=3)),
        "out": nir.Output(np.array([3])),
    } | changes
    names = list(nodes)
    edges = list(zip(names, names[1:], strict=False))
    # NIR 1.0.8 takes every kernel for a square one.
    return nir.NIRGraph(nodes=nodes, edges=edges, type_check=False)


def test_a_graph_of_another_tool():
    with jax.enable_x64(True):
        graph = foreign()
        model = network_from_nir(graph)
        x = images(model.plan)
        ours = readouts(model, jnp.asarray(x))["out"]
        for number, image in enumerate(x):
            theirs = rates(graph, image.transpose(2, 0, 1))["out"]
            np.testing.assert_allclose(ours[number], theirs, atol=1e-10)
        assert np.abs(ours).max() > 0.01
    kinds = [layer.kind for layer in model.plan]
    assert kinds == ["convolution"] * 3 + ["dense", "readout"]
    assert float(model.variables["windows"]["fires"]["window"]) == 0.25


def test_sums_and_sum_pools_of_another_tool():
    """The sum of two layers enters weights, over a sum pool."""
    nodes = {
        "in": nir.Input(np.array([1, 4, 4])),
        "one": neurons(1, 4, 4),
        "pool": nir.SumPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0])),
        "flat": nir.Flatten(None, start_dim=0),
        "end": nir.Affine(weight=np.arange(8.0).reshape(2, 4), bias=np.zeros(2)),
        "out": nir.Output(np.array([2])),
    }
    edges = [("in", "one"), ("in", "pool"), ("one", "pool"), ("pool", "flat"), ("flat", "end")]
    model = network_from_nir(nir.NIRGraph(nodes, [*edges, ("end", "out")]))
    x = images(model.plan).astype(np.float32)
    pooled = 2 * x.reshape(-1, 2, 2, 2, 2).sum((2, 4)).reshape(-1, 4)
    expected = pooled @ nodes["end"].weight.T
    np.testing.assert_allclose(model(x, code="relu"), expected, rtol=1e-5)


def test_graphs_that_are_no_plan_are_refused():
    def refuse(message, edges=None, **changes):
        with pytest.raises(InputError, match=message):
            graph = foreign(**changes)
            graph.edges += edges or []
            network_from_nir(graph)

    leaky = nir.LIF(*(np.ones((4, 3, 2)) for _ in range(4)))
    refuse("fires is a LIF: only Input, Conv2d", fires=leaky)
    refuse("recurrent at", edges=[("fires2", "wide")])
    refuse("fires3: r and threshold must be positive", fires3=neurons(2, 3, 2, threshold=-1.0))
    threshold = np.ones((2, 3, 2))
    threshold[0, 1] = 2
    uneven = nir.IF(r=np.ones((2, 3, 2)), v_threshold=threshold)
    refuse("fires3 differs from position to position", fires3=uneven)
    refuse("fires3 hears fires2 directly, which is possible over a", [("fires2", "fires3")])
    refuse("node last hears weights: put neurons between", fires4=nir.Scale(np.ones(5)))


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
