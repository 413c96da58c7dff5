"""The layers of a plan, one function per kind.

A residual network of your own, without any search:

    plan = Plan(
        (28, 28, 1),
        (
            convolution("stem", 16),
            convolution("first", 16),
            convolution("second", 16, add="stem"),
            earliest_pool("pool"),
            dense("head", 32),
            readout("classes", 10),
        ),
    )

Every layer has a `name`, and its input is the last layer before it that is not a read-out, unless
`after` names another one or several; `"input"` is the images. `code` is the neural code of the
layer's neurons; by default, it is the one that the network is read in.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod
from typing import Any, Literal, NamedTuple

import jax.numpy as jnp

from ttfs_jax.support.errors import InputError

Names = str | Iterable[str]
INPUT = "input"
Kind = Literal[
    "convolution",  # neurons behind a kernel
    "dense",  # neurons connected to all inputs
    "add",  # neurons that add up their inputs, over synapses of weight 1
    "earliest_pool",  # lets the first spike of a neighbourhood through, in the window it came in
    "average_pool",  # averages charges, folded into the next layer: sends no spikes of its own
    "concatenate",  # puts channels side by side
    "upsample",  # repeats every position
    "pixel_shuffle",  # turns channels into positions
    "flatten",  # turns positions into channels
    "readout",  # output potentials: of all inputs, or behind a kernel at every position
]
NEURONS = ("convolution", "dense", "add")
WEIGHTED = ("convolution", "dense", "readout")
SENDERS = (*NEURONS, "earliest_pool")  # layers that send spikes, in addition to the input


class Shape(NamedTuple):
    """Height, width and channels of a layer's output."""

    height: int  # rows
    width: int  # columns
    channels: int  # values at each position

    @property
    def positions(self) -> int:
        """Count the positions."""
        return self.height * self.width


@dataclass(frozen=True)
class Width:
    """The number of channels of a layer: the largest, and the gene for how many are in use."""

    largest: int  # channels at most
    gene: str | None = None
    """Field of `Architecture`; None: all are in use."""
    place: int | None = None
    """Index into that field."""

    def used(self, architecture: Any) -> Any:
        """Return the channels that `architecture` uses: an integer, or [] where a gene decides."""
        if self.gene is None:
            return self.largest
        value = getattr(architecture, self.gene)
        return value if self.place is None else value[self.place]


@dataclass(frozen=True)
class Layer:
    """One layer: its inputs and its output."""

    name: str
    """Name of its variables, its report and its signal; a/b is b of the group a."""
    kind: Kind  # what it computes
    sources: tuple[str, ...] = ()
    """The layers whose signals arrive; left out: the layer before."""
    width: Width | None = None
    """Channels of a layer with weights; the others have those of their sources."""
    kernels: tuple[int, ...] = (1,)
    """Edge of the kernel, 0 for a read-out of all inputs; with `block` one per operator, 0 where
    the layer is not run and passes its input on."""
    block: int | None = None
    """Index of the gene in `Architecture.operators` that chooses among `kernels`."""
    factor: int = 1
    """Stride of a convolution, edge of a pool, enlargement of `upsample` and `pixel_shuffle`."""
    skips: tuple[str, ...] = ()
    """Layers whose signals are added to the neurons' drive through delayed skip connections."""
    code: str | None = None
    """The layer's own neural code; None: the one that the network is read in."""

    def __post_init__(self):
        for field in ("sources", "kernels", "skips"):
            object.__setattr__(self, field, tuple(getattr(self, field)))

    @property
    def spiking(self) -> bool:
        """Tell whether the layer has neurons that spike."""
        return self.kind in NEURONS

    @property
    def weighted(self) -> bool:
        """Tell whether the layer has weights."""
        return self.kind in WEIGHTED

    @property
    def heard(self) -> tuple[str, ...]:
        """Name all inputs of the layer: sources and skip connections."""
        return (*self.sources, *self.skips)

    @property
    def spatial(self) -> bool:
        """Tell whether the layer has a kernel; without one its input is every position."""
        return self.kind == "convolution" or (self.kind == "readout" and max(self.kernels) > 0)

    def chosen(self, values: Any, operators: Any) -> Any:
        """Choose among `values`, one per operator, or the only one; `operators` [N]."""
        return values[0] if len(values) == 1 else values[operators[self.block]]

    def runs(self, operators: Any) -> Any:
        """Tell whether the layer is run: operators [N] -> bool []. Traceable."""
        if self.block is None:
            return jnp.asarray(True)
        return self.chosen(jnp.asarray(self.kernels) > 0, operators)


def convolution(
    name: str,
    channels: int | Width,
    *,
    kernel: int = 3,
    stride: int = 1,
    after: str = "",
    add: Names = (),
    code: str | None = None,
) -> Layer:
    """Describe neurons behind a square kernel, zero-padded: ⌈H/stride⌉ × ⌈W/stride⌉ × `channels`.

    a = relu(Σ W a_before + D + Σ of the activations of the layers `add`), which are skip
    connections of weight 1 and have this layer's output shape. `kernel` is the edge of the kernel;
    `name`, `after` and `code` as above.
    """
    return Layer(
        name,
        "convolution",
        _names(after),
        _width(channels),
        kernels=(kernel,),
        factor=stride,
        skips=_names(add),
        code=code,
    )


