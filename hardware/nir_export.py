"""Networks as NIR graphs, the exchange format of neuromorphic tools; needs the extra `[nir]`.

Source: Pedersen et al. 2024, Nature Communications 15:8122, doi:10.1038/s41467-024-52259-9.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hardware.xylo.network import ChipNetwork, check_network
from ttfs_jax.network.dense import Dense
from ttfs_jax.support.errors import InputError

CHIP, STACK = "ttfs-jax chip network 1", "ttfs-jax dense stack 1"
SHIFTS = ("shift_in", "shift_rec", "shift_out")


def nir_package() -> Any:
    """Import the package. Raises: InputError that names the extra if it is not installed."""
    try:
        import nir
    except ImportError as error:
        raise InputError("NIR graphs need the package nir: pip install 'ttfs-jax[nir]'") from error
    return nir


def _require_time(dt: float) -> None:
    if not (np.isfinite(dt) and dt > 0):
        raise InputError(f"dt must be a positive time in s, not {dt}")


def to_nir(network: ChipNetwork, *, dt: float = 1e-3) -> Any:
    """Export a chip network as a graph of standard nodes: `nir.NIRGraph`.

    input → weights_in → hidden ⟲ weights_rec; hidden → weights_out → readout → output. Weights
    are `Linear` [to, from], shifted left. Neurons are `CubaLIF`; with two synapses per hidden
    neuron, each synapse is a branch of weights into an `LI`, and both feed an `LIF`. With a step
    of length dt in s and decays of d bits: τ = 2^d dt, w_in (r of an `LI`) = 2^d − 1, r = 2^d,
    v_leak = 2^d bias, threshold θ. One Euler step of dt, with S the spikes in the step, is then
    the chip's step without rounding. Shifts, aliases and dt are metadata, for `from_nir`.

    Lost on other tools: rounding and saturation; several spikes per step, and one at V = θ exactly
    (NIR wants V > θ); V ← V − n θ (NIR resets to 0); the step that a hidden spike takes to arrive;
    aliases.

    Raises: InputError for a network that no chip could hold, dt ≤ 0, or without the package.
    """
    nir, net = nir_package(), check_network(network)
    _require_time(dt)
    channels, _, outputs, synapses = net.sizes
    nodes: dict[str, Any] = {"input": nir.Input(np.array([channels]))}
    edges = [("hidden", "weights_out"), ("weights_out", "readout"), ("readout", "output")]
    for port in range(synapses):
        _add_port(nir, nodes, edges, net, port, dt)
    if synapses > 1:
        membrane = _membrane(net.dash_mem, net.threshold, net.bias)
        nodes["hidden"] = nir.LIF(tau=np.exp2(net.dash_mem) * dt, **membrane)
    else:
        synapse = net.dash_syn[:, 0]
        nodes["hidden"] = _cuba(nir, synapse, net.dash_mem, net.threshold, net.bias, dt)
    nodes["weights_out"] = _linear(nir, net.weights_out, net.shift_out)
    nodes["readout"] = _cuba(
        nir, net.dash_syn_out, net.dash_mem_out, net.threshold_out, net.bias_out, dt
    )
    nodes["output"] = nir.Output(np.array([outputs]))
    metadata = {"format": CHIP, "dt": float(dt)}
    metadata |= {name: int(getattr(net, name)) for name in SHIFTS}
    if net.alias is not None:
        metadata["alias"] = net.alias
    return nir.NIRGraph(nodes=nodes, edges=edges, metadata=metadata)


def _add_port(nir, nodes, edges, net, port, dt):
    """Add the weights into one synapse of the hidden neurons, and the synapse if there are two."""
    several = net.sizes[3] > 1
    name = f"_{port}" if several else ""
    into, loop = f"weights_in{name}", f"weights_rec{name}"
    nodes[into] = _linear(nir, net.weights_in[..., port], net.shift_in)
    nodes[loop] = _linear(nir, net.weights_rec[..., port], net.shift_rec)
    synapse = f"current{name}" if several else "hidden"
    edges += [("input", into), (into, synapse), ("hidden", loop), (loop, synapse)]
    if several:
        gain = np.exp2(net.dash_syn[:, port])
        nodes[synapse] = nir.LI(tau=gain * dt, r=gain - 1, v_leak=np.zeros(len(gain)))
        edges.append((synapse, "hidden"))


def _linear(nir, weights, shift):
    return nir.Linear(weight=np.ascontiguousarray((weights << shift).T, np.float32))


def _membrane(dash, threshold, bias):
    gain = np.exp2(dash)
    return {
        "r": gain,
        "v_leak": gain * bias,
        "v_threshold": threshold.astype(float),
        "v_reset": np.zeros(len(dash)),
    }


def _cuba(nir, dash_syn, dash_mem, threshold, bias, dt):
    return nir.CubaLIF(
        tau_syn=np.exp2(dash_syn) * dt,
        tau_mem=np.exp2(dash_mem) * dt,
        w_in=np.exp2(dash_syn) - 1,
        **_membrane(dash_mem, threshold, bias),
    )


def from_nir(graph: Any) -> ChipNetwork:
    """Import a graph that `to_nir` wrote: every field equals the original.

    Raises: InputError for a graph from another tool, which names what is missing; for one changed
    so that no chip network computes the same; or without the package.
    """
    nir = nir_package()
    dt, shifts = _read_metadata(graph)
    readout = _node(graph, "readout", nir.CubaLIF)
    if isinstance(graph.nodes.get("hidden"), nir.LIF):
        hidden, ports = _node(graph, "hidden", nir.LIF), ("_0", "_1")
        dash_mem = _dash(hidden.tau, dt, "hidden")
        synapses = [f"current{port}" for port in ports]
        dash_syn = [_dash(_node(graph, name, nir.LI).tau, dt, name) for name in synapses]
    else:
        hidden, ports = _node(graph, "hidden", nir.CubaLIF), ("",)
        dash_mem = _dash(hidden.tau_mem, dt, "hidden")
        dash_syn = [_dash(hidden.tau_syn, dt, "hidden")]
    dash_mem_out = _dash(readout.tau_mem, dt, "readout")

    def weights(name, shift):
        return _node(graph, name, nir.Linear).weight.T / 2.0 ** shifts[shift]

    network = check_network(
        ChipNetwork(
            weights_in=np.stack([weights(f"weights_in{p}", "shift_in") for p in ports], -1),
            weights_rec=np.stack([weights(f"weights_rec{p}", "shift_rec") for p in ports], -1),
            weights_out=weights("weights_out", "shift_out"),
            dash_syn=np.stack(dash_syn, -1),
            dash_mem=dash_mem,
            threshold=hidden.v_threshold,
            bias=hidden.v_leak / np.exp2(dash_mem),
            dash_syn_out=_dash(readout.tau_syn, dt, "readout"),
            dash_mem_out=dash_mem_out,
            threshold_out=readout.v_threshold,
            bias_out=readout.v_leak / np.exp2(dash_mem_out),
            **{name: np.asarray(bits, np.int32) for name, bits in shifts.items()},
            alias=graph.metadata.get("alias"),
        )
    )
    require_same(graph, to_nir(network, dt=dt), "a chip network")
    return network


def _read_metadata(graph):
    """Return dt in s and the shifts by name. Raises: InputError for a graph from another tool."""
    missing = [name for name in ("format", "dt", *SHIFTS) if name not in graph.metadata]
    if missing:
        raise InputError(
            f"the graph is not an exported chip network: metadata {', '.join(missing)} missing; "
            "quantise a network here and export it with to_nir"
        )
    written, dt = graph.metadata["format"], float(graph.metadata["dt"])
    if written != CHIP:
        raise InputError(f"the graph has format {written!r}, only {CHIP!r} can be imported")
    _require_time(dt)
    return dt, {name: int(graph.metadata[name]) for name in SHIFTS}


def _node(graph, name, kind):
    if not isinstance(graph.nodes.get(name), kind):
        raise InputError(f"the graph has no node {name!r} of type {kind.__name__}")
    return graph.nodes[name]


def _dash(tau, dt, name):
    """Return the decays in bits, d of tau = 2^d dt."""
    bits = np.round(np.log2(np.maximum(tau / dt, 1e-9)))
    if not np.array_equal(np.exp2(bits) * dt, tau):
        raise InputError(f"time constants of {name!r} must be 2^d · {dt:g} s, d whole")
    return bits


def require_same(graph: Any, expected: Any, kind: str) -> None:
    """Refuse a graph of some `kind` that differs from the `expected` one."""
    if set(map(tuple, graph.edges)) != set(expected.edges):
        raise InputError(f"the graph's edges are not those of {kind}")
    for name in {*graph.nodes, *expected.nodes}:
        theirs, ours = (
            g.nodes[name].to_dict() if name in g.nodes else {} for g in (graph, expected)
        )
        for key in ours.keys() - {"metadata"}:
            if key not in theirs or not np.array_equal(theirs[key], ours[key]):
                raise InputError(f"{key} of node {name!r} is nothing that {kind} has")


def dense_to_nir(layers: Sequence[Dense], windows: Sequence[Any]) -> Any:
    """Export a dense stack as affine maps and non-leaky integrate-and-fire neurons.

    Returns a `nir.NIRGraph`: input → affine_0 → neurons_0 → … → affine_n → output. NIR 1.0.8 has
    no rectifier and no time windows. For a layer with kernel W, bias D and window T (one per hidden
    layer, see `dense.windows`), `Affine` holds W times the window before it (1 for inputs) and D,
    and `IF` has r = 1, threshold T, reset 0. Driven by a constant a, it fires at rate max(0, a) /
    T, so the graph as it stands is the ReLU twin in rate code, at most one spike per unit of time.
    Read with the windows, which are metadata, the same neuron spikes once, at T − a.

    Lost: that neurons spike once, windows and the constant slope, time steps; inputs are
    constants instead of spike times. After the first hidden layer charge comes in pulses, and the
    reset to 0 drops charge above the threshold, so rates are slightly low there. The graph has the
    network's structure and weights for other tools, and cannot be imported again.

    Raises: InputError for windows that do not fit the layers, NaN, or without the package.
    """
    nir = nir_package()
    lengths = np.asarray([float(window) for window in windows])
    if len(lengths) != len(layers) - 1 or not (np.isfinite(lengths) & (lengths > 0)).all():
        raise InputError(
            f"{len(layers)} layers need {len(layers) - 1} positive windows, not {lengths.tolist()}"
        )
    nodes: dict[str, Any] = {"input": nir.Input(np.array([len(layers[0].kernel)]))}
    for number, layer in enumerate(layers):
        kernel, bias = np.asarray(layer.kernel, np.float32), np.asarray(layer.bias, np.float32)
        if not (np.isfinite(kernel).all() and np.isfinite(bias).all()):
            raise InputError(f"layer {number} holds NaN or infinity: train again with a lower rate")
        scale = lengths[number - 1] if number else 1.0
        nodes[f"affine_{number}"] = nir.Affine(
            weight=np.ascontiguousarray(kernel.T * np.float32(scale)), bias=bias
        )
        if number < len(lengths):
            ones = np.ones(len(bias))
            nodes[f"neurons_{number}"] = nir.IF(
                r=ones, v_threshold=lengths[number] * ones, v_reset=0 * ones
            )
    nodes["output"] = nir.Output(np.array([len(layers[-1].bias)]))
    names = list(nodes)
    return nir.NIRGraph(
        nodes=nodes,
        edges=list(zip(names, names[1:], strict=False)),
        metadata={"format": STACK, "windows": lengths},
    )


def save_nir(path: Path, graph: Any) -> None:
    """Write a graph to the HDF5 file `path` (.nir), completely or not at all.

    Raises: InputError if something is there already, or without the package.
    """
    nir, path = nir_package(), Path(path)
    if path.exists():
        raise InputError(f"{path} exists: choose another file")
    temporary = path.with_name(f".{path.name}.new")
    nir.write(temporary, graph)
    os.replace(temporary, path)


def load_nir(path: Path) -> Any:
    """Read the graph of the file `path`: `nir.NIRGraph`.

    Raises: InputError for a file that is missing, truncated or not a NIR graph, or without the
    package.
    """
    nir, path = nir_package(), Path(path)
    if not path.is_file():
        raise InputError(f"{path} does not exist: name a file written by save_nir")
    try:
        return nir.read(path)
    except (OSError, KeyError, ValueError, TypeError, AttributeError, AssertionError) as error:
        raise InputError(
            f"{path} is truncated, damaged or not a NIR graph: copy it again"
        ) from error
