"""The one interface of all data sets, and the checks that every set passes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ttfs_jax.support.errors import InputError

Progress = Callable[[int, int], None]  # done, total


@dataclass(frozen=True)
class Options:
    """The options of a data set: the fields of a frozen class derived from this one.

    This one is for sets without options. Ranges are checked in `__post_init__`, by
    `ttfs_jax.support.ranges.check_fields`.
    """


NO_OPTIONS = Options()


@dataclass(frozen=True)
class Split:
    """Images with their labels."""

    images: np.ndarray  # [N, H, W, C] float32 in [0, 1]
    labels: np.ndarray  # [N] int32
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)  # other information, each [N]


@dataclass(frozen=True)
class Augmentation:
    """Augmentation of training images that keeps their class."""

    shift: int = 0  # largest shift in pixels
    flip: bool = False  # mirror half of them, left to right


@dataclass(frozen=True)
class Dataset:
    """A classification task, split into train, validation and test."""

    name: str
    """Name in tables."""
    classes: tuple[str, ...]
    """Names of the classes, in the order of the labels."""
    train: Split
    """Samples for training weights."""
    validation: Split
    """Samples for choosing networks."""
    test: Split
    """Samples for measuring once."""
    augmentation: Augmentation = Augmentation()
    """Augmentation that training may apply."""
    source: Mapping[str, Any] = field(default_factory=dict)
    """How an image was made, as JSON values; saved with every network."""
    problems: tuple[str, ...] = ()
    """Problems on reading, one line each."""

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Give height, width and channels."""
        height, width, channels = self.train.images.shape[1:]
        return height, width, channels


@dataclass(frozen=True)
class DatasetEntry:
    """The registry's entry for a data set."""

    load: Callable[..., Dataset]
    """Reads or makes it: (options, *, split_seed), and `on_progress` if that is slow."""
    options: type[Options] = Options
    """The class of its options, each an option of the command; the docstring of a field is its
    help."""


def check_dataset(data: Dataset) -> Dataset:
    """Return the data set unchanged if it is sound.

    Raises: InputError naming the split and what is wrong with it.
    """
    for name in ("train", "validation", "test"):
        split = getattr(data, name)
        check_split(f"{data.name} {name}", split.images, split.labels, len(data.classes))
    return data


def check_split(name: str, images: np.ndarray, labels: np.ndarray, classes: int) -> None:
    """Check images [N, H, W, C] in [0, 1] and labels [N] of so many `classes`.

    Raises: InputError that calls them `name`.
    """
    if images.ndim != 4:
        raise InputError(f"{name} images must be [N, H, W, C], not {images.shape}: reshape them")
    if len(images) != len(labels):
        raise InputError(
            f"{name} has {len(images)} images but {len(labels)} labels: get matching files"
        )
    if not len(images):
        raise InputError(f"{name} is empty: get the complete files")
    if not np.isfinite(images).all():
        raise InputError(f"{name} images contain NaN or infinite pixels: clean the data")
    if images.min() < 0 or images.max() > 1:
        raise InputError(f"{name} pixels must be within [0, 1]: scale them")
    if labels.min() < 0 or labels.max() >= classes:
        raise InputError(f"{name} labels must be within 0 and {classes - 1}: check the file")
