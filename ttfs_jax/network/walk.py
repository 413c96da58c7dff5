"""One forward pass through a plan, layer after layer, each in its own code."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ttfs_jax.codes import CODES, Code, Signal, find_code
from ttfs_jax.codes.code import has_steps, settle, spike_map
from ttfs_jax.codes.pooling import block_means
from ttfs_jax.network.architecture import Architecture, mask
from ttfs_jax.network.convolution import convolve, inner_kernel, unfold
from ttfs_jax.network.kinds import INPUT, Layer
from ttfs_jax.network.layers import (
    LayerInfo,
    Reading,
    fire_neurons,
    joined,
    neurons,
    over_channels,
)
from ttfs_jax.network.plan import Plan


class Passed(NamedTuple):
    """What a layer without neurons passes on: charge, which it rearranges or averages."""

    charge: jax.Array  # [B, ...] or [S, B, ...] per unit weight
    window: jax.Array  # [] of the latest signal in it
    active: jax.Array | None  # bool like charge: where spikes are; None once averaged


Sent = dict[str, Any]  # by layer: `Signal`, or `Passed`


class Pass(NamedTuple):
    """All results of a forward pass."""

    sent: Sent  # what every layer sends, by name
    readouts: dict[str, jax.Array]  # [B, K] or [B, H, W, K]
    reports: dict[str, LayerInfo]  # of layers of neurons, by name
    passed: dict[str, jax.Array]  # [H, W] spikes of layers without neurons, summed over B


@dataclass(frozen=True)
class Walk:
    """A plan with weights, read in a code by an architecture."""

    plan: Plan  # the layers
    weights: dict[str, Any]  # the variables of each layer, by name
    architecture: Architecture  # which parts of them are in use
    reading: Reading  # the code, the statistics and the time steps

    def code(self, name: str) -> Code:
        """Return the code of what `name` sends; read as `relu`, the whole network is the twin."""
        if name == INPUT or self.reading.code == CODES["relu"]:
            return self.reading.code
        layer = self.plan[name]
        if layer.kind == "earliest_pool":
            return self.code(layer.sources[0])
        return self.reading.code if layer.code is None else find_code(layer.code)

    def run(self, images: jax.Array, *, record: bool) -> Pass:
        """Send `images` [B, H, W, C] through all layers; `record` keeps what all of them send."""
        time_bits = self.reading.time_bits
        sent: Sent = {INPUT: self.code(INPUT).encode(images, time_bits=time_bits)}
        readouts, reports = {}, {}
        passed = {INPUT: spike_map(self.code(INPUT), sent[INPUT])}
        for group in _groups(self.plan):
            first = group[0]
            if first.block is not None:
                inside, infos = self._choose(group, sent, images, record=record)
                sent, reports = sent | inside, reports | infos
            elif first.kind == "readout":
                readouts[first.name] = self._read_out(first, sent)
            elif first.spiking:
                sent[first.name], reports[first.name] = self._fire(first, sent, first.kernels[0])
            else:
                sent[first.name] = self._pass_on(first, sent)
                if first.kind in ("earliest_pool", "pixel_shuffle"):
                    passed[first.name] = self._spikes(first.name, sent[first.name])
        return Pass(sent, readouts, reports, passed)

    def _choose(
        self, group: Sequence[Layer], sent: Sent, images: jax.Array, *, record: bool
    ) -> tuple[Sent, dict[str, LayerInfo]]:
        """Run the layers of a block with the kernels of its operator, a traced integer."""
        names = [layer.name for layer in group]
        heard = {name: sent[name] for layer in group for name in layer.heard if name not in names}
        later = {name for layer in self.plan if layer not in group for name in layer.heard}
        kept = [name for name in names if record or name in later]

        def branch(operator, heard):
            inside, reports = dict(heard), {}
            for layer in group:
                if edge := layer.kernels[operator]:
                    inside[layer.name], reports[layer.name] = self._fire(layer, inside, edge)
                else:
                    inside[layer.name] = _hand_on(layer, inside)
                    reports[layer.name] = self._idle(layer, images)
            return {name: inside[name] for name in kept}, reports

        branches = [partial(branch, operator) for operator in range(len(group[0].kernels))]
        operator = self.architecture.operators[group[0].block]
        return jax.lax.switch(operator, branches, heard)

    def _idle(self, layer: Layer, images: jax.Array) -> LayerInfo:
        """Make the report of a layer that is not run."""
        shape, kind = self.plan.shapes[layer.name], jnp.result_type(images)
        if layer.weighted:
            kind = jnp.result_type(images, self.weights[layer.name].kernel)
        return LayerInfo(
            mean=jnp.zeros(shape.channels, kind),
            std=jnp.ones(shape.channels, kind),
            largest=jnp.zeros((), kind),
            spikes=jnp.zeros(shape[:2], jnp.float32),
            clipped=jnp.zeros(len(images), int),
            activity=jnp.zeros((), kind),
        )

    def _arrivals(self, layer: Layer, sent: Sent) -> list[jax.Array]:
        """Return the charge of all inputs of a layer; early signals wait for the latest one."""
        latest = max(layer.heard, key=self.plan.depths.__getitem__)
        window = sent[latest].window

        def arrive(name):
            if isinstance(sent[name], Passed):
                return sent[name].charge
            if name == latest:
                return self.code(name).deliver(sent[name])
            return self.code(name).wait(sent[name], window, time_bits=self.reading.time_bits)

        return [arrive(name) for name in layer.heard]

    def _fire(self, layer: Layer, sent: Sent, edge: int) -> tuple[Signal, LayerInfo]:
        """Let the neurons of a layer fire, behind a kernel of that edge."""
        code = self.code(layer.name)
        reading = replace(self.reading, code=code)
        used = self.plan.marks(layer.name, self._in_use, jnp)
        arriving = [code.receive(charge) for charge in self._arrivals(layer, sent)]
        if layer.kind == "add":
            first, *others = _alike(arriving)
            for other in others:
                first = joined(first, other)
            return fire_neurons(first, self.weights[layer.name], reading, mask=used)
        weights = self.weights[layer.name]
        shaped = _as_image if layer.spatial else _as_vector
        main, *others = map(shaped, arriving)
        skip = None
        for other in others:
            skip = other if skip is None else joined(skip, other)
        synapses = LayerSynapses(layer, _kernel(weights.kernel, edge, layer))
        potential = code.integrate(main, synapses, weights.window)
        return neurons(potential, weights, reading, mask=used, skip=skip)

    def _in_use(self, name: str) -> jax.Array:
        return mask(self.plan.used(name, self.architecture), self.plan.shapes[name].channels)

    def _read_out(self, layer: Layer, sent: Sent) -> jax.Array:
        """Sum charge into output potentials, averaged over the steps of a stepped code."""
        kernel, bias = self.weights[layer.name]
        charge = settle(self._arrivals(layer, sent)[0])
        charge = _as_image(charge) if layer.spatial else _as_vector(charge)
        potential = LayerSynapses(layer, kernel)(charge)
        return potential + over_channels(bias, potential.ndim)

    def _pass_on(self, layer: Layer, sent: Sent) -> Signal | Passed:
        """Compute a layer without neurons."""
        source = sent[layer.sources[0]]
        if layer.kind == "earliest_pool":
            signal = source._replace(values=_as_image(source.values))
            return self.code(layer.name).pool(signal, size=layer.factor)
        charges = _alike(self._arrivals(layer, sent))
        marks = [self._active(name, sent[name]) for name in layer.sources]
        active = [mark for mark in marks if mark is not None]  # none of what is averaged
        latest = max(layer.sources, key=self.plan.depths.__getitem__)
        averaged = layer.kind == "average_pool" or len(active) < len(marks)
        return Passed(
            charge=_rearrange(layer, charges),
            window=sent[latest].window,
            active=None if averaged else _rearrange(layer, _alike(active)),
        )

    def _active(self, name: str, sent: Signal | Passed) -> jax.Array | None:
        return sent.active if isinstance(sent, Passed) else self.code(name).active(sent.values)

    def _spikes(self, name: str, sent: Signal | Passed) -> jax.Array:
        """Count the spikes per position of a layer without neurons: [H, W]."""
        if isinstance(sent, Signal):
            return spike_map(self.code(name), sent)
        # Marked by `active`, as activations of the twin are.
        assert sent.active is not None
        return spike_map(CODES["relu"], Signal(sent.active, sent.window))


def _hand_on(layer: Layer, sent: Sent) -> Signal:
    """Send the first input of a layer that is not run, in the form of its usual output."""
    signal = sent[layer.sources[0]]
    if layer.kind == "dense":
        return signal._replace(values=_as_vector(signal.values))
    spread = layer.spatial or any(_is_image(sent[name][0]) for name in layer.heard)
    return signal._replace(values=_as_image(signal.values)) if spread else signal


def _groups(plan: Plan) -> list[list[Layer]]:
    """Put neighbouring layers of one block together; every other layer is alone."""
    groups: list[list[Layer]] = []
    for layer in plan:
        if groups and layer.block is not None and groups[-1][-1].block == layer.block:
            groups[-1].append(layer)
        else:
            groups.append([layer])
    return groups


def _kernel(kernel: jax.Array, edge: int, layer: Layer) -> jax.Array:
    """Return the kernel, or the centre of it with that edge."""
    smaller = layer.spatial and edge < kernel.shape[0]
    return inner_kernel(kernel, inner=edge) if smaller else kernel


class LayerSynapses(NamedTuple):
    """The synapses of one layer; see `codes.code.Synapses`."""

    layer: Layer  # the layer after them
    kernel: jax.Array  # [I, O], or [k, k, I, O]

    def __call__(self, charge: jax.Array) -> jax.Array:
        """Add up charge by weight: [..., I] -> [..., O], or as a convolution."""
        if not self.layer.spatial:
            return charge @ self.kernel
        run = partial(convolve, kernel=self.kernel, stride=self.layer.factor)
        return jax.vmap(run)(charge) if has_steps(charge) else run(charge)

    def patches(self, charge: jax.Array) -> jax.Array:
        """Gather each neuron's inputs: [..., I] as it is, or [B, H, W, I] -> [B, H', W', k k I].

        Beyond the border nothing arrives: charge 0.
        """
        if not self.layer.spatial:
            return charge
        run = partial(unfold, size=self.kernel.shape[0], stride=self.layer.factor)
        return jax.vmap(run)(charge) if has_steps(charge) else run(charge)


def _rearrange(layer: Layer, charges: list[jax.Array]) -> jax.Array:
    """Average, join, repeat or reorder what a layer without neurons passes on."""
    first, size = charges[0], layer.factor
    if layer.kind == "concatenate":
        return jnp.concatenate(charges, -1)
    if layer.kind == "flatten":
        return _as_vector(first)
    first = _as_image(first)
    if layer.kind == "upsample":
        return first.repeat(size, -3).repeat(size, -2)
    if layer.kind == "pixel_shuffle":
        *lead, height, width, channels = first.shape
        apart = first.reshape(*lead, height, width, channels // size**2, size, size)
        order = [*range(len(lead)), *(len(lead) + n for n in (0, 3, 1, 4, 2))]
        return apart.transpose(order).reshape(*lead, height * size, width * size, -1)
    pool = partial(block_means, size=size)
    return jax.vmap(pool)(first) if has_steps(first) else pool(first)


def _alike(charges: list[jax.Array]) -> list[jax.Array]:
    """Spread what has no positions over 1 × 1 of them, if anything here has positions."""
    if all(_is_image(charge) for charge in charges) or not any(map(_is_image, charges)):
        return charges
    return [_as_image(charge) for charge in charges]


def _is_image(charge: jax.Array) -> bool:
    return charge.ndim >= 4


def _as_image(charge: jax.Array) -> jax.Array:
    if _is_image(charge):
        return charge
    return charge.reshape(*charge.shape[:-1], 1, 1, charge.shape[-1])


def _as_vector(charge: jax.Array) -> jax.Array:
    return charge.reshape(*charge.shape[:-3], -1) if _is_image(charge) else charge
