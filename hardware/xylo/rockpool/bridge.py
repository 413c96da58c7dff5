"""A network through Rockpool's graph, mapper and simulator: a second opinion on ours.

Rockpool connects modules of neurons by modules of weights. Hidden neurons become up to three of
them: those that inputs reach, those that reach outputs, and the ones between; every pair has its
weights, connections within a module and back included. If inputs reach a neuron that reaches
outputs, all hidden neurons are one recurrent module. Faults of Rockpool 3.1.0 are worked around or
refused, see `to_graph` and `map_by_rockpool`.

Letters: I input channels, N hidden neurons, S synapses, O outputs, B samples, T steps.
"""

import dataclasses
import warnings
from typing import Any, NamedTuple

import numpy as np

from hardware.xylo.core import simulate
from hardware.xylo.families import Family, require_fit
from hardware.xylo.network import ChipNetwork, check_network
from hardware.xylo.rockpool.loader import load_tools
from ttfs_jax.support.errors import InputError

DT = 1e-3  # s per step; cancels out, as decays are 2^d steps
# Its mapper assigns ids twice to neurons that inputs reach and that reach outputs.
_NO_OVERLAP = ("syns63300",)
# Its mapper reads the decays of two synapses as those of one.
_SECOND_DECAY_LOST = ("syns65302",)
# Their mappers accept no time constant of one step.
_NO_INSTANT_DECAY = ("syns61201", "syns63300")
_OF_HIDDEN = ("dash_syn", "dash_mem", "threshold", "bias")
_OF_OUTPUTS = ("dash_mem_out", "threshold_out", "bias_out")


class RockpoolLayout(NamedTuple):
    """A network as Rockpool's mapper lays it out."""

    network: ChipNetwork  # by the mapper
    order: np.ndarray  # [N] id, in the network that was mapped, of every hidden neuron
    specification: dict[str, Any]  # for XyloSim.from_specification(**…)


def to_graph(network: ChipNetwork, chip: Family, *, dt: float = DT) -> Any:
    """Build Rockpool's computational graph of a network, a `GraphHolder`.

    Weights are w · 2^shift, time constants τ = 2^d · dt; thresholds and biases as they are. Its
    classes are those of `loader.load_tools(chip).graph`.

    Raises: InputError for a network that Rockpool's graph or the chip's mapper cannot express:
    aliases; no connection from inputs or to outputs; on the IMU neurons that inputs reach and that
    reach outputs, as in a single hidden layer; on Audio 2 and IMU potentials that decay at once.
    """
    net = check_network(network)
    blocks = _blocks(net)
    _require_expressible(net, chip, blocks)
    graph = load_tools(chip).graph

    def weights(matrix, shift, name):
        """Lay [J, N, S] out as [J, N S], the synapses of each neuron next to each other."""
        values = matrix.reshape(len(matrix), -1) * 2.0**shift
        return graph.LinearWeights._factory(*values.shape, name, None, values)

    def neurons(name, dash_syn, dash_mem, threshold, bias):
        return graph.LIFNeuronWithSynsRealValue._factory(
            dash_syn.size,
            len(dash_mem),
            name,
            None,
            dt * 2.0**dash_mem,
            dt * 2.0**dash_syn,
            threshold.astype(float),
            bias.astype(float),
            dt,
        )

    populations = {
        name: neurons(name, *(getattr(net, field)[ids] for field in _OF_HIDDEN))
        for name, ids in blocks.items()
    }
    outputs = neurons("outputs", net.dash_syn_out[:, None], *(getattr(net, f) for f in _OF_OUTPUTS))
    names = list(blocks)
    first, last = names[0], names[-1]
    entry = weights(net.weights_in[:, blocks[first]], net.shift_in, "weights_in")
    graph.connect_modules(entry, populations[first])
    for before in names:
        for after in names:
            part = net.weights_rec[np.ix_(blocks[before], blocks[after])]
            # Neighbours are connected in any case, or the mapper would not find them.
            if part.any() or names.index(after) == names.index(before) + 1:
                between = weights(part, net.shift_rec, f"{before} to {after}")
                graph.connect_modules(populations[before], between)
                graph.connect_modules(between, populations[after])
    leaving = weights(net.weights_out[blocks[last]], net.shift_out, "weights_out")
    graph.connect_modules(populations[last], leaving)
    graph.connect_modules(leaving, outputs)
    return graph.GraphHolder(entry.input_nodes, outputs.output_nodes, "network", None)


