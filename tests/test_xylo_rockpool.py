"""Rockpool as a second opinion: its mapper's integers, its simulator's spikes, its known faults."""

import ast
import importlib.util
from pathlib import Path

import numpy as np
import pytest
from chips import dense

from benchmarks.xylo import CASES, draw_events, draw_network
from hardware.xylo.core import simulate
from hardware.xylo.families import FAMILIES, family
from hardware.xylo.rockpool import bridge
from hardware.xylo.rockpool.bridge import (
    compare_with_rockpool,
    from_specification,
    map_by_rockpool,
    renumber,
    to_graph,
)
from hardware.xylo.rockpool.loader import load_tools
from hardware.xylo.specification import specify
from ttfs_jax.support.errors import InputError

# Not importorskip: importing Rockpool itself looks for `samna`.
FOUND = importlib.util.find_spec("rockpool")
if FOUND is None or FOUND.origin is None:
    pytest.skip("the extra [xylo] is not installed", allow_module_level=True)
ROOT = Path(FOUND.origin).parent
pytest.importorskip("xylosim")

A2, A3, IMU = (family(name) for name in ("xylo-a2", "xylo-a3", "xylo-imu"))


def layers(seed, *, synapses=1, own=0, dash=(1, 6), **options):
    """A feed-forward network 16-60-40-7; `own` is the weight of every hidden neuron to itself."""
    drawn = draw_network(
        np.random.default_rng(seed),
        sizes=(16, 100, 7, synapses),
        weight=40,
        threshold=(300, 900),
        dash=dash,
        **options,
    )
    weights_in, weights_rec = np.array(drawn.weights_in), np.array(drawn.weights_rec)
    weights_out = np.array(drawn.weights_out)
    weights_in[:, 60:], weights_out[:60] = 0, 0
    weights_rec[60:], weights_rec[:, :60] = 0, 0
    weights_rec[range(100), range(100), 0] = own
    return drawn.replace(weights_in=weights_in, weights_rec=weights_rec, weights_out=weights_out)


def swapped_chain():
    """One input → neuron 1 → neuron 0 → one output; numbers of `chain` in test_xylo_core."""
    return dense(1, 1, 1, 1).replace(
        weights_in=np.array([[[0], [25]]]),
        shift_in=np.int32(2),
        weights_rec=np.array([[[0], [0]], [[80], [0]]]),
        weights_out=np.array([[60], [0]]),
        dash_mem=np.array([1, 1]),
        threshold=np.array([39, 40]),
        bias=np.array([0, 0]),
        threshold_out=np.array([25]),
    )


@pytest.mark.parametrize("chip", FAMILIES.values(), ids=FAMILIES)
def test_chain_by_hand(chip):
    graph = to_graph(swapped_chain(), chip, dt=0.01)
    entry = graph.input_nodes[0].sink_modules[0]
    first = entry.output_nodes[0].sink_modules[0]
    np.testing.assert_array_equal(entry.weights, [[100]])
    # 2¹ steps of 10 ms.
    np.testing.assert_allclose([*first.tau_mem, *first.tau_syn[0]], [0.02, 0.02], rtol=1e-12)

    mapped = map_by_rockpool(swapped_chain(), chip)
    # Neurons that inputs reach come first on Audio 3 and IMU; Audio 2 need not care.
    if chip is not A2:
        np.testing.assert_array_equal(mapped.order, [1, 0])
        np.testing.assert_array_equal(mapped.network.threshold, [40, 39])
        np.testing.assert_array_equal(mapped.network.weights_in[0, :, 0], [25, 0])
        np.testing.assert_array_equal(mapped.network.weights_rec[..., 0], [[0, 80], [0, 0]])
        np.testing.assert_array_equal(mapped.network.weights_out[:, 0], [0, 60])
    assert mapped.specification["weight_shift_in"] == mapped.network.shift_in == 2
    simulator = load_tools(chip).simulator.from_specification(**mapped.specification)
    fired, _, _ = simulator.evolve(np.array([[1], [0], [0], [0], [0]]))
    # Neuron 1 reaches 50 at step 0, neuron 0 40 at step 1, the output 30 at step 2.
    np.testing.assert_array_equal(fired[:, 0], [0, 0, 1, 0, 0])


