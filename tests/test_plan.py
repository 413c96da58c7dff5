"""Whatever is derived from a plan equals what is counted or simulated without it."""

import dataclasses
import json
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from plans import Neurons, plans, window_starts

from ttfs_jax.codes.encoding import INPUT_WINDOW
from ttfs_jax.evaluation.measure import evaluate
from ttfs_jax.network.architecture import OPERATORS, Architecture, NetworkSpec, largest, make_plan
from ttfs_jax.network.conversion import calibrate, fold
from ttfs_jax.network.counts import layer_counts, multiply_adds, neurons_by_layer
from ttfs_jax.network.kinds import (
    INPUT,
    Layer,
    Width,
    add,
    convolution,
    dense,
    earliest_pool,
    readout,
)
from ttfs_jax.network.layers import layer_of
from ttfs_jax.network.masked import Network, initialise
from ttfs_jax.network.plan import Plan, plan_from_dict
from ttfs_jax.network.timeline import make_timeline
from ttfs_jax.spike_time import NO_SPIKE
from ttfs_jax.support.errors import InputError

SAMPLES = 3


@partial(jax.jit, static_argnums=0)
def both_codes(network, architecture):
    """Convert a random network to spike times and record both codes on a few images."""
    key_variables, key_bias, key_images = jax.random.split(jax.random.key(0), 3)
    shape = (SAMPLES, *network.plan.image_shape)
    images = jax.nn.relu(jax.random.uniform(key_images, shape, minval=-0.3))
    variables = jax.tree.map(
        lambda leaf: leaf.astype(images.dtype), initialise(network, key_variables)
    )
    keys = iter(jax.random.split(key_bias, 100))
    params = jax.tree.map(
        lambda leaf: leaf + 0.2 * jax.random.normal(next(keys), leaf.shape), variables["params"]
    )
    variables = variables | {"params": params}
    exact = fold(calibrate(network, variables, architecture, images))
    apply = partial(network.apply, exact, images, architecture, record=True)
    labels = jnp.zeros(SAMPLES, int)
    measured = evaluate(network, exact, architecture, images, labels, batch_size=SAMPLES)
    counts = layer_counts(network.plan, architecture, measured)
    relu, ttfs = apply(code="relu"), apply(code="ttfs")
    return exact, relu, ttfs, counts


@pytest.mark.slow
@settings(
    deadline=None,
    max_examples=50,
    phases=[Phase.generate],  # shrinking would compile for minutes
    suppress_health_check=list(HealthCheck),
)
@given(plans())
def test_random_plans(drawn):
    plan, architecture = drawn
    with jax.enable_x64(True):
        traced = both_codes(Network(plan), architecture)
        exact, relu, ttfs, counts = jax.tree.map(np.asarray, traced)
    for name in plan.readouts:
        scale = np.abs(relu.readouts[name]).max()
        np.testing.assert_allclose(
            ttfs.readouts[name], relu.readouts[name], atol=1e-10 * (1 + scale)
        )
    neurons = Neurons(plan, architecture)
    spikes = {name: signal.values != NO_SPIKE for name, signal in ttfs.signals.items()}
    for cost in counts:
        layer = plan[cost.name]
        assert int(cost.synapses) == neurons.synapses(cost.name), cost.name
        synops = neurons.synops(cost.name, spikes)
        np.testing.assert_allclose(cost.synops * SAMPLES, synops, rtol=1e-5, err_msg=cost.name)
        params = layer_of(exact["params"], cost.name) if layer.weighted else {}
        runs = layer.block is None or layer.kernels[int(architecture.operators[layer.block])]
        own = neurons.used(cost.name) if runs else 0
        assert int(cost.neurons) == plan.shapes[cost.name].positions * own * layer.spiking
        if layer.weighted:
            edge, kernel = runs if layer.spatial else 1, np.asarray(params["kernel"])
            inputs = neurons.used(layer.sources[0])
            area = edge**2 if layer.spatial and layer.block is not None else None
            area = area or kernel.size // kernel.shape[-1] // plan.shapes[layer.sources[0]].channels
            assert int(cost.weights) == (area * inputs * own if runs or not layer.spiking else 0)
    of_layers = {name: int(count) for name, count in neurons_by_layer(plan, architecture).items()}
    assert of_layers == {cost.name: int(cost.neurons) for cost in counts if plan[cost.name].spiking}
    lengths = {INPUT: INPUT_WINDOW}
    lengths |= {
        one.name: float(layer_of(exact["windows"], one.name)["window"]) for one in plan.spiking
    }
    starts, numbers = window_starts(plan, architecture, lengths)
    slots = make_timeline(plan, architecture, exact["windows"]).slots
    for name, slot in slots.items():
        assert (slot.number, slot.length) == (numbers[name], slot.length)
        np.testing.assert_allclose(slot.start, starts[name], rtol=1e-12)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(0, 3), min_size=3, max_size=3), st.integers(1, 4), st.integers(1, 5))
