"""The masked network: one maximal shape, one parameter tree, two codes, any architecture.

The codes are `relu` (activations) and `ttfs` (spike times).
"""

from functools import partial
from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax import struct

from ttfs_jax.network.architecture import Architecture, NetworkSpec, largest, mask
from ttfs_jax.network.convolution import convolve, inner_kernel
from ttfs_jax.network.encoding import INPUT_WINDOW, encode
from ttfs_jax.network.layers import (
    LayerInfo,
    Reading,
    Readout,
    Signal,
    SpikingConv,
    SpikingDense,
    SpikingLayer,
    activation,
    average_pool,
    delay,
    earliest_spike_pool,
    idle,
    neurons,
    spike_map,
)
from ttfs_jax.network.window import quantise

Code = Literal["relu", "ttfs"]
Variables = dict


@struct.dataclass
class Output:
    """What a network returns for one batch."""

    logits: jax.Array  # [B, K] output potentials
    layers: dict[str, LayerInfo]
    passed: dict[str, jax.Array]  # [H, W] spikes handed on by inputs and pooling, summed over B
    signals: dict[str, Signal]  # every layer's signal when recording, else empty


class Block(nn.Module):
    """One searchable block: skip, 3 × 3, 5 × 5 or residual, chosen by a traced integer.

    The 3 × 3 kernel is the centre of the 5 × 5 one, so that both learn from every step.
    """

    features: int

    def setup(self):
        self.first = SpikingLayer(25 * self.features, self.features)
        self.second = SpikingLayer(9 * self.features, self.features)

    def __call__(
        self,
        signal: Signal,
        operator: jax.Array,
        reading: Reading,
        *,
        mask: jax.Array,
        record: bool = False,
    ) -> tuple[Signal, LayerInfo, LayerInfo, Signal | None]:
        """Map a signal [B, H, W, C] to one of the same shape; operator [], mask [C].

        Returns the block's output, the reports of both layers, and when recording the signal of
        the first one.
        """
        first, second = self.first.weights(), self.second.weights()
        centre = first.replace(kernel=inner_kernel(first.kernel, size=5, inner=3))

        def convolved(signal, weights, size, **skip):
            potential = convolve(activation(signal, reading), weights.kernel, size=size)
            return neurons(potential, weights, reading, mask=mask, **skip)

        def skip(signal):
            report = jax.eval_shape(lambda s: convolved(s, centre, 3)[1], signal)
            nothing = idle(jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), report))
            return signal, nothing, nothing, signal if record else None

        def conv3(signal):
            after, info = convolved(signal, centre, 3)
            return after, info, idle(info), after if record else None

        def conv5(signal):
            after, info = convolved(signal, first, 5)
            return after, info, idle(info), after if record else None

        def residual(signal):
            middle, info = convolved(signal, centre, 3)
            arriving = activation(signal, reading)
            if reading.spiking:
                waiting, weight = delay(signal, middle.window, time_bits=reading.time_bits)
                arriving = weight * activation(waiting, reading)
            after, last = convolved(middle, second, 3, skip=arriving)
            return after, info, last, middle if record else None

        return jax.lax.switch(operator, (skip, conv3, conv5, residual), signal)


class Network(nn.Module):
    """A time-to-first-spike classifier and its ReLU twin.

    Variables: `params`, `statistics` (of the norms) and `windows`, each a dict by layer name:
    stem, entry_<s>, block_<n>/first and /second, head, output. Reports and recorded signals go by
    the same names; pooled signals are pool<s>. `timeline.signal_names` lists those that an
    architecture uses.
    """

    spec: NetworkSpec

    def setup(self):
        spec = self.spec
        self.stem = SpikingConv(
            spec.stem_kernel**2 * spec.image_shape[2],
            spec.stage_widths[0],
            size=spec.stem_kernel,
            stride=spec.stem_stride,
        )
        self.entry = [
            SpikingConv(9 * before, after)
            for before, after in zip(spec.stage_widths, spec.stage_widths[1:], strict=False)
        ]
        stages = zip(spec.stage_widths, spec.stage_blocks, strict=True)
        self.block = [Block(width) for width, blocks in stages for _ in range(blocks)]
        height, width = spec.head_size
        self.head = SpikingDense(height * width * spec.stage_widths[-1], spec.head_width)
        self.output = Readout(spec.head_width, spec.classes)

    def __call__(
        self,
        images: jax.Array,
        architecture: Architecture,
        *,
        code: Code = "relu",
        batch_statistics: bool = False,
        record: bool = False,
    ) -> Output:
        """Compute the output potentials of a batch of images.

        Shapes: images [B, H, W, C] in [0, 1] -> logits [B, K] and a report for each layer.
        `code="ttfs"` computes with spike times, in 2^b steps if the architecture has time bits;
        `batch_statistics` normalises by this batch (training), else by stored statistics.
        No spike: black pixels, masked neurons, and activations ≤ 0.
        Raises: ValueError for an unknown code or images of another shape than the spec's.
        """
        spec = self.spec
        if code not in ("relu", "ttfs"):
            raise ValueError(f"code must be 'relu' or 'ttfs', not {code!r}")
        if images.shape[1:] != spec.image_shape:
            raise ValueError(
                f"images must be [B, {', '.join(map(str, spec.image_shape))}], not {images.shape}"
            )
        reading = Reading(code, batch_statistics, architecture.time_bits)
        layers, passed, signals = {}, {}, {}

        def note(name, signal, info=None):
            if record:
                signals[name] = signal
            if info is None:
                passed[name] = spike_map(signal, reading)
            else:
                layers[name] = info
            return signal

        window = jnp.asarray(INPUT_WINDOW, images.dtype)
        values = images
        if reading.spiking:
            values = quantise(encode(images), window, reading.time_bits)
        signal = note("input", Signal(values, window))
        channels = mask(architecture.widths[0], spec.stage_widths[0])
        arriving = activation(signal, reading)
        signal = note("stem", *self.stem(arriving, reading, mask=channels))
        block = 0
        for stage, count in enumerate(spec.stage_blocks):
            if stage:
                channels = mask(architecture.widths[stage], spec.stage_widths[stage])
                pooled = note(f"pool{stage}", earliest_spike_pool(signal, reading))
                arriving = activation(pooled, reading)
                signal = note(
                    f"entry_{stage - 1}", *self.entry[stage - 1](arriving, reading, mask=channels)
                )
            for _ in range(count):
                operator = architecture.operators[block]
                signal, first, second, inner = self.block[block](
                    signal, operator, reading, mask=channels, record=record
                )
                note(f"block_{block}/first", inner, first)
                note(f"block_{block}/second", signal, second)
                block += 1
        pooled = average_pool(activation(signal, reading), size=spec.head_pool)
        passed["body"] = spike_map(signal, reading)
        neurons_used = mask(architecture.head, spec.head_width)
        arriving = pooled.reshape(pooled.shape[0], -1)
        signal = note("head", *self.head(arriving, reading, mask=neurons_used))
        logits = self.output(activation(signal, reading))
        return Output(logits=logits, layers=layers, passed=passed, signals=signals)


@partial(jax.jit, static_argnums=0)
def initialise(network: Network, key: jax.Array) -> Variables:
    """Draw fresh variables for the maximal shape; compiled, since op by op it takes far longer."""
    images = jnp.zeros((1, *network.spec.image_shape))
    return network.init(key, images, largest(network.spec))
