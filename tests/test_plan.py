"""The plan of layers agrees with the network: sizes, widths, kernels, neurons and names."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ttfs_jax.network.architecture import OPERATORS, Architecture, NetworkSpec, largest
from ttfs_jax.network.masked import Network, initialise
from ttfs_jax.network.plan import fan_in, make_plan, multiply_adds, neurons_by_layer
from ttfs_jax.network.timeline import signal_names
from ttfs_jax.network.variables import layer_of


@st.composite
def specs(draw):
    stages = draw(st.integers(1, 3))
    return NetworkSpec(
        image_shape=(draw(st.integers(4, 11)), draw(st.integers(4, 11)), draw(st.integers(1, 2))),
        classes=draw(st.integers(2, 4)),
        stage_widths=tuple(draw(st.integers(1, 4)) for _ in range(stages)),
        stage_blocks=tuple(draw(st.integers(0, 2)) for _ in range(stages)),
        head_width=draw(st.integers(1, 4)),
        stem_kernel=draw(st.sampled_from([3, 5])),
        stem_stride=draw(st.integers(1, 2)),
        head_pool=draw(st.integers(1, 3)),
    )


@st.composite
def networks(draw):
    spec = draw(specs())
    operators = [draw(st.integers(0, len(OPERATORS) - 1)) for _ in range(spec.blocks)]
    widths = [draw(st.integers(1, width)) for width in spec.stage_widths]
    return spec, Architecture(
        np.asarray(operators, np.int32),
        np.asarray(widths, np.int32),
        np.int32(draw(st.integers(1, spec.head_width))),
        np.int32(0),
    )


def recorded(spec):
    """Trace the network, without computing it: its variables and all signals, as shapes."""
    network = Network(spec)
    variables = jax.eval_shape(partial(initialise, network), jax.random.key(0))
    images = jax.ShapeDtypeStruct((1, *spec.image_shape), jnp.float32)
    apply = partial(network.apply, code="ttfs", record=True)
    return variables, jax.eval_shape(apply, variables, images, largest(spec))


@settings(deadline=None, max_examples=8)
@given(specs())
def test_sizes_and_kernels_are_those_of_the_network(spec):
    plan = make_plan(spec)
    variables, out = recorded(spec)
    signals = {name: layer for name, layer in plan.items() if layer.spiking or name == "input"}
    signals |= {name: layer for name, layer in plan.items() if layer.kind == "earliest_pool"}
    assert out.signals.keys() == signals.keys()
    for name, layer in signals.items():
        *size, width = out.signals[name].values.shape[1:]
        assert (tuple(size) or (1, 1), width) == (layer.size, layer.width.largest)
    assert out.layers.keys() == {name for name, layer in plan.items() if layer.spiking}
    assert out.passed.keys() == signals.keys() - out.layers.keys() | {"body"}
    for name, layer in plan.items():
        if layer.synapses:
            areas, before = fan_in(plan, layer)
            kernel = layer_of(variables["params"], name)["kernel"].shape
            assert kernel == (max(areas) * before.largest, layer.width.largest)


@settings(deadline=None, max_examples=8)
@given(networks())
def test_counts_are_those_of_a_walk_over_the_layers(network):
    spec, chosen = network
    names = signal_names(spec, chosen.operators)
    neurons = {name: int(count) for name, count in neurons_by_layer(spec, chosen).items()}
    spiking = [name for name in names if name != "input" and not name.startswith("pool")]
    assert [name for name, count in neurons.items() if count] == spiking
    _, out = recorded(spec)
    width = {"head": chosen.head, "stem": chosen.widths[0]}
    width |= {f"entry_{n}": used for n, used in enumerate(chosen.widths[1:])}
    of_blocks = np.repeat(chosen.widths, spec.stage_blocks)
    width |= {f"block_{n}": used for n, used in enumerate(of_blocks)}
    for name in spiking:
        *size, _ = out.signals[name].values.shape[1:]
        assert neurons[name] == np.prod(size, dtype=int) * width[name.partition("/")[0]]


@settings(deadline=None, max_examples=25)
@given(networks())
def test_side_by_side_costs_the_sum_of_all_operators(network):
    spec, chosen = network
    widths, head = chosen.widths.tolist(), int(chosen.head)
    only = np.eye(len(OPERATORS))

    def work(shares):
        return multiply_adds(spec, [shares] * spec.blocks, widths, head)

    alone = [work(one) for one in only]
    skipped = alone[0]
    assert work(only.sum(0)) - skipped == sum(alone) - len(alone) * skipped
    assert work(only.mean(0)) == sum(alone) / len(alone)