def test_side_by_side_costs_the_sum_of_all_operators(operators, width, head):
    spec = NetworkSpec((7, 6, 2), 3, (4, 4), (2, 1), head_width=5)
    only = np.eye(len(OPERATORS))

    def work(shares):
        return multiply_adds(spec, [shares] * spec.blocks, (width, 3), head)

    alone = [work(one) for one in only]
    skipped = alone[0]
    assert work(only.sum(0)) - skipped == sum(alone) - len(alone) * skipped
    assert work(only.mean(0)) == sum(alone) / len(alone)
    mixed = multiply_adds(spec, only[operators], (width, 3), head)
    assert min(alone) <= mixed <= max(alone)


def test_names_of_variables_and_reports_are_those_of_the_plan():
    spec = NetworkSpec((7, 6, 2), 3, (4, 5), (1, 1), head_width=5)
    network, plan = Network(spec), make_plan(spec)
    variables = jax.eval_shape(partial(initialise, network), jax.random.key(0))
    for layer in plan:
        if layer.weighted:
            kernel = layer_of(variables["params"], layer.name)["kernel"].shape
            assert kernel == plan.kernel_shape(layer)
    assert layer_of(variables["params"], "block_0/first")["kernel"].shape == (5, 5, 4, 4)
    assert plan_from_dict(_as_json(plan)) == plan
    assert hash(plan_from_dict(_as_json(plan))) == hash(plan)


def _as_json(plan):
    return json.loads(json.dumps(dataclasses.asdict(plan)))


def test_a_block_behind_a_pool_has_the_code_of_the_pooled_neurons():
    def plan(code):
        block = Layer("block", "convolution", ("pool",), Width(2), (0, 3), 0, code=code)
        first = (convolution("first", 2, code="rate"), earliest_pool("pool"))
        return Plan((4, 4, 1), (*first, block, readout("end", 2)))

    with pytest.raises(InputError, match="block can be skipped, so it needs the code of pool"):
        plan(None)
    network, images = Network(plan("rate")), jnp.ones((1, 4, 4, 1))
    variables = initialise(network, jax.random.key(0))
    for operator in (0, 1):
        architecture = Architecture(jnp.array([operator]), jnp.zeros(0, int), 0, jnp.array(0))
        assert network.apply(variables, images, architecture, code="ttfs").logits.shape == (1, 2)


def test_a_network_needs_an_image():
    network = Network(Plan((4, 4, 1), (dense("a", 2), readout("b", 2))))
    variables = initialise(network, jax.random.key(0))
    with pytest.raises(InputError, match="one image or more"):
        calibrate(network, variables, largest(network.plan), jnp.zeros((0, 4, 4, 1)))
    with pytest.raises(InputError, match="floats in .* not uint8: divide by 255"):
        calibrate(network, variables, largest(network.plan), np.ones((1, 4, 4, 1), np.uint8))


@pytest.mark.parametrize("kind", [np.float16, np.float64, bool])
def test_images_of_another_precision_are_computed_in_that_of_the_weights(kind):
    block = Layer("block", "convolution", (), Width(1), (0, 3), 0)
    network = Network(Plan((4, 4, 1), (block, readout("end", 2))))
    variables = initialise(network, jax.random.key(0))
    images = np.random.default_rng(0).integers(0, 2, (2, 4, 4, 1))
    with jax.enable_x64(True):
        for operator in (0, 1):
            architecture = Architecture(jnp.array([operator]), (), 0, jnp.array(0))
            for code in ("relu", "ttfs", "rate"):
                apply = partial(network.apply, variables, code=code)
                logits = apply(images.astype(kind), architecture).logits
                assert logits.dtype == jnp.float32
                same = apply(images.astype(np.float32), architecture).logits
                np.testing.assert_array_equal(logits, same)


def test_an_architecture_masks_the_plan():
    plan = Plan((4, 4, 1), (convolution("a", Width(4, "widths", 0)), readout("b", 2)))
    chosen = Architecture((), [3], 0, 0)
    assert plan.used("a", chosen) == 3
    assert neurons_by_layer(plan, Architecture(jnp.zeros(0), jnp.array([3]), 0, 0))["a"] == 48


def test_neurons_that_add_are_in_use_where_any_source_is():
    few, many = (
        convolution(name, Width(4, "widths", n), after="input") for n, name in enumerate("ab")
    )
    plan = Plan((2, 2, 1), (few, many, add("sum", ("a", "b")), readout("c", 2)))
    architecture = Architecture(jnp.zeros(0, int), jnp.array([1, 3]), jnp.array(0), jnp.array(0))
    assert plan.used("sum", architecture) == 3
    assert plan.used("sum", Architecture((), [1, 3], 0, 0)) == 3
    network = Network(plan)
    variables = initialise(network, jax.random.key(0))
    params = jax.tree.map(lambda leaf: jnp.abs(leaf) + 0.1, variables["params"])
    images = jnp.ones((1, 2, 2, 1))
    out = network.apply(variables | {"params": params}, images, architecture, record=True)
    active = (out.signals["sum"].values > 0).any((0, 1, 2))
    np.testing.assert_array_equal(active, [True, True, True, False])
    assert int(neurons_by_layer(plan, architecture)["sum"]) == 12
