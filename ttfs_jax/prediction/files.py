"""Classify files of any kind: one row of JSON values per file, or per image of an array."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from ttfs_jax.datasets.events.files import OPENERS
from ttfs_jax.datasets.own.image_folder import Colour, read_image
from ttfs_jax.datasets.own.npz import read_arrays
from ttfs_jax.datasets.own.samples import to_images
from ttfs_jax.prediction.classifier import Classifier
from ttfs_jax.prediction.recordings import Reading, classify_recording
from ttfs_jax.support.errors import InputError

COLOURS: dict[int, Colour] = {1: "grey", 3: "colour"}  # by channels of the network
SILENT = "no output neuron spikes, so that the network names no class"


def classify_files(
    classifier: Classifier, inputs: Sequence[Path], reading: Reading
) -> Iterator[dict]:
    """Classify files, and those in folders, by a `classifier`: a row of JSON values for each.

    An array has a row for each image. A row has the `file`, the `item` of an array, the
    `class`, its `share` and the `shares` of all. A file that cannot be read or does not suit the
    network has a `problem` instead, and so has an image without a decision. `reading` says how
    recordings are read.

    Raises: InputError for `inputs` that do not exist.
    """
    paths = list(_files(inputs))  # before the first row
    return (row for path in paths for row in _file_rows(classifier, path, reading))


def _file_rows(classifier: Classifier, path: Path, reading: Reading) -> Iterator[dict]:
    read = READERS.get(path.suffix.lower(), _image_rows)
    try:
        for row in read(classifier, path, reading):
            yield {"file": str(path), **row}
    except (InputError, OSError) as error:
        yield {"file": str(path), "problem": " ".join(str(error).splitlines())}


def _files(inputs: Sequence[Path]) -> Iterator[Path]:
    """Yield files, and all in folders except those whose name begins with a dot."""
    for path in inputs:
        if not path.exists():
            raise InputError(f"{path} does not exist: name files or folders by --inputs")
        if not path.is_dir():
            yield path
            continue
        inner = [p for p in sorted(path.rglob("*")) if p.is_file() and p.name[0] != "."]
        if not inner:
            raise InputError(f"{path} holds no files: name another folder by --inputs")
        yield from inner


def _image_rows(classifier: Classifier, path: Path, reading: Reading) -> Iterator[dict]:
    height, width, channels = classifier.image_shape
    if channels not in COLOURS:
        raise InputError(
            f"{path}: the network takes {channels} channels, an image file has 1 or 3: give a "
            "recording or an array"
        )
    image = read_image(path, size=(height, width), colour=COLOURS[channels])
    return _decisions(classifier, image[None], [None])


def _array_rows(classifier: Classifier, path: Path, reading: Reading) -> Iterator[dict]:
    arrays = read_arrays(path)
    name = "images" if "images" in arrays else next(iter(arrays), "")
    if not arrays or (len(arrays) > 1 and name != "images"):
        raise InputError(f"{path} has no array 'images': save it by np.savez(file, images=...)")
    values, shape = arrays[name], classifier.image_shape
    one = values.shape in (shape, shape[:2] if shape[2] == 1 else shape)
    images = to_images(values[None] if one else values, where=f"{path}: {name}")
    if images.shape[1:] != shape:
        raise InputError(
            f"{path}: images must be [N, {', '.join(map(str, shape))}], as the network was trained "
            f"on, not {list(values.shape)}: reshape or resize them"
        )
    return _decisions(classifier, images, [None] if one else range(len(images)))


def _decisions(
    classifier: Classifier, images: np.ndarray, items: Sequence[int | None]
) -> Iterator[dict]:
    for item, shares in zip(items, classifier.shares(images), strict=True):
        yield _row(classifier, shares, {} if item is None else {"item": item})


def _recording_rows(classifier: Classifier, path: Path, reading: Reading) -> Iterator[dict]:
    summary = classify_recording(classifier, path, reading)
    names = ("clips", "notes", "dropped")
    shares = np.array([*summary["shares"].values()])
    yield _row(classifier, shares, {}) | {name: summary[name] for name in names}


def _row(classifier: Classifier, shares: np.ndarray, item: dict) -> dict:
    classes = classifier.meta.get("classes") or [str(n) for n in range(len(shares))]
    by_class = dict(zip(classes, shares.tolist(), strict=True))
    if not shares.any():
        return {**item, "shares": by_class, "problem": SILENT}
    best = int(shares.argmax())
    return {**item, "class": classes[best], "share": float(shares[best]), "shares": by_class}


Rows = Callable[[Classifier, Path, Reading], Iterator[dict]]
# How a file is read, by its extension; all others are image files.
READERS: Mapping[str, Rows] = {
    ".npy": _array_rows,
    ".npz": _array_rows,
    **dict.fromkeys(OPENERS, _recording_rows),
}
