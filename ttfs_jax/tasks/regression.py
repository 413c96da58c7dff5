"""Regression: the output potentials are pixels, or numbers; MSE and PSNR say how near they are."""

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
    """What was measured of a network whose outputs are images."""

    outputs: jax.Array  # [N, H, W, C] output potentials
    mse: jax.Array  # [] mean squared error of all pixels
    psnr: jax.Array  # [] dB, mean over images


@dataclass(frozen=True)
class Regression:
    """Targets are images [N, H, W, C], or numbers [N, K]; see `Task` for the methods."""

    name: ClassVar[str] = "regression"
    metrics: ClassVar[Mapping[str, bool]] = MappingProxyType({"mse": False, "psnr": True})

    def check(self, recipe: Any) -> None:
        """Raise InputError for options about classes: balanced, label_smoothing."""
        unused = {"balanced": False, "label_smoothing": type(recipe).label_smoothing}
        for option, default in unused.items():
            if getattr(recipe, option) != default:
                raise InputError(f"{option} is about classes: leave it at {default} in regression")

    def weights(self, targets: jax.Array, *, outputs: int, recipe: Any) -> None:
        """Weigh all pixels equally."""

    def augment(
        self, images: jax.Array, targets: jax.Array, key: jax.Array, **options: Any
    ) -> tuple[jax.Array, jax.Array]:
        """Change image and target in the same way; they have the same height and width."""
        channels = images.shape[-1]
        together = augment(jnp.concatenate([images, targets], -1), key, **options)
        return together[..., :channels], together[..., channels:]

    def loss(
        self, potentials: jax.Array, targets: jax.Array, *, weights: Any, recipe: Any
    ) -> jax.Array:
        """Return the mean squared error: potentials and targets [B, ...] -> []."""
        return jnp.square(potentials - targets).mean()

    def tally(
        self, potentials: jax.Array, targets: jax.Array, readout: dict[str, jax.Array]
    ) -> tuple[jax.Array, tuple[jax.Array, jax.Array, jax.Array]]:
        """Keep the outputs; add up errors, decibels and samples. Targets have peak 1.

        PSNR = 10 log10(1 / MSE) of each image, at most 120 dB.
        """
        errors = jnp.square(potentials - targets).mean(tuple(range(1, targets.ndim)))
        decibels = -10 * jnp.log10(jnp.maximum(errors, SMALLEST))
        return potentials, (errors.sum(), decibels.sum(), jnp.asarray(len(targets), errors.dtype))

    def measure(self, kept: Any, sums: Any, activity: Activity) -> MeasuredImages:
        """Turn sums into means over images."""
        errors, decibels, samples = sums
        return MeasuredImages(
            **vars(activity), outputs=kept, mse=errors / samples, psnr=decibels / samples
        )
