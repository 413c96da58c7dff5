"""From labelled images of any origin to a checked, split data set: what all own data share.

Letters: N samples, K classes, H and W height and width, C channels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from ttfs_jax.datasets.base import Augmentation, Dataset, Options, Split
from ttfs_jax.datasets.own.faults import Faults
from ttfs_jax.datasets.own.parts import PARTS, choose_parts, faults_of_split
from ttfs_jax.support.errors import InputError, unknown
from ttfs_jax.support.ranges import check_fields, whole

SHOWN = 5  # names in a message


@dataclass(frozen=True)
class OwnOptions(Options):
    """Options that all sets of own files have."""

    data_dir: Path | None = None
    """The file or folder of the data."""
    shift: int = 1
    """Largest random shift of training images in pixels; 0 where positions matter."""
    flip: bool = False
    """Mirror half of the training images, left to right; only where that keeps the class."""

    def __post_init__(self):
        check_fields(self, shift=whole(0, 64))


@dataclass(frozen=True)
class Samples:
    """Labelled images before they are split."""

    images: np.ndarray  # [N, H, W, C] float32 in [0, 1]
    labels: np.ndarray  # [N] int32
    classes: tuple[str, ...]  # names, in the order of the labels
    parts: np.ndarray | None = None  # [N] str, each of `PARTS`; None: they are drawn
    subjects: np.ndarray | None = None  # [N]; nobody is in two parts
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)  # other information, each [N]
    problems: tuple[str, ...] = ()  # what could not be read, one line each


def required_path(options: OwnOptions, data: str, what: str) -> Path:
    """Return the path of the `data` set in `options`; messages call it `what`.

    Raises: InputError if none is given, or it does not exist.
    """
    path = options.data_dir
    if path is None:
        raise InputError(f"--data {data} needs --data-dir: {what}")
    if not path.exists():
        raise InputError(f"{path} does not exist: name {what} by --data-dir")
    return path


def dataset_of_samples(
    name: str, samples: Samples, options: OwnOptions, *, seed: int, source: Mapping[str, Any]
) -> Dataset:
    """Split samples, by `seed` if they have no parts, and return them as the data set `name`.

    `options` have the augmentation for training. `source` says how an image was made, for
    `ttfs_jax.predict`. Duplicate images are reported in `problems`; without parts the later ones
    are left out.

    Raises: InputError for a single class, a class without samples, too few samples or people to
    split, and a person in two parts.
    """
    faults = Faults()
    with faults.collect():
        check_classes(samples.labels, samples.classes, samples.problems)
    faults.add(faults_of_split(samples.parts, samples.subjects))
    faults.raise_all(samples.problems)
    kept, doubles = without_doubles(samples)
    samples = _take(samples, kept)
    check_classes(samples.labels, samples.classes, doubles)
    indices = choose_parts(
        samples.labels, samples.classes, samples.parts, samples.subjects, seed=seed
    )
    columns = dict(samples.columns)
    if samples.subjects is not None:
        columns["subject"] = samples.subjects

    def part(rows: np.ndarray) -> Split:
        own = {key: column[rows] for key, column in columns.items()}
        return Split(samples.images[rows], samples.labels[rows], own)

    return Dataset(
        name,
        samples.classes,
        **{part_name: part(indices[part_name]) for part_name in PARTS},
        augmentation=Augmentation(shift=options.shift, flip=options.flip),
        source=source,
        problems=(*samples.problems, *doubles, *absent(samples.labels, indices, samples.classes)),
    )


def absent(
    labels: np.ndarray, indices: Mapping[str, np.ndarray], classes: Sequence[str]
) -> list[str]:
    """List which of `classes` a part lacks: `labels` [N], `indices` part -> sample numbers [n]."""
    lacking = {
        part: [name for n, name in enumerate(classes) if not (labels[rows] == n).any()]
        for part, rows in indices.items()
    }
    return [
        f"no {part} sample of class {listed(names)}" for part, names in lacking.items() if names
    ]


def _take(samples: Samples, rows: np.ndarray) -> Samples:
    """Keep some of the samples, by their numbers, the `rows` [n]."""
    return Samples(
        samples.images[rows],
        samples.labels[rows],
        samples.classes,
        None if samples.parts is None else samples.parts[rows],
        None if samples.subjects is None else samples.subjects[rows],
        {key: column[rows] for key, column in samples.columns.items()},
        samples.problems,
    )


def without_doubles(samples: Samples) -> tuple[np.ndarray, list[str]]:
    """Return the numbers of the samples to keep, and the problems with equal images."""
    first: dict[bytes, int] = {}
    hashes = (blake2b(image.tobytes(), digest_size=16).digest() for image in samples.images)
    originals = np.array([first.setdefault(value, n) for n, value in enumerate(hashes)])
    everyone = np.arange(len(originals))
    doubles = everyone[originals != everyone]
    if not len(doubles):
        return everyone, []
    problems = [f"{len(doubles)} images are equal to earlier ones: samples {listed(doubles)}"]
    torn = doubles[samples.labels[doubles] != samples.labels[originals[doubles]]]
    if len(torn):
        problems.append(f"{len(torn)} of them have another label than the earlier: {listed(torn)}")
    if samples.parts is None:
        problems[0] += "; left out, so that none is in two parts"
        return np.setdiff1d(everyone, doubles), problems
    leaks = doubles[samples.parts[doubles] != samples.parts[originals[doubles]]]
    if len(leaks):
        problems.append(
            f"{len(leaks)} of them are in another part than the earlier: {listed(leaks)}"
        )
    return everyone, problems


def listed(values: Sequence[Any] | np.ndarray) -> str:
    """List the first few values."""
    listing = ", ".join(str(value) for value in values[:SHOWN])
    return f"{listing}, ..." if len(values) > SHOWN else listing


def check_classes(
    labels: np.ndarray, classes: tuple[str, ...], problems: Sequence[str] = ()
) -> None:
    """Check that there are two classes or more, each with samples among `labels` [N].

    Raises: InputError, with the first of the `problems`, which may be why samples are missing.
    """
    why = f" ({problems[0]})" if problems else ""
    if len(set(classes)) != len(classes):
        raise InputError(f"class names occur twice: {', '.join(classes)}; name each once")
    if len(classes) < 2:
        raise InputError(f"there is one class only, {', '.join(classes)}{why}: give at least two")
    empty = [name for n, name in enumerate(classes) if not (labels == n).any()]
    if empty:
        raise InputError(
            f"no samples of class {listed(empty)}{why}: add some, or leave the class out"
        )


def to_labels(
    values: np.ndarray, classes: Sequence[str] | None, *, where: str
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Turn labels, whole numbers or strings, into class numbers, and return the classes' names.

    Without `classes` these are the distinct labels in order. With them a number counts from 0, and
    a string is one of them. `where` names the labels in messages.

    Shapes: values [N] -> int32 [N]. Raises: InputError for other values.
    """
    values = np.asarray(values)
    if values.ndim != 1 or values.dtype.kind not in "iubU":
        raise InputError(
            f"{where} must be [N] whole numbers or strings, not {values.dtype} "
            f"{list(values.shape)}: convert them"
        )
    text = values.dtype.kind == "U"
    if classes is None:
        distinct, labels = np.unique(values, return_inverse=True)
        return labels.astype(np.int32), tuple(str(value) for value in distinct)
    names = tuple(str(name) for name in classes)
    if text:
        strange = sorted({str(value) for value in values} - {*names})
        if strange:
            raise unknown(f"class in {where}:", strange[0], names)
        number = {name: n for n, name in enumerate(names)}
        return np.array([number[str(value)] for value in values], np.int32), names
    if len(values) and (values.min() < 0 or values.max() >= len(names)):
        raise InputError(
            f"{where} must be from 0 to {len(names) - 1}, the number of {len(names)} classes less "
            f"one, not {values.min()} to {values.max()}: correct them or the classes"
        )
    return values.astype(np.int32), names


