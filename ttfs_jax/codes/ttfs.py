"""The `ttfs` code: one spike per neuron at most, window after window, exactly a ReLU network (B1).

Source: Stanojevic et al. 2024, Nature Communications 15:6793 (arXiv:2306.08744).
"""

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp

from ttfs_jax.codes.code import Signal, Summing
from ttfs_jax.codes.encoding import INPUT_WINDOW, encode
from ttfs_jax.codes.pooling import blocks, earliest
from ttfs_jax.codes.window import quantise, unit_window
from ttfs_jax.spike_time import NO_SPIKE, charge, fire, is_spike


@dataclass(frozen=True)
class Ttfs(Summing):
    """A layer sends spike times T − a, local to its window of length T; see `Code`."""

    name: ClassVar[str] = "ttfs"  # by which users choose it
    folded: ClassVar[bool] = True  # trained with its norms folded
    in_windows: ClassVar[bool] = True  # a layer waits for the one before

    def encode(self, images: jax.Array, *, time_bits: jax.Array) -> Signal:
        """Let bright pixels of `images` spike early and black ones not at all.

        In 2^b time steps, b = `time_bits`; see `encoding.encode`.
        """
        window = unit_window(images, INPUT_WINDOW)
        return Signal(quantise(encode(images), window, time_bits), window)

    def deliver(self, signal: Signal) -> jax.Array:
        """Return the charge of a `signal` by its window's end, T − t; 0 without a spike."""
        return charge(*signal)

    def wait(self, signal: Signal, window: jax.Array, *, time_bits: jax.Array) -> jax.Array:
        """Return the charge of a `signal` by the end of a later `window`; see `delay`.

        `time_bits` are those of `encode`.
        """
        waiting, weight = delay(signal, window, time_bits=time_bits)
        return weight * charge(*waiting)

    def emit(self, drive: jax.Array, window: jax.Array, *, time_bits: jax.Array) -> jax.Array:
        """Return the spike times of neurons with `drive` a, `NO_SPIKE` where a ≤ 0.

        They are local to `window` [], in 2^b time steps, b = `time_bits`; see `spike_time.fire`.
        """
        return quantise(fire(drive, window), window, time_bits)

    def active(self, values: jax.Array) -> jax.Array:
        """Mark the spikes among `values`."""
        return is_spike(values)

    def pool(self, signal: Signal, *, size: int) -> Signal:
        """Let only the first spike of each block through: max pooling in the time domain.

        t = min_j t_j; ∂t/∂t_j = 1/n for each of the n first spikes, 0 for all others.

        Shapes: values of `signal` [B, H, W, C] -> [B, ⌈H/s⌉, ⌈W/s⌉, C] for blocks of s × s,
        s = `size`. Odd borders are padded with silence.
        No spike: a block without spikes. Simultaneous spikes share the gradient equally.
        """
        return Signal(earliest(blocks(signal.values, size, NO_SPIKE)), signal.window)


def delay(signal: Signal, window: jax.Array, *, time_bits: jax.Array) -> tuple[Signal, jax.Array]:
    """Let spikes wait for the longer path of a skip connection: one window later, same charge.

    Continuous time: t ← t + (T_new − T), over a synapse of weight 1. In 2^b time steps per window:
    k ← k, that is t ← t · T_new / T, over a synapse of weight T / T_new. This is a delay of 2^b
    whole steps, so that the spike is on the grid of the later window, as in a clocked circuit.

    Shapes: values [...], windows T and T_new [], time_bits [] (0 = continuous) -> the delayed
    signal [...] and the weight [] of its synapse; time units.
    No spike stays `NO_SPIKE`. A negative local time is valid in continuous time: the later window
    is the shorter one, and the spike arrives before it begins.
    """
    stretch = window / signal.window
    spiking = is_spike(signal.values)
    times = jnp.where(spiking, signal.values, 0.0)  # keeps ∞ out of the window's gradient
    waited = jnp.where(time_bits > 0, times * stretch, times + (window - signal.window))
    waited = jnp.where(spiking, waited, NO_SPIKE)
    weight = jnp.where(time_bits > 0, 1.0 / stretch, 1.0)
    return Signal(quantise(waited, window, time_bits), window), weight
