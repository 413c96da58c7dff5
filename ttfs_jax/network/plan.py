"""A network described once, as data: its layers, what each hears, and what genes decide.

The flax module, names, numbers of neurons, costs, fan-ins, windows in time and exports are read off
a `Plan`. Write one with the functions of `ttfs_jax.network.kinds`; `stages.make_plan` writes those
of the search.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from operator import index
from typing import Any, get_args

import numpy as np

from ttfs_jax.codes import find_code
from ttfs_jax.network.kinds import (
    INPUT,
    SENDERS,
    Kind,
    Layer,
    Shape,
    Width,
    shape_of,
)
from ttfs_jax.support.errors import InputError, unknown

GENES = (None, "widths", "head")  # fields of `Architecture` that a width can be masked by


@dataclass(frozen=True)
class Plan:
    """The layers of a network in order, each after those that it hears.

    Raises: InputError that names the layer for a plan that is not one.
    """

    image_shape: tuple[int, int, int]
    """Height, width and channels of an image."""
    layers: tuple[Layer, ...]

    def __post_init__(self):
        object.__setattr__(self, "image_shape", _image_shape(self.image_shape))
        before, layers = INPUT, []
        for layer in _layers(self.layers):
            if not layer.sources:
                layer = replace(layer, sources=(before,))
            layers.append(layer)
            before = before if layer.kind == "readout" else layer.name
        object.__setattr__(self, "layers", tuple(layers))
        check_names(self)
        _check_genes(self)
        _ = self.shapes  # raises for shapes that do not fit
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
        """Give the shape of what every layer sends, by name; of the input, too."""
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
        """Count the channels in use of what a layer sends: an integer, or an array []."""
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
        return parts[0] // layer.factor**2 if layer.kind == "pixel_shuffle" else parts[0]

    def marks(self, name: str, base: Callable[[str], Any], array: Any = np) -> Any:
        """Mark channels of what a layer sends, from the marks of those with a width of their own.

        `base(name) -> bool [C]` gives these; the others join, repeat or drop them: bool [C], by the
        functions of `array`, which is NumPy or jax.numpy.
        """
        if name == INPUT or self[name].width is not None:
            return base(name)
        layer = self[name]
        parts = [self.marks(source, base, array) for source in layer.sources]
        if layer.kind == "concatenate":
            return array.concatenate(parts)
        if layer.kind == "flatten":
            return array.tile(parts[0], self.shapes[layer.sources[0]].positions)
        return parts[0][:: layer.factor**2] if layer.kind == "pixel_shuffle" else parts[0]

    def fan_in(self, layer: Layer) -> tuple[tuple[int, ...], str]:
        """Return the positions that a neuron sees, for each kernel, and the layer it hears.

        A dense layer, and a read-out without a kernel, see every position.
        """
        (source,) = layer.sources
        areas = tuple(edge**2 for edge in layer.kernels)
        return (areas if layer.spatial else (self.shapes[source].positions,)), source

    def kernel_shape(self, layer: Layer) -> tuple[int, ...]:
        """Return the shape of a layer's weights: [k, k, I, O], or [I, O] if it hears everything."""
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


def check_names(plan: Plan) -> None:
    """Check names, kinds and what is heard, layer by layer. Raises: InputError for the first."""
    known = {INPUT: Layer(INPUT, "concatenate")}
    for layer in plan.layers:
        if layer.kind not in get_args(Kind):
            raise unknown("kind of layer", layer.kind, get_args(Kind))
        parts = layer.name.split("/") if isinstance(layer.name, str) else [""]
        named = all(parts) and parts[0] != "params"  # that flax keeps for itself
        if not named or layer.name in known:
            raise InputError(f"a layer cannot be named {layer.name!r}: choose another, unused name")
        for other in known:
            if f"{layer.name}/".startswith(f"{other}/") or f"{other}/".startswith(f"{layer.name}/"):
                raise InputError(f"{layer.name} and {other} cannot be a layer and a group: rename")
        for name in layer.heard:
            if name not in known:
                raise unknown(f"layer before {layer.name}", name, known)
            if known[name].kind == "readout":
                raise InputError(f"{layer.name} hears {name}, a read-out, which sends no spikes")
        _check_layer(layer, known)
        known[layer.name] = layer


