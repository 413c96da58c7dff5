"""The `relu` code: activations, not spikes. Every other code has it as its twin."""

from dataclasses import dataclass
from typing import ClassVar

import jax

from ttfs_jax.codes.code import Signal, Summing
from ttfs_jax.codes.encoding import INPUT_WINDOW
from ttfs_jax.codes.pooling import blocks, earliest
from ttfs_jax.codes.window import unit_window


@dataclass(frozen=True)
class Relu(Summing):
    """A layer sends a = max(0, drive); see `Code` for the methods."""

    name: ClassVar[str] = "relu"  # by which users choose it
    folded: ClassVar[bool] = False  # trained with its norms as they are
    in_windows: ClassVar[bool] = False  # no time passes

    def encode(self, images: jax.Array, *, time_bits: jax.Array) -> Signal:
        """Send `images` [B, H, W, C] as they are, whatever the `time_bits`."""
        return Signal(images, unit_window(images, INPUT_WINDOW))

    def deliver(self, signal: Signal) -> jax.Array:
        """Return the activations of a `signal`."""
        return signal.values

    def wait(self, signal: Signal, window: jax.Array, *, time_bits: jax.Array) -> jax.Array:
        """Return the activations of a `signal`.

        There is no time to wait in, whatever the `window` and the `time_bits`.
        """
        return signal.values

    def emit(self, drive: jax.Array, window: jax.Array, *, time_bits: jax.Array) -> jax.Array:
        """Return max(0, a) of the `drive` a: [...] -> [...]; its gradient is 0 at 0.

        `window` and `time_bits` have no effect.
        """
        return jax.nn.relu(drive)

    def active(self, values: jax.Array) -> jax.Array:
        """Mark the positive activations among `values`, whose neurons would spike."""
        return values > 0

    def pool(self, signal: Signal, *, size: int) -> Signal:
        """Take the maximum of each block of a `signal`, `size` × `size`.

        Equal ones share the gradient equally.
        """
        return Signal(-earliest(-blocks(signal.values, size, 0.0)), signal.window)
