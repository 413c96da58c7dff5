"""A network described once, as data: its layers, their inputs, and what genes decide.

The flax module, names, numbers of neurons, costs, fan-ins, windows in time and exports are derived
from a `Plan`. Write one with the functions of `ttfs_jax.network.kinds`; `architecture.make_plan`
writes those of the search.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from math import prod
from operator import index
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ttfs_jax.network.checks import check_channels, check_genes, check_names
from ttfs_jax.network.kinds import (
    INPUT,
    Layer,
    Shape,
    Width,
    shape_of,
)
from ttfs_jax.support.errors import InputError


@dataclass(frozen=True)
class Plan:
    """The layers of a network in order, each after its inputs.

    Raises: InputError that names the layer for an invalid plan.

    Examples:
        >>> from ttfs_jax import Plan
        >>> from ttfs_jax.network.kinds import convolution, dense, earliest_pool, readout
        >>> layers = (convolution("stem", 4), earliest_pool("pool"), readout("digit", 10))
        >>> plan = Plan((8, 8, 1), layers)
        >>> plan.shapes["pool"]
        Shape(height=4, width=4, channels=4)
        >>> plan.kernel_shape(plan["digit"])
        (64, 10)
    """

    image_shape: tuple[int, int, int]
    """Height, width and channels of an image."""
    layers: tuple[Layer, ...]
    """Layers from the functions of `ttfs_jax.network.kinds`, with at least one read-out."""

    def __post_init__(self):
        object.__setattr__(self, "image_shape", _image_shape(self.image_shape))
        before, layers = INPUT, []
        for layer in _layers(self.layers):
            if not layer.sources:
                layer = replace(layer, sources=(before,))
            layers.append(layer)
            before = before if layer.kind == "readout" else layer.name
        object.__setattr__(self, "layers", tuple(layers))
        check_names(self.layers)
        check_genes(self.layers)
        _ = self.shapes  # raises for shapes that do not fit
        check_channels(self)
        if not self.readouts:
            raise InputError("the plan has no read-out: end it by readout(name, outputs)")

    def __getitem__(self, name: str) -> Layer:
        return self._by_name[name]

    def __iter__(self) -> Iterator[Layer]:
        return iter(self.layers)

    @cached_property
    def _hash(self) -> int:
        return hash((self.image_shape, self.layers))

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _by_name(self) -> dict[str, Layer]:
        return {layer.name: layer for layer in self.layers}

    @cached_property
    def shapes(self) -> dict[str, Shape]:
        """Give the output shape of every layer, and of the input, by name."""
        shapes = {INPUT: Shape(*self.image_shape)}
        for layer in self.layers:
            shapes[layer.name] = shape_of(layer, shapes)
        return shapes

    @cached_property
    def depths(self) -> dict[str, int]:
        """Count the windows before each layer's own, with every layer run."""
        depths = {INPUT: 0}
        for layer in self.layers:
            depths[layer.name] = max(depths[name] for name in layer.heard) + layer.spiking
        return depths

    @property
    def readouts(self) -> tuple[str, ...]:
        """Name the read-outs."""
        return tuple(layer.name for layer in self.layers if layer.kind == "readout")

    @property
    def readout(self) -> str:
        """Name the first read-out, whose potentials are the logits."""
        return self.readouts[0]

    @property
    def classes(self) -> int:
        """Count the channels of the first read-out."""
        return self.shapes[self.readout].channels

    @property
    def spiking(self) -> tuple[Layer, ...]:
        """List the layers of neurons."""
        return tuple(layer for layer in self.layers if layer.spiking)

    def used(self, name: str, architecture: Any) -> Any:
        """Count the channels that `architecture` uses of what `name` sends: an integer, or []."""
        if name == INPUT:
            return self.image_shape[2]
        layer = self[name]
        if layer.width is not None:
            return layer.width.used(architecture)
        parts = [self.used(source, architecture) for source in layer.sources]
        if layer.kind == "concatenate":
            return sum(parts)
        if layer.kind == "flatten":
            return parts[0] * self.shapes[layer.sources[0]].positions
        if layer.kind == "add" and len(parts) > 1:
            return self._used_by_any(name, architecture)
        return parts[0] // layer.factor**2 if layer.kind == "pixel_shuffle" else parts[0]

    def _used_by_any(self, name: str, architecture: Any) -> Any:
        """Count the channels that any of several sources has in use."""

        def base(source):
            return array.arange(self.shapes[source].channels) < self.used(source, architecture)

        traced = any(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(architecture))
        array = jnp if traced else np
        count = self.marks(name, base, array).sum()
        return count if traced else int(count)

    def marks(self, name: str, base: Callable[[str], Any], array: Any = np) -> Any:
        """Mark channels of what `name` sends, from the marks of layers with a width of their own.

        `base(name) -> bool [C]` gives these; the others join, repeat, drop or unite them: bool [C],
        by the functions of `array`, which is NumPy or jax.numpy.
        """
        if name == INPUT or self[name].width is not None:
            return base(name)
        layer = self[name]
        parts = [self.marks(source, base, array) for source in layer.sources]
        if layer.kind == "concatenate":
            return array.concatenate(parts)
        if layer.kind == "flatten":
            return array.tile(parts[0], self.shapes[layer.sources[0]].positions)
        if layer.kind == "add":
            return reduce(array.logical_or, parts)
        return parts[0][:: layer.factor**2] if layer.kind == "pixel_shuffle" else parts[0]

    def fan_in(self, layer: Layer) -> tuple[tuple[int, ...], str]:
        """Return the positions in a neuron's input, for each kernel, and the layer they are in.

        A dense layer, and a read-out without a kernel, see every position.
        """
        (source,) = layer.sources
        areas = tuple(edge**2 for edge in layer.kernels)
        return (areas if layer.spatial else (self.shapes[source].positions,)), source

    def kernel_shape(self, layer: Layer) -> tuple[int, ...]:
        """Return the shape of a layer's weights: [k, k, I, O], or [I, O] without positions."""
        (source,) = layer.sources
        shape, outputs = self.shapes[source], self.shapes[layer.name].channels
        if layer.spatial:
            return (max(layer.kernels), max(layer.kernels), shape.channels, outputs)
        return (prod(shape), outputs)


def _image_shape(shape: Any) -> tuple[int, ...]:
    try:
        sizes = tuple(index(size) for size in shape)
    except TypeError:
        sizes = ()
    if len(sizes) != 3 or min(sizes) < 1:
        raise InputError(
            f"image_shape must be height, width and channels, each from 1, not {shape}"
        )
    return sizes


def _layers(layers: Any) -> tuple[Layer, ...]:
    listed = tuple(layers) if isinstance(layers, Iterable) else ()
    if not listed or not all(isinstance(layer, Layer) for layer in listed):
        raise InputError('a plan takes a tuple of layers, such as (readout("digit", 10),)')
    return listed


def plan_from_dict(values: dict[str, Any]) -> Plan:
    """Rebuild a plan from `values`, `dataclasses.asdict(plan)`, also after it went through JSON.

    Raises: TypeError or KeyError for any other dict.
    """

    def layer(fields):
        width = fields["width"] and Width(**fields["width"])
        lists = {name: tuple(fields[name]) for name in ("sources", "kernels", "skips")}
        return Layer(**(fields | lists | {"width": width}))

    return Plan(tuple(values["image_shape"]), tuple(layer(fields) for fields in values["layers"]))