def _check_layer(layer: Layer, known: dict[str, Layer]) -> None:
    """Check one layer against those before it. Raises: InputError."""
    if layer.code is not None:
        if not isinstance(layer.code, str):
            raise InputError(f"{layer.name} takes the name of a code, not {layer.code!r}")
        find_code(layer.code)
    if layer.width is not None and not layer.weighted:
        raise InputError(f"{layer.name} has the channels of what it hears: leave its width out")
    if layer.skips and layer.kind not in ("convolution", "dense"):
        raise InputError(f"{layer.name} cannot have skip connections: add them to a layer before")
    if layer.block is not None and not layer.spiking:
        raise InputError(f"{layer.name} has no neurons to choose for: leave its block out")
    if not layer.kernels or (layer.block is None and len(layer.kernels) > 1):
        raise InputError(f"{layer.name} needs one kernel, or a block that chooses among several")
    if layer.width is not None and layer.width.gene not in GENES:
        raise InputError(f"{layer.name} has a width by the gene {layer.width.gene!r}: use widths")
    if layer.weighted and (layer.width is None or not _whole(layer.width.largest, 1)):
        raise InputError(f"{layer.name} needs one channel or more, a whole number (int)")
    empty = layer.block is not None or layer.kind == "readout"
    if not _whole(layer.factor, 1) or not all(
        _whole(edge, 0) and (edge % 2 or (edge == 0 and empty)) for edge in layer.kernels
    ):
        raise InputError(f"{layer.name} needs odd kernels, and a stride or factor from 1")
    source = known[layer.sources[0]]
    skipped = layer.spiking and 0 in layer.kernels
    if source.kind not in SENDERS and source.name != INPUT:
        if layer.kind == "earliest_pool" or skipped:
            raise InputError(f"{layer.name} needs spikes, but {source.name} only passes charge on")
        if layer.kind == "pixel_shuffle" and source.kind == "average_pool":
            raise InputError(f"{layer.name} cannot shuffle averages: pool after it")
    if skipped and layer.code != _code_of(source, known):
        raise InputError(f"{layer.name} can be skipped, so it needs the code of {source.name}")
    if layer.kind == "pixel_shuffle" and source.width and source.width.gene:
        raise InputError(f"{layer.name} needs all channels of {source.name}: fix its width")


def _code_of(layer: Layer, known: dict[str, Layer]) -> str | None:
    """Name the code of what a layer sends; pooled spikes keep that of the neurons."""
    while layer.kind == "earliest_pool":
        layer = known[layer.sources[0]]
    return layer.code


def _check_genes(plan: Plan) -> None:
    """Check that genes are numbered from 0, and those of a block alike. Raises: InputError."""
    kernels: dict[Any, int] = {}
    for layer in plan:
        if layer.block is not None and kernels.setdefault(layer.block, len(layer.kernels)) != len(
            layer.kernels
        ):
            raise InputError(f"{layer.name} needs as many kernels as the others of its block")
        if (
            layer.width is not None
            and layer.width.gene != "widths"
            and layer.width.place is not None
        ):
            raise InputError(f"{layer.name} has a width at a place, which only widths has")
    widths = {
        layer.width.place
        for layer in plan
        if layer.width is not None and layer.width.gene == "widths"
    }
    for what, numbers in (("blocks", set(kernels)), ("places of widths", widths)):
        if numbers != set(range(len(numbers))):
            given = ", ".join(sorted(map(str, numbers)))
            raise InputError(f"the {what} of a plan are numbered from 0 without gaps, not {given}")


def _whole(number: Any, least: int) -> bool:
    return isinstance(number, int) and number >= least


def plan_from_dict(values: dict[str, Any]) -> Plan:
    """Rebuild a plan from `dataclasses.asdict(plan)`, also after it went through JSON.

    Raises: TypeError or KeyError for a dict that is none.
    """

    def layer(fields):
        width = fields["width"] and Width(**fields["width"])
        lists = {name: tuple(fields[name]) for name in ("sources", "kernels", "skips")}
        return Layer(**(fields | lists | {"width": width}))

    return Plan(tuple(values["image_shape"]), tuple(layer(fields) for fields in values["layers"]))
