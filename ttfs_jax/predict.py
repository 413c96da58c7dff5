"""Classify files by a trained network: `python -m ttfs_jax.predict --checkpoint C --inputs ...`."""

import csv
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

import jax
import numpy as np
from rich.console import Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from ttfs_jax.datasets import EyeConfig
from ttfs_jax.datasets.events.files import OPENERS, frame_pieces, read_events
from ttfs_jax.datasets.eye.clips import clip_image, every_clip
from ttfs_jax.datasets.eye.dataset import config_of
from ttfs_jax.datasets.own.event_recordings import on_sensor
from ttfs_jax.datasets.own.image_folder import Colour, read_image
from ttfs_jax.datasets.own.npz import read_arrays
from ttfs_jax.datasets.own.samples import to_images
from ttfs_jax.model import Model, load
from ttfs_jax.support import compilation_cache
from ttfs_jax.support.command import console, one_line_errors, parse_options
from ttfs_jax.support.devices import single_precision
from ttfs_jax.support.errors import InputError
from ttfs_jax.support.json_text import dumps

RATE = 30.0  # frames per second of networks whose data do not say
CLIPS_AT_A_TIME = 64
COLOURS: dict[int, Colour] = {1: "grey", 3: "colour"}  # by channels of the network
COLUMNS = ("file", "item", "class", "share", "clips", "problem")  # of CSV


@dataclass(frozen=True)
class PredictArguments:
    """Classify files by a network found by `python -m search.evolve`."""

    checkpoint: Path
    """Folder of the network, such as runs/x/best/0."""
    events: Path | None = None
    """One recording, told in full: AEDAT4, HDF5 (Prophesee, DSEC, M3ED, MVSEC, v2e, rpg) or text
    (t x y p)."""
    crop: tuple[int, int, int] | None = None
    """Square to look at: left, top, edge in pixels (default: as in training, or the largest in the
    middle)."""
    time_unit: Literal["s", "ms", "us", "ns"] | None = None
    """Unit of the recording's times (default: as the file tells, else guessed and told)."""
    stream: str | None = None
    """Which camera, if the recording holds several."""
    json: bool = False
    """Print JSON lines."""
    inputs: tuple[Path, ...] = ()
    """Files, or folders of them, a line of CSV each: images, recordings, and arrays (.npy, .npz),
    which have a line for each of their images."""


