"""Data sets behind one interface: `load_dataset(name, **options) -> Dataset`."""

from dataclasses import fields
from inspect import signature
from typing import Any

from ttfs_jax.datasets import digits, eye_see, eye_simulated, fashion_mnist
from ttfs_jax.datasets.base import (
    Augmentation,
    Dataset,
    DatasetEntry,
    Options,
    Progress,
    Split,
    check_dataset,
)
from ttfs_jax.datasets.eye.dataset import EyeConfig, FoldConfig
from ttfs_jax.datasets.own import event_recordings, idx_folder, image_folder, mnist, npz, tonic_sets
from ttfs_jax.datasets.own.samples import OwnOptions
from ttfs_jax.support import errors
from ttfs_jax.support.errors import InputError
from ttfs_jax.support.ranges import RangeError, check_seed

# One module and one line per data set.
DATASETS: dict[str, DatasetEntry] = {
    "eye": DatasetEntry(eye_simulated.load_eye, eye_simulated.EyeOptions),
    "see": DatasetEntry(eye_see.load_see, eye_see.SeeOptions),
    "digits": DatasetEntry(digits.load_digits),
    "fashion-mnist": DatasetEntry(
        fashion_mnist.load_fashion_mnist, fashion_mnist.FashionMnistOptions
    ),
    "npz": DatasetEntry(npz.load_npz, OwnOptions),
    "idx": DatasetEntry(idx_folder.load_idx, idx_folder.IdxOptions),
    "mnist": DatasetEntry(mnist.load_mnist, OwnOptions),
    "folder": DatasetEntry(image_folder.load_image_folder, image_folder.FolderOptions),
    "events": DatasetEntry(event_recordings.load_event_recordings, event_recordings.EventOptions),
    "tonic": DatasetEntry(tonic_sets.load_tonic, tonic_sets.TonicOptions),
}

__all__ = [
    "DATASETS",
    "Augmentation",
    "Dataset",
    "DatasetEntry",
    "EyeConfig",
    "FoldConfig",
    "Options",
    "Split",
    "check_dataset",
    "dataset_entry",
    "load_dataset",
    "make_options",
]


def dataset_entry(name: str) -> DatasetEntry:
    """Look up the data set `name`. Raises: InputError for an unknown one."""
    return errors.look_up("data set", name, DATASETS)


def make_options(name: str, **values: Any) -> Options:
    """Make the options of the data set `name`: `values` by name, the others by default.

    Raises: InputError for an unknown name, an option that the set does not have, or one out of its
    range.

    Examples:
        >>> make_options("npz", shift=2).shift
        2
        >>> make_options("digits", shift=2)
        Traceback (most recent call last):
        ttfs_jax.support.errors.InputError: shift is not an option of the data set digits: ...
    """
    kind = dataset_entry(name).options
    known = [field.name for field in fields(kind)]
    for option in values:
        if option not in known:
            has = f"its options are {', '.join(known)}" if known else "it has no options"
            raise InputError(f"{option} is not an option of the data set {name}: {has}")
    try:
        return kind(**values)
    except RangeError as error:
        raise InputError(f"option of the data set {name}: {error}") from error


def load_dataset(
    name: str,
    options: Options | None = None,
    *,
    split_seed: int = 0,
    on_progress: Progress | None = None,
    **values: Any,
) -> Dataset:
    """Load a data set by `name`, one of `DATASETS`, checked.

    `options` is an instance of the set's own class; by default it is made from the `values` by
    name, such as `data_dir`. `split_seed` chooses validation and test samples; `on_progress(done,
    total)` is called during slow preparation.

    Raises: InputError for an unknown name or option, a split seed outside 0 … 2³² − 1, missing or
    damaged files, or unsound data.

    Examples:
        >>> data = load_dataset("digits")
        >>> data.image_shape, len(data.classes), len(data.train.labels)
        ((8, 8, 1), 10, 1077)
    """
    check_seed("split seed", split_seed)
    entry = dataset_entry(name)
    if options is None:
        options = make_options(name, **values)
    elif values or not isinstance(options, entry.options):
        raise InputError(f"give either {entry.options.__name__}(...) or its fields by name")
    progress = (
        {"on_progress": on_progress} if "on_progress" in signature(entry.load).parameters else {}
    )
    return check_dataset(entry.load(options, split_seed=split_seed, **progress))
