"""What a neural code defines: how values become spikes, arrive at synapses, and are counted.

Letters: B batch, H and W height and width, C channels, S steps of a code with a time axis.
"""

from typing import ClassVar, NamedTuple, Protocol

import jax
import jax.numpy as jnp

from ttfs_jax.codes.window import window_length


class Signal(NamedTuple):
    """What one layer sends to the next."""

    values: jax.Array  # [B, H, W, C] or [B, C], after [S, ...] in a stepped code
    window: jax.Array  # [] what the values are relative to: time units (ttfs), threshold (rate)


class Synapses(Protocol):
    """The weights between what arrives at a layer and its neurons."""

    @property
    def kernel(self) -> jax.Array:
        """Give the weights: [I, O], or [k, k, I, O] for a convolution."""
        ...

    def __call__(self, charge: jax.Array) -> jax.Array:
        """Add up charge by weight: [..., I] -> [..., O], a dense layer's or a convolution's."""
        ...

    def patches(self, charge: jax.Array) -> jax.Array:
        """Gather each neuron's inputs from `charge`: [..., N], as in `kernel.reshape(N, O)`."""
        ...


class Code(Protocol):
    """How the values of a network are carried from layer to layer; frozen, hashable, no state.

    What passes between two layers is the charge per unit weight, which is the activation of the
    ReLU twin: [B, ...], or [S, B, ...] with a time axis. So layers of different codes work
    together: see `settle`. A code with neurons that have a state keeps it inside `emit`.
    """

    name: ClassVar[str]
    """Name by which users choose it."""
    folded: ClassVar[bool]
    """Whether networks are trained with their norms folded, and windows that grow."""
    in_windows: ClassVar[bool]
    """Whether a layer waits for the window of the one before it to end."""

    def encode(self, images: jax.Array, *, time_bits: jax.Array) -> Signal:
        """Turn intensities in [0, 1] into the signal of the input: images [B, H, W, C].

        `time_bits` b [] are 2^b time steps per window, 0 for continuous time.
        """
        ...

    def deliver(self, signal: Signal) -> jax.Array:
        """Return the charge per unit weight that a signal delivers: [B, ...] or [S, B, ...]."""
        ...

    def wait(self, signal: Signal, window: jax.Array, *, time_bits: jax.Array) -> jax.Array:
        """Return what `deliver` would once the signal has waited for a later window [] to end.

        `time_bits` [] are those of `encode`.
        """
        ...

    def receive(self, charge: jax.Array) -> jax.Array:
        """Prepare charge of any code for this code's neurons; [B, ...] or [S, B, ...]."""
        ...

    def integrate(self, charge: jax.Array, synapses: Synapses, window: jax.Array) -> jax.Array:
        """Return the potentials V that charge leads to, before norm and bias.

        Most codes add charge up, `synapses(charge)`. Neurons that may fire while their inputs
        arrive solve for their spike times instead, on `synapses.patches`, and return T − t.
        `charge` is as `receive` leaves it, `window` T [] the layer's own.
        """
        ...

    def emit(self, drive: jax.Array, window: jax.Array, *, time_bits: jax.Array) -> jax.Array:
        """Let neurons with this drive a fire: the values of their signal.

        Shapes: drive [B, ..., C] or [S, B, ..., C], window [], time_bits [] -> values.
        """
        ...

    def active(self, values: jax.Array) -> jax.Array:
        """Mark spikes, or active neurons: values [...] -> bool [...]."""
        ...

    def pool(self, signal: Signal, *, size: int) -> Signal:
        """Let the largest value of each block of a `signal` through, of `size` × `size` neurons."""
        ...

    def calibrate(self, largest: jax.Array, *, margin: float) -> jax.Array:
        """Choose the window, `margin` times about the largest activation: [] -> []."""
        ...


class Summing:
    """Methods of codes whose neurons sum weighted charge and whose window holds activations."""

    def receive(self, charge: jax.Array) -> jax.Array:
        """Average `charge` over the steps of a stepped code."""
        return settle(charge)

    def integrate(self, charge: jax.Array, synapses: Synapses, window: jax.Array) -> jax.Array:
        """Add up `charge` by the weights of `synapses`, whatever the `window`."""
        return synapses(charge)

    def calibrate(self, largest: jax.Array, *, margin: float) -> jax.Array:
        """Choose the window to hold `margin` times the `largest` activation; see `window`."""
        return window_length(largest, margin=margin)


def settle(charge: jax.Array) -> jax.Array:
    """Average charge over the steps of a stepped code: [B, ...] or [S, B, ...] -> [B, ...].

    Signals over H × W × C have four dimensions and others two, so an odd number of them reveals a
    time axis.
    """
    return charge.mean(0) if has_steps(charge) else charge


def has_steps(charge: jax.Array) -> bool:
    """Tell whether charge has a time axis: [S, B, C] and [S, B, H, W, C] have."""
    return charge.ndim % 2 == 1


def spike_map(code: Code, signal: Signal) -> jax.Array:
    """Count spikes (or active neurons) of a `signal` in a `code` per position.

    Counts are summed over batch, channels and steps.

    Shapes: values [..., H, W, C] -> [H, W]; [..., C] -> [1, 1].
    """
    values = code.active(signal.values)
    spatial = values.ndim >= 4
    axes = (*range(values.ndim - 3), values.ndim - 1) if spatial else tuple(range(values.ndim))
    counts = values.sum(axes, dtype=jnp.float32)
    return counts if spatial else counts.reshape(1, 1)
