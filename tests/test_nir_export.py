"""NIR graphs: round trip of chip networks, what the graph computes, dense stacks."""

import dataclasses

import jax
import jax.numpy as jnp
import nir
import numpy as np
import pytest
from chips import dense

from hardware.nir_export import dense_to_nir, from_nir, load_nir, save_nir, to_nir
from hardware.xylo.core import simulate
from hardware.xylo.network import ChipNetwork
from ttfs_jax.network.dense import Dense, init_dense, relu
from ttfs_jax.support.errors import InputError


def chip(synapses, *, alias=None, seed=0):
    """A network 4-7-3 with every field drawn at random."""
    rng = np.random.default_rng(seed)

    def whole(low, high, *shape):
        return rng.integers(low, high + 1, shape)

    return ChipNetwork(
        weights_in=whole(-128, 127, 4, 7, synapses),
        weights_rec=whole(-128, 127, 7, 7, synapses) * (rng.random((7, 7, 1)) < 0.4),
        weights_out=whole(-128, 127, 7, 3),
        dash_syn=whole(1, 15, 7, synapses),
        dash_mem=whole(0, 15, 7),
        threshold=whole(1, 1500, 7),
        bias=whole(-128, 127, 7),
        dash_syn_out=whole(1, 15, 3),
        dash_mem_out=whole(0, 15, 3),
        threshold_out=whole(1, 1500, 3),
        bias_out=whole(-128, 127, 3),
        shift_in=np.int32(2),
        shift_rec=np.int32(0),
        shift_out=np.int32(5),
        alias=alias,
    )


ALIAS = np.array([-1, 3, -1, -1, 5, -1, 5])


@pytest.mark.parametrize("synapses", [1, 2])
@pytest.mark.parametrize("alias", [None, ALIAS])
def test_round_trip_through_a_file_is_exact(synapses, alias, tmp_path):
    network = chip(synapses, alias=alias)
    # A step that no power of two divides.
    save_nir(tmp_path / "net.nir", to_nir(network, dt=3e-4))
    loaded = from_nir(load_nir(tmp_path / "net.nir"))
    for field in dataclasses.fields(ChipNetwork):
        ours, theirs = getattr(network, field.name), getattr(loaded, field.name)
        assert (ours is None) == (theirs is None)
        np.testing.assert_array_equal(theirs, ours, err_msg=field.name)
    events = np.random.default_rng(1).integers(0, 4, (5, 20, 4))
    before, after = simulate(network, events), simulate(loaded, events)
    assert before.spikes.any() and before.spikes_out.any()
    jax.tree.map(np.testing.assert_array_equal, before, after)


def test_node_types():
    def types(graph):
        return {name: type(node).__name__ for name, node in graph.nodes.items()}

    rest = {
        "input": "Input",
        "weights_out": "Linear",
        "readout": "CubaLIF",
        "output": "Output",
    }
    one = to_nir(chip(1))
    assert types(one) == rest | {
        "weights_in": "Linear",
        "weights_rec": "Linear",
        "hidden": "CubaLIF",
    }
    assert ("hidden", "weights_rec") in one.edges and ("weights_rec", "hidden") in one.edges
    two = to_nir(chip(2))
    assert types(two) == rest | {
        **dict.fromkeys(("weights_in_0", "weights_in_1"), "Linear"),
        **dict.fromkeys(("weights_rec_0", "weights_rec_1"), "Linear"),
        **dict.fromkeys(("current_0", "current_1"), "LI"),
        "hidden": "LIF",
    }


def test_constants_by_hand():
    network = chip(1).replace(dash_syn=np.full((7, 1), 3), dash_mem=np.full(7, 4))
    graph = to_nir(network, dt=2e-3)
    hidden = graph.nodes["hidden"]
    assert (hidden.tau_syn == 16e-3).all() and (hidden.tau_mem == 32e-3).all()
    assert (hidden.w_in == 7).all() and (hidden.r == 16).all() and (hidden.v_reset == 0).all()
    np.testing.assert_array_equal(hidden.v_leak, 16 * network.bias)
    np.testing.assert_array_equal(hidden.v_threshold, network.threshold)
    np.testing.assert_array_equal(
        graph.nodes["weights_in"].weight, 4 * network.weights_in[..., 0].T
    )


def euler(leak, state, drive):
    return state + (drive - state) / leak


