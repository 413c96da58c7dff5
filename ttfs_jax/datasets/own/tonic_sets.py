"""Event data sets of the package tonic, such as N-MNIST and DVS Gesture, as a data set, `tonic`."""

import importlib
from collections import Counter
from dataclasses import dataclass
from hashlib import blake2b
from inspect import signature
from typing import Any

import numpy as np

from ttfs_jax.datasets.base import Dataset, Progress
from ttfs_jax.datasets.events.files import EventFile, make_recording, to_frames
from ttfs_jax.datasets.events.source import Source
from ttfs_jax.datasets.eye.dataset import check_clips
from ttfs_jax.datasets.own.faults import DataError
from ttfs_jax.datasets.own.samples import to_labels
from ttfs_jax.datasets.own.sequences import ClipOptions, Sequences, dataset_of_sequences, grouped
from ttfs_jax.support.errors import InputError, unknown

INSTALL = "--data tonic needs the package tonic: install it by pip install 'ttfs-jax[tonic]'"
FIELDS = ("t", "x", "y", "p")


@dataclass(frozen=True)
class TonicOptions(ClipOptions):
    """Which data set of tonic, where its files are, and how recordings become images."""

    set_name: str | None = None
    """Name of the data set in `tonic.datasets`, such as NMNIST or DVSGesture."""


def load_tonic(
    options: TonicOptions, *, split_seed: int = 0, on_progress: Progress | None = None
) -> Dataset:
    """Load clips of the recordings of a data set of tonic.

    tonic finds its files in `options.data_dir`, in a folder of its name, or downloads them there.
    Its test samples are for test; a fifth of the training samples, or people where it has `users`,
    is for validation. A set without such parts is split by `split_seed`. `on_progress(done, total)`
    is called while samples are read.

    Raises: InputError without tonic, for an unknown set, one whose targets are not classes, or
    files that it cannot find; single samples that cannot be read are in `problems`.
    Source: Lenz et al. 2021 (doi:10.5281/zenodo.5079802).
    """
    check_clips(options.clips, group="clips")
    kind = _find(options.set_name)
    if options.data_dir is None:
        raise InputError("--data tonic needs --data-dir: a folder for the files of tonic")
    try:
        if "train" in signature(kind).parameters:
            pieces = {
                part: kind(save_to=str(options.data_dir), train=part == "train")
                for part in ("train", "test")
            }
        else:
            pieces = {"": kind(save_to=str(options.data_dir))}
    except Exception as error:  # what a download, an archive or the set itself raises
        raise InputError(
            f"tonic cannot open {options.set_name} in {options.data_dir} ({error}): see its page"
        ) from error
    sequences = _read(kind, pieces, options, on_progress)
    return dataset_of_sequences(str(options.set_name), sequences, options, seed=split_seed)


def _find(name: str | None) -> Any:
    """Find the class of a data set. Raises: InputError without tonic, or for an unknown name."""
    try:
        sets = importlib.import_module("tonic").datasets
    except ImportError as error:
        raise InputError(INSTALL) from error
    names = sorted(key for key, value in vars(sets).items() if isinstance(value, type))
    if name is None:
        raise InputError(f"--data tonic needs --set-name: one of {', '.join(names)}")
    if name not in names:
        raise unknown("--set-name", name, names)
    return getattr(sets, name)


def _read(kind: Any, pieces: dict[str, Any], options: TonicOptions, on_progress) -> Sequences:
    frames, targets, parts, users, problems = [], [], [], [], []
    notes, first = [], {}
    total, done = sum(map(len, pieces.values())), 0
    for part, piece in pieces.items():
        people = getattr(piece, "users", None)
        for number in range(len(piece)):
            where = f"{options.set_name} {part}[{number}]"
            try:
                events, target = piece[number]
                recording = _to_recording(events, kind.sensor_size, where)
                shown = to_frames(
                    recording, size=options.clips.size, rate=options.rate, crop=options.crop
                )
                earlier = first.setdefault(_digest(events), where)
                if earlier != where:
                    raise InputError(f"it is the same recording as {earlier}")
                frames.append(shown)
                notes += [(where, note) for note in recording.notes]
            except (InputError, OSError, ValueError, LookupError) as error:
                problems.append(f"left out: {where}: {error}")
            else:
                targets.append(target)
                parts.append(part)
                users += [] if people is None else [people[number]]
            done += 1
            if on_progress is not None:
                on_progress(done, total)
    if not frames:
        why = problems[0] if problems else "its folder holds none"
        fault = f"none of {total} samples of {options.set_name} can be read: {why}"
        raise DataError([fault], problems)
    names = getattr(kind, "classes", None)
    labels, classes = to_labels(np.asarray(targets), names, where=f"{options.set_name} targets")
    return Sequences(
        frames,
        labels,
        classes,
        np.array(parts) if len(pieces) > 1 else None,
        np.array(users) if users else None,
        (*problems, *grouped(notes)),
    )


def _digest(events: np.ndarray) -> bytes:
    """Identify a recording by its events [N]."""
    columns = (np.ascontiguousarray(events[name]).tobytes() for name in FIELDS)
    return blake2b(b"".join(columns), digest_size=16).digest()


def _to_recording(events: np.ndarray, size: tuple[int, int, int], where: str) -> EventFile:
    """Check structured events [N], t in microseconds. Raises: InputError for anything else."""
    names = events.dtype.names or ()
    if not {*FIELDS} <= {*names}:
        raise InputError(f"has events with {', '.join(names)}, no recording of an event camera")
    t, x, y, p = (np.asarray(events[name]) for name in FIELDS)
    source = Source(where, iter([(t, x, y, p)]), [], Counter(), size=(size[0], size[1]), unit="us")
    return make_recording(source)
