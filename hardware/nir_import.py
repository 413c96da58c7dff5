"""NIR graphs of feed-forward networks as plans with variables; needs the extra `[nir]`.

Graphs from other tools work too: weights followed by integrate-and-fire neurons, which fire at rate
max(0, a) / θ and are read as relu(a).
"""

from collections.abc import Callable
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from math import prod
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from hardware.nir_export import nir_package, require_same
from hardware.nir_nodes import KIND, SIZE, centred_kernel, earliest_graph, per_channel
from ttfs_jax.imports import from_arrays
from ttfs_jax.model import Model
from ttfs_jax.network.architecture import largest
from ttfs_jax.network.kinds import INPUT, Layer, Shape, Width, shape_of
from ttfs_jax.network.layers import layer_of, with_layer
from ttfs_jax.network.plan import Plan
from ttfs_jax.support.errors import InputError

WHOLE = 1e-5  # largest distance of a skip connection's weight from a whole number


class Value(NamedTuple):
    """The output of a node: the signal of a layer times a factor."""

    layer: str  # of the new plan
    shape: Shape  # of the signal
    factor: np.ndarray  # [C]
    flat: bool = False  # positions and channels are one axis, in NIR's order C, H, W


class Weighted(NamedTuple):
    """Potentials on their way to neurons or outputs."""

    source: Value  # input of the weights
    kernel: np.ndarray  # [k, k, I, O] or [I, O], for the signal of the source itself
    bias: np.ndarray  # [O]
    stride: int = 1  # of the convolution


def network_from_nir(graph: Any) -> Model:
    """Import a graph of weights, neurons and pools: a `Model` with a plan of its own.

    Nodes by type: `Conv2d`, `Affine` and `Linear` are the weights of the `IF` or `Output` after
    them; an `IF` (r = R, threshold θ, reset 0) is a layer relu(Σ of its inputs) that sends R / θ
    times that, with the window θ / R; `AvgPool2d` and `SumPool2d` are average pools; `Flatten`
    orders the inputs of an `Affine`; `Scale` multiplies. Neurons also receive signals directly, as
    skip connections of weight 1. Potentials that enter an `Output` are a read-out. Paddings and
    kernels, odd or not, are accepted if they give ⌈H / stride⌉ positions. A graph of
    `nir_network.network_to_nir` gives a network with the same logits, and windows.

    For graphs of other tools `conversion.calibrate(..., batch_statistics=False)` gives windows.

    Raises: InputError that names the node for anything else, or without the package.
    """
    nir = nir_package()
    order = TopologicalSorter({name: () for name in sorted(graph.nodes)})
    for source, target in graph.edges:
        order.add(target, source)
    try:
        names = list(order.static_order())
    except CycleError as error:
        raise InputError(
            f"the graph is recurrent at {error.args[1][0]}: leave loops out"
        ) from error
    reader = _Reader(nir, graph)
    for name in names:
        reader.read(name)
    return reader.model()


