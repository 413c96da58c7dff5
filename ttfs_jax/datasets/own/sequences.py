"""From sequences of event frames to a split data set of clips: what sets of recordings share.

Letters: T frames of a sequence, S sequences.
"""

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from ttfs_jax.datasets.base import Augmentation, Dataset, Split
from ttfs_jax.datasets.eye.dataset import ClipConfig, draw_split, show_all
from ttfs_jax.datasets.own.faults import Faults
from ttfs_jax.datasets.own.parts import choose_parts, faults_of_split
from ttfs_jax.datasets.own.samples import OwnOptions, absent, check_classes, listed
from ttfs_jax.support.ranges import above, check_fields


@dataclass(frozen=True)
class ClipOptions(OwnOptions):
    """How recordings become images."""

    clips: ClipConfig = ClipConfig(size=32)
    """How clips are cut out and become images."""
    rate: float = 30.0
    """Frames per second of summed events."""
    crop: tuple[int, int, int] | None = None
    """Square of the sensor: left, top, edge in pixels (default: the largest central one)."""

    def __post_init__(self):
        super().__post_init__()
        check_fields(self, rate=above(0))


class Sequences(NamedTuple):
    """The pieces of recordings that are samples."""

    frames: list[np.ndarray]  # S of int8 [T, size, size]
    labels: np.ndarray  # int32 [S]
    classes: tuple[str, ...]  # names, in the order of the labels
    parts: np.ndarray | None  # [S] str
    subjects: np.ndarray | None  # [S]
    problems: tuple[str, ...]  # what could not be read, one line each
    recordings: np.ndarray | None = None  # [S], where several are pieces of one


def grouped(notes: Iterable[tuple[Any, str]]) -> list[str]:
    """Merge notes on recordings that differ only in numbers: (recording, note)."""
    alike: dict[str, list[tuple[Any, str]]] = {}
    for recording, note in notes:
        alike.setdefault(re.sub(r"\d+", "", note), []).append((recording, note))
    lines = []
    for same in alike.values():
        count = f"{len(same)} recordings, " if len(same) > 1 else ""
        lines.append(f"{count}{listed([recording for recording, _ in same])}: {same[0][1]}")
    return lines


def dataset_of_sequences(
    name: str,
    sequences: Sequences,
    options: ClipOptions,
    *,
    seed: int,
    sensor: tuple[int, int] | None = None,
) -> Dataset:
    """Split sequences, by `seed` if they have no parts, and cut out clips: the data set `name`.

    `options` define the clips and their augmentation.

    `sensor`, width and height, is kept for `ttfs_jax.predict`, if the files do not have it.

    Raises: InputError for a single class, too few sequences or people to split, and a person in two
    parts.
    """
    labels, classes = sequences.labels, sequences.classes
    faults = Faults()
    with faults.collect():
        check_classes(labels, classes, sequences.problems)
    faults.add(faults_of_split(sequences.parts, sequences.subjects))
    faults.raise_all(sequences.problems)
    # Pieces of one recording are as alike as those of one person.
    drawn = sequences.parts is None and sequences.subjects is None
    together = sequences.recordings if drawn else sequences.subjects
    split = choose_parts(labels, classes, sequences.parts, together, seed=seed)
    starts = np.cumsum([0, *map(len, sequences.frames)])
    events = np.concatenate(sequences.frames)
    parts = {}
    for part, clips in draw_split(starts, split, options.clips, seed=seed).items():
        columns = {"sequence": clips.sequence, "draw": clips.draw}
        if sequences.subjects is not None:
            columns["subject"] = sequences.subjects[clips.sequence]
        images = show_all(events, clips, options.clips)
        parts[part] = Split(images, labels[clips.sequence], columns)
    lists = {"crop": options.crop, "sensor": sensor}
    place = {name: None if value is None else [*value] for name, value in lists.items()}
    return Dataset(
        name,
        classes,
        **parts,
        augmentation=Augmentation(shift=options.shift, flip=options.flip),
        source={"kind": "events", **asdict(options.clips), "rate": options.rate, **place},
        problems=(*sequences.problems, *absent(labels, split, classes)),
    )
