"""The layers of a network in order, described once as data, and what genes decide of them.

Names of variables, reports and signals, numbers of neurons, multiply-adds, fan-ins, windows in time
and costs are read off this list.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import prod
from operator import mul
from typing import Any, Literal

import jax
import jax.numpy as jnp

from ttfs_jax.network.architecture import (
    CONV5,
    OPERATORS,
    RESIDUAL,
    SKIP,
    Architecture,
    NetworkSpec,
)

Kind = Literal[
    "input",  # encoded images
    "convolution",  # spiking neurons behind a kernel
    "dense",  # spiking neurons that see every input
    "earliest_pool",  # lets the first spike of a neighbourhood through, in the window it came in
    "average_pool",  # averages charges, folded into the layer behind it: sends no spikes of its own
    "choice",  # one of several signals, by the operator of a block
    "readout",  # output potentials
]
SPIKING = ("convolution", "dense")


@dataclass(frozen=True)
class Width:
    """How many channels a layer has: at most, and the gene that says how many are in use."""

    largest: int
    gene: str | None = None
    """Field of `Architecture`; None: all are in use."""
    place: int | None = None
    """Index into that field."""

    def used(self, architecture: Any) -> Any:
        """Return the channels in use: an integer, or an array [] where a gene decides."""
        if self.gene is None:
            return self.largest
        value = getattr(architecture, self.gene)
        return value if self.place is None else value[self.place]


@dataclass(frozen=True)
class Layer:
    """One layer: what arrives, and what it sends."""

    name: str
    """Of its variables, its report and its signal."""
    kind: Kind
    sources: tuple[str, ...]
    """The layer whose signal arrives; of a choice one per operator."""
    size: tuple[int, int]
    """Height and width of what it sends."""
    width: Width
    kernels: tuple[int, ...] = (1,)
    """Edge of the kernel; with `block` one per operator, 0 where the layer is not run."""
    block: int | None = None
    """The block whose operator decides."""
    stride: int = 1
    skip: str | None = None
    """The layer whose signal is added through a delayed skip connection."""

    @property
    def spiking(self) -> bool:
        """Tell whether the layer has neurons that spike."""
        return self.kind in SPIKING

    @property
    def synapses(self) -> bool:
        """Tell whether the layer has weights: it spikes, or is read out."""
        return self.spiking or self.kind == "readout"

    @property
    def positions(self) -> int:
        """Count the positions of what it sends."""
        return prod(self.size)

    def chosen(self, values: Any, operators: Any) -> Any:
        """Choose among values, one per operator, or the only one; operators [N]."""
        return values[0] if len(values) == 1 else values[operators[self.block]]

    def runs(self, operators: Any) -> jax.Array:
        """Tell whether the layer is run: operators [N] -> bool []. Traceable."""
        return self.chosen(jnp.asarray(self.kernels) > 0, operators)


def _block(number: int, source: str, size: tuple[int, int], width: Width) -> tuple[Layer, ...]:
    """List the layers of a searchable block; the 3 × 3 kernel is the centre of the 5 × 5 one."""
    name = f"block_{number}"
    first, second = f"{name}/first", f"{name}/second"
    edges, ends = [3] * len(OPERATORS), [first] * len(OPERATORS)
    edges[SKIP], edges[CONV5] = 0, 5
    ends[SKIP], ends[RESIDUAL] = source, second
    again = tuple(3 * (operator == RESIDUAL) for operator in range(len(OPERATORS)))
    return (
        Layer(first, "convolution", (source,), size, width, tuple(edges), number),
        Layer(second, "convolution", (first,), size, width, again, number, skip=source),
        Layer(name, "choice", tuple(ends), size, width, block=number),
    )


@cache
def make_plan(spec: NetworkSpec) -> dict[str, Layer]:
    """List the layers of a shape by name, each after those that it hears."""
    channels = Width(spec.image_shape[2])
    layers = [Layer("input", "input", (), spec.image_shape[:2], channels)]
    block = 0
    for stage, size in enumerate(spec.stage_sizes):
        width = Width(spec.stage_widths[stage], "widths", stage)
        if stage:
            pool = Layer(
                f"pool{stage}", "earliest_pool", (layers[-1].name,), size, layers[-1].width
            )
            entry = Layer(f"entry_{stage - 1}", "convolution", (pool.name,), size, width, (3,))
            layers += [pool, entry]
        else:
            kernels, stride = (spec.stem_kernel,), spec.stem_stride
            layers.append(
                Layer("stem", "convolution", ("input",), size, width, kernels, stride=stride)
            )
        for number in range(block, block + spec.stage_blocks[stage]):
            layers += _block(number, layers[-1].name, size, width)
        block += spec.stage_blocks[stage]
    head = Width(spec.head_width, "head")
    layers += [
        Layer("body", "average_pool", (layers[-1].name,), spec.head_size, layers[-1].width),
        Layer("head", "dense", ("body",), (1, 1), head),
        Layer("output", "readout", ("head",), (1, 1), Width(spec.classes)),
    ]
    return {layer.name: layer for layer in layers}


def neurons_by_layer(spec: NetworkSpec, architecture: Any) -> dict[str, Any]:
    """Count the spiking neurons in use by layer name; a layer that is not run has 0. Traceable."""
    counts = {}
    for layer in make_plan(spec).values():
        if layer.spiking:
            used = layer.width.used(architecture)
            counts[layer.name] = layer.positions * used * layer.runs(architecture.operators)
    return counts


def fan_in(plan: dict[str, Layer], layer: Layer) -> tuple[tuple[int, ...], Width]:
    """Return the positions that one neuron of a layer sees, for each kernel, and their width.

    A dense layer sees every position of the layer that it hears.
    """
    (source,) = layer.sources
    heard = plan[source]
    areas = tuple(edge**2 for edge in layer.kernels)
    return areas if layer.kind == "convolution" else (heard.positions,), heard.width


def multiply_adds(
    spec: NetworkSpec, shares: Sequence[Sequence[float]], widths: Sequence[int], head: int
) -> float:
    """Count the multiply-adds of one forward pass of one image.

    Σ over layers of positions × kernel area × inputs × outputs. `shares` [N, operators] says how
    often each operator of a block is computed: once for the chosen one, a probability each for an
    average, or 1 for all where they are computed side by side.
    """
    plan = make_plan(spec)
    # NumPy's 32-bit integers would overflow in later arithmetic.
    chosen = Architecture((), [int(width) for width in widths], int(head), 0)
    total = 0
    for layer in plan.values():
        if layer.synapses:
            areas, before = fan_in(plan, layer)
            often = (1,) if layer.block is None else shares[layer.block]
            area = sum(map(mul, often, areas))
            total += layer.positions * area * before.used(chosen) * layer.width.used(chosen)
    return total
