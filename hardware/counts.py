"""Spikes, synaptic operations, memory and more, a layer at a time, measured on data."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from ttfs_jax.evaluation.measure import Measured
from ttfs_jax.network.architecture import (
    CONV5,
    RESIDUAL,
    SKIP,
    Architecture,
    NetworkSpec,
    neurons_by_layer,
)


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
    widths = architecture.widths
    neurons = neurons_by_layer(spec, architecture)
    layers = []

    def note(name, *, synops, synapses, weights, maps, positions=1):
        spiking = neurons.get(name, jnp.zeros((), jnp.int32))
        maps = jnp.asarray(maps)
        states = spiking if name in neurons else maps
        layers.append(
            LayerCounts(
                name=name,
                spikes=measured.spikes[name].sum() if name in neurons else jnp.zeros(()),
                synops=synops,
                neurons=spiking,
                updates=states,
                states=states,
                multiply_adds=jnp.asarray(weights, jnp.float32) * positions,
                weights=weights,
                thresholds=maps,
                synapses=jnp.asarray(synapses, jnp.float32),
            )
        )

    height, width, channels = spec.image_shape
    reach = fan_out(height, width, size=spec.stem_kernel, stride=spec.stem_stride)
    note(
        "stem",
        synops=(measured.passed["input"] * reach).sum() * widths[0],
        synapses=channels * reach.sum() * widths[0],
        weights=widths[0] * spec.stem_kernel**2 * channels,
        maps=widths[0],
        positions=spec.stage_sizes[0][0] * spec.stage_sizes[0][1],
    )
    arriving = measured.spikes["stem"]
    block = 0
    for stage, blocks in enumerate(spec.stage_blocks):
        plane = spec.stage_sizes[stage]
        positions = plane[0] * plane[1]
        near, far = fan_out(*plane, size=3), fan_out(*plane, size=5)
        own = widths[stage]
        # Float, as connections between single neurons outgrow 32-bit integers.
        pairs = jnp.asarray(own, jnp.float32) ** 2
        if stage:
            note(
                f"entry_{stage - 1}",
                synops=(measured.passed[f"pool{stage}"] * near).sum() * own,
                synapses=near.sum() * widths[stage - 1] * own,
                weights=own * 9 * widths[stage - 1],
                maps=own,
                positions=positions,
            )
            arriving = measured.spikes[f"entry_{stage - 1}"]
        for _ in range(blocks):
            operator = architecture.operators[block]
            first = measured.spikes[f"block_{block}/first"]
            second = measured.spikes[f"block_{block}/second"]
            runs, twice = operator != SKIP, operator == RESIDUAL
            wide = operator == CONV5
            through = jnp.where(wide, (arriving * far).sum(), (arriving * near).sum())
            note(
                f"block_{block}/first",
                synops=runs * own * through,
                synapses=runs * pairs * jnp.where(wide, far.sum(), near.sum()),
                weights=runs * own * jnp.where(wide, 25, 9) * own,
                maps=runs * own,
                positions=positions,
            )
            note(
                f"block_{block}/second",
                synops=twice * (own * (first * near).sum() + arriving.sum()),
                synapses=twice * (pairs * near.sum() + own * positions),
                weights=twice * own * 9 * own,
                maps=twice * own,
                positions=positions,
            )
            arriving = jnp.where(twice, second, jnp.where(runs, first, arriving))
            block += 1
    head_height, head_width = spec.head_size
    height, width = spec.stage_sizes[-1]
    note(
        "head",
        synops=measured.passed["body"].sum() * architecture.head,
        synapses=height * width * widths[-1] * architecture.head,
        weights=architecture.head * head_height * head_width * widths[-1],
        maps=architecture.head,
    )
    note(
        "output",
        synops=measured.spikes["head"].sum() * spec.classes,
        synapses=architecture.head * spec.classes,
        weights=architecture.head * spec.classes,
        maps=spec.classes,
    )
    return tuple(layers)


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
