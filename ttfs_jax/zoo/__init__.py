"""Trained networks that come with the package: `net = ttfs_jax.load("zoo:digits")`.

Each is a folder next to this module: a checkpoint, and a few images with their logits. Made by
`python -m benchmarks.reports.zoo`; described in docs/zoo.md. Nothing is written here when a network
is loaded.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from ttfs_jax.support.checkpoint import META
from ttfs_jax.support.errors import InputError, unknown

__all__ = ["EXAMPLES", "Examples", "load_examples", "network_folder", "network_names"]

FOLDER, PREFIX = Path(__file__).parent, "zoo:"
EXAMPLES = "examples.npz"  # file of a network's images and logits, in its folder


class Examples(NamedTuple):
    """Images of the test split, and the network's logits for them where it was trained."""

    images: np.ndarray  # [N, H, W, C] float32 in [0, 1]
    labels: np.ndarray  # [N] int32
    ttfs: np.ndarray  # [N, K] logits in spike times, in the network's own time steps
    relu: np.ndarray  # [N, K] logits of the ReLU twin


def network_names() -> tuple[str, ...]:
    """Return the names of all networks of the zoo, in alphabetical order."""
    return tuple(sorted(path.parent.name for path in FOLDER.glob(f"*/{META}")))


def network_folder(path: str | Path) -> Path:
    """Return the folder of a network: `path` itself, unless it is `zoo:` and a name.

    Raises: InputError for a name that the zoo does not have, with those that it has.
    """
    prefix, separator, name = str(path).partition(":")
    if prefix + separator != PREFIX:
        return Path(path)
    names = network_names()
    if name not in names:
        raise unknown("network of the zoo", name, names)
    return FOLDER / name


def load_examples(name: str) -> Examples:
    """Load the images stored with the network `name` of the zoo, and their logits.

    Another computer gives the same up to rounding, 1e-5 of the largest logit.

    Raises: InputError for an unknown name or a damaged file.
    """
    path = network_folder(PREFIX + name) / EXAMPLES
    try:
        with np.load(path) as arrays:
            return Examples(*(arrays[field] for field in Examples._fields))
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path} is damaged: install the package again") from error
