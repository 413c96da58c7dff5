"""Recordings of an eye as a classification task: clips, split and images."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from ttfs_jax.datasets.base import Augmentation, Dataset, Split
from ttfs_jax.datasets.events.columns import LARGEST_EDGE
from ttfs_jax.datasets.eye.clips import MOST, Code, clip_image, draw_clips, split_by_person
from ttfs_jax.datasets.eye.plan import FEWEST_SUBJECTS, MOST_SUBJECTS
from ttfs_jax.datasets.eye.recordings import Recordings
from ttfs_jax.support.errors import InputError, unknown
from ttfs_jax.support.ranges import LARGEST_SEED, check_seed, check_whole

Protocol = Literal["subject-disjoint", "official"]
VALIDATION_PARTS = 6  # one sixth of the people outside test is for validation (chosen)
RANGES = {
    "size": (1, LARGEST_EDGE),
    "pool": (1, LARGEST_EDGE),
    "frames": (1, MOST),
    "stride": (1, MOST),
    "draws": (1, MOST),
    "test_draws": (1, MOST),
    "folds": (2, MOST_SUBJECTS),
    "subjects": (FEWEST_SUBJECTS, MOST_SUBJECTS),
    "simulator_seed": (0, LARGEST_SEED),
}


@dataclass(frozen=True)
class ClipConfig:
    """How recordings become images."""

    size: int = 48
    """Edge of the event frames in pixels: simulated ones are made at this size, real ones
    resampled."""
    pool: int = 2
    """Edge of the square of pixels that one input neuron sums."""
    frames: int = 4
    """Frames of a clip."""
    stride: int = 4
    """Distance of these frames; E4-S3, with three frames left out, is 4."""
    code: Code = "count"
    """Input of the network: a channel per frame and polarity, or the time of the first event. Not
    the neural code, `relu` or `ttfs`."""
    draws: int = 4
    """Clips per training and validation sequence."""
    test_draws: int = 20
    """Clips per test sequence; 20 is the field's convention."""


@dataclass(frozen=True)
class FoldConfig(ClipConfig):
    """How recordings become images and parts."""

    split: Protocol = "subject-disjoint"
    """Test on people unseen in training, or the split that comes with the set."""
    fold: int = 0
    """Which part of the people is tested in the subject-disjoint split."""
    folds: int = 5
    """Number of parts."""


@dataclass(frozen=True)
class EyeConfig(FoldConfig):
    """How simulated recordings of an eye become images and parts, and the simulated people."""

    subjects: int = 111
    """People of the simulated set."""
    simulator_seed: int = 0
    """Seed of the simulated set."""


def check_clips(config: ClipConfig, *, group: str) -> None:
    """Check that recordings can satisfy the options of `config`.

    Raises: InputError that calls them --`group`.NAME.
    """
    for name in (field.name for field in fields(config) if field.name in RANGES):
        check_whole(f"--{group}.{name.replace('_', '-')}", getattr(config, name), *RANGES[name])
    if config.size % config.pool:
        raise InputError(f"--{group}.pool {config.pool} must divide --{group}.size {config.size}")
    if config.code not in get_args(Code):
        raise unknown(f"--{group}.code", config.code, get_args(Code))


def check_config(config: FoldConfig) -> None:
    """Check that recordings of eyes can satisfy `config`. Raises: InputError."""
    check_clips(config, group="eye")
    if config.split not in get_args(Protocol):
        raise unknown("--eye.split", config.split, get_args(Protocol))
    check_whole("--eye.fold", config.fold, 0, config.folds - 1)


def split_sequences(recordings: Recordings, config: FoldConfig, *, seed: int) -> dict:
    """Choose the sequences of each part of `recordings`, as `config` says: name -> indices [n].

    Validation is split off by person, so nobody is in both training and validation; in the
    subject-disjoint split nobody is in any two parts.
    Raises: InputError for too few people, or a seed outside 0 … 2³² − 1.
    """
    check_seed("split seed", seed)
    subjects = recordings.subjects
    if config.split == "official":
        tested = ~recordings.training
    else:
        tested = split_by_person(subjects, parts=config.folds, seed=seed) == config.fold
    rest = np.flatnonzero(~tested)
    if not tested.any() or not len(rest):
        raise InputError("the official split has an empty part: use --eye.split subject-disjoint")
    people = len(np.unique(subjects[rest]))
    if people < VALIDATION_PARTS:
        raise InputError(
            f"{people} people are left for training and validation: at least {VALIDATION_PARTS} "
            "are needed, get more or choose more folds"
        )
    part = split_by_person(subjects[rest], parts=VALIDATION_PARTS, seed=seed)
    return {
        "train": rest[part != 0],
        "validation": rest[part == 0],
        "test": np.flatnonzero(tested),
    }


