"""Random plans, and what they cost counted neuron by neuron, independently of the library."""

import heapq
from collections import Counter

import numpy as np
from hypothesis import strategies as st

from ttfs_jax.network import kinds
from ttfs_jax.network.architecture import Architecture, _block
from ttfs_jax.network.kinds import INPUT, Width, shape_of
from ttfs_jax.network.plan import Plan

FEW = st.integers(1, 3)


@st.composite
def plans(draw):
    """Draw a plan of up to six layers of any kind, with genes, and an architecture of it."""
    image = (draw(st.integers(2, 5)), draw(st.integers(2, 5)), draw(st.integers(1, 2)))
    layers, shapes, widths, blocks = [], {INPUT: kinds.Shape(*image)}, [], 0
    averaged = set()

    def width():
        if draw(st.booleans()):
            return Width(draw(FEW))
        widths.append(draw(st.integers(1, 4)))
        return Width(widths[-1], "widths", len(widths) - 1)

    def put(*new):
        for layer in new:
            layers.append(layer)
            shapes[layer.name] = shape_of(layer, shapes)

    for number in range(draw(st.integers(2, 6))):
        name, source = f"l{number}", draw(st.sampled_from(sorted(shapes)))
        alike = [other for other in shapes if shapes[other] == shapes[source]]
        kind = draw(st.sampled_from(CHOICES))
        charge = [layer.name for layer in layers if layer.kind not in kinds.SENDERS]
        if kind == "block" and source not in charge and source != INPUT:
            before = next(layer for layer in layers if layer.name == source)
            if before.width is not None:
                put(*_block(blocks, source, before.width))
                blocks += 1
        elif kind == "convolution":
            own = width()
            layer = kinds.convolution(
                name, own, kernel=draw(st.sampled_from([1, 3])), stride=draw(FEW), after=source
            )
            shape = shape_of(layer, shapes)
            same = [other for other in shapes if shapes[other] == shape]
            if own.gene is not None:  # a skip connection leads to channels that are in use
                widths_of = {one.name: one.width for one in layers}
                same = [other for other in same if widths_of.get(other) == own]
            add = draw(st.lists(st.sampled_from(same), max_size=2)) if same else []
            put(kinds.Layer(**(vars(layer) | {"skips": tuple(add)})))
        elif kind == "dense":
            put(kinds.dense(name, width(), after=source))
        elif kind in ("add", "concatenate"):
            heard = draw(st.lists(st.sampled_from(alike), min_size=1, max_size=3))
            put(getattr(kinds, kind)(name, heard))
        elif kind == "earliest_pool" and source not in charge:
            put(kinds.earliest_pool(name, size=2, after=source))
        elif kind == "average_pool":
            put(kinds.average_pool(name, size=2, after=source))
            averaged.add(name)
        elif kind == "upsample":
            put(kinds.upsample(name, factor=2, after=source))
        elif kind == "pixel_shuffle":
            put(
                kinds.convolution(f"{name}x", 4, kernel=1, after=source),
                kinds.pixel_shuffle(name, after=f"{name}x"),
            )
        elif kind == "flatten":
            put(kinds.flatten(name, after=source))
    last = layers[-1].name if layers else INPUT
    layers.append(kinds.readout("potentials", 2, after=last))
    if draw(st.booleans()):
        source = draw(st.sampled_from(sorted(shapes)))
        layers.append(kinds.readout("second", 1, kernel=3, after=source))
    used = [draw(st.integers(1, largest)) for largest in widths]
    operators = [draw(st.integers(0, 3)) for _ in range(blocks)]
    return Plan(image, tuple(layers)), Architecture(
        np.asarray(operators, np.int32), np.asarray(used, np.int32), np.int32(0), np.int32(0)
    )


CHOICES = (
    *("convolution", "dense", "add", "concatenate", "earliest_pool", "average_pool", "upsample"),
    *("pixel_shuffle", "flatten", "block", "block"),
)


