"""Classify a recording of an event camera: `python -m ttfs_jax.predict --checkpoint --events`."""

from collections.abc import Iterable, Iterator
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
from ttfs_jax.datasets.events.files import frame_pieces, read_events
from ttfs_jax.datasets.eye.clips import every_clip, show
from ttfs_jax.datasets.eye.dataset import config_of
from ttfs_jax.model import Model, load
from ttfs_jax.support.command import run_command
from ttfs_jax.support.errors import InputError

RATE = 30.0  # frames per second that networks are trained on
CLIPS_AT_A_TIME = 64


@dataclass(frozen=True)
class Arguments:
    """Classify a recording by a network found by `python -m search.evolve` on eye data."""

    checkpoint: Path
    """Folder of the network, such as runs/x/best/0."""
    events: Path
    """Recording: AEDAT4, HDF5 (Prophesee, DSEC, M3ED, MVSEC, v2e, rpg) or text (t x y p)."""
    crop: tuple[int, int, int] | None = None
    """Square around the eye: left, top, edge in pixels (default: the largest in the middle)."""
    time_unit: Literal["s", "ms", "us", "ns"] | None = None
    """Unit of the recording's times (default: as the file tells, else guessed and told)."""
    stream: str | None = None
    """Which camera, if the recording holds several."""
    json: bool = False
    """Print one JSON line."""


def classify(model: Model, pieces: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Return the share of each class for every clip of a recording, some clips at a time.

    Softmax of the output potentials of clips that begin at every frame in turn. Clips without a
    single event are left out: they say nothing. Memory does not grow with the recording, and the
    network is compiled once.

    Shapes: frames in order, pieces int8 [T_i, H, W] -> pieces [clips, K].
    Raises: InputError for a network that was not made for eye data, or frames of another size.
    """
    config = _eye_config(model)

    def shares() -> Iterator[np.ndarray]:
        clips = _every_clip(pieces, frames=config.frames, stride=config.stride)
        images = (show(clip, code=config.code, pool=config.pool) for clip in clips if clip.any())
        while batch := list(islice(images, CLIPS_AT_A_TIME)):
            padding = [np.zeros_like(batch[0])] * (CLIPS_AT_A_TIME - len(batch))
            yield np.asarray(jax.nn.softmax(model(np.stack(batch + padding))))[: len(batch)]

    return shares()


def run(arguments: Arguments) -> dict:
    """Read, classify and sum up: JSON values."""
    model = load(arguments.checkpoint)
    config = _eye_config(model)
    recording = read_events(
        arguments.events, time_unit=arguments.time_unit, stream=arguments.stream
    )
    pieces = frame_pieces(recording, size=config.size, rate=RATE, crop=arguments.crop)
    classes, frames = model.meta["classes"], 0

    def counted() -> Iterator[np.ndarray]:
        nonlocal frames
        for piece in pieces:
            frames += len(piece)
            yield piece

    total, decisions = np.zeros(len(classes)), []
    for shares in classify(model, counted()):
        total += shares.sum(0, dtype=float)
        decisions.extend(shares.argmax(1).tolist())
    if not decisions:
        raise InputError(
            f"{arguments.events}: ON and OFF events of every frame cancel out, nothing is left to "
            "classify: choose another --crop or recording"
        )
    mean = total / len(decisions)
    return {
        "recording": str(arguments.events),
        "trained_on": model.meta["dataset"],
        "frames": frames,
        "clips": len(decisions),
        "class": classes[int(mean.argmax())],
        "shares": dict(zip(classes, mean.tolist(), strict=True)),
        "classes_of_clips": [classes[n] for n in decisions],
        "notes": [*recording.notes, *_notes(frames, len(decisions), config)],
        "dropped": dict(recording.dropped),
    }


def table(found: dict) -> Group:
    """Lay out the shares of all classes, between the recording's name and the notes."""
    result = Table("class", "share", "clips")
    for name, share in sorted(found["shares"].items(), key=lambda item: -item[1]):
        result.add_row(escape(name), f"{share:.3f}", str(found["classes_of_clips"].count(name)))
    lines = [f"{found['clips']} clips; network trained on {found['trained_on']}", *found["notes"]]
    return Group(Text(f"{found['recording']}: {found['class']}"), result, *map(Text, lines))


def _eye_config(model: Model) -> EyeConfig:
    config = config_of(model.meta.get("source") or {})
    if config is None:
        raise InputError(
            f"the network was trained on {model.meta.get('dataset')}, not on recordings of eyes: "
            "choose another --checkpoint"
        )
    return config


def _every_clip(pieces: Iterable[np.ndarray], *, frames: int, stride: int) -> Iterator[np.ndarray]:
    """Yield the clips of `every_clip`, [F, H, W] each, holding no more frames than one needs."""
    reach = stride * (frames - 1) + 1
    held, whole = None, False
    for piece in pieces:
        held = piece if held is None else np.concatenate([held, piece])
        whole |= len(held) >= reach
        for begin in range(len(held) - reach + 1):
            yield held[begin : begin + reach : stride]
        held = held[max(len(held) - reach + 1, 0) :] if len(held) >= reach else held
    if held is not None and not whole:
        yield held[every_clip(len(held), frames=frames, stride=stride)[0]]


def _notes(frames: int, clips: int, config: EyeConfig) -> list[str]:
    """Say where the clips are fewer than the frames let expect."""
    reach = config.stride * (config.frames - 1) + 1
    expected = max(frames - reach + 1, 1)
    notes = []
    if frames < reach:
        notes.append(
            f"the recording of {frames / RATE:.2g} s is shorter than one clip: its frames are "
            "repeated"
        )
    if clips < expected:
        notes.append(f"{expected - clips} of {expected} clips show no events and are left out")
    return notes


def main(arguments: list[str] | None = None) -> None:
    """Print a table or a JSON line."""
    run_command("ttfs_jax.predict", Arguments, run, table, arguments)


if __name__ == "__main__":
    main()
