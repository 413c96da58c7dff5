"""Networks of any plan as NIR graphs; needs the extra `[nir]`. `nir_import` reads them back.

Source: Pedersen et al. 2024, Nature Communications 15:8122, doi:10.1038/s41467-024-52259-9.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from hardware.nir_export import nir_package
from hardware.nir_nodes import KIND, average, earliest_graph
from ttfs_jax.codes.encoding import INPUT_WINDOW
from ttfs_jax.model import Model
from ttfs_jax.network.conversion import fold
from ttfs_jax.network.kinds import INPUT, Layer, Shape
from ttfs_jax.network.layers import layer_of
from ttfs_jax.network.plan import Plan
from ttfs_jax.network.timeline import runs
from ttfs_jax.support.errors import InputError

NETWORK = "ttfs-jax network 1"


class Sent(NamedTuple):
    """The output of a node: signals of neurons, as shares of their windows."""

    node: str  # name of the node
    shape: Shape  # with the channels of the plan
    marks: np.ndarray  # bool [C]: channels in use, the only ones that the node has
    unit: np.ndarray  # [channels in use]: the activation at a share of 1
    flat: bool = False  # positions and channels are one axis, in NIR's order C, H, W

    @property
    def sizes(self) -> tuple[int, ...]:
        """Return NIR's shape: [C, H, W], or [C] where there is one position."""
        return sizes_of(self.shape, int(self.marks.sum()))


def sizes_of(shape: Shape, channels: int) -> tuple[int, ...]:
    """Return NIR's shape of a signal with that many channels: [C, H, W], or [C] at one position."""
    return (channels,) if shape.positions == 1 else (channels, shape.height, shape.width)


def network_to_nir(model: Model) -> Any:
    """Export the network of `model` with its architecture: `nir.NIRGraph`.

    Only what the architecture uses is written: layers that are not run and unused channels are left
    out, kernels are their inner ones, norms are folded in. NIR's axes are C, H, W.

    | plan | nodes |
    |---|---|
    | convolution, dense, read-out | `Conv2d` or `Affine` `NAME.weights`, with `Flatten` before |
    | neurons | `IF` `NAME`: r = 1, threshold T (the window), reset 0; what enters is added up |
    | read-out | `Output` `NAME` |
    | `add`, skip connection | an edge through `Scale` `NAME.from.SOURCE`: times the window |
    | average pool | `AvgPool2d`; as a `Conv2d` where a border is odd |
    | earliest pool | a graph of its own, of differences and IF: max(a, b) = b + relu(a − b) |
    | concatenate | a `Conv2d` or `Linear` puts each part in its place; `Scale` by 1 joins them |

    As in `nir_export.dense_to_nir`, an IF driven by a constant a fires at rate max(0, a) / T, and
    weights are multiplied by the window before, so that the graph as it stands is the ReLU twin in
    rate code. Read with the windows, the same neuron spikes once, at T − a.

    Lost: what `dense_to_nir` loses, and in time the earliest-spike pool, which becomes neurons.
    Kept as metadata, for `nir_import.network_from_nir`: names, windows, codes of layers, time
    bits. A slash in a name becomes a dot, since files of NIR take slashes for folders.

    Raises: InputError for what NIR has no node for (`upsample`, `pixel_shuffle`, anything but a
    dense layer behind `flatten`), for layers that add channels where others are in use, for NaN,
    or without the package.
    """
    return _Writer(nir_package(), model).graph()


