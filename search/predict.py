"""Classify files by any network of a search, also on a chip: `python -m search.predict`."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hardware.xylo.decision import classify
from hardware.xylo.specification import FILE_NAME
from search.reports.chip import channels, load_network
from search.strategies.xylo.population import XyloNetwork
from ttfs_jax import predict
from ttfs_jax.prediction.classifier import MODELS, Kinds
from ttfs_jax.support.errors import InputError


@dataclass(frozen=True)
class ChipClassifier:
    """A network on the chip: the class of the first output spike has the share 1."""

    network: XyloNetwork
    """The chip's network, with how values become its input spikes."""
    meta: Mapping[str, Any]
    """The contents of its `network.json`."""

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Give height, width and channels of its images."""
        height, width, channel_count = self.meta["image_shape"]
        return height, width, channel_count

    def shares(self, images: np.ndarray) -> np.ndarray:
        """Return 1 for the class of the first output spike, else 0: [N, H, W, C] -> [N, K].

        `images` are in [0, 1]. No output spike: all shares are 0.
        """
        values = channels(images, self.network, dict(self.meta))
        decided = classify(self.network.chip, self.network.events(values)).decision.classes
        return (
            np.eye(len(self.meta["classes"]), dtype=np.float32)[decided] * (decided >= 0)[:, None]
        )


def open_chip(folder: Path) -> ChipClassifier:
    """Open the network on a chip that `folder` holds, such as runs/x/front/0.

    Raises: InputError for a damaged folder, and for one of a version that did not record how images
    are made.
    """
    network, meta = load_network(folder)
    if "image_shape" not in meta:
        raise InputError(
            f"{folder} was written before networks on a chip kept how their images are made: "
            "search again"
        )
    return ChipClassifier(network, meta)


KINDS: Kinds = {FILE_NAME: open_chip, **MODELS}


def main(arguments: list[str] | None = None) -> None:
    """Classify files as `ttfs_jax.predict` does; `arguments` replace those of the command line."""
    predict.main(arguments, name="search.predict", kinds=KINDS)


if __name__ == "__main__":
    main()
