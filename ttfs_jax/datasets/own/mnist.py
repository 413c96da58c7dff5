"""MNIST from its four IDX files as a data set, `mnist`."""

import dataclasses

from ttfs_jax.datasets.base import Dataset
from ttfs_jax.datasets.own import idx_folder
from ttfs_jax.datasets.own.samples import OwnOptions

DIGITS = tuple("0123456789")


def load_mnist(options: OwnOptions, *, split_seed: int = 0) -> Dataset:
    """Load MNIST from the folder `options.data_dir`: a fifth of the training images validates.

    `split_seed` draws them. Raises: InputError as `idx_folder.load_idx` does, and unless there are
    ten classes.
    Source: LeCun et al. 1998 (doi:10.1109/5.726791).
    """
    files = idx_folder.IdxOptions(**vars(options), classes=DIGITS)
    return dataclasses.replace(idx_folder.load_idx(files, split_seed=split_seed), name="mnist")
