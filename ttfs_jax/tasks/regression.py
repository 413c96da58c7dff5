"""Regression: the output potentials are pixels, or numbers; MSE and PSNR measure the error."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from flax import struct

from ttfs_jax.support.errors import InputError
from ttfs_jax.tasks.augmentation import augment
from ttfs_jax.tasks.task import Activity

SMALLEST = 1e-12  # mean squared error of an image that counts as exact: 120 dB


@struct.dataclass
class MeasuredImages(Activity):
    """Measurements of a network whose outputs are images."""

    outputs: jax.Array  # [N, H, W, C] output potentials
    mse: jax.Array  # [] mean squared error of all pixels
    psnr: jax.Array  # [] dB, mean over images


@dataclass(frozen=True)
class Regression:
    """Targets are images [N, H, W, C], or numbers [N, K]; see `Task` for the methods."""

    name: ClassVar[str] = "regression"  # by which users choose it
    # By name: whether larger is better.
    metrics: ClassVar[Mapping[str, bool]] = MappingProxyType({"mse": False, "psnr": True})

    def check(self, recipe: Any) -> None:
        """Raise InputError for options of a `recipe` about classes: balanced, label_smoothing."""
        unused = {"balanced": False, "label_smoothing": type(recipe).label_smoothing}
        for option, default in unused.items():
            if getattr(recipe, option) != default:
                raise InputError(f"{option} is about classes: leave it at {default} in regression")

    def check_targets(self, targets: jax.Array, *, outputs: int) -> None:
        """Accept all `targets`: their shape is compared with that of the `outputs` later."""

    def weights(self, targets: jax.Array, *, outputs: int, recipe: Any) -> None:
        """Weigh all pixels equally, whatever `targets`, number of `outputs` and `recipe` are."""

    def augment(
        self, images: jax.Array, targets: jax.Array, key: jax.Array, **options: Any
    ) -> tuple[jax.Array, jax.Array]:
        """Change images and targets in the same way; numbers [B, K] stay unchanged.

        `key` is the randomness, `options` are those of `augmentation.augment`. Raises: InputError
        for target images of another size that should be shifted.
        """
        if targets.ndim != 4:
            return augment(images, key, **options), targets
        if not any(options.values()):
            return images, targets
        if targets.shape[1:3] != images.shape[1:3]:
            raise InputError("shift and flip need targets of the height and width of the images")
        channels = images.shape[-1]
        together = augment(jnp.concatenate([images, targets], -1), key, **options)
        return together[..., :channels], together[..., channels:]

    def loss(
        self, potentials: jax.Array, targets: jax.Array, *, weights: Any, recipe: Any
    ) -> jax.Array:
        """Return the mean squared error: potentials and targets [B, ...] -> [].

        There are no `weights`, and nothing of the `recipe` is needed. Raises: InputError for
        targets of another shape.
        """
        _check_alike(potentials, targets)
        return jnp.square(potentials - targets).mean()

    def tally(
        self, potentials: jax.Array, targets: jax.Array, readout: dict[str, jax.Array]
    ) -> tuple[jax.Array, tuple[jax.Array, jax.Array, jax.Array]]:
        """Keep the potentials; add up errors, decibels and samples. `targets` have peak 1.

        PSNR = 10 log10(1 / MSE) of each image, at most 120 dB. First spikes, and so the `readout`,
        have no meaning here. Raises: InputError for targets of another shape.
        """
        _check_alike(potentials, targets)
        errors = jnp.square(potentials - targets).mean(tuple(range(1, targets.ndim)))
        decibels = -10 * jnp.log10(jnp.maximum(errors, SMALLEST))
        return potentials, (errors.sum(), decibels.sum(), jnp.asarray(len(targets), errors.dtype))

    def measure(self, kept: Any, sums: Any, activity: Activity) -> MeasuredImages:
        """Turn sums into means over images; outputs are `kept`, and `activity` is added."""
        errors, decibels, samples = sums
        return MeasuredImages(
            **vars(activity), outputs=kept, mse=errors / samples, psnr=decibels / samples
        )


def _check_alike(potentials: jax.Array, targets: jax.Array) -> None:
    """Refuse targets that would be broadcast. Raises: InputError."""
    if potentials.shape[1:] != targets.shape[1:]:
        expected, actual = (", ".join(["N", *map(str, x.shape[1:])]) for x in (potentials, targets))
        raise InputError(
            f"targets must be [{expected}] as the read-out's potentials, not [{actual}]"
        )
