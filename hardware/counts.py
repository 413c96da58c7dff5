"""Spikes, synaptic operations, memory and more, a layer at a time, measured on data."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from ttfs_jax.evaluation.measure import Measured
from ttfs_jax.network.architecture import Architecture, NetworkSpec
from ttfs_jax.network.plan import Layer, fan_in, make_plan, neurons_by_layer


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
    states: jax.Array  # [] numbers remembered between events: potentials and currents
    multiply_adds: jax.Array  # [] of the ReLU twin
    weights: jax.Array  # [] in use, norms folded
    thresholds: jax.Array  # [] or biases of the twin, one per neuron map
    synapses: jax.Array  # [] connections between single neurons, none shared
    name: str = struct.field(pytree_node=False, default="total")

    @property
    def params(self) -> jax.Array:
        """Count weights and thresholds."""
        return self.weights + self.thresholds


def sum_layers(layers: Sequence[LayerCounts]) -> LayerCounts:
    """Add up the layers, in their order."""
    unnamed = [layer.replace(name="total") for layer in layers]
    return jax.tree.map(lambda *leaves: sum(leaves), *unnamed)


def fan_out(height: int, width: int, *, size: int, stride: int = 1) -> np.ndarray:
    """Count the output positions that each input position reaches, exact at borders: [H, W]."""

    def reach(length):
        outputs = np.arange(-(-length // stride)) * stride
        return (np.abs(np.arange(length)[:, None] - outputs[None]) <= size // 2).sum(1)

    return np.outer(reach(height), reach(width)).astype(np.float32)


def _reaches(layer: Layer, size: tuple[int, int]) -> list[np.ndarray]:
    """Count the positions that each position of an input reaches, for each kernel: [H, W] each."""
    if layer.kind != "convolution":
        return [np.ones(size, np.float32)]
    return [
        fan_out(*size, size=edge, stride=layer.stride) if edge else np.zeros(size, np.float32)
        for edge in layer.kernels
    ]


def _spikes(plan: dict[str, Layer], operators: jax.Array, measured: Measured) -> dict:
    """Return the spikes that each layer sends on: [H, W] each."""
    sent = {}
    for name, layer in plan.items():
        if layer.kind == "choice":
            options = jnp.stack([sent[source] for source in layer.sources])
            sent[name] = layer.chosen(options, operators)
        elif layer.kind != "readout":
            sent[name] = measured.spikes[name] if layer.spiking else measured.passed[name]
    return sent


def layer_counts(
    spec: NetworkSpec, architecture: Architecture, measured: Measured
) -> tuple[LayerCounts, ...]:
    """Count what each layer costs, in order; a layer that is not run costs nothing.

    SynOps = Σ over spikes that arrive of the synapses each one reaches, in channels in use; a
    skip connection is one synapse. A neuron is updated once per inference, by its first spike or
    the end of its window; an output potential is read once. Multiply-adds = positions × kernel
    area × inputs × outputs, borders included, in float32 (exact to 2²⁴); a skip connection is
    none. Traceable, so it maps over a population.
    Source: definition of SynOps, Merolla et al. 2014, doi:10.1126/science.1254642.
    """
    plan, operators = make_plan(spec), architecture.operators
    neurons = neurons_by_layer(spec, architecture)
    sent = _spikes(plan, operators, measured)

    def row(layer):
        (source,) = layer.sources
        heard, own = plan[source], layer.width.used(architecture)
        areas, width = fan_in(plan, layer)
        before, runs = width.used(architecture), layer.runs(operators)
        # A folded pool has no neurons: the spikes before it reach those behind it.
        apart = plan[heard.sources[0]] if heard.kind == "average_pool" else heard
        reaches = _reaches(layer, apart.size)
        through = layer.chosen(jnp.stack([(sent[source] * r).sum() for r in reaches]), operators)
        # Float, as connections between single neurons outgrow 32-bit integers.
        synapses = layer.chosen(jnp.asarray([r.sum() for r in reaches]), operators)
        synops, synapses = own * through, synapses * jnp.asarray(before, jnp.float32) * own
        if layer.skip:
            synops = synops + runs * sent[layer.skip].sum()
            synapses = synapses + runs * own * layer.positions
        weights = layer.chosen(jnp.asarray(areas), operators) * own * before
        spiking = neurons.get(layer.name, jnp.zeros((), jnp.int32))
        states = spiking if layer.spiking else jnp.asarray(own)
        return LayerCounts(
            name=layer.name,
            spikes=sent[layer.name].sum() if layer.spiking else jnp.zeros(()),
            synops=synops,
            neurons=spiking,
            updates=states,
            states=states,
            multiply_adds=jnp.asarray(weights, jnp.float32) * layer.positions,
            weights=weights,
            thresholds=runs * own,
            synapses=synapses,
        )

    return tuple(row(layer) for layer in plan.values() if layer.synapses)


def count(spec: NetworkSpec, architecture: Architecture, measured: Measured) -> Counts:
    """Count what the architecture costs: the sums of `layer_counts`, traceable."""
    sums = sum_layers(layer_counts(spec, architecture, measured))
    return Counts(spikes=sums.spikes, synops=sums.synops, neurons=sums.neurons, params=sums.params)


def table(
    layers: Sequence[LayerCounts], *, weight_bits: int = 8, state_bits: int = 16
) -> list[dict[str, Any]]:
    """List one row of plain numbers per layer, for a report.

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
