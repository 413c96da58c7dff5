"""Classifiers of images on any hardware: opened by the file that identifies their kind."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import jax
import numpy as np

from ttfs_jax.datasets.eye.dataset import EyeConfig, config_of
from ttfs_jax.model import Model, load
from ttfs_jax.support import checkpoint
from ttfs_jax.support.errors import InputError
from ttfs_jax.zoo import network_folder


class Classifier(Protocol):
    """A trained network that classifies files."""

    @property
    def meta(self) -> Mapping[str, Any]:
        """Give its metadata: `dataset`, `classes`, and `source`, how images are made."""
        ...

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Give height, width and channels of its images."""
        ...

    def shares(self, images: np.ndarray) -> np.ndarray:
        """Return the share of each class: images [N, H, W, C] in [0, 1] -> [N, K].

        Shares of an image add up to 1, or are all 0 if the network does not decide.
        """
        ...


@dataclass(frozen=True)
class ModelClassifier:
    """A `Model`, whose shares are the softmax of its output potentials; it always decides."""

    model: Model
    """The network."""

    @property
    def meta(self) -> Mapping[str, Any]:
        """Give the model's metadata."""
        return self.model.meta

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Give height, width and channels of its images."""
        return self.model.plan.image_shape

    def shares(self, images: np.ndarray) -> np.ndarray:
        """Return the share of each class: `images` [N, H, W, C] in [0, 1] -> [N, K]."""
        return np.asarray(jax.nn.softmax(self.model(images)))


Kinds = Mapping[str, Callable[[Path], Classifier]]


def open_model(folder: Path) -> ModelClassifier:
    """Open the model that `folder` holds.

    Raises: InputError for a missing, foreign or damaged folder, and for a network whose outputs are
    not classes.
    """
    model = load(folder)
    outputs = model.plan.shapes[model.plan.readout]
    if outputs.positions > 1 or outputs.channels < 2:
        raise InputError(
            f"{folder} gives {' × '.join(map(str, outputs))} values, which are not classes: call "
            "the model itself, see ttfs_jax.load"
        )
    return ModelClassifier(model)


# How a network is opened, by the file that its folder holds. Packages above add their own kinds.
MODELS: Kinds = {checkpoint.META: open_model}


def open_classifier(folder: Path, kinds: Kinds = MODELS) -> Classifier:
    """Open the network in a `folder`, or of the zoo such as `zoo:digits`, one of some `kinds`.

    Raises: InputError for a folder without a network of these kinds, or with a damaged one.
    """
    folder = network_folder(folder)
    for file, opener in kinds.items():
        if (folder / file).is_file():
            return opener(folder)
    if not folder.exists() and checkpoint.exists(folder):  # while it is replaced
        return open_model(folder)
    if (inner := _network_below(folder, kinds)) is not None:
        raise InputError(f"{folder} holds no network itself: did you mean {inner}?")
    raise InputError(
        f"{folder} holds no network, none of {', '.join(kinds)}: name a folder such as "
        "runs/x/best/0; networks on a chip, as runs/x/front/0, are for python -m search.predict"
    )


def _network_below(folder: Path, kinds: Kinds) -> Path | None:
    """Return the first folder in a folder, or one further down, that can be opened."""
    below = {
        path.parent: opener
        for file, opener in kinds.items()
        for depth in ("*", "*/*")
        for path in folder.glob(f"{depth}/{file}")
    }
    for inner in sorted(below):
        try:
            below[inner](inner)
        except InputError:  # parts of another network, or damaged
            continue
        return inner
    return None


def clips_of(classifier: Classifier) -> EyeConfig:
    """Return how recordings become the images of a `classifier`.

    Raises: InputError for a network that was not trained on clips of recordings.
    """
    config = config_of(classifier.meta.get("source") or {})
    if config is None:
        raise InputError(
            f"the network was trained on {classifier.meta.get('dataset')}, not on clips of "
            "recordings: choose another --checkpoint"
        )
    return config
