"""What makes layers a plan: names, kinds, genes, and channels that meet."""

from types import SimpleNamespace
from typing import Any, get_args

import numpy as np

from ttfs_jax.codes import find_code
from ttfs_jax.network.kinds import INPUT, SENDERS, Kind, Layer
from ttfs_jax.support.errors import InputError, unknown

GENES = (None, "widths", "head")  # fields of `Architecture` that can mask a width


def check_names(layers: tuple[Layer, ...]) -> None:
    """Check names, kinds and inputs of `layers`, in order.

    Raises: InputError for the first fault."""
    known = {INPUT: Layer(INPUT, "concatenate")}
    for layer in layers:
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
                raise InputError(f"{layer.name} receives {name}, a read-out, which sends no spikes")
        _check_layer(layer, known)
        known[layer.name] = layer


def _check_layer(layer: Layer, known: dict[str, Layer]) -> None:
    """Check one layer against those before it. Raises: InputError."""
    if layer.code is not None:
        if not isinstance(layer.code, str):
            raise InputError(f"{layer.name} takes the name of a code, not {layer.code!r}")
        find_code(layer.code)
    if layer.width is not None and not layer.weighted:
        raise InputError(f"{layer.name} has the channels of what it receives: leave its width out")
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
    """Name the code of a layer's signal; pooled spikes keep that of the neurons."""
    while layer.kind == "earliest_pool":
        layer = known[layer.sources[0]]
    return layer.code


def check_genes(layers: tuple[Layer, ...]) -> None:
    """Check that genes of `layers` are numbered from 0, and those of a block alike.

    Raises: InputError that names the layer.
    """
    kernels: dict[Any, int] = {}
    for layer in layers:
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
        for layer in layers
        if layer.width is not None and layer.width.gene == "widths"
    }
    for what, numbers in (("blocks", set(kernels)), ("places of widths", widths)):
        if numbers != set(range(len(numbers))):
            listing = ", ".join(sorted(map(str, numbers)))
            raise InputError(
                f"the {what} of a plan are numbered from 0 without gaps, not {listing}"
            )


def _whole(number: Any, least: int) -> bool:
    return isinstance(number, int) and number >= least


ALWAYS = frozenset()  # for a channel that no gene can mask


def check_channels(plan: Any) -> None:
    """Check that skip connections lead to channels in use, and that blocks pass them on.

    `plan` is a `Plan` with its shapes. Raises: InputError that names the layer.
    """
    for layer in plan.layers:
        skipped = layer.block is not None and 0 in layer.kernels
        if not (layer.skips or skipped):
            continue
        own = _genes(plan, layer.name)
        for name in layer.skips:
            fits = [not o or (h and h <= o) for h, o in zip(_genes(plan, name), own, strict=True)]
            if not all(fits):
                raise _other_channels(layer, name)
        if skipped and (_genes(plan, layer.sources[0]) != own).any():
            raise _other_channels(layer, layer.sources[0])


def _other_channels(layer: Layer, name: str) -> InputError:
    return InputError(
        f"{layer.name} adds or hands on {name}, of which other channels may be in use: give both "
        "the same width, a Width of one gene"
    )


def _genes(plan: Any, name: str) -> np.ndarray:
    """Say of every channel which genes have it in use, any of them: sets [C]."""

    def base(name):
        width = None if name == INPUT else plan[name].width
        keys = np.empty(plan.shapes[name].channels, object)
        gene = None if width is None or width.gene is None else (width.gene, width.place)
        for channel in range(len(keys)):
            keys[channel] = frozenset({(gene, channel)}) if gene else ALWAYS
        return keys

    either = np.frompyfunc(lambda a, b: a | b if a and b else ALWAYS, 2, 1)
    array = SimpleNamespace(concatenate=np.concatenate, tile=np.tile, logical_or=either)
    return plan.marks(name, base, array)
