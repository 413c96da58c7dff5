"""Layers that compute in either code, `relu` or `ttfs`, from one set of parameters.

Every layer is the same three steps: what arrives (activations, or the charge of spikes), a linear
map, and neurons with a norm that folds exactly. Only the last step knows the code.
"""

from functools import reduce
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from ttfs_jax.network.convolution import convolve
from ttfs_jax.network.window import quantise
from ttfs_jax.spike_time import NO_SPIKE, charge, fire, is_spike

NORM_EPSILON = 1e-5


class Signal(NamedTuple):
    """What one layer sends to the next."""

    values: jax.Array  # [B, H, W, C] or [B, C]: activations (relu) or spike times (ttfs)
    window: jax.Array  # [] length of the window the spike times are in


@struct.dataclass
class Reading:
    """How the parameters are read."""

    code: str = struct.field(pytree_node=False, default="relu")
    batch_statistics: bool = struct.field(pytree_node=False, default=False)
    time_bits: jax.Array = struct.field(default_factory=lambda: jnp.zeros((), jnp.int32))

    @property
    def spiking(self) -> bool:
        """Tell whether values are spike times."""
        return self.code == "ttfs"


@struct.dataclass
class Weights:
    """All that one layer owns: parameters, norm statistics and window."""

    kernel: jax.Array  # [I, O], or [k k I, O] for a convolution
    scale: jax.Array  # [O]
    bias: jax.Array  # [O]
    mean: jax.Array  # [O]
    std: jax.Array  # [O]
    window: jax.Array  # []


@struct.dataclass
class LayerInfo:
    """What a layer reports about one batch."""

    mean: jax.Array  # [O] of the potentials, as used
    std: jax.Array  # [O] of the potentials, as used
    largest: jax.Array  # [] activation before any clipping
    spikes: jax.Array  # [H, W] spikes summed over batch and channels ([1, 1] for a dense layer)
    clipped: jax.Array  # [B] neurons whose activation does not fit into the window
    activity: jax.Array  # [] mean activation in units of the norm; the sparsity penalty


def _over_channels(vector, ndim):
    return vector.reshape((1,) * (ndim - 1) + vector.shape)


def activation(signal: Signal, reading: Reading) -> jax.Array:
    """Return what a signal delivers: its activations, or the charge of its spikes."""
    return charge(*signal) if reading.spiking else signal.values


def spike_map(signal: Signal, reading: Reading) -> jax.Array:
    """Count spikes (or active neurons) per position, summed over batch and channels: [H, W]."""
    active = is_spike(signal.values) if reading.spiking else signal.values > 0
    counts = active.sum((0, -1), dtype=jnp.float32)
    return counts if counts.ndim == 2 else counts.reshape(1, 1)