@pytest.mark.parametrize("own", [0, -128])
@pytest.mark.parametrize(
    ("chip", "synapses", "options"),
    [
        (A2, 1, {"bias": 20, "shift": 4}),
        (A2, 2, {}),
        (A3, 1, {"bias": 20, "shift": 4}),
        (A3, 2, {"bias": 20}),
        (IMU, 1, {"bias": 20, "shift": 4}),
    ],
    ids=["a2", "a2-two", "a3", "a3-two", "imu"],
)
def test_layers_are_equal_bit_for_bit(chip, synapses, options, own):
    network = layers(1, synapses=synapses, own=own, **options)
    events = draw_events(np.random.default_rng(2), 6, 40, 16)
    assert simulate(network, events).spikes_out.sum() > 10
    found = compare_with_rockpool(network, chip, events)
    assert len(found) == 7 and not any(found.values())


@pytest.mark.parametrize("case", ["plain", "many spikes", "saturating"])
@pytest.mark.parametrize(("chip", "synapses"), [(A2, 2), (A3, 1)], ids=["a2", "a3"])
def test_recurrent_population_is_equal_and_keeps_its_ids(case, chip, synapses):
    rng = np.random.default_rng(3)
    network = draw_network(rng, sizes=(16, 24, 6, synapses), **CASES[case])
    np.testing.assert_array_equal(map_by_rockpool(network, chip).order, np.arange(24))
    assert not any(compare_with_rockpool(network, chip, draw_events(rng, 6, 30, 16)).values())


@pytest.mark.parametrize("chip", FAMILIES.values(), ids=FAMILIES)
def test_scattered_ids_and_connections_back_are_equal(chip):
    rng = np.random.default_rng(4)
    network = draw_network(rng, sizes=(16, 45, 6, 1), weight=40, threshold=(300, 900))
    weights_in, weights_out = np.array(network.weights_in), np.array(network.weights_out)
    weights_in[:, 15:], weights_out[:30] = 0, 0
    network = network.replace(weights_in=weights_in, weights_out=weights_out)
    scattered = renumber(network, rng.permutation(45))
    mapped = map_by_rockpool(scattered, chip)
    assert (mapped.order != np.arange(45)).any()
    if chip is not A2:
        assert not np.asarray(mapped.network.weights_in)[:, 15:].any()
        assert not np.asarray(mapped.network.weights_out)[:30].any()
    assert not any(compare_with_rockpool(scattered, chip, draw_events(rng, 6, 30, 16)).values())


def test_potentials_that_decay_at_once_on_audio_3():
    network = layers(5, own=-128).replace(dash_mem=np.zeros(100, int))
    events = draw_events(np.random.default_rng(5), 6, 30, 16)
    assert simulate(network, events).spikes.sum() > 10
    assert not any(compare_with_rockpool(network, A3, events).values())


def test_renumbering_carries_aliases_along():
    network = draw_network(np.random.default_rng(0), sizes=(2, 3, 1, 1), density=1.0)
    # Neuron 0 hands on to 2; they become 2 and 1.
    moved = renumber(network.replace(alias=np.array([2, -1, -1])), np.array([1, 2, 0]))
    np.testing.assert_array_equal(moved.alias, [-1, -1, 1])


def test_differences_are_found(monkeypatch):
    network = layers(1)
    events = draw_events(np.random.default_rng(2), 4, 40, 16)

    def careless(graph):
        specification = load_tools(A3).mapper(graph)
        specification["threshold"] = specification["threshold"] + 200
        return specification

    tools = load_tools(A3)._replace(mapper=careless)
    monkeypatch.setattr(bridge, "load_tools", lambda chip: tools)
    found = compare_with_rockpool(network, A3, events)
    assert found["specification"] == 100 and found["spikes"] > 0 and found["spikes_out"] > 0


@pytest.mark.parametrize(
    ("network", "chip", "message"),
    [
        (draw_network(np.random.default_rng(0), sizes=(4, 6, 3, 1)), IMU, "single hidden layer"),
        (layers(1, dash=(1, 1)).replace(dash_mem=np.zeros(100)), A2, "decays at once"),
        (layers(1, dash=(1, 1)).replace(dash_mem_out=np.zeros(7)), IMU, "decays at once"),
        (dense(2, 2, 2, 2, alias=np.array([1, -1, -1, -1])), A3, "aliases of whole layers"),
        (dense(2, 2, 2, 2).replace(weights_in=np.zeros((2, 4, 1))), A3, "from the inputs"),
        (dense(2, 2, 2, 2).replace(weights_out=np.zeros((4, 2))), A3, "to the outputs"),
        (dense(2, 2, 2, 2).replace(dash_syn=np.zeros((4, 1))), A3, "kills the synapse"),
        (layers(1, synapses=2), IMU, "2 synapses a hidden neuron, Xylo-IMU has 1"),
    ],
)
def test_what_rockpool_cannot_map_is_refused(network, chip, message):
    with pytest.raises(InputError, match=message):
        map_by_rockpool(network, chip)


