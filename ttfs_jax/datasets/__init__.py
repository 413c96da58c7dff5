"""Data sets behind one interface: `load(name) -> Dataset`."""

from pathlib import Path

from ttfs_jax.datasets import digits, fashion_mnist
from ttfs_jax.datasets.base import Augmentation, Dataset, Split, check
from ttfs_jax.errors import unknown

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
    raise unknown("data set", name, NAMES)
