"""The `rate` code: integrate-and-fire neurons over S steps, whose number of spikes is the value.

Letters: S steps, B batch, C channels; θ is the threshold, the `window` of a layer's variables.
"""

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import jax
import jax.numpy as jnp

from ttfs_jax.codes.code import Signal, Summing, has_steps
from ttfs_jax.codes.encoding import INPUT_WINDOW
from ttfs_jax.codes.pooling import blocks
from ttfs_jax.codes.window import unit_window
from ttfs_jax.support.errors import InputError


@dataclass(frozen=True)
class Rate(Summing):
    """A layer sends a spike of size θ in about a / θ of the steps; see `Code` for the methods.

    All layers run side by side, step by step. A layer of another code drives it by a constant
    current, and receives the mean of its steps.
    """

    steps: int = 32
    """Number of steps of an inference, S; 1 or more."""

    name: ClassVar[str] = "rate"  # by which users choose it
    folded: ClassVar[bool] = True  # trained with its norms folded
    in_windows: ClassVar[bool] = False  # layers run side by side

    def __post_init__(self):
        if not isinstance(self.steps, int) or self.steps < 1:
            raise InputError(
                f"the rate code needs a whole number of steps from 1, not {self.steps}"
            )

    def encode(self, images: jax.Array, *, time_bits: jax.Array) -> Signal:
        """Let each pixel p of `images` drive a neuron of threshold 1: spikes in about p S steps.

        `time_bits` mean nothing here.
        """
        window = unit_window(images, INPUT_WINDOW)
        return Signal(self.emit(images, window, time_bits=time_bits), window)

    def deliver(self, signal: Signal) -> jax.Array:
        """Return θ for every spike of a `signal`: [S, B, ...]."""
        return signal.values * signal.window

    def wait(self, signal: Signal, window: jax.Array, *, time_bits: jax.Array) -> jax.Array:
        """Return θ for every spike of a `signal`, whatever the `window` and the `time_bits`.

        No layer waits for another.
        """
        return self.deliver(signal)

    def receive(self, charge: jax.Array) -> jax.Array:
        """Return charge unchanged: constant [B, ...], or step by step [S, B, ...]."""
        return charge

    def emit(self, drive: jax.Array, window: jax.Array, *, time_bits: jax.Array) -> jax.Array:
        """Let neurons integrate their `drive` and fire at θ = `window`; see `integrate_and_fire`.

        A `drive` without steps is the same in each of them; `time_bits` have no effect.
        """
        if not has_steps(drive):
            drive = jnp.broadcast_to(drive[None], (self.steps, *drive.shape))
        return integrate_and_fire(drive, window)

    def active(self, values: jax.Array) -> jax.Array:
        """Mark the spikes among `values`."""
        return values > 0

    def pool(self, signal: Signal, *, size: int) -> Signal:
        """Spike whenever the largest number of spikes in a block rises: max_j Σ_s s_j in the end.

        `signal` is that of the layer before. With N_j(s) the spikes of neuron j up to step s: max_j
        N_j(s) − max_j N_j(s − 1), 0 or 1.

        Shapes: values [S, B, H, W, C] -> [S, B, ⌈H/s⌉, ⌈W/s⌉, C] for blocks of `size` × `size`.
        Neurons with equally many spikes share the gradient.
        No spike: a step in which no neuron overtakes all others of its block.
        Source: a gate for the neuron with the most spikes is in Rueckauer et al. 2017,
        doi:10.3389/fnins.2017.00682; that the number of spikes is exactly the largest is ours.
        """
        split = jax.vmap(partial(blocks, size=size, fill=0.0))(signal.values)
        most = jnp.cumsum(split, 0).max((3, 5))
        return Signal(jnp.diff(most, axis=0, prepend=0.0), signal.window)


def integrate_and_fire(drive: jax.Array, threshold: jax.Array) -> jax.Array:
    """Let neurons without leak spike over S steps, reset by subtraction.

    V ← V + a_s; a spike where V ≥ θ, and then V ← V − θ; V starts at θ / 2. So a constant drive a
    gives round(S a / θ) spikes, at most S.

    Shapes: drive a [S, ...] by step, threshold θ [] -> spikes 0 or 1, [S, ...].
    No spike: a drive whose sum stays below θ / 2. The gradient is straight-through: that of the
    rate a clipped to [0, θ], ∂ Σ_s θ s_s / ∂ a_s = 1 where 0 < mean a < θ, else 0; none for θ.
    Source: reset by subtraction, Rueckauer et al. 2017, doi:10.3389/fnins.2017.00682; start at
    θ / 2, Bu et al. 2022 (arXiv:2202.01440).
    """
    return _integrate_and_fire(drive, jnp.asarray(threshold, drive.dtype))


@jax.custom_vjp
def _integrate_and_fire(drive, threshold):
    def step(potential, current):
        potential = potential + current
        spike = (potential >= threshold).astype(current.dtype)
        return potential - spike * threshold, spike

    start = jnp.full(drive.shape[1:], threshold / 2)
    return jax.lax.scan(step, start, drive)[1]


def _integrate_and_fire_fwd(drive, threshold):
    mean = drive.mean(0)
    inside = (mean > 0) & (mean < threshold)
    return _integrate_and_fire(drive, threshold), (inside, threshold)


def _integrate_and_fire_bwd(residuals, cotangent):
    inside, threshold = residuals
    return jnp.where(inside[None], cotangent / threshold, 0.0), jnp.zeros_like(threshold)


_integrate_and_fire.defvjp(_integrate_and_fire_fwd, _integrate_and_fire_bwd)