def classify_clips(model: Model, pieces: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Return the share of each class for every clip of a recording, some clips at a time.

    Softmax of the `model`'s output potentials, for clips of the frames `pieces` that begin at every
    frame in turn. Clips without a single event are left out: they say nothing. Memory does not grow
    with the recording, and the network is compiled once.

    Shapes: frames in order, pieces int8 [T_i, H, W] -> pieces [clips, K].
    Raises: InputError for a network that was not made for eye data, or frames of another size.
    """
    config = _eye_config(model)

    def shares() -> Iterator[np.ndarray]:
        clips = _every_clip(pieces, frames=config.frames, stride=config.stride)
        images = (
            clip_image(clip, code=config.code, pool=config.pool) for clip in clips if clip.any()
        )
        while batch := list(islice(images, CLIPS_AT_A_TIME)):
            padding = [np.zeros_like(batch[0])] * (CLIPS_AT_A_TIME - len(batch))
            yield np.asarray(jax.nn.softmax(model(np.stack(batch + padding))))[: len(batch)]

    return shares()


def predict_recording(arguments: PredictArguments) -> dict:
    """Read the recording of `arguments`, classify it and sum up: JSON values."""
    if arguments.events is None:
        raise InputError("name a recording by --events, or files by --inputs")
    return _recording(load(arguments.checkpoint), arguments.events, arguments)


def predict_files(arguments: PredictArguments) -> Iterator[dict]:
    """Classify the files of `arguments`: a row of JSON values each, for arrays one per image.

    A row has the `file`, the `item` of an array, the `class`, its `share` and the `shares` of all.
    A file that cannot be read or does not suit the network has a `problem` instead.
    """
    model = load(arguments.checkpoint)
    for path in _files(arguments.inputs):
        read = READERS.get(path.suffix.lower(), _image_rows)
        try:
            for row in read(model, path, arguments):
                yield {"file": str(path), **row}
        except InputError as error:
            yield {"file": str(path), "problem": str(error)}


def _files(inputs: Sequence[Path]) -> Iterator[Path]:
    """Yield files, and all that are in folders, but not those whose name begins with a dot."""
    for path in inputs:
        if not path.exists():
            raise InputError(f"{path} is not there: name files or folders by --inputs")
        if not path.is_dir():
            yield path
            continue
        inner = [p for p in sorted(path.rglob("*")) if p.is_file() and p.name[0] != "."]
        if not inner:
            raise InputError(f"{path} holds no files: name another folder by --inputs")
        yield from inner


def _image_rows(model: Model, path: Path, arguments: PredictArguments) -> Iterator[dict]:
    height, width, channels = model.plan.image_shape
    if channels not in COLOURS:
        raise InputError(
            f"{path}: the network takes {channels} channels, an image file has 1 or 3: give a "
            "recording or an array"
        )
    image = read_image(path, size=(height, width), colour=COLOURS[channels])
    return _decisions(model, image[None], [None])


def _array_rows(model: Model, path: Path, arguments: PredictArguments) -> Iterator[dict]:
    arrays = read_arrays(path)
    name = "images" if "images" in arrays else next(iter(arrays), "")
    if not arrays or (len(arrays) > 1 and name != "images"):
        raise InputError(f"{path} has no array 'images': save it by np.savez(file, images=...)")
    values, shape = arrays[name], model.plan.image_shape
    one = values.shape in (shape, shape[:2] if shape[2] == 1 else shape)
    images = to_images(values[None] if one else values, where=f"{path}: {name}")
    if images.shape[1:] != shape:
        raise InputError(
            f"{path}: images must be [N, {', '.join(map(str, shape))}], as the network was trained "
            f"on, not {list(values.shape)}: reshape or resize them"
        )
    return _decisions(model, images, [None] if one else range(len(images)))


def _decisions(model: Model, images: np.ndarray, items: Sequence[int | None]) -> Iterator[dict]:
    for item, shares in zip(items, np.asarray(jax.nn.softmax(model(images))), strict=True):
        yield _row(model, shares, {} if item is None else {"item": item})


def _recording_rows(model: Model, path: Path, arguments: PredictArguments) -> Iterator[dict]:
    summary = _recording(model, path, arguments)
    names = ("clips", "notes", "dropped")
    shares = np.array([*summary["shares"].values()])
    yield _row(model, shares, {}) | {name: summary[name] for name in names}


def _row(model: Model, shares: np.ndarray, item: dict) -> dict:
    classes = model.meta.get("classes") or [str(n) for n in range(len(shares))]
    best = int(shares.argmax())
    named = dict(zip(classes, shares.tolist(), strict=True))
    return {**item, "class": classes[best], "share": float(shares[best]), "shares": named}


Rows = Callable[[Model, Path, PredictArguments], Iterator[dict]]
# How a file is read, by its ending; all others are image files.
READERS: Mapping[str, Rows] = {
    ".npy": _array_rows,
    ".npz": _array_rows,
    **dict.fromkeys(OPENERS, _recording_rows),
}


def print_csv(results: Iterable[dict]) -> None:
    """Print `results` as CSV under a line of names, without what needs more than one column."""
    writer = csv.DictWriter(sys.stdout, COLUMNS, restval="", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(results)


def _recording(model: Model, path: Path, arguments: PredictArguments) -> dict:
    """Classify every clip of a recording, and sum up: JSON values."""
    config = _eye_config(model)
    source = model.meta["source"]
    rate = source.get("rate", RATE)
    recording = read_events(path, time_unit=arguments.time_unit, stream=arguments.stream)
    recording = on_sensor(recording, source.get("sensor"))
    crop = arguments.crop or source.get("crop")
    pieces = frame_pieces(recording, size=config.size, rate=rate, crop=crop)
    classes, frames = model.meta["classes"], 0

    def counted() -> Iterator[np.ndarray]:
        nonlocal frames
        for piece in pieces:
            frames += len(piece)
            yield piece

    total, decisions = np.zeros(len(classes)), []
    for shares in classify_clips(model, counted()):
        total += shares.sum(0, dtype=float)
        decisions.extend(shares.argmax(1).tolist())
    if not decisions:
        raise InputError(
            f"{path}: ON and OFF events of every frame cancel out, nothing is left to "
            "classify: choose another --crop or recording"
        )
    mean = total / len(decisions)
    return {
        "recording": str(path),
        "trained_on": model.meta["dataset"],
        "frames": frames,
        "clips": len(decisions),
        "class": classes[int(mean.argmax())],
        "shares": dict(zip(classes, mean.tolist(), strict=True)),
        "classes_of_clips": [classes[n] for n in decisions],
        "notes": [*recording.notes, *_notes(frames, len(decisions), config, rate)],
        "dropped": dict(recording.dropped),
    }


def shares_table(summary: dict) -> Group:
    """Lay out the shares of `summary`, between the recording's name and the notes."""
    result = Table("class", "share", "clips")
    for name, share in sorted(summary["shares"].items(), key=lambda item: -item[1]):
        result.add_row(escape(name), f"{share:.3f}", str(summary["classes_of_clips"].count(name)))
    lines = [
        f"{summary['clips']} clips; network trained on {summary['trained_on']}",
        *summary["notes"],
    ]
    return Group(Text(f"{summary['recording']}: {summary['class']}"), result, *map(Text, lines))


def _eye_config(model: Model) -> EyeConfig:
    config = config_of(model.meta.get("source") or {})
    if config is None:
        raise InputError(
            f"the network was trained on {model.meta.get('dataset')}, not on clips of recordings: "
            "choose another --checkpoint"
        )
    return config


def _every_clip(pieces: Iterable[np.ndarray], *, frames: int, stride: int) -> Iterator[np.ndarray]:
    """Yield the clips of `every_clip`, [F, H, W] each, holding no more frames than one needs."""
    reach = stride * (frames - 1) + 1
    window, whole = None, False
    for piece in pieces:
        window = piece if window is None else np.concatenate([window, piece])
        whole |= len(window) >= reach
        for begin in range(len(window) - reach + 1):
            yield window[begin : begin + reach : stride]
        window = window[max(len(window) - reach + 1, 0) :] if len(window) >= reach else window
    if window is not None and not whole:
        yield window[every_clip(len(window), frames=frames, stride=stride)[0]]


def _notes(frames: int, clips: int, config: EyeConfig, rate: float) -> list[str]:
    """Say where the clips are fewer than the frames let expect."""
    reach = config.stride * (config.frames - 1) + 1
    expected = max(frames - reach + 1, 1)
    notes = []
    if frames < reach:
        notes.append(
            f"the recording of {frames / rate:.2g} s is shorter than one clip: its frames are "
            "repeated"
        )
    if clips < expected:
        notes.append(f"{expected - clips} of {expected} clips show no events and are left out")
    return notes


def main(arguments: list[str] | None = None) -> None:
    """Print a table or a JSON line for one recording, CSV or JSON lines for files.

    `arguments` are those of the command line.
    """
    with one_line_errors(), single_precision():
        options = parse_options(
            PredictArguments, arguments, name="ttfs_jax.predict", script="ttfs-predict"
        )
        compilation_cache.enable()
        if bool(options.inputs) == (options.events is not None):
            raise InputError("name either one recording by --events, or files by --inputs")
        if options.events is not None:
            result = predict_recording(options)
            if options.json:
                print(dumps(result))
            else:
                console().print(shares_table(result))
        elif options.json:
            for row in predict_files(options):
                print(dumps(row))
        else:
            print_csv(predict_files(options))


if __name__ == "__main__":
    main()
