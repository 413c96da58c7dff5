"""What all layers of neurons share, in any code: variables, norm, report.

A layer is three steps: what arrives (activations, or the charge of spikes), a linear map, and
neurons with a norm that folds exactly. Only the last step depends on the code.
"""

from dataclasses import replace

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax import struct

from ttfs_jax.codes import CODES, Code, Signal
from ttfs_jax.codes.code import has_steps, settle, spike_map

NORM_EPSILON = 1e-5


@struct.dataclass
class Reading:
    """How the parameters are read."""

    code: Code = struct.field(pytree_node=False, default=CODES["relu"])
    """How neurons send what they compute."""
    batch_statistics: bool = struct.field(pytree_node=False, default=False)
    """Whether norms use the statistics of the batch, instead of those stored."""
    time_bits: jax.Array = struct.field(default_factory=lambda: jnp.zeros((), jnp.int32))
    """[] b for 2^b time steps per window; 0 is continuous time."""


@struct.dataclass
class Weights:
    """All variables of one layer of neurons: parameters, norm statistics and window."""

    kernel: jax.Array  # [I, O], or [k, k, I, O] for a convolution
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
    clipped: jax.Array  # [B] neurons whose activation exceeds the window
    activity: jax.Array  # [] mean activation in units of the norm; the sparsity penalty


def over_channels(vector: jax.Array, ndim: int) -> jax.Array:
    """Shape a vector for arrays of `ndim` dimensions: [O] -> [1, ..., O]."""
    return vector.reshape((1,) * (ndim - 1) + vector.shape)


def neurons(
    potential: jax.Array,
    weights: Weights,
    reading: Reading,
    *,
    mask: jax.Array,
    skip: jax.Array | None = None,
) -> tuple[Signal, LayerInfo]:
    """Turn the charge received into what the neurons send.

    a = scale (V − mean) / std + bias [+ skip], then the code's neurons, such as relu(a) or the
    spike at T − a. `weights` are the layer's own. With `reading.batch_statistics` mean and std are
    those of this batch, else the stored ones.

    Shapes: potential V [B, ..., O] or, with steps, [S, B, ..., O], mask [O], skip like V -> signal
    like V, report.
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
    drive = (potential - over_channels(mean, ndim)) * over_channels(gain, ndim)
    drive = drive + over_channels(weights.bias, ndim)
    if skip is not None:
        drive = joined(drive, skip)
    signal, info = fire_neurons(drive, weights.window, reading, mask=mask)
    return signal, replace(info, mean=mean, std=std)


def joined(one: jax.Array, other: jax.Array) -> jax.Array:
    """Add charges `one` and `other` of one shape: [B, ...] or, with steps, [S, B, ...] each."""
    if has_steps(one) == has_steps(other):
        return one + other
    return one + other[None] if has_steps(one) else one[None] + other


def fire_neurons(
    drive: jax.Array, window: jax.Array, reading: Reading, *, mask: jax.Array
) -> tuple[Signal, LayerInfo]:
    """Let neurons with a drive a fire in the code of `reading`, and report on them.

    Shapes: drive [B, ..., O] or [S, B, ..., O], window [], mask [O] -> signal, and a report whose
    mean is 0 and std is 1.
    No spike: masked neurons, and those with a ≤ 0.
    """
    drive = jnp.where(over_channels(mask, drive.ndim), drive, 0.0)
    values = reading.code.emit(drive, window, time_bits=reading.time_bits)
    signal = Signal(values, window)
    drive = settle(drive)
    active = nn.relu(drive)
    # In floats: the count exceeds 32-bit integers for large batches of large images.
    in_use = jnp.maximum(mask.sum(), 1).astype(drive.dtype) * (drive.size // mask.size)
    info = LayerInfo(
        mean=jnp.zeros(mask.shape, drive.dtype),
        std=jnp.ones(mask.shape, drive.dtype),
        largest=jax.lax.stop_gradient(active.max()),
        spikes=spike_map(reading.code, signal),
        clipped=(drive > window).sum(tuple(range(1, drive.ndim))),
        activity=active.sum() / in_use,
    )
    return signal, info


class SpikingLayer(nn.Module):
    """Own the variables of one layer of neurons; without a kernel, for neurons that only add.

    Collections: `params` (kernel, scale, bias), `statistics` (mean, std), `windows` (window).
    """

    kernel_shape: tuple[int, ...] | None  # [I, O] or [k, k, I, O]; None: it only adds

    @nn.compact
    def __call__(self) -> Weights | jax.Array:
        """Gather the layer's arrays for a pure function; only the window [] without a kernel."""
        if self.kernel_shape is None:
            return self.variable("windows", "window", jnp.ones, ()).value
        outputs = self.kernel_shape[-1:]
        return Weights(
            kernel=self.param("kernel", nn.initializers.he_normal(), self.kernel_shape),
            scale=self.param("scale", nn.initializers.ones, outputs),
            bias=self.param("bias", nn.initializers.zeros, outputs),
            mean=self.variable("statistics", "mean", jnp.zeros, outputs).value,
            std=self.variable("statistics", "std", jnp.ones, outputs).value,
            window=self.variable("windows", "window", jnp.ones, ()).value,
        )


class Readout(nn.Module):
    """Own the variables of output potentials; these neurons do not spike.

    Collections: `params` (kernel, bias), `windows` (window and shift of the first-spike
    read-out).
    """

    kernel_shape: tuple[int, ...]  # [I, O] or [k, k, I, O]

    @nn.compact
    def __call__(self) -> tuple[jax.Array, jax.Array]:
        """Return the kernel [I, O] or [k, k, I, O] and the bias [O]."""
        kernel = self.param("kernel", nn.initializers.lecun_normal(), self.kernel_shape)
        bias = self.param("bias", nn.initializers.zeros, self.kernel_shape[-1:])
        self.variable("windows", "window", jnp.ones, ())
        self.variable("windows", "shift", jnp.zeros, ())
        return kernel, bias


def layer_of(tree: dict, name: str) -> dict:
    """Return the part of `tree` of the layer `name`, such as `block_0/first`."""
    for part in name.split("/"):
        tree = tree[part]
    return tree


def with_layer(tree: dict, name: str, leaf: dict) -> dict:
    """Return `tree` with the layer `name` replaced by `leaf`; nothing is changed in place."""
    head, _, rest = name.partition("/")
    return tree | {head: with_layer(tree[head], rest, leaf) if rest else leaf}
