"""Classification: the largest output potential names the class; WAR and UAR measure accuracy."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax.core import Tracer

from ttfs_jax.codes.encoding import first_spike_readout
from ttfs_jax.support.errors import InputError
from ttfs_jax.tasks.augmentation import augment
from ttfs_jax.tasks.losses import balanced_weights, cross_entropy
from ttfs_jax.tasks.recall import confusion, unweighted_average_recall, weighted_average_recall
from ttfs_jax.tasks.task import Activity


@struct.dataclass
class Measured(Activity):
    """Measurements of a classifier on a set of images."""

    predictions: jax.Array  # [N] class indices, by the largest output potential
    confusion: jax.Array  # [K, K] counts, rows are true classes
    war: jax.Array  # []
    uar: jax.Array  # []
    first_spike_confusion: jax.Array  # [K, K] as `confusion`, by the first output spike


@dataclass(frozen=True)
class Classification:
    """Targets are class indices [N]; see `Task` for the methods."""

    name: ClassVar[str] = "classification"  # by which users choose it
    # By name: whether larger is better.
    metrics: ClassVar[Mapping[str, bool]] = MappingProxyType({"war": True, "uar": True})

    def check(self, recipe: Any) -> None:
        """Accept every recipe."""

    def check_targets(self, targets: jax.Array, *, outputs: int) -> None:
        """Check that labels are from 0 to `outputs` − 1, unless they are traced: targets [N, ...].

        Raises: InputError that names the first one that is not.
        """
        if isinstance(targets, Tracer):
            return
        labels = np.asarray(targets)
        wrong = np.argwhere((labels < 0) | (labels >= outputs))
        if len(wrong):
            place = tuple(wrong[0].tolist())
            raise InputError(
                f"label {labels[place]} of sample {place[0]} is none of the {outputs} classes: "
                f"labels must be from 0 to {outputs - 1} ({len(wrong)} are not)"
            )

    def weights(self, targets: jax.Array, *, outputs: int, recipe: Any) -> jax.Array | None:
        """Return the weight of each class in the loss: `targets` [N] -> [K], or None for 1 each.

        K is the number of `outputs`; the `recipe` says whether classes are balanced.
        """
        return balanced_weights(targets, classes=outputs) if recipe.balanced else None

    def augment(
        self, images: jax.Array, targets: jax.Array, key: jax.Array, **options: Any
    ) -> tuple[jax.Array, jax.Array]:
        """Change the images, not the targets: a shifted or mirrored image keeps its class.

        `key` is the randomness, `options` are those of `augmentation.augment`.
        """
        return augment(images, key, **options), targets

    def loss(
        self, potentials: jax.Array, targets: jax.Array, *, weights: Any, recipe: Any
    ) -> jax.Array:
        """Return the mean cross-entropy: potentials [B, K], targets [B] -> [].

        `weights` [K] are those of the classes, or None; the `recipe` has the label smoothing.
        Raises: InputError for targets that are no labels.
        """
        _check_targets(potentials, targets)
        return cross_entropy(
            potentials, targets, smoothing=recipe.label_smoothing, class_weights=weights
        )

    def tally(
        self, potentials: jax.Array, targets: jax.Array, readout: dict[str, jax.Array]
    ) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
        """Keep the predictions [B]; add up confusions [K, K] by potential and by first spike.

        Shapes: potentials [B, K], targets [B]. `readout` has window and shift of first spikes.
        Raises: InputError for targets that are no labels.
        """
        _check_targets(potentials, targets)
        classes = potentials.shape[-1]
        predictions = potentials.argmax(-1)
        counts = confusion(targets, predictions, classes=classes)
        first = first_spike_readout(potentials, **readout).argmin(-1)
        return predictions, (counts, confusion(targets, first, classes=classes))

    def measure(self, kept: Any, sums: Any, activity: Activity) -> Measured:
        """Turn `sums`, confusions, into recalls; add `kept`, predictions [N], and `activity`."""
        counts, first = sums
        return Measured(
            **vars(activity),
            predictions=kept,
            confusion=counts,
            war=weighted_average_recall(counts),
            uar=unweighted_average_recall(counts),
            first_spike_confusion=first,
        )


def _check_targets(potentials: jax.Array, targets: jax.Array) -> None:
    """Check that targets are class indices. Raises: InputError."""
    whole = jnp.issubdtype(targets.dtype, jnp.integer) or targets.dtype == jnp.bool_
    if not whole or targets.shape != potentials.shape[:-1]:
        expected = ", ".join(["N", *map(str, potentials.shape[1:-1])])
        actual = ", ".join(["N", *map(str, targets.shape[1:])])
        raise InputError(
            f"targets must be class indices [{expected}], whole numbers, for potentials "
            f"[{expected}, {potentials.shape[-1]}] of the read-out, not {targets.dtype} [{actual}]"
        )
