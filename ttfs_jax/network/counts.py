"""Neurons, weights, spikes, synaptic operations, memory and more, by layer of a plan."""

from collections.abc import Sequence
from dataclasses import replace
from operator import mul
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from ttfs_jax.network.architecture import Architecture, NetworkSpec, make_plan
from ttfs_jax.network.kinds import INPUT, Layer
from ttfs_jax.network.plan import Plan


class Recorded(Protocol):
    """Spikes by layer, such as `evaluation.Measured`."""

    @property
    def spikes(self) -> dict[str, jax.Array]:
        """Give the mean spikes per image that neurons fire: [H, W] by layer."""
        ...

    @property
    def passed(self) -> dict[str, jax.Array]:
        """Give the same of inputs, pooling and pixel shuffling."""
        ...


@struct.dataclass
class Counts:
    """What one inference costs, on average over the images measured."""

    spikes: jax.Array  # [] spikes of hidden neurons per image
    synops: jax.Array  # [] synaptic operations per image
    neurons: jax.Array  # [] spiking neurons in use
    params: jax.Array  # [] weights and thresholds in use, norms folded


@struct.dataclass
class LayerCounts:
    """What one layer costs in one inference, on average over the images measured."""

    spikes: jax.Array  # [] spikes that its neurons fire
    synops: jax.Array  # [] synaptic operations of the spikes that arrive
    neurons: jax.Array  # [] spiking neurons in use
    updates: jax.Array  # [] updates of neurons
    states: jax.Array  # [] numbers stored between events: potentials and currents
    multiply_adds: jax.Array  # [] of the ReLU twin
    weights: jax.Array  # [] in use, norms folded
    thresholds: jax.Array  # [] or biases of the twin, one per neuron map
    synapses: jax.Array  # [] connections between single neurons, without sharing
    name: str = struct.field(pytree_node=False, default="total")  # of the layer

    @property
    def params(self) -> jax.Array:
        """Count weights and thresholds."""
        return self.weights + self.thresholds


def sum_layers(layers: Sequence[LayerCounts]) -> LayerCounts:
    """Add up the layers, in their order."""
    unnamed = [replace(layer, name="total") for layer in layers]
    return jax.tree.map(lambda *leaves: sum(leaves), *unnamed)


def neurons_by_layer(shape: NetworkSpec | Plan, architecture: Any) -> dict[str, Any]:
    """Count the spiking neurons of a `shape` that an `architecture` uses, by layer name.

    A layer that is not run has 0. Traceable.
    """
    plan = make_plan(shape)
    return {layer.name: _neurons(plan, layer, architecture) for layer in plan.spiking}


def _neurons(plan: Plan, layer: Layer, architecture: Any) -> Any:
    used = plan.used(layer.name, architecture)
    return plan.shapes[layer.name].positions * used * layer.runs(architecture.operators)


def multiply_adds(
    shape: NetworkSpec | Plan,
    shares: Sequence[Sequence[float]],
    widths: Sequence[int],
    head: int,
) -> float:
    """Count the multiply-adds of one forward pass of one image.

    Σ over layers of positions × kernel area × inputs × outputs. `shares` [N, operators] says how
    often each operator of a block of the `shape` is computed: once for the chosen one, a
    probability each for an average, or 1 for all where they are computed side by side. `widths` and
    `head` are the channels in use.
    """
    plan, total = make_plan(shape), 0
    # NumPy's 32-bit integers would overflow in later arithmetic.
    constants: tuple[Any, ...] = ((), [int(width) for width in widths], int(head), 0)
    architecture = Architecture(*constants)
    for layer in plan:
        if layer.weighted:
            areas, source = plan.fan_in(layer)
            often = (1,) if layer.block is None else shares[layer.block]
            area = sum(map(mul, often, areas))
            connections = plan.used(source, architecture) * plan.used(layer.name, architecture)
            total += plan.shapes[layer.name].positions * area * connections
    return total