def to_images(values: np.ndarray, *, where: str) -> np.ndarray:
    """Turn pixels into images float32 in [0, 1]: [N, H, W] or [N, H, W, C] -> [N, H, W, C].

    Bytes are divided by 255. `where` names the array in messages.
    Raises: InputError for other shapes, kinds, or values, naming the first bad image.
    """
    values = np.asarray(values)
    if values.ndim not in (3, 4) or not values.size:
        raise InputError(
            f"{where} must be [N, H, W] or [N, H, W, C], not {list(values.shape)}: reshape them"
        )
    values = values if values.ndim == 4 else values[..., None]
    if values.dtype == np.uint8:
        return values.astype(np.float32) / 255.0
    if values.dtype.kind not in "fb":
        raise InputError(
            f"{where} are {values.dtype}: save bytes (uint8, 0 to 255), or floats within [0, 1]"
        )
    images = values.astype(np.float32)
    low, high = images.min((1, 2, 3)), images.max((1, 2, 3))
    faults, sound = Faults(), np.isfinite(low + high)
    unsound = np.flatnonzero(~sound)
    if len(unsound):
        faults.add(
            [
                f"{where} {listed(unsound)} hold NaN or infinite pixels ({len(unsound)} images): "
                "clean them or leave them out"
            ]
        )
    outside = np.flatnonzero(sound & ((low < 0) | (high > 1)))
    if len(outside):
        least, most = low[sound].min(), high[sound].max()
        faults.add(
            [
                f"{where} {listed(outside)} leave [0, 1] ({len(outside)} images, {least:.4g} to "
                f"{most:.4g} in all): scale them, as by x / {most:.4g}"
            ]
        )
    faults.raise_all()
    return images