def _blocks(net: ChipNetwork) -> dict[str, np.ndarray]:
    """Split the ids of hidden neurons into Rockpool's modules; none is empty."""
    reached = np.asarray(net.weights_in).any((0, 2))
    reaching = np.asarray(net.weights_out).any(1)
    if not reached.any() or not reaching.any():
        raise InputError("Rockpool's mapper needs connections from the inputs and to the outputs")
    if (reached & reaching).any():
        return {"hidden": np.arange(net.sizes[1])}
    parts = {"first": reached, "middle": ~(reached | reaching), "last": reaching}
    ids = {name: np.flatnonzero(part) for name, part in parts.items()}
    return {name: part for name, part in ids.items() if part.size}


def _require_expressible(net: ChipNetwork, chip: Family, blocks: dict[str, np.ndarray]) -> None:
    elsewhere = "write it with hardware.xylo.specification, which does without the mapper"
    if net.alias is not None and (np.asarray(net.alias) >= 0).any():
        raise InputError(f"Rockpool's graph has aliases of whole layers only: {elsewhere}")
    if len(blocks) == 1 and chip.module in _NO_OVERLAP:
        raise InputError(
            f"Rockpool's mapper for {chip.name} fails where inputs reach a hidden neuron that "
            f"reaches outputs, as in a single hidden layer: add a layer, or {elsewhere}"
        )
    instant = min(np.min(net.dash_mem), np.min(net.dash_mem_out)) < 1
    if instant and chip.module in _NO_INSTANT_DECAY:
        raise InputError(
            f"Rockpool's mapper for {chip.name} takes no potential that decays at once: use a "
            f"dash_mem of at least 1 bit, or {elsewhere}"
        )


def map_by_rockpool(network: ChipNetwork, chip: Family, *, dt: float = DT) -> RockpoolLayout:
    """Lay a network out by Rockpool's mapper for the chip, with steps of `dt` seconds.

    Integers stay unchanged: Rockpool's quantisers would scale them again. Shifts, which its
    mapper does not know, are taken out of the weights afterwards, and on Audio 3 both decays of two
    synapses are written, since its mapper loses one. Hidden neurons may get other ids, see `order`;
    where a current saturates, its sum then differs, since spikes are added by id.

    Raises: InputError for a network that does not fit the chip, or see `to_graph`.
    """
    net = require_fit(network, chip)
    tools = load_tools(chip)
    graph = to_graph(net, chip, dt=dt)
    with warnings.catch_warnings():
        # Audio 3 has 32; `require_fit` has counted.
        warnings.filterwarnings("ignore", "XyloAudio 3 only supports up to 16 output channels")
        specification = tools.mapper(graph)
    # The simulator of Audio 2 does not accept it.
    del specification["mapped_graph"]
    order = np.empty(net.sizes[1], int)
    blocks = _blocks(net)
    for module in tools.graph.find_modules_of_subclass(graph, tools.graph.GenericNeurons):
        if module.name in blocks:
            order[module.hw_ids] = blocks[module.name]
    for part in ("in", "rec", "out"):
        shift = int(getattr(net, f"shift_{part}"))
        specification[f"weights_{part}"] = specification[f"weights_{part}"] / 2.0**shift
        specification[f"weight_shift_{part}"] = shift
    if net.sizes[3] == 2 and chip.module in _SECOND_DECAY_LOST:
        specification["dash_syn"], specification["dash_syn_2"] = net.dash_syn[order].T
    for name, values in specification.items():
        if isinstance(values, np.ndarray):
            specification[name] = np.round(values).astype(int)
    return RockpoolLayout(from_specification(specification), order, specification)