def fan_out(height: int, width: int, *, size: int, stride: int = 1) -> np.ndarray:
    """Count the output positions that each input position reaches, exact at borders: [H, W].

    The input has `height` H and `width` W, the kernel the edge `size`, the outputs are `stride`
    apart.
    """

    def reach(length):
        outputs = np.arange(-(-length // stride)) * stride
        return (np.abs(np.arange(length)[:, None] - outputs[None]) <= size // 2).sum(1)

    return np.outer(reach(height), reach(width)).astype(np.float32)


def _reaches(plan: Plan, layer: Layer) -> list[np.ndarray]:
    """Count the positions that each one of a layer's input reaches, for each kernel: [H, W]."""
    height, width, _ = plan.shapes[layer.sources[0]]
    if not layer.spatial:
        return [np.ones((height, width), np.float32)]
    return [
        fan_out(height, width, size=edge, stride=layer.factor)
        if edge
        else np.zeros((height, width), np.float32)
        for edge in layer.kernels
    ]


def _routes(plan: Plan, name: str, reach: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """List what sends the spikes that a layer passes on, and how far each position reaches.

    `reach` [H, W] is how many positions each position of what it passes on reaches.
    """
    layer = None if name == INPUT else plan[name]
    if layer is None or layer.spiking or layer.kind in ("earliest_pool", "pixel_shuffle"):
        return [(name, reach)]
    routes = []
    for source in layer.sources:
        height, width, _ = plan.shapes[source]
        if layer.kind == "average_pool":
            before = reach.repeat(layer.factor, 0).repeat(layer.factor, 1)[:height, :width]
        elif layer.kind == "upsample":
            before = reach.reshape(height, layer.factor, width, layer.factor).sum((1, 3))
        elif layer.kind == "flatten":
            before = np.full((height, width), reach[0, 0], reach.dtype)
        else:
            before = reach
        routes += _routes(plan, source, before)
    return routes


def _spikes(plan: Plan, operators: jax.Array, recorded: Recorded) -> dict[str, jax.Array]:
    """Return the spikes that each layer sends on: [H, W] each."""
    sent = dict(recorded.passed)
    for layer in plan.spiking:
        own = recorded.spikes[layer.name]
        if layer.block is not None and 0 in layer.kernels:
            own = jnp.where(layer.runs(operators), own, sent[layer.sources[0]])
        sent[layer.name] = own
    return sent


def layer_counts(
    shape: NetworkSpec | Plan, architecture: Architecture, recorded: Recorded
) -> tuple[LayerCounts, ...]:
    """Count what each layer costs, in order; a layer that is not run costs nothing.

    SynOps = Σ over spikes that arrive of the synapses each one reaches, in channels in use; a
    skip connection is one synapse. Each neuron is updated once per inference, by its first spike or
    the end of its window; an output potential is read once. Multiply-adds = positions × kernel area
    × inputs × outputs, borders included, in float32 (exact to 2²⁴); a skip connection has none.
    `shape` is the plan or the searchable network, `architecture` what of it is in use, and
    `recorded` are spikes measured on data. Traceable, so it maps over a population.
    Source: definition of SynOps, Merolla et al. 2014, doi:10.1126/science.1254642.

    Examples:
        >>> from types import SimpleNamespace
        >>> import jax.numpy as jnp
        >>> from ttfs_jax import Plan, largest
        >>> from ttfs_jax.network.kinds import dense, readout
        >>> plan = Plan((4, 4, 1), (dense("head", 8), readout("classes", 3)))
        >>> spikes = SimpleNamespace(
        ...     spikes={"head": jnp.full((1, 1), 5.0)}, passed={"input": jnp.ones((4, 4))}
        ... )
        >>> [(row.name, int(row.synops)) for row in layer_counts(plan, largest(plan), spikes)]
        [('head', 128), ('classes', 15)]
    """
    plan = make_plan(shape)
    sent = _spikes(plan, architecture.operators, recorded)
    layers = [layer for layer in plan if layer.spiking or layer.weighted]
    return tuple(_row(plan, layer, architecture, sent) for layer in layers)


def _arriving(plan, architecture, sent, name, reach):
    """Add up over what arrives from a layer: spikes × reach [], and connections × reach []."""
    routes = _routes(plan, name, reach)
    spikes = sum((sent[leaf] * part).sum() for leaf, part in routes)
    # Float, as connections between single neurons outgrow 32-bit integers.
    channels = [jnp.asarray(plan.used(leaf, architecture), jnp.float32) for leaf, _ in routes]
    synapses = sum(part.sum() * used for (_, part), used in zip(routes, channels, strict=True))
    return spikes, synapses


def _row(
    plan: Plan, layer: Layer, architecture: Architecture, sent: dict[str, jax.Array]
) -> LayerCounts:
    """Count what one layer costs; `sent` [H, W] are the spikes that arrive, by sender."""
    operators, shape = architecture.operators, plan.shapes[layer.name]
    own, runs = plan.used(layer.name, architecture), layer.runs(operators)
    neurons = _neurons(plan, layer, architecture) if layer.spiking else jnp.zeros((), jnp.int32)
    spikes = runs * sent[layer.name].sum() if layer.spiking else jnp.zeros(())
    weights: Any = jnp.zeros((), jnp.int32)
    synops: Any = 0.0
    synapses: Any = 0.0
    direct = layer.skips
    if layer.weighted:
        areas, source = plan.fan_in(layer)
        arriving = [
            _arriving(plan, architecture, sent, source, reach) for reach in _reaches(plan, layer)
        ]
        through, reached = (jnp.stack([jnp.asarray(a[n]) for a in arriving]) for n in (0, 1))
        synops = own * layer.chosen(through, operators)
        synapses = layer.chosen(reached, operators) * own
        weights = layer.chosen(jnp.asarray(areas), operators) * own
        weights = weights * plan.used(source, architecture)
    else:
        direct = layer.sources
    for name in direct:
        through, reached = _arriving(plan, architecture, sent, name, np.ones(shape[:2], np.float32))
        synops, synapses = synops + runs * through, synapses + runs * reached
    states = neurons if layer.spiking else jnp.asarray(own)
    return LayerCounts(
        name=layer.name,
        spikes=spikes,
        synops=synops,
        neurons=neurons,
        updates=states,
        states=states,
        multiply_adds=jnp.asarray(weights, jnp.float32) * shape.positions,
        weights=weights,
        thresholds=runs * own * layer.weighted,
        synapses=synapses,
    )


def count(shape: NetworkSpec | Plan, architecture: Architecture, recorded: Recorded) -> Counts:
    """Count what an `architecture` of a `shape` costs: the sums of `layer_counts`, traceable.

    `recorded` are spikes measured on data.
    """
    sums = sum_layers(layer_counts(shape, architecture, recorded))
    return Counts(spikes=sums.spikes, synops=sums.synops, neurons=sums.neurons, params=sums.params)


def count_rows(
    layers: Sequence[LayerCounts], *, weight_bits: int = 8, state_bits: int = 16
) -> list[dict[str, Any]]:
    """List one row of plain numbers per layer of `layers`, for a report.

    `weight_memory` = weights × weight_bits and `state_memory` = (thresholds + states) ×
    state_bits, both in bits.
    """
    return [
        {
            "layer": layer.name,
            "spikes": float(layer.spikes),
            "synops": float(layer.synops),
            "neurons": int(layer.neurons),
            "updates": int(layer.updates),
            "multiply_adds": float(layer.multiply_adds),
            "params": int(layer.params),
            "weight_memory": int(layer.weights) * weight_bits,
            "state_memory": (int(layer.thresholds) + int(layer.states)) * state_bits,
            "synapses": float(layer.synapses),
        }
        for layer in layers
    ]
