"""Any folder in the layout of MNIST, four IDX files, as a data set, `idx`; and `mnist` itself."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ttfs_jax.datasets import idx
from ttfs_jax.datasets.base import Dataset
from ttfs_jax.datasets.own.faults import Faults
from ttfs_jax.datasets.own.samples import (
    OwnOptions,
    Samples,
    dataset_of_samples,
    required_path,
    to_images,
    to_labels,
)
from ttfs_jax.support.errors import InputError

NAMES = "classes.txt"
# Names of the files of a part, after any prefix such as `emnist-letters-`.
WORDS = {"train": ("train",), "test": ("t10k", "test")}


@dataclass(frozen=True)
class IdxOptions(OwnOptions):
    """Where the four files are, and the names of their classes."""

    classes: tuple[str, ...] | None = None
    """Names of the classes, from label 0 on (default: the lines of classes.txt in the folder, else
    the labels themselves)."""


def load_idx(options: IdxOptions, *, split_seed: int = 0) -> Dataset:
    """Load the IDX files of the folder `options.data_dir`; its name is that of the data set.

    The files are `train-images-idx3-ubyte`, `train-labels-idx1-ubyte` and the same for `t10k` or
    `test`, plain or gzipped, also with a prefix or a dot before `idx`. A fifth of the training
    images is for validation, drawn by `split_seed`.

    Raises: InputError for a missing or damaged file, different numbers of images and labels, labels
    beyond the classes, and data that cannot be split.
    Source: the layout of MNIST, LeCun et al. 1998 (doi:10.1109/5.726791).
    """
    folder = required_path(options, "idx", "the folder of the four IDX files")
    contents, faults = {}, Faults()
    for part in WORDS:
        for kind in ("images", "labels"):
            with faults.collect():
                contents[part, kind] = idx.read_idx(_find(folder, part, kind))
    faults.raise_all()
    samples = _to_samples(folder, contents, options)
    name = folder.resolve().name
    return dataset_of_samples(name, samples, options, seed=split_seed, source={"kind": "array"})


def _to_samples(
    folder: Path, contents: dict[tuple[str, str], np.ndarray], options: IdxOptions
) -> Samples:
    """Put the four files together, and check all of them before any error is raised."""
    images, labels, parts, faults = [], [], [], Faults()
    for part in WORDS:
        pixels, values = (contents[part, kind] for kind in ("images", "labels"))
        if values.shape != (len(pixels),):
            faults.add(
                [
                    f"{folder}: {len(pixels)} {part} images but labels {list(values.shape)}: get "
                    "matching files"
                ]
            )
        with faults.collect():
            images.append(to_images(pixels, where=f"{folder}: {part} images"))
        labels.append(values.ravel())
        parts += [part] * values.size
    if len({array.shape[1:] for array in images}) > 1:
        faults.add([f"{folder}: training and test images differ in size: get matching files"])
    numbers, names = np.zeros(0, np.int32), ()
    with faults.collect():
        numbers, names = to_labels(
            np.concatenate(labels), _names(folder, options), where=f"{folder}: labels"
        )
    faults.raise_all()
    return Samples(np.concatenate(images), numbers, names, np.array(parts))


def _find(folder: Path, part: str, kind: str) -> Path:
    """Find the file of the `kind` (images, labels) of a `part` in `folder`.

    Raises: InputError if there is none, or more than one.
    """
    files = sorted(
        file
        for word in WORDS[part]
        for file in folder.glob(f"*{word}-{kind}?idx*")
        if file.is_file()
    )
    if len(files) == 2 and files[1].name == f"{files[0].name}.gz":
        files = files[:1]  # the same, unpacked
    if not files:
        raise InputError(
            f"{folder} holds no *{WORDS[part][0]}-{kind}-idx*-ubyte[.gz]: name the folder of the "
            "IDX files by --data-dir"
        )
    if len(files) > 1:
        raise InputError(
            f"{folder} holds several files of {part} {kind}, "
            f"{', '.join(file.name for file in files)}: leave one"
        )
    return files[0]


def _names(folder: Path, options: IdxOptions) -> tuple[str, ...] | None:
    file = folder / NAMES
    if options.classes is not None or not file.is_file():
        return options.classes
    return tuple(line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line)
