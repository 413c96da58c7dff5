"""Data sets behind one interface: `load(name) -> Dataset`."""

import difflib
from pathlib import Path

from ttfs_jax.datasets import digits, fashion_mnist
from ttfs_jax.datasets.base import Augmentation, Dataset, Split, check
from ttfs_jax.errors import InputError

NAMES = ("digits", "fashion-mnist")

__all__ = ["NAMES", "Augmentation", "Dataset", "Split", "check", "load"]


def load(name: str, *, data_dir: Path | None = None, split_seed: int = 0) -> Dataset:
    """Load a data set by name, checked.

    Raises: InputError for an unknown name, missing or damaged files, or unsound data.
    """
    if name == "digits":
        return check(digits.load(split_seed=split_seed))
    if name == "fashion-mnist":
        return check(fashion_mnist.load(data_dir=data_dir, split_seed=split_seed))
    close = difflib.get_close_matches(name, NAMES, 1)
    hint = f"did you mean {close[0]}? " if close else ""
    raise InputError(f"unknown data set {name!r}: {hint}choose one of {', '.join(NAMES)}")