class _Writer:
    """A graph while it is written, layer by layer."""

    def __init__(self, nir: Any, model: Model):
        self.nir, self.plan, self.architecture = nir, model.plan, model.architecture
        self.variables = fold(model.variables)
        self.operators = np.asarray(model.architecture.operators)
        self.nodes, self.edges, self.sent = {}, [], {}

    def graph(self) -> Any:
        """Write all layers that a read-out depends on."""
        shape = self.plan.shapes[INPUT]
        marks = np.ones(shape.channels, bool)
        sent = Sent(INPUT, shape, marks, np.full(shape.channels, INPUT_WINDOW))
        self.put(INPUT, self.nir.Input(np.array(sent.sizes)))
        self.sent[INPUT] = sent
        needed = _needed(self.plan, self.operators)
        for layer in self.plan:
            if layer.name not in needed:
                continue
            if layer.kind == "readout":
                self._read_out(layer)
            elif not layer.spiking:
                self._pass_on(layer)
            elif runs(layer, self.operators):
                self._fire(layer)
            else:
                self.sent[layer.name] = self.sent[layer.sources[0]]
        metadata = {"format": NETWORK, "time_bits": int(self.architecture.time_bits)}
        return self.nir.NIRGraph(nodes=self.nodes, edges=self.edges, metadata=metadata)

    def put(self, name: str, node: Any, sources: Iterable[str] = ()) -> str:
        """Add a node and the edges into it; return its name."""
        name = name.replace("/", ".")
        if name in self.nodes:
            raise InputError(f"two nodes would be called {name}: rename a layer of the plan")
        self.nodes[name] = node
        self.edges += [(source, name) for source in sources]
        return name

    def _in_use(self, name: str) -> np.ndarray:
        return np.arange(self.plan.shapes[name].channels) < int(
            self.plan.used(name, self.architecture)
        )

    def _vector(self, node: str, before: Shape, after: Shape, channels: int) -> str:
        """Drop the two axes of size 1 of a map with one position."""
        if after.positions > 1 or before.positions == 1:
            return node
        flatten = self.nir.Flatten(np.array([channels, 1, 1]), start_dim=0)
        return self.put(f"{node}.flatten", flatten, [node])

    def _fire(self, layer: Layer) -> None:
        """Write neurons, and the weights and skip connections that lead to them."""
        marks, shape = self.plan.marks(layer.name, self._in_use), self.plan.shapes[layer.name]
        length = float(layer_of(self.variables["windows"], layer.name)["window"])
        if not (np.isfinite(length) and length > 0):
            raise InputError(
                f"the window of {layer.name} must be positive, not {length}: calibrate"
            )
        sent = Sent(layer.name, shape, marks, np.full(int(marks.sum()), length))
        sources = [self._weigh(layer, marks)] if layer.weighted else []
        sources += self._direct(layer, layer.skips if layer.weighted else layer.sources, marks)
        ones = np.ones(sent.sizes)
        metadata = {"name": layer.name, "window": length}
        metadata |= {"code": layer.code} if layer.code else {}
        neurons = self.nir.IF(
            r=ones, v_threshold=length * ones, v_reset=0 * ones, metadata=metadata
        )
        self.sent[layer.name] = sent._replace(node=self.put(layer.name, neurons, sources))

    def _read_out(self, layer: Layer) -> None:
        marks, shape = self._in_use(layer.name), self.plan.shapes[layer.name]
        own = layer_of(self.variables["windows"], layer.name)
        metadata = {key: float(value) for key, value in own.items()}
        metadata |= {"name": layer.name, "number": self.plan.readouts.index(layer.name)}
        output = self.nir.Output(np.array(sizes_of(shape, shape.channels)), metadata=metadata)
        self.put(layer.name, output, [self._weigh(layer, marks)])

    def _weigh(self, layer: Layer, marks: np.ndarray) -> str:
        """Write the weights of a layer: the node whose potentials they are."""
        source, own = self.sent[layer.sources[0]], layer_of(self.variables["params"], layer.name)
        kernel, bias = np.asarray(own["kernel"]), np.asarray(own["bias"])[marks]
        if not (np.isfinite(kernel).all() and np.isfinite(bias).all()):
            raise InputError(f"layer {layer.name} holds NaN or infinity: train it again")
        shape, name = self.plan.shapes[layer.name], f"{layer.name}.weights"
        edge = int(layer.chosen(layer.kernels, self.operators))
        if layer.spatial:
            cut = (len(kernel) - edge) // 2
            kernel = kernel[cut : cut + edge, cut : cut + edge]
        if layer.spatial and source.shape.positions > 1 and not source.flat:
            kernel = kernel[:, :, source.marks] * source.unit[:, None]
            weight = kernel[..., marks].transpose(3, 2, 0, 1).astype(bias.dtype)
            node = self.put(name, self._conv(weight, source, layer.factor, bias), [source.node])
            return self._vector(node, source.shape, shape, len(bias))
        if layer.spatial:
            kernel = kernel[edge // 2, edge // 2]
        kernel = kernel.reshape(*source.shape, -1)[:, :, source.marks] * source.unit[:, None]
        weight = kernel[..., marks].transpose(3, 2, 0, 1).reshape(len(bias), -1)
        weight = np.ascontiguousarray(weight, bias.dtype)
        before = source.node
        if source.shape.positions > 1 and not source.flat:
            before = self._flatten(f"{layer.name}.flatten", source)
        return self.put(name, self.nir.Affine(weight=weight, bias=bias), [before])

    def _flatten(self, name: str, source: Sent) -> str:
        flatten = self.nir.Flatten(np.array(source.sizes), start_dim=0)
        return self.put(name, flatten, [source.node])

    def _conv(self, weight: np.ndarray, source: Sent, stride: int, bias: np.ndarray) -> Any:
        """Make a `Conv2d` with a border of k // 2."""
        edge = weight.shape[-1]
        return self.nir.Conv2d(
            input_shape=source.shape[:2],
            weight=np.ascontiguousarray(weight),
            stride=(stride, stride),
            padding=(edge // 2, edge // 2),
            dilation=(1, 1),
            groups=1,
            bias=bias,
        )

    def _direct(self, layer: Layer, names: Iterable[str], marks: np.ndarray) -> list[str]:
        """Write synapses of weight 1 from several layers: the nodes that lead to the neurons."""
        heard = Counter(self.sent[name].node for name in names)
        by_node = {self.sent[name].node: self.sent[name] for name in names}
        sources = []
        for node, times in heard.items():
            source = by_node[node]
            _require_plain(layer, source)
            if not np.array_equal(source.marks, marks):
                raise InputError(
                    f"{layer.name} adds {node}, where other channels are in use: NIR needs the "
                    "same ones, so give both one width"
                )
            scale = np.ones(source.sizes) * (times * source.unit).reshape(
                -1, *(1,) * (len(source.sizes) - 1)
            )
            if (scale != 1).any():
                scaled = self.nir.Scale(scale)
                node = self.put(f"{layer.name}.from.{node}", scaled, [node])
            sources.append(node)
        return sources

    def _pass_on(self, layer: Layer) -> None:
        """Write a layer without neurons."""
        if layer.kind not in PASSING:
            raise InputError(
                f"NIR has no node for {layer.kind}: leave {layer.name} out of the plan"
            )
        sources = [self.sent[name] for name in layer.sources]
        self.sent[layer.name] = PASSING[layer.kind](self, layer, sources)

    def average_pool(self, layer: Layer, sources: list[Sent]) -> Sent:
        """Write the mean over blocks."""
        return self._pool(layer, sources, average)

    def earliest_pool(self, layer: Layer, sources: list[Sent]) -> Sent:
        """Write the largest of each block; of a single position it is that one."""
        alone = sources[0].shape.positions == 1
        return sources[0] if alone else self._pool(layer, sources, earliest_graph)

    def _pool(self, layer: Layer, sources: list[Sent], make: Any) -> Sent:
        (source,), shape = sources, self.plan.shapes[layer.name]
        _require_plain(layer, source)
        node = self.put(layer.name, make(self.nir, source.sizes, layer.factor), [source.node])
        node = self._vector(node, source.shape, shape, int(source.marks.sum()))
        return source._replace(node=node, shape=shape)

    def flatten(self, layer: Layer, sources: list[Sent]) -> Sent:
        """Write a `Flatten`, whose order the next dense layer takes into account."""
        (source,) = sources
        if source.shape.positions == 1 or source.flat:
            return source
        return source._replace(node=self._flatten(layer.name, source), flat=True)

    def concatenate(self, layer: Layer, sources: list[Sent]) -> Sent:
        """Put every part in its place, and join them."""
        marks, shape = np.concatenate([one.marks for one in sources]), self.plan.shapes[layer.name]
        channels, start, parts = int(marks.sum()), 0, []
        for number, source in enumerate(sources):
            _require_plain(layer, source)
            count = int(source.marks.sum())
            place = np.eye(channels, count, -start, np.float32)
            if shape.positions == 1:
                node = self.nir.Linear(place)
            else:
                weight, bias = place[..., None, None], np.zeros(channels, np.float32)
                node = self._conv(weight, source, 1, bias)
            parts.append(self.put(f"{layer.name}.part_{number}", node, [source.node]))
            start += count
        ones = np.ones(sizes_of(shape, channels))
        joined = self.nir.Scale(ones, metadata={KIND: layer.kind, "name": layer.name})
        unit = np.concatenate([source.unit for source in sources])
        return Sent(self.put(layer.name, joined, parts), shape, marks, unit)


PASSING = {  # the layers without neurons that NIR can express
    "average_pool": _Writer.average_pool,
    "earliest_pool": _Writer.earliest_pool,
    "flatten": _Writer.flatten,
    "concatenate": _Writer.concatenate,
}


def _needed(plan: Plan, operators: np.ndarray) -> set[str]:
    """Name the layers that a read-out depends on."""
    needed = set(plan.readouts)
    for layer in reversed(plan.layers):
        if layer.name in needed:
            needed |= set(layer.heard if runs(layer, operators) else layer.sources)
    return needed


def _require_plain(layer: Layer, source: Sent) -> None:
    if source.flat:
        raise InputError(
            f"{layer.name} receives positions turned into channels, which are in another order in "
            "NIR: put a dense layer between"
        )