# The faults below are Rockpool's. A failure here means that one is mended and the bridge can drop
# what it does about it.


def mapped_as_it_is(network, chip):
    """Let the chip's mapper alone at a graph that Audio 3's takes."""
    return load_tools(chip).mapper(to_graph(network, A3))


def test_fault_imu_single_hidden_layer():
    network = draw_network(np.random.default_rng(0), sizes=(4, 6, 3, 1))
    with pytest.raises(ValueError, match="is not in list"):
        mapped_as_it_is(network, IMU)


@pytest.mark.parametrize("chip", [A2, IMU])
def test_fault_no_potential_that_decays_at_once(chip):
    with pytest.raises(ValueError, match="Error replacing"):
        mapped_as_it_is(layers(1).replace(dash_mem=np.zeros(100, int)), chip)


def test_fault_audio_3_loses_decays_of_two_synapses():
    network = layers(1, synapses=2)
    specification = mapped_as_it_is(network, A3)
    assert not specification["dash_syn_2"].any()
    assert (specification["dash_syn"] != network.dash_syn[:, 0]).any()
    with pytest.raises(InputError, match="dead synapse"):
        from_specification(specification)


def test_fault_audio_3_warns_beyond_16_outputs_of_32():
    network = dense(2, 2, 2, 20)
    with pytest.warns(Warning, match="only supports up to 16 output"):
        mapped_as_it_is(network, A3)
    assert map_by_rockpool(network, A3).network.sizes == (2, 4, 20, 1)


@pytest.mark.parametrize("chip", FAMILIES.values(), ids=FAMILIES)
def test_fault_biases_are_called_otherwise_where_the_board_is_configured(chip):
    network = layers(1, bias=20)
    mapped = map_by_rockpool(network, chip)
    assert "bias_hidden" not in mapped.specification
    expected = np.asarray(network.bias)[mapped.order]
    np.testing.assert_array_equal(mapped.specification["bias"], expected)
    np.testing.assert_array_equal(specify(mapped.network)["bias_hidden"], expected)
    # The function needs `samna`, so it is only read.
    source = (ROOT / "devices/xylo" / chip.module / "xylo_samna.py").read_text(encoding="utf-8")
    (function,) = (
        node
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef) and node.name == "config_from_specification"
    )
    names = {argument.arg for argument in function.args.args}
    assert "bias_hidden" in names and "bias" not in names and function.args.kwarg is not None


def test_fault_a_short_time_constant_becomes_a_dead_synapse():
    tools = load_tools(A3)
    graph = to_graph(layers(1), A3, dt=0.05)
    for module in tools.graph.find_modules_of_subclass(graph, tools.graph.GenericNeurons):
        module.tau_syn = np.full((len(module.tau_mem), 1), 0.065)
    specification = tools.mapper(graph)
    # log₂(65 ms / 50 ms) = 0.38.
    np.testing.assert_allclose(specification["dash_syn"], 0.3785, atol=1e-4)
    specification.update(tools.channel_quantize(**specification))
    assert not specification["dash_syn"].any()
    with pytest.raises(InputError, match="dash_syn rounds to 0 bits.*1.42 dt"):
        from_specification(specification)


def test_quantiser_keeps_integers_only_where_the_largest_is_127():
    tools = load_tools(A3)
    network = layers(1)
    weights_in, weights_rec = np.array(network.weights_in), np.array(network.weights_rec)
    weights_out = np.array(network.weights_out)
    weights_in[0, :60], weights_rec[0, 60:], weights_out[60] = 127, 127, 127
    full = network.replace(weights_in=weights_in, weights_rec=weights_rec, weights_out=weights_out)
    for own, kept in ((0, True), (-128, False)):
        weights_rec[range(100), range(100), 0] = own
        mapped = map_by_rockpool(full.replace(weights_rec=weights_rec), A3)
        quantised = tools.channel_quantize(**mapped.specification)
        assert (quantised["weights_rec"] == mapped.specification["weights_rec"]).all() == kept


def test_specifications_are_refused():
    specification = map_by_rockpool(layers(1), A3).specification
    with pytest.raises(InputError, match="weights_in must hold integers"):
        from_specification(specification | {"weights_in": specification["weights_in"] * 0.3})
    with pytest.raises(InputError, match="at most one alias"):
        from_specification(specification | {"aliases": [[1, 2]] + [[]] * 99})
    handing_on = from_specification(
        specification | {"aliases": [[0] * (k == 5) for k in range(100)]}
    )
    np.testing.assert_array_equal(handing_on.alias, np.where(np.arange(100) == 5, 0, -1))