def neurons(
    potential: jax.Array,
    weights: Weights,
    reading: Reading,
    *,
    mask: jax.Array,
    skip: jax.Array | None = None,
) -> tuple[Signal, LayerInfo]:
    """Turn the charge received into activations or spike times.

    a = scale (V − mean) / std + bias [+ skip], then relu(a), or the spike at T − a. With
    `batch_statistics` mean and std are those of this batch, else the stored ones.

    Shapes: potential V [B, ..., O], mask [O], skip like V -> signal like V, report.
    No spike: masked neurons, and those with a ≤ 0.
    Source: the fused norm of Stanojevic et al. 2024, Methods (arXiv:2306.08744).
    """
    ndim = potential.ndim
    axes = tuple(range(ndim - 1))
    if reading.batch_statistics:
        mean, std = potential.mean(axes), jnp.sqrt(potential.var(axes) + NORM_EPSILON)
    else:
        mean, std = weights.mean, weights.std
    gain = weights.scale / std
    drive = (potential - _over_channels(mean, ndim)) * _over_channels(gain, ndim)
    drive = drive + _over_channels(weights.bias, ndim)
    if skip is not None:
        drive = drive + skip
    drive = jnp.where(_over_channels(mask, ndim), drive, 0.0)
    active = nn.relu(drive)
    if reading.spiking:
        times = fire(drive, weights.window)
        signal = Signal(quantise(times, weights.window, reading.time_bits), weights.window)
    else:
        signal = Signal(active, weights.window)
    # In floats: the count outgrows 32-bit integers for large batches of large images.
    in_use = jnp.maximum(mask.sum(), 1).astype(drive.dtype) * (drive.size // mask.size)
    info = LayerInfo(
        mean=mean,
        std=std,
        largest=jax.lax.stop_gradient(active.max()),
        spikes=spike_map(signal, reading),
        clipped=(drive > weights.window).sum(tuple(range(1, ndim))),
        activity=active.sum() / in_use,
    )
    return signal, info


def idle(reference: LayerInfo) -> LayerInfo:
    """Return the report of a layer that was not run."""
    return jax.tree.map(jnp.zeros_like, reference).replace(std=jnp.ones_like(reference.std))


def delay(signal: Signal, window: jax.Array, *, time_bits: jax.Array) -> tuple[Signal, jax.Array]:
    """Let spikes wait for the longer path of a skip connection: one window later, same charge.

    Continuous time: t ← t + (T_new − T), over a synapse of weight 1. In 2^b time steps per window:
    k ← k, that is t ← t · T_new / T, over a synapse of weight T / T_new. There the wait is 2^b
    whole steps, so that the spike is on the grid of the later window, as in a clocked circuit.

    Shapes: values [...], windows T and T_new [], time_bits [] (0 = continuous) -> the delayed
    signal [...] and the weight [] of its synapse; time units.
    No spike stays `NO_SPIKE`. A negative local time is legal in continuous time: the later window
    is the shorter one, and the spike arrives before it begins.
    """
    stretch = window / signal.window
    spiking = is_spike(signal.values)
    times = jnp.where(spiking, signal.values, 0.0)  # keeps ∞ out of the window's gradient
    waited = jnp.where(time_bits > 0, times * stretch, times + (window - signal.window))
    waited = jnp.where(spiking, waited, NO_SPIKE)
    weight = jnp.where(time_bits > 0, 1.0 / stretch, 1.0)
    return Signal(quantise(waited, window, time_bits), window), weight


def _blocks(x, size, fill):
    """Pad to a multiple of size and split: [B, H, W, C] -> [B, H/s, s, W/s, s, C]."""
    batch, height, width, channels = x.shape
    rows, columns = -(-height // size), -(-width // size)
    padding = ((0, 0), (0, rows * size - height), (0, columns * size - width), (0, 0))
    padded = jnp.pad(x, padding, constant_values=fill)
    return padded.reshape(batch, rows, size, columns, size, channels)


@jax.custom_jvp
def _earliest(times):
    """Find the earliest of each block: [B, H/s, s, W/s, s, C] -> [B, H/s, W/s, C]."""
    return times.min((2, 4))


@_earliest.defjvp
def _earliest_jvp(primals, tangents):
    def one_by_one(blocks):
        return [blocks[:, :, i, :, j] for i, j in np.ndindex(blocks.shape[2], blocks.shape[4])]

    # Spikes are compared with each other, not with their minimum: XLA may compute a time once for
    # each of its uses, rounded in another way, so that none equals the minimum.
    (times,), (tangent,) = primals, tangents
    each = one_by_one(times)
    first = [reduce(jnp.logical_and, [one <= other for other in each]) for one in each]
    count = jnp.maximum(sum(is_first.astype(times.dtype) for is_first in first), 1)
    moved = zip(first, one_by_one(tangent), strict=True)
    return _earliest(times), sum(jnp.where(is_first, t, 0) for is_first, t in moved) / count


def earliest_spike_pool(signal: Signal, reading: Reading, *, size: int = 2) -> Signal:
    """Let only the first spike of each neighbourhood through: max pooling in the time domain.

    t = min_j t_j; ∂t/∂t_j = 1/n for each of the n first spikes, 0 for all others.

    Shapes: values [B, H, W, C] -> [B, ⌈H/s⌉, ⌈W/s⌉, C] for blocks of s × s, s = `size`. Odd
    borders are padded with silence.
    No spike: a neighbourhood without spikes. Simultaneous spikes share the gradient equally.
    """
    if reading.spiking:
        return Signal(_earliest(_blocks(signal.values, size, NO_SPIKE)), signal.window)
    return Signal(-_earliest(-_blocks(signal.values, size, 0.0)), signal.window)


def average_pool(x: jax.Array, *, size: int = 2) -> jax.Array:
    """Average charges over neighbourhoods; linear, so it folds into the next layer's weights.

    Shapes: [B, H, W, C] -> [B, ⌈H/s⌉, ⌈W/s⌉, C] for blocks of s × s, s = `size`; odd borders count
    as silent.
    """
    return _blocks(x, size, 0.0).mean((2, 4))


class SpikingLayer(nn.Module):
    """Own the variables of one layer of neurons.

    Collections: `params` (kernel, scale, bias), `statistics` (mean, std), `windows` (window).
    """

    fan_in: int
    features: int

    def setup(self):
        shape = (self.features,)
        self.kernel = self.param("kernel", nn.initializers.he_normal(), (self.fan_in, *shape))
        self.scale = self.param("scale", nn.initializers.ones, shape)
        self.bias = self.param("bias", nn.initializers.zeros, shape)
        self.mean = self.variable("statistics", "mean", jnp.zeros, shape)
        self.std = self.variable("statistics", "std", jnp.ones, shape)
        self.window = self.variable("windows", "window", jnp.ones, ())

    def weights(self) -> Weights:
        """Gather the layer's arrays for a pure function."""
        return Weights(
            kernel=self.kernel,
            scale=self.scale,
            bias=self.bias,
            mean=self.mean.value,
            std=self.std.value,
            window=self.window.value,
        )


class SpikingDense(SpikingLayer):
    """Connect every input to every neuron."""

    def __call__(
        self, arriving: jax.Array, reading: Reading, *, mask: jax.Array
    ) -> tuple[Signal, LayerInfo]:
        """Map charge [B, I] to a signal [B, O] and its report; mask [O]."""
        weights = self.weights()
        return neurons(arriving @ weights.kernel, weights, reading, mask=mask)


class SpikingConv(SpikingLayer):
    """Connect every neuron to a square of inputs, the same way everywhere."""

    size: int = 3
    stride: int = 1

    def __call__(
        self, arriving: jax.Array, reading: Reading, *, mask: jax.Array
    ) -> tuple[Signal, LayerInfo]:
        """Map charge [B, H, W, I] to a signal [B, ⌈H/s⌉, ⌈W/s⌉, O] and its report; mask [O]."""
        weights = self.weights()
        potential = convolve(arriving, weights.kernel, size=self.size, stride=self.stride)
        return neurons(potential, weights, reading, mask=mask)


class Readout(nn.Module):
    """Sum charge into output potentials, which are the logits; these neurons do not spike.

    Collections: `params` (kernel, bias), `windows` (window and shift of the first-spike
    read-out).
    """

    fan_in: int
    classes: int

    def setup(self):
        init = nn.initializers.lecun_normal()
        self.kernel = self.param("kernel", init, (self.fan_in, self.classes))
        self.bias = self.param("bias", nn.initializers.zeros, (self.classes,))
        self.window = self.variable("windows", "window", jnp.ones, ())
        self.shift = self.variable("windows", "shift", jnp.zeros, ())

    def __call__(self, arriving: jax.Array) -> jax.Array:
        """Map charge [B, I] to potentials [B, K]."""
        return arriving @ self.kernel + self.bias[None]
