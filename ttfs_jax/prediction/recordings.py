"""Classify every clip of a recording, with memory that does not grow with its length."""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ttfs_jax.datasets import EyeConfig
from ttfs_jax.datasets.events.files import frame_pieces, read_events
from ttfs_jax.datasets.eye.clips import clip_image, every_clip
from ttfs_jax.datasets.own.event_recordings import on_sensor
from ttfs_jax.prediction.classifier import Classifier, clips_of
from ttfs_jax.support.errors import InputError

RATE = 30.0  # frames per second for networks whose data have none
CLIPS_AT_A_TIME = 64


class Reading(NamedTuple):
    """How a recording is read; None leaves it to the file, or to how the network was trained."""

    crop: tuple[int, int, int] | None = None
    """Square to crop: left, top, edge in pixels."""
    time_unit: str | None = None
    """Unit of times: s, ms, us, ns."""
    stream: str | None = None
    """Which camera, if there are several."""


def classify_clips(classifier: Classifier, pieces: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Return the share of each class for every clip of a recording, some clips at a time.

    The `classifier` gets clips that begin at every frame in turn, except those without any event,
    which hold no information. Memory does not grow with the recording, and the network is compiled
    once.

    Shapes: frames in order, `pieces` int8 [T_i, H, W] -> pieces [clips, K].
    Raises: InputError for a network that was not made for eye data, or frames of another size.
    """
    config = clips_of(classifier)

    def shares() -> Iterator[np.ndarray]:
        clips = _every_clip(pieces, frames=config.frames, stride=config.stride)
        images = (
            clip_image(clip, code=config.code, pool=config.pool) for clip in clips if clip.any()
        )
        while batch := list(islice(images, CLIPS_AT_A_TIME)):
            padding = [np.zeros_like(batch[0])] * (CLIPS_AT_A_TIME - len(batch))
            yield classifier.shares(np.stack(batch + padding))[: len(batch)]

    return shares()


def classify_recording(classifier: Classifier, path: Path, reading: Reading) -> dict:
    """Classify every clip of the recording in the file `path`, and summarise: JSON values.

    `reading` says how it is read. The shares are the mean over the clips that the `classifier`
    decides; `class` is the largest.

    Raises: InputError for a file that cannot be read, and if no clip is decided.
    """
    config = clips_of(classifier)
    source = classifier.meta["source"]
    rate = source.get("rate", RATE)
    recording = read_events(path, time_unit=reading.time_unit, stream=reading.stream)
    recording = on_sensor(recording, source.get("sensor"))
    crop = reading.crop or source.get("crop")
    pieces = frame_pieces(recording, size=config.size, rate=rate, crop=crop)
    classes, frames = classifier.meta["classes"], 0

    def counted() -> Iterator[np.ndarray]:
        nonlocal frames
        for piece in pieces:
            frames += len(piece)
            yield piece

    total, decisions = np.zeros(len(classes)), []
    for shares in classify_clips(classifier, counted()):
        total += shares.sum(0, dtype=float)
        decisions.extend(classes[row.argmax()] if row.any() else None for row in shares)
    if not decisions:
        raise InputError(
            f"{path}: ON and OFF events of every frame cancel out, nothing is left to "
            "classify: choose another --crop or recording"
        )
    decided = len(decisions) - decisions.count(None)
    if not decided:
        raise InputError(
            f"{path}: no output neuron spikes in any of {len(decisions)} clips: choose another "
            "--crop or recording"
        )
    mean = total / decided
    return {
        "recording": str(path),
        "trained_on": classifier.meta["dataset"],
        "frames": frames,
        "clips": len(decisions),
        "class": classes[int(mean.argmax())],
        "shares": dict(zip(classes, mean.tolist(), strict=True)),
        "classes_of_clips": decisions,
        "notes": [
            *recording.notes,
            *_notes(frames, len(decisions), config, rate),
            *_undecided(decisions),
        ],
        "dropped": dict(recording.dropped),
    }


def _every_clip(pieces: Iterable[np.ndarray], *, frames: int, stride: int) -> Iterator[np.ndarray]:
    """Yield the clips of `every_clip`, [F, H, W] each, keeping only the frames that one needs."""
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
    """Note where there are fewer clips than the number of frames implies."""
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


def _undecided(decisions: list) -> list[str]:
    silent = decisions.count(None)
    return [f"no output neuron spikes in {silent} of {len(decisions)} clips"] if silent else []