class _Reader:
    """A plan with arrays while it is read, node by node."""

    def __init__(self, nir: Any, graph: Any):
        self.nir, self.graph = nir, graph
        self.image: Shape | None = None
        self.layers: dict[str, Layer] = {}
        self.shapes: dict[str, Shape] = {}
        self.arrays, self.windows = {}, {}
        self.readouts: list[tuple[int, str]] = []
        self.sent: dict[str, Any] = {}

    def read(self, name: str) -> None:
        """Read a node, after all its inputs."""
        node = self.graph.nodes[name]
        kind = type(node).__name__
        if kind not in READERS:
            raise InputError(f"node {name} is a {kind}: only {', '.join(READERS)} can be imported")
        heard = [self.sent[source] for source, target in self.graph.edges if target == name]
        if not heard and kind != "Input":
            raise InputError(f"node {name} receives nothing: remove it")
        self.sent[name] = READERS[kind](self, name, node, heard)

    def model(self) -> Model:
        """Put the network together."""
        if self.image is None or not self.readouts:
            raise InputError("the graph needs an Input and an Output behind weights")
        last = [name for _, name in sorted(self.readouts)]
        layers = [layer for name, layer in self.layers.items() if name not in last]
        height, width, channels = self.image
        plan = Plan((height, width, channels), (*layers, *(self.layers[name] for name in last)))
        variables = from_arrays(plan, self.arrays)
        windows = variables["windows"]
        for name, own in self.windows.items():
            known = {key: jnp.asarray(value, float) for key, value in own.items()}
            windows = with_layer(windows, name, layer_of(windows, name) | known)
        bits = int(self.graph.metadata.get("time_bits", 0))
        return Model(plan, largest(plan, time_bits=bits), variables | {"windows": windows})

    def put(self, layer: Layer) -> Value:
        """Add a layer to the plan; return its signal."""
        self.layers[layer.name] = layer
        self.shapes[layer.name] = shape = shape_of(layer, self.shapes)
        return Value(layer.name, shape, np.ones(shape.channels))

    def one(self, name: str, heard: list) -> Value:
        """Return the one input of a node; several are added up by neurons."""
        for value in heard:
            if isinstance(value, Weighted):
                raise InputError(f"node {name} receives weights: put neurons between")
        if len(heard) == 1:
            return heard[0]
        return self.put(Layer(f"{name}.sum", "add", self.skips(name, heard)))

    def skips(self, name: str, heard: list[Value]) -> tuple[str, ...]:
        """Name the inputs of a node over synapses of weight 1, with repetitions."""
        names = []
        for value in heard:
            times = round(float(value.factor[0]))
            if value.flat or times < 1 or (np.abs(value.factor - times) > WHOLE * times).any():
                raise InputError(
                    f"node {name} receives {value.layer} directly, which is possible over a weight "
                    "of 1 and before it is flattened: put weights between"
                )
            names += [value.layer] * times
        return tuple(names)

    def input(self, name: str, node: Any, heard: list) -> Value:
        """Read the images, or vectors, which are images of one position."""
        sizes = tuple(int(size) for size in node.input_type["input"])
        if self.image is not None or len(sizes) not in (1, 3):
            raise InputError(f"node {name}: the graph needs one Input, [C, H, W] or [C]")
        channels, height, width = sizes if len(sizes) == 3 else (*sizes, 1, 1)
        self.image = self.shapes[INPUT] = Shape(height, width, channels)
        return Value(INPUT, self.image, np.ones(channels))

    def convolve(self, name: str, node: Any, heard: list) -> Value | Weighted:
        """Read a convolution, or the average pool that it stands for."""
        source = self.one(name, heard)
        if KIND in node.metadata:
            return self.pool_average(name, int(node.metadata[SIZE]), source)
        if source.flat or node.weight.shape[1] * node.groups != source.shape.channels:
            raise InputError(f"node {name}: the kernel does not fit what it receives")
        kernel, stride = centred_kernel(name, node, source.shape)
        bias = np.asarray(node.bias, float)
        return Weighted(source, kernel * source.factor[:, None], bias, stride)

    def weigh(self, name: str, node: Any, heard: list) -> Weighted:
        """Read a matrix [O, I], its inputs in the order C, H, W."""
        source, weight = self.one(name, heard), np.asarray(node.weight, float)
        if weight.ndim != 2 or weight.shape[1] != prod(source.shape):
            raise InputError(f"node {name}: the weights must be [O, {prod(source.shape)}]")
        height, width, channels = source.shape
        apart = weight.reshape(-1, channels, height, width).transpose(2, 3, 1, 0)
        kernel = (apart * source.factor[:, None]).reshape(prod(source.shape), -1)
        bias = np.asarray(getattr(node, "bias", np.zeros(len(weight))), float)
        return Weighted(source, kernel, bias)

    def fire(self, name: str, node: Any, heard: list) -> Value:
        """Read neurons."""
        gain = per_channel(name, node.r) / per_channel(name, node.v_threshold)
        if not (np.isfinite(gain) & (gain > 0)).all() or np.any(node.v_reset):
            raise InputError(f"node {name}: r and threshold must be positive, the reset 0")
        own = str(node.metadata.get("name", name))
        layer = self.layer(own, name, heard)
        value = self.put(replace(layer, code=node.metadata.get("code")))
        if gain.shape != value.factor.shape:
            raise InputError(f"node {name} needs {value.shape.channels} channels of neurons")
        self.windows[own] = {"window": (1 / gain).max()}
        return value._replace(factor=gain)

    def layer(self, own: str, name: str, heard: list) -> Layer:
        """Make the layer of neurons after weights, signals or both."""
        weighted = [one for one in heard if isinstance(one, Weighted)]
        direct = self.skips(name, [one for one in heard if isinstance(one, Value)])
        if not weighted:
            return Layer(own, "add", direct)
        if len(weighted) > 1:
            raise InputError(f"node {name} receives several weights: concatenate their inputs")
        kind = "convolution" if weighted[0].kernel.ndim == 4 else "dense"
        return replace(self.weighted_layer(own, kind, weighted[0]), skips=direct)

    def weighted_layer(self, name: str, kind: Any, weighted: Weighted) -> Layer:
        """Make a layer with these weights, which are kept for it."""
        self.arrays[name] = {"kernel": weighted.kernel, "bias": weighted.bias}
        spatial = weighted.kernel.ndim == 4
        edge = len(weighted.kernel) if spatial else int(kind == "dense")
        width = Width(len(weighted.bias))
        return Layer(name, kind, (weighted.source.layer,), width, (edge,), factor=weighted.stride)

    def pool(self, name: str, node: Any, heard: list) -> Value:
        """Read an average or sum over blocks."""
        source, edge = self.one(name, heard), np.unique(np.append(node.kernel_size, node.stride))
        sizes = source.shape[:2]
        if len(edge) > 1 or np.any(node.padding) or source.flat or any(n % edge[0] for n in sizes):
            raise InputError(
                f"node {name}: blocks must be square, as large as the stride and without padding, "
                f"and fill {sizes[0]} × {sizes[1]} positions"
            )
        size = int(edge[0])
        value = self.pool_average(name, size, source)
        summed = isinstance(node, self.nir.SumPool2d)
        return value._replace(factor=value.factor * size**2) if summed else value

    def pool_average(self, name: str, size: int, source: Value) -> Value:
        """Add an average pool to the plan."""
        layer = Layer(name, "average_pool", (source.layer,), factor=size)
        return self.put(layer)._replace(factor=source.factor)

    def flatten(self, name: str, node: Any, heard: list) -> Value | Weighted:
        """Read a change of shape, which the next weights take into account."""
        if isinstance(heard[0], Weighted) and len(heard) == 1:
            source, kernel, _, stride = heard[0]
            if kernel.ndim == 4 and max(source.shape[:2]) > stride:
                raise InputError(f"node {name} flattens potentials: flatten behind the neurons")
            return heard[0]
        source = self.one(name, heard)
        return source._replace(flat=source.shape.positions > 1)

    def scale(self, name: str, node: Any, heard: list) -> Value | Weighted:
        """Read a factor, or the join of a concatenation."""
        if node.metadata.get(KIND) == "concatenate":
            return self.concatenate(str(node.metadata["name"]), heard)
        factor = per_channel(name, node.scale)
        if isinstance(heard[0], Weighted) and len(heard) == 1:
            one = heard[0]
            return one._replace(kernel=one.kernel * factor, bias=one.bias * factor)
        source = self.one(name, heard)
        if KIND in node.metadata:
            return self.pool_average(name, int(node.metadata[SIZE]), source)
        if source.flat or len(factor) != source.shape.channels:
            raise InputError(f"node {name}: a Scale needs one factor for each channel")
        return source._replace(factor=source.factor * factor)

    def concatenate(self, name: str, heard: list) -> Value:
        """Read parts that are put in their places."""
        placed = []
        for one in heard:
            table = np.asarray(one.kernel).reshape(one.kernel.shape[-2:])  # [I, O]
            rows, columns = np.nonzero(table)
            if not np.array_equal(rows, np.arange(len(table))) or np.any(one.bias):
                raise InputError(f"the parts of {name} must only be put in their places")
            placed.append((columns[0], one.source.layer, table[rows, columns]))
        placed.sort(key=lambda part: part[0])
        value = self.put(Layer(name, "concatenate", tuple(layer for _, layer, _ in placed)))
        return value._replace(factor=np.concatenate([factor for *_, factor in placed]))

    def subgraph(self, name: str, node: Any, heard: list) -> Value:
        """Read the graph that stands for an earliest-spike pool."""
        source, size = self.one(name, heard), int(node.metadata.get(SIZE, 0))
        if node.metadata.get(KIND) != "earliest_pool" or size < 1 or (source.factor <= 0).any():
            raise InputError(f"node {name} is a graph of its own: write its nodes into this one")
        height, width, channels = source.shape
        expected = earliest_graph(self.nir, (channels, height, width), size)
        require_same(node, expected, "an earliest-spike pool")
        layer = Layer(name, "earliest_pool", (source.layer,), factor=size)
        return self.put(layer)._replace(factor=source.factor)

    def output(self, name: str, node: Any, heard: list) -> None:
        """Read potentials."""
        if len(heard) != 1 or not isinstance(heard[0], Weighted):
            raise InputError(f"node {name} must receive one node of weights: its potentials")
        own = str(node.metadata.get("name", name))
        self.put(self.weighted_layer(own, "readout", heard[0]))
        self.readouts.append((int(node.metadata.get("number", len(self.readouts))), own))
        self.windows[own] = {
            key: node.metadata[key] for key in ("window", "shift") if key in node.metadata
        }


READERS: dict[str, Callable] = {
    "Input": _Reader.input,
    "Conv2d": _Reader.convolve,
    "Affine": _Reader.weigh,
    "Linear": _Reader.weigh,
    "IF": _Reader.fire,
    "AvgPool2d": _Reader.pool,
    "SumPool2d": _Reader.pool,
    "Flatten": _Reader.flatten,
    "Scale": _Reader.scale,
    "NIRGraph": _Reader.subgraph,
    "Output": _Reader.output,
}
