"""Fashion-MNIST from its four IDX files."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.model_selection import train_test_split

from ttfs_jax.datasets import idx
from ttfs_jax.datasets.base import Augmentation, Dataset, Options, Split, check_split
from ttfs_jax.support.errors import InputError
from ttfs_jax.support.ranges import check_seed

DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")
CLASSES = (
    "T-shirt/top",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)
VALIDATION_IMAGES = 5000


@dataclass(frozen=True)
class FashionMnistOptions(Options):
    """Where Fashion-MNIST lies."""

    data_dir: Path | None = None
    """Folder of the four IDX files (default: where Debian's package puts them)."""


def load_fashion_mnist(
    options: FashionMnistOptions = FashionMnistOptions(), *, split_seed: int = 0
) -> Dataset:
    """Load Fashion-MNIST: 55,000 training, 5,000 validation and 10,000 test images.

    `options` name its folder; `split_seed` says which training images validate.

    Raises: InputError for a missing folder or file, damaged files, or a split seed outside
    0 … 2³² − 1.
    Source: Xiao et al. 2017 (arXiv:1708.07747).
    """
    check_seed("split seed", split_seed)
    folder = DEBIAN_FOLDER if options.data_dir is None else options.data_dir
    if not folder.is_dir():
        raise InputError(
            f"{folder} is not a folder: name that of the IDX files by --data-dir "
            f"(Debian: apt-get install dataset-fashion-mnist, {DEBIAN_FOLDER})"
        )
    images, labels = _pair(folder, "train")
    if len(labels) <= VALIDATION_IMAGES:
        raise InputError(f"{folder} has only {len(labels)} training images: get it again")
    if np.bincount(labels, minlength=len(CLASSES)).min() < 2:
        raise InputError(f"{folder} has classes without training images: get it again")
    train, validation = train_test_split(
        np.arange(len(labels)),
        test_size=VALIDATION_IMAGES,
        random_state=split_seed,
        stratify=labels,
    )
    return Dataset(
        "fashion-mnist",
        CLASSES,
        Split(images[train], labels[train]),
        Split(images[validation], labels[validation]),
        Split(*_pair(folder, "t10k")),
        Augmentation(shift=2, flip=True),
    )


def _pair(folder: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    images = (
        idx.read_idx(folder / f"{part}-images-idx3-ubyte").astype(np.float32)[..., None] / 255.0
    )
    labels = idx.read_idx(folder / f"{part}-labels-idx1-ubyte").astype(np.int32)
    check_split(f"fashion-mnist {part}", images, labels, len(CLASSES))
    return images, labels