def test_an_euler_step_of_the_graph_is_a_step_of_the_chip():
    # Values that every shift divides, and no spikes, so that nothing is rounded.
    network = dense(1, 1, 1, 1)
    one = np.ones(2)
    network = network.replace(
        weights_in=np.array([[[64, -32], [0, 0]]]),
        weights_rec=np.zeros((2, 2, 2)),
        dash_syn=np.array([[1, 2], [1, 2]]),
        dash_mem=2 * one,
        threshold=30_000 * one,
        bias=64 * one,
        shift_in=np.int32(6),
    )
    events = np.zeros((1, 3, 1))
    events[0, 0] = 2
    trace = simulate(network, events)
    dt = 1e-3
    nodes = to_nir(network, dt=dt).nodes
    membrane = nodes["hidden"]
    currents, potential = np.zeros((2, 2)), np.zeros(2)
    for step in range(3):
        for port in range(2):
            synapse = nodes[f"current_{port}"]
            drive = synapse.r * (nodes[f"weights_in_{port}"].weight @ events[0, step])
            currents[port] = euler(synapse.tau / dt, currents[port], drive)
        drive = membrane.v_leak + membrane.r * currents.sum(0)
        potential = euler(membrane.tau / dt, potential, drive)
        np.testing.assert_array_equal(trace.current[0, step], currents.T)
        np.testing.assert_array_equal(trace.potential[0, step], potential)
    assert trace.potential[0, :, 0].all()


def test_file_cut_short_or_of_another_kind_is_refused(tmp_path):
    path = tmp_path / "net.nir"
    save_nir(path, to_nir(chip(2)))
    with pytest.raises(InputError, match="exists"):
        save_nir(path, to_nir(chip(2)))
    whole = path.read_bytes()
    for size in (0, 100, len(whole) // 2, len(whole) - 100):
        path.write_bytes(whole[:size])
        with pytest.raises(InputError, match="truncated"):
            load_nir(path)
    with pytest.raises(InputError, match="does not exist"):
        load_nir(tmp_path / "none.nir")


def test_graph_that_no_chip_network_gives_is_refused():
    bare = nir.NIRGraph.from_list(nir.Affine(np.ones((3, 4)), np.zeros(3)))
    with pytest.raises(InputError, match="format, dt, shift_in, shift_rec, shift_out missing"):
        from_nir(bare)

    def changed(name, key, factor):
        graph = to_nir(chip(1))
        setattr(graph.nodes[name], key, getattr(graph.nodes[name], key) * factor)
        return graph

    with pytest.raises(InputError, match="time constants of 'hidden' must be 2"):
        from_nir(changed("hidden", "tau_mem", 1.1))
    with pytest.raises(InputError, match="weights_in must hold integers"):
        from_nir(changed("weights_in", "weight", 0.3))
    with pytest.raises(InputError, match="r of node 'readout'"):
        from_nir(changed("readout", "r", 2))
    with pytest.raises(InputError, match="edges"):
        graph = to_nir(chip(1))
        graph.edges = graph.edges[1:]
        from_nir(graph)
    with pytest.raises(InputError, match="no node 'readout' of type CubaLIF"):
        graph = to_nir(chip(1))
        del graph.nodes["readout"]
        from_nir(graph)
    with pytest.raises(InputError, match="dt must be a positive time"):
        to_nir(chip(1), dt=0.0)


def rates(graph, inputs):
    """Mean output of a dense graph under constant inputs: IF fires at max(0, a) / θ."""
    values, name = inputs, "input"
    while name != "output":
        node = graph.nodes[name]
        if isinstance(node, nir.Affine):
            values = values @ node.weight.T + node.bias[None]
        elif isinstance(node, nir.IF):
            values = np.maximum(0, node.r * values) / node.v_threshold
        (name,) = (after for before, after in graph.edges if before == name)
    return values


def test_dense_stack_is_the_relu_twin_in_rate_code(tmp_path):
    layers = init_dense(jax.random.key(1), (6, 8, 5, 3))
    layers = [Dense(layer.kernel, layer.bias + 0.5) for layer in layers]
    graph = dense_to_nir(layers, [jnp.asarray(3.0), 2.5])
    kinds = [type(node).__name__ for node in graph.nodes.values()]
    assert kinds == ["Input", "Affine", "IF", "Affine", "IF", "Affine", "Output"]
    save_nir(tmp_path / "stack.nir", graph)
    loaded = load_nir(tmp_path / "stack.nir")
    np.testing.assert_array_equal(loaded.metadata["windows"], [3.0, 2.5])
    inputs = np.random.default_rng(0).random((4, 6)).astype(np.float32)
    logits, activations = relu(layers, jnp.asarray(inputs))
    assert (activations[1] == 0).any() and (activations[1] > 0).any()
    np.testing.assert_allclose(rates(loaded, inputs), logits, rtol=1e-4, atol=1e-5)
    with pytest.raises(InputError, match="metadata dt, shift_in, shift_rec, shift_out missing"):
        from_nir(loaded)


def test_dense_stack_with_bad_values_is_refused():
    layers = init_dense(jax.random.key(0), (6, 8, 3))
    with pytest.raises(InputError, match="2 layers need 1 positive windows"):
        dense_to_nir(layers, [1.0, 2.0])
    with pytest.raises(InputError, match="positive windows"):
        dense_to_nir(layers, [0.0])
    with pytest.raises(InputError, match="layer 1 holds NaN"):
        dense_to_nir([layers[0], Dense(layers[1].kernel * jnp.nan, layers[1].bias)], [1.0])


def test_missing_package_names_the_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "nir", None)
    with pytest.raises(InputError, match=r"pip install 'ttfs-jax\[nir\]'"):
        to_nir(chip(1))