def from_specification(specification: dict[str, Any]) -> ChipNetwork:
    """Read the `specification` that Rockpool's mapper, or its quantiser, gives for any graph.

    Decays are rounded to whole bits; everything else must be integers already.

    Raises: InputError for a time constant that would round to a dead synapse, or what no chip can
    hold, see `check_network`.
    """
    weights_in, weights_rec = (
        np.atleast_3d(specification[name]) for name in ("weights_in", "weights_rec")
    )
    hidden, count = weights_rec.shape[1:]
    # Inputs reach the first neurons, and the last ones reach outputs.
    weights_in = np.pad(weights_in, ((0, 0), (0, hidden - weights_in.shape[1]), (0, 0)))
    weights_out = np.asarray(specification["weights_out"])
    weights_out = np.pad(weights_out, ((hidden - len(weights_out), 0), (0, 0)))
    synapses = ("dash_syn", "dash_syn_2")[:count]
    for name in (*synapses, "dash_syn_out"):
        if np.min(np.round(specification[name])) < 1:
            raise InputError(
                f"{name} rounds to 0 bits, a dead synapse: use a tau_syn of at least 1.42 dt"
            )
    aliases = specification.get("aliases") or []
    if any(len(targets) > 1 for targets in aliases):
        raise InputError("a neuron has at most one alias")
    return check_network(
        ChipNetwork(
            weights_in=weights_in,
            weights_rec=weights_rec,
            weights_out=weights_out,
            dash_syn=np.round(np.stack([specification[name] for name in synapses], 1)),
            dash_mem=np.round(specification["dash_mem"]),
            threshold=specification["threshold"],
            bias=specification["bias"],
            dash_syn_out=np.round(specification["dash_syn_out"]),
            dash_mem_out=np.round(specification["dash_mem_out"]),
            threshold_out=specification["threshold_out"],
            bias_out=specification["bias_out"],
            shift_in=specification["weight_shift_in"],
            shift_rec=specification["weight_shift_rec"],
            shift_out=specification["weight_shift_out"],
            alias=np.array([targets[0] if targets else -1 for targets in aliases])
            if any(aliases)
            else None,
        )
    )


def renumber(network: ChipNetwork, order: np.ndarray) -> ChipNetwork:
    """Give hidden neurons of `network` other ids: neuron k becomes the one that was order[k], [N].

    The alias targets are renumbered with them.
    """
    rows = {name: np.asarray(getattr(network, name))[order] for name in _OF_HIDDEN}
    alias = network.alias
    if alias is not None:
        targets = np.asarray(alias)[order]
        alias = np.where(targets >= 0, np.argsort(order)[targets], -1)
    return dataclasses.replace(
        network,
        weights_in=np.asarray(network.weights_in)[:, order],
        weights_rec=np.asarray(network.weights_rec)[np.ix_(order, order)],
        weights_out=np.asarray(network.weights_out)[order],
        alias=alias,
        **rows,
    )


def compare_with_rockpool(network: ChipNetwork, chip: Family, events: np.ndarray) -> dict[str, int]:
    """Count where our core and Rockpool's, for `chip`, differ: events [B, T, I].

    Our network runs with the ids that the mapper gives. `specification` counts integers where the
    mapper differs from `renumber`, the other names those of `Trace`, at every step. All zero means
    equal, bit for bit. On Audio 3 Rockpool records the currents of the first synapses only.

    Raises: InputError as `map_by_rockpool` and `core.simulate` do.
    """
    net = check_network(network)
    mapped = map_by_rockpool(net, chip)
    expected = renumber(net, mapped.order)
    trace = simulate(expected, events)
    counts = {
        "specification": sum(
            int((np.asarray(getattr(expected, name)) != getattr(mapped.network, name)).sum())
            for name in (field.name for field in dataclasses.fields(net))
            if name != "alias"
        )
    }
    simulator = load_tools(chip).simulator.from_specification(**mapped.specification)
    for number, sample in enumerate(np.asarray(events)):
        fired, _, recorded = simulator.reset_state().evolve(sample, record=True)
        names = [name for name in ("Isyn", "Isyn2")[: net.sizes[3]] if name in recorded]
        theirs = {
            "current": np.stack([recorded[name] for name in names], -1),
            "potential": recorded["Vmem"],
            "spikes": recorded["Spikes"],
            "current_out": recorded["Isyn_out"],
            "potential_out": recorded["Vmem_out"],
            "spikes_out": fired,
        }
        for name, values in theirs.items():
            ours = getattr(trace, name)[number]
            if name == "current":
                ours = ours[..., : len(names)]
            counts[name] = counts.get(name, 0) + int((ours != values).sum())
    return counts
