"""Graphs of other tools become plans, or are refused."""

import jax
import jax.numpy as jnp
import nir
import numpy as np
import pytest
from nir_graphs import images, rates, readouts

from hardware.nir_import import network_from_nir
from ttfs_jax.support.errors import InputError


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
    refuse("fires3 receives fires2 directly, which is possible over a", [("fires2", "fires3")])
    refuse("node last receives weights: put neurons between", fires4=nir.Scale(np.ones(5)))