def dense(
    name: str,
    neurons: int | Width,
    *,
    after: str = "",
    add: Names = (),
    code: str | None = None,
) -> Layer:
    """Describe `neurons` connected to every position and channel.

    `name`, `after`, `add` and `code` as for `convolution`.
    """
    return Layer(name, "dense", _names(after), _width(neurons), skips=_names(add), code=code)


def add(name: str, after: Names, *, code: str | None = None) -> Layer:
    """Describe neurons, `name`, that add up the layers `after` of one shape: a = Σ a_before.

    `code` as for `convolution`.
    """
    return Layer(name, "add", _names(after), code=code)


def earliest_pool(name: str, *, size: int = 2, after: str = "") -> Layer:
    """Describe max pooling, `name`, of the layer `after` over blocks of `size` × `size`.

    The first spike of a block is let through.
    """
    return Layer(name, "earliest_pool", _names(after), factor=size)


def average_pool(name: str, *, size: int = 2, after: str = "") -> Layer:
    """Describe the mean, `name`, of the layer `after` over blocks of `size` × `size`.

    It is folded into the weights of the next layer.
    """
    return Layer(name, "average_pool", _names(after), factor=size)


def concatenate(name: str, after: Names) -> Layer:
    """Put the channels of the layers `after`, of one size, side by side as `name`.

    Early spikes wait for late ones.
    """
    return Layer(name, "concatenate", _names(after))


def upsample(name: str, *, factor: int = 2, after: str = "") -> Layer:
    """Repeat positions of `after` f = `factor` times, as `name`: H × W × C -> fH × fW × C."""
    return Layer(name, "upsample", _names(after), factor=factor)


def pixel_shuffle(name: str, *, factor: int = 2, after: str = "") -> Layer:
    """Turn channels of the layer `after` into positions, as `name`: H × W × f²C -> fH × fW × C.

    f is `factor`. Channel f² c + f i + j goes to row i and column j of its block in channel c.
    Source: Shi et al. 2016 (arXiv:1609.05158).
    """
    return Layer(name, "pixel_shuffle", _names(after), factor=factor)


def flatten(name: str, *, after: str = "") -> Layer:
    """Turn positions of `after` into channels, row by row, as `name`: H × W × C -> 1 × 1 × HWC."""
    return Layer(name, "flatten", _names(after))


def readout(name: str, outputs: int, *, kernel: int = 0, after: str = "") -> Layer:
    """Describe output potentials, `name`, of what `after` sends; these neurons do not spike.

    Without a kernel each has all inputs: [B, outputs]. With one they are an image of the size of
    their input: [B, H, W, outputs].
    """
    return Layer(name, "readout", _names(after), Width(outputs), kernels=(kernel,))


def _names(names: Names) -> tuple[str, ...]:
    if isinstance(names, str):
        return (names,) if names else ()
    listed = tuple(names) if isinstance(names, Iterable) else (names,)
    for name in listed:
        if not isinstance(name, str):
            raise InputError(f'layers are heard by their names, such as "stem", not {name!r}')
    return listed


def _width(channels: int | Width) -> Width:
    return channels if isinstance(channels, Width) else Width(channels)


def shape_of(layer: Layer, shapes: dict[str, Shape]) -> Shape:
    """Return the output shape of `layer`, from the `shapes` of its inputs.

    Raises: InputError for inputs that do not fit.
    """
    first, *others = (shapes[name] for name in layer.sources)
    for other in others:
        same = other[:2] == first[:2] if layer.kind == "concatenate" else other == first
        if not same or layer.kind in (*WEIGHTED, "earliest_pool", "average_pool"):
            reason = f"cannot receive {' and '.join(layer.sources)}: concatenate or add them first"
            raise _misfit(layer, reason, shapes)
    height, width, channels = first
    size = layer.factor
    if layer.width is not None:
        if layer.spatial:
            shape = Shape(-(-height // size), -(-width // size), layer.width.largest)
        else:
            shape = Shape(1, 1, layer.width.largest)
    elif layer.kind in ("earliest_pool", "average_pool"):
        shape = Shape(-(-height // size), -(-width // size), channels)
    elif layer.kind == "upsample":
        shape = Shape(height * size, width * size, channels)
    elif layer.kind == "pixel_shuffle":
        if channels % size**2:
            raise _misfit(layer, f"needs a multiple of {size**2} channels", shapes)
        shape = Shape(height * size, width * size, channels // size**2)
    elif layer.kind == "flatten":
        shape = Shape(1, 1, prod(first))
    else:
        total = channels + sum(other.channels for other in others)
        shape = Shape(height, width, total if layer.kind == "concatenate" else channels)
    handed_on = layer.sources if layer.block is not None and 0 in layer.kernels else ()
    for name in (*layer.skips, *handed_on):
        if shapes[name] != shape:
            reason = (
                f"adds or hands on {name}, but sends {tuple(shape)}: a convolution of kernel 1 "
                "makes shapes alike"
            )
            raise _misfit(layer, reason, shapes)
    return shape


def _misfit(layer: Layer, reason: str, shapes: dict[str, Shape]) -> InputError:
    heard = ", ".join(f"{name} {tuple(shapes[name])}" for name in dict.fromkeys(layer.heard))
    return InputError(f"layer {layer.name} {reason}; it receives {heard} (height, width, channels)")
