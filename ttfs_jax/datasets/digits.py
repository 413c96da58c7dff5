"""Handwritten digits that come with scikit-learn: 1,797 real images of 8 × 8 pixels."""

import numpy as np
from sklearn import datasets as sklearn_datasets
from sklearn.model_selection import train_test_split

from ttfs_jax.datasets.base import NO_OPTIONS, Augmentation, Dataset, Options, Split
from ttfs_jax.support.ranges import check_seed


def load_digits(options: Options = NO_OPTIONS, *, split_seed: int = 0) -> Dataset:
    """Load the digits, split 60 / 20 / 20 with the classes in proportion.

    They have no `options`; `split_seed` draws the parts.

    Raises: InputError for a split seed outside 0 … 2³² − 1.
    Source: Alpaydin & Kaynak 1998, UCI repository, doi:10.24432/C50P49.
    """
    check_seed("split seed", split_seed)
    pixels, classes = sklearn_datasets.load_digits(return_X_y=True)
    images = (pixels.reshape(-1, 8, 8, 1) / 16.0).astype(np.float32)
    labels = classes.astype(np.int32)
    rest, test = train_test_split(
        np.arange(len(labels)), test_size=360, random_state=split_seed, stratify=labels
    )
    train, validation = train_test_split(
        rest, test_size=360, random_state=split_seed, stratify=labels[rest]
    )
    return Dataset(
        "digits",
        tuple("0123456789"),
        Split(images[train], labels[train]),
        Split(images[validation], labels[validation]),
        Split(images[test], labels[test]),
        Augmentation(shift=1),
    )
