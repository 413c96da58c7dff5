"""Sequences of event frames with their labels and metadata, from any source."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from ttfs_jax.datasets.eye import see
from ttfs_jax.datasets.eye.frames import load_frames


class Recordings(NamedTuple):
    """A data set of S sequences with N frames in all; events may be memory-mapped."""

    events: np.ndarray  # int8 [N, H, W] of −1, 0, +1
    starts: np.ndarray  # [S + 1] sequence s owns frames starts[s] : starts[s + 1]
    labels: np.ndarray  # int32 [S]
    subjects: np.ndarray  # int [S]
    lights: np.ndarray  # str [S]
    training: np.ndarray  # bool [S], the split that comes with the set
    classes: tuple[str, ...]  # names, in the order of the labels
    problems: tuple[str, ...] = ()  # what could not be read, one line each

    @property
    def lengths(self) -> np.ndarray:
        """Count the frames of every sequence: [S]."""
        return np.diff(self.starts)


def read_see(root: Path, *, size: int | None = None, cache: Path | None = None) -> Recordings:
    """Read the folder `root` in the layout of SEE; `problems` lists what could not be read.

    Frames are resampled to the edge `size`, and kept in the folder `cache`.

    Raises: InputError when no usable sequence is left.
    """
    index = see.read_index(root)
    frames = load_frames(index, size=size, cache=cache)
    sequences = index.sequences
    return Recordings(
        events=frames.values,
        starts=frames.starts,
        labels=np.array([s.label for s in sequences], np.int32),
        subjects=np.array([s.subject for s in sequences]),
        lights=np.array([s.light for s in sequences]),
        training=np.array([s.training for s in sequences]),
        classes=index.classes,
        problems=index.problems + frames.problems,
    )


def read_see_light(root: Path, *, size: int | None = None, cache: Path | None = None) -> np.ndarray:
    """Read the intensity frames of the same sequences: uint8 [N, H, W], as `Recordings.events`.

    `root`, `size` and `cache` are those of `read_see`.

    A frame that is missing or cannot be decoded is black.
    Raises: InputError when the folder frame/ or a sequence in it is missing.
    """
    index = see.intensity(see.read_index(root))
    return load_frames(index, size=size, cache=cache, kind="light").values
