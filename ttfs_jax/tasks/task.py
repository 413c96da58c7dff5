"""What a task defines: the use of the output potentials, in training and in evaluation.

Letters: B batch, N samples, K classes, H and W height and width, C channels.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

import jax
from flax import struct


@struct.dataclass
class Activity:
    """How much a network spikes, on average over the images measured."""

    spikes_per_neuron: jax.Array  # [] over the spiking neurons in use
    clip_rate: jax.Array  # [] clipped neurons over all neurons in use
    spikes: dict[str, jax.Array]  # [H, W] mean spikes per image by layer, summed over channels
    passed: dict[str, jax.Array]  # [H, W] the same for inputs, pooling and pixel shuffling


class Task(Protocol):
    """A use of output potentials: frozen, hashable, and all of its methods are pure.

    `targets` are the data set's correct answers, one per sample: [N] labels, [N, H, W, C] images.
    Options of the training recipe that a task cannot use are refused by `check`.
    """

    name: ClassVar[str]
    """Name by which users choose it."""
    metrics: ClassVar[Mapping[str, bool]]
    """Its metrics, fields of what `measure` returns, and whether higher is better."""

    def check(self, recipe: Any) -> None:
        """Raise InputError for an option of a `recipe`, a `TrainConfig`, without meaning here."""
        ...

    def check_targets(self, targets: jax.Array, *, outputs: int) -> None:
        """Raise InputError for targets [N, ...] that `outputs` channels cannot represent.

        Called before training and evaluation; values of traced targets are unknown.
        """
        ...

    def weights(self, targets: jax.Array, *, outputs: int, recipe: Any) -> jax.Array | None:
        """Return the weights of `targets` in the loss, from all training data, if any.

        `outputs` is the number of output potentials, `recipe` a `TrainConfig`.
        """
        ...

    def augment(
        self, images: jax.Array, targets: jax.Array, key: jax.Array, **options: Any
    ) -> tuple[jax.Array, jax.Array]:
        """Change a batch of `images` at random, by `key`, so that the targets stay right.

        `options` are those of `augmentation.augment`.
        """
        ...

    def loss(
        self, potentials: jax.Array, targets: jax.Array, *, weights: Any, recipe: Any
    ) -> jax.Array:
        """Return the mean loss of a batch: potentials [B, ...], targets [B, ...] -> [].

        `weights` are what the method of that name returned, `recipe` is a `TrainConfig`.
        """
        ...

    def tally(
        self, potentials: jax.Array, targets: jax.Array, readout: dict[str, jax.Array]
    ) -> tuple[Any, Any]:
        """Process a batch: what is kept per sample [B, ...], and what is summed over batches.

        Shapes: potentials and targets [B, ...]. `readout` is window and shift of the first-spike
        read-out.
        """
        ...

    def measure(self, kept: Any, sums: Any, activity: Activity) -> Any:
        """Turn what was `kept`, [N, ...], and the `sums` into metrics with the `activity`."""
        ...