class Neurons:
    """Every neuron of a plan by name and place, and the synapses between them."""

    def __init__(self, plan, architecture):
        self.plan, self.architecture = plan, architecture
        # Of each place [H, W, C] of what a layer passes on, the neurons that send to it.
        self.heard = {INPUT: self._own(INPUT)}
        self.senders = {name: [] for name in (layer.name for layer in plan)}
        for layer in plan:
            edge = layer.kernels[0]
            if layer.block is not None:
                edge = layer.kernels[int(architecture.operators[layer.block])]
            self.heard[layer.name] = self._pass(layer, edge)

    def used(self, name):
        return int(self.plan.used(name, self.architecture))

    def _own(self, name):
        places = np.empty(self.plan.shapes[name], object)
        for place in np.ndindex(places.shape):
            places[place] = ((name, place),) if place[2] < self.used(name) else ()
        return places

    def _pass(self, layer, edge):
        first, *others = (self.heard[name] for name in layer.sources)
        size = layer.factor
        if layer.kind == "concatenate":
            return np.concatenate([first, *others], -1)
        if layer.kind == "flatten":
            return first.reshape(1, 1, -1)
        if layer.kind == "upsample":
            return first.repeat(size, 0).repeat(size, 1)
        if layer.kind == "pixel_shuffle":
            places = np.empty(self.plan.shapes[layer.name], object)
            for row, column, channel in np.ndindex(places.shape):
                inside = size * (row % size) + column % size
                places[row, column, channel] = first[
                    row // size, column // size, channel * size**2 + inside
                ]
            return places
        if layer.kind in ("average_pool", "earliest_pool"):
            places = np.empty(self.plan.shapes[layer.name], object)
            for row, column, channel in np.ndindex(places.shape):
                area = first[size * row : size * row + size, size * column : size * column + size]
                places[row, column, channel] = sum(area[..., channel].ravel(), ())
            return places if layer.kind == "average_pool" else self._own(layer.name)
        if edge == 0 and layer.spiking:
            return first
        own = self._own(layer.name)
        for place in np.ndindex(own.shape):
            if layer.kind == "add":  # in use where any of its inputs is
                any_heard = any(self.heard[name][place] for name in layer.sources)
                own[place] = ((layer.name, place),) if any_heard else ()
            if own[place]:
                self.senders[layer.name] += self._synapses(layer, edge, place)
        return own

    def _synapses(self, layer, edge, place):
        """List the neurons at the other end of all synapses of one neuron."""
        row, column, channel = place
        if layer.kind == "add":
            return sum((self.heard[name][place] for name in layer.sources), ())
        before = self.heard[layer.sources[0]]
        if layer.spatial:
            reach = edge // 2
            rows = range(layer.factor * row - reach, layer.factor * row + reach + 1)
            columns = range(layer.factor * column - reach, layer.factor * column + reach + 1)
            seen = [
                before[i, j]
                for i in rows
                for j in columns
                if 0 <= i < before.shape[0] and 0 <= j < before.shape[1]
            ]
            seen = [one for places in seen for one in places]
        else:
            seen = list(before.ravel())
        seen += [self.heard[name][place] for name in layer.skips]
        return sum(seen, ())

    def synapses(self, name):
        return len(self.senders[name])

    def synops(self, name, spikes):
        """Count the events at all synapses; spikes [B, H, W, C] by name."""
        times = Counter(self.senders[name])
        return sum(
            count * spikes[source].reshape(-1, *self.plan.shapes[source])[:, *place].sum()
            for (source, place), count in times.items()
        )


def window_starts(plan, architecture, lengths):
    """Open each window when the last one of its inputs has ended, event by event."""
    starts, numbers, waiting = {INPUT: 0.0}, {INPUT: 0}, list(plan.layers)
    ended, events = {}, [(lengths[INPUT], INPUT)]
    while events:
        time, name = heapq.heappop(events)
        ended[name] = time
        ready = [layer for layer in waiting if set(_heard(layer, architecture)) <= ended.keys()]
        for layer in ready:
            waiting.remove(layer)
            heard = _heard(layer, architecture)
            if layer.spiking and _edge(layer, architecture):
                starts[layer.name] = time
                numbers[layer.name] = 1 + max(numbers[other] for other in heard)
                heapq.heappush(events, (time + lengths[layer.name], layer.name))
            else:
                last = max(heard, key=ended.__getitem__)
                starts[layer.name], numbers[layer.name] = starts[last], numbers[last]
                heapq.heappush(events, (time, layer.name))
    return starts, numbers


def _edge(layer, architecture):
    if layer.block is None:
        return layer.kernels[0] or 1
    return layer.kernels[int(architecture.operators[layer.block])]


def _heard(layer, architecture):
    return layer.heard if _edge(layer, architecture) else layer.sources
