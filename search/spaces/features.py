"""From images or event frames to the few input channels of the chip.

Letters: N images, H and W height and width, C channels, I features.
"""

from typing import NamedTuple

import numpy as np

from ttfs_jax.support.errors import InputError

FULL = 0.98  # quantile of the training data used as the largest value


class Features(NamedTuple):
    """How an image is pooled: a grid of cells for every group of frames and every polarity."""

    rows: int
    """Cells from top to bottom."""
    columns: int
    """Cells from left to right."""
    frames: int = 1
    """Number of separate groups of successive frames."""
    polarities: int = 1
    """2 keeps ON and OFF events separate, 1 sums them."""

    @property
    def count(self) -> int:
        """Count the features."""
        return self.rows * self.columns * self.frames * self.polarities

    def __str__(self) -> str:
        return f"{self.rows}x{self.columns}/{self.frames}f/{self.polarities}p"


def fits(features: Features, image_shape: tuple[int, int, int], *, polarities: int) -> bool:
    """Tell whether images of `image_shape`, with 1 or 2 `polarities`, fit `features`."""
    height, width, channels = image_shape
    frames = channels // polarities
    return not (
        height % features.rows
        or width % features.columns
        or frames % features.frames
        or polarities % features.polarities
    )


def pool(images: np.ndarray, features: Features, *, polarities: int) -> np.ndarray:
    """Average images over the cells of `features`: [N, H, W, C] -> [N, I].

    C = frames × `polarities`.

    Raises: InputError if the cells do not divide the image.
    """
    images = np.asarray(images, np.float32)
    height, width, channels = images.shape[1:]
    if not fits(features, (height, width, channels), polarities=polarities):
        raise InputError(
            f"features {features} do not divide images of {height} × {width} × {channels}: choose "
            "another grid, or frames of another size"
        )
    rows, columns, frames, signs = features
    cells = images.reshape(
        len(images),
        *(rows, height // rows),
        *(columns, width // columns),
        *(frames, channels // polarities // frames),
        *(signs, polarities // signs),
    )
    return cells.mean((2, 4, 6, 8)).reshape(len(images), -1)


def full_scale(pooled: np.ndarray) -> np.ndarray:
    """Choose the scale of every feature, from training data: `pooled` [N, I] -> [I] > 0."""
    scale = np.quantile(pooled, FULL, axis=0)
    return np.where(scale > 0, scale, 1.0).astype(np.float32)


def scale(pooled: np.ndarray, full: np.ndarray, *, root: bool = False) -> np.ndarray:
    """Scale features to [0, 1], clipped: `pooled` [N, I], `full` [I] -> [N, I].

    `root` takes the square root, which gives rare and frequent events the same resolution.

    Source: square root of counts, Anscombe 1948, doi:10.1093/biomet/35.3-4.246.
    """
    shares = np.clip(pooled / full[None], 0.0, 1.0)
    return np.sqrt(shares) if root else shares