class Clips(NamedTuple):
    """The clips of one part of the split, shuffled."""

    rows: np.ndarray  # [n, F] frames of `Recordings.events`
    sequence: np.ndarray  # [n] which sequence each is of
    draw: np.ndarray  # [n] which of the draws of that sequence


def draw_parts(recordings: Recordings, config: FoldConfig, *, seed: int) -> dict[str, Clips]:
    """Draw the clips of train, validation and test from `recordings`, by `config`.

    `seed` draws them; they are the same for every method.
    """
    split = split_sequences(recordings, config, seed=seed)
    return draw_split(recordings.starts, split, config, seed=seed)


def draw_split(
    starts: np.ndarray, split: Mapping[str, np.ndarray], config: ClipConfig, *, seed: int
) -> dict[str, Clips]:
    """Draw the clips of the sequences of each part of a `split`.

    `config` says how many and how long they are, `seed` draws. Sequence s owns frames
    starts[s] : starts[s + 1]. Shapes: starts [S + 1], split part -> [n].
    """
    parts = {}
    lengths = np.diff(starts)
    for number, (part, numbers) in enumerate(split.items()):
        draws = config.test_draws if part == "test" else config.draws
        clips = draw_clips(
            lengths[numbers],
            draws=draws,
            frames=config.frames,
            stride=config.stride,
            seed=1000 * int(seed) + number,
        )
        rows = (starts[numbers][None, :, None] + clips).reshape(-1, config.frames)
        # Sequences come person by person: shuffled, the first clips are a fair sample.
        order = np.random.default_rng([seed, number]).permutation(len(rows))
        sequence, draw = np.tile(numbers, draws), np.repeat(np.arange(draws), len(numbers))
        parts[part] = Clips(rows[order], sequence[order], draw[order])
    return parts


def columns(recordings: Recordings, clips: Clips) -> dict[str, np.ndarray]:
    """Return the sequence, subject, light and draw of every one of `clips` of `recordings`: [n]."""
    return {
        "sequence": clips.sequence,
        "subject": recordings.subjects[clips.sequence],
        "light": recordings.lights[clips.sequence],
        "draw": clips.draw,
    }


def show_all(events: np.ndarray, clips: Clips, config: ClipConfig) -> np.ndarray:
    """Show clips as images, as `config` says: `events` int8 [N, H, W] -> float32 [n, H', W', C]."""
    return np.stack(
        [clip_image(events[rows], code=config.code, pool=config.pool) for rows in clips.rows]
    )


def dataset_of_recordings(
    name: str, recordings: Recordings, config: FoldConfig, *, seed: int
) -> Dataset:
    """Cut clips out of `recordings` by `config` and turn them into images: the data set `name`.

    `seed` draws parts and clips.

    A test sequence is drawn `test_draws` times, so WAR and UAR over all test images are the means
    over the draws. Columns of every part: `sequence`, `subject`, `light`, `draw`.
    """

    def part(clips):
        labels = recordings.labels[clips.sequence]
        images = show_all(recordings.events, clips, config)
        return Split(images, labels, columns(recordings, clips))

    parts = draw_parts(recordings, config, seed=seed)
    return Dataset(
        name,
        recordings.classes,
        **{part_name: part(clips) for part_name, clips in parts.items()},
        augmentation=Augmentation(shift=2),
        source={"kind": "eye", **asdict(config)},
        problems=recordings.problems,
    )


def config_of(source: Mapping[str, Any]) -> EyeConfig | None:
    """Return how images were made, from the `source` of their data set; None if not from clips."""
    options = {
        field.name: source[field.name] for field in fields(EyeConfig) if field.name in source
    }
    clips = {field.name for field in fields(ClipConfig)}
    return EyeConfig(**options) if clips <= options.keys() else None
