"""Recordings of event cameras as a data set, `events`: a folder per class, or a table of them.

Letters: T frames of a sequence, S sequences.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from ttfs_jax.datasets.base import Dataset, Progress
from ttfs_jax.datasets.events.files import EventFile, read_events, to_frames
from ttfs_jax.datasets.eye.dataset import check_clips
from ttfs_jax.datasets.own.faults import DataError, Faults
from ttfs_jax.datasets.own.files import list_files, read_all
from ttfs_jax.datasets.own.samples import listed, required_path, to_labels
from ttfs_jax.datasets.own.sequences import ClipOptions, Sequences, dataset_of_sequences, grouped
from ttfs_jax.support.errors import InputError

NEEDED, KNOWN = ("file", "label"), ("file", "label", "subject", "start", "end", "split")


@dataclass(frozen=True)
class EventOptions(ClipOptions):
    """Where the recordings lie, and how they become images."""

    sensor: tuple[int, int] | None = None
    """Width and height of the sensor (default: as in each file, else guessed from events)."""
    time_unit: Literal["s", "ms", "us", "ns"] | None = None
    """Unit of the recordings' times (default: as in the files, else guessed, with a note)."""
    stream: str | None = None
    """Which camera, where files hold several."""
    subjects: str | None = None
    """For folders: regular expression that finds the subject in a file's path, such as
    'user[0-9]+'; the first group, or all that matches. Nobody is then in two parts. A table has a
    column."""


def load_event_recordings(
    options: EventOptions, *, split_seed: int = 0, on_progress: Progress | None = None
) -> Dataset:
    """Load clips of the recordings below `options.data_dir`.

    That is a folder with one folder per class (or such folders in `train`, `val` and `test`), or a
    .csv file with a header and the columns `file` and `label`, and optionally `subject`, `split`,
    and `start` and `end` in seconds from the recording's first event. Files are read as by
    `events.files.read_events`. Nobody is in two parts; without `split` and `subject` the parts are
    drawn by `split_seed`, and all pieces of a recording are in one. `on_progress(done, total)` is
    called while files are read.

    Raises: InputError for options that no recording can satisfy, a missing folder or column, no
    file that can be read, and data that cannot be split; faults of single files or lines are in
    `problems`.
    """
    check_clips(options.clips, group="clips")
    root = required_path(options, "events", "a folder with a folder per class, or a .csv file")
    read = _from_table if root.is_file() else _from_folders
    sequences = read(root, options, on_progress)
    return dataset_of_sequences(
        root.resolve().stem, sequences, options, seed=split_seed, sensor=options.sensor
    )


class _Frames(NamedTuple):
    """The frames of a recording."""

    values: np.ndarray  # int8 [T, size, size]
    sensor: tuple[int, int]
    """Width and height."""
    path: Path
    """The file."""
    notes: tuple[str, ...]
    """Notes on the file."""


def read_recording(path: Path, options: EventOptions) -> _Frames:
    """Read the recording `path` as frames, as `options` say.

    Raises: InputError for a file that cannot be read, events outside `options.sensor`, or a crop
    beyond it.
    """
    recording = read_events(path, time_unit=options.time_unit, stream=options.stream)
    try:
        recording = on_sensor(recording, options.sensor)
        size = options.clips.size
        frames = to_frames(recording, size=size, rate=options.rate, crop=options.crop)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    return _Frames(frames, (recording.width, recording.height), path, recording.notes)


def on_sensor(recording: EventFile, sensor: Sequence[int] | None) -> EventFile:
    """Give a recording the width and height of a `sensor`; None leaves it as it is.

    Raises: InputError for events outside it.
    """
    if sensor is None:
        return recording
    events, (width, height) = recording.events, sensor
    if events["x"].max() >= width or events["y"].max() >= height:
        raise InputError(f"events are outside the --sensor of {width} × {height}: correct it")
    return recording._replace(width=width, height=height)


def _told(recordings: list[_Frames], options: EventOptions) -> list[str]:
    """List the notes on the recordings."""
    notes = grouped((one.path, note) for one in recordings for note in one.notes)
    sizes = sorted({recording.sensor for recording in recordings})
    if len(sizes) > 1 and options.crop is None:
        listing = listed([f"{width} × {height}" for width, height in sizes])
        notes.append(f"the recordings have sensors of different sizes, {listing}: give --sensor")
    return notes


def _from_folders(root: Path, options: EventOptions, on_progress) -> Sequences:
    files = list_files(root, subjects=options.subjects)
    reader = partial(read_recording, options=options)
    recordings, numbers, problems = read_all(files.paths, reader, on_progress=on_progress)
    if files.faults:
        raise DataError(files.faults, problems)
    return Sequences(
        [recording.values for recording in recordings],
        files.labels[numbers],
        files.classes,
        None if files.parts is None else files.parts[numbers],
        None if files.subjects is None else files.subjects[numbers],
        (*files.problems, *problems, *_told(recordings, options)),
    )


def _from_table(path: Path, options: EventOptions, on_progress) -> Sequences:
    if options.subjects is not None:
        raise InputError("--subjects is for folders: give the table a column 'subject' instead")
    lines, problems = read_table(path)
    if not lines:
        fault = f"{path} has no line of a file and its label: add a line for each recording"
        raise DataError([fault], problems)
    names = list(dict.fromkeys(line["file"] for line in lines))
    reader = partial(read_recording, options=options)
    files = [path.parent / name for name in names]
    contents, numbers, unread = read_all(files, reader, on_progress=on_progress)
    recordings = {names[n]: one.values for n, one in zip(numbers, contents, strict=True)}
    problems += unread + _told(contents, options)
    rows, pieces = [], []
    for line in lines:
        if line["file"] not in recordings:
            continue  # reported already
        try:
            pieces.append(_piece(recordings[line["file"]], line, options.rate))
            rows.append(line)
        except InputError as error:
            problems.append(f"left out: {path} line {line['line']}: {error}")
    if not rows:
        raise DataError([f"{path}: nothing can be read: {problems[0]}"], problems)
    labels, classes = to_labels(
        np.array([line["label"] for line in rows]), None, where=f"{path}: label"
    )
    column = {key: np.array([line.get(key, "") for line in rows]) for key in ("split", "subject")}
    columns = {key: values if (values != "").all() else None for key, values in column.items()}
    faults = Faults()
    for key, values in column.items():
        if columns[key] is None and (values != "").any():
            where = ", ".join(str(row["line"]) for row in rows if not row.get(key))
            faults.add(
                [
                    f"{path}: some lines have a {key} and some have none: fill them all "
                    f"(lines {where})"
                ]
            )
    faults.raise_all(problems)
    if columns["subject"] is None:
        problems += _in_two_parts(path, rows)
    files = np.array([line["file"] for line in rows])
    return Sequences(
        pieces,
        labels,
        classes,
        columns["split"],
        columns["subject"],
        tuple(problems),
        files if len(np.unique(files)) < len(files) else None,
    )


def _in_two_parts(path: Path, rows: list[dict[str, Any]]) -> list[str]:
    """Tell which recordings have pieces in two parts of a given split: one line each."""
    parts: dict[str, set[str]] = {}
    for row in rows:
        parts.setdefault(row["file"], set()).add(row.get("split", ""))
    return [
        f"{path}: pieces of {file} are in {' and in '.join(sorted(own))}, though they are alike: "
        "put them into one part, unless that is meant"
        for file, own in parts.items()
        if len(own) > 1
    ]


def read_table(path: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """Read the lines of `path`, a table of recordings, with numbers, and its problems.

    Raises: InputError for a file that is not such a table.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, skipinitialspace=True)
            names = [name.strip() for name in reader.fieldnames or ()]
            reader.fieldnames = names
            rows = [{**row, "line": reader.line_num} for row in reader]
        if any("\0" in (row.get("file") or "") for row in rows):
            raise csv.Error("a file's name holds a null character")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} cannot be read ({error}): save it as CSV in UTF-8") from error
    missing = [name for name in NEEDED if name not in names]
    if missing:
        raise InputError(
            f"{path} has no column {missing[0]!r}, only {', '.join(names)}: its first line must "
            f"name the columns, of {', '.join(KNOWN)}"
        )
    problems = [f"{path}: column {name!r} is not used" for name in names if name not in KNOWN]
    lines, seen = [], {}
    for row in rows:
        values = {name: (row[name] or "").strip() for name in KNOWN if name in row}
        where = f"left out: {path} line {row['line']}"
        piece = tuple(values.get(name, "") for name in ("file", "start", "end"))
        if not values["file"] or not values["label"]:
            problems.append(f"{where} has no file or no label")
        elif piece in seen:
            first, label = seen[piece]
            other = "" if values["label"] == label else f", which has the label {label}"
            problems.append(f"{where} is the same piece as line {first}{other}")
        else:
            seen[piece] = row["line"], values["label"]
            lines.append({"line": row["line"], **values})
    return lines, problems


def _piece(frames: np.ndarray, line: dict[str, Any], rate: float) -> np.ndarray:
    """Cut the frames [T, H, W] from `start` to `end` seconds out of a recording."""
    try:
        start, end = float(line.get("start") or 0), float(line.get("end") or len(frames) / rate)
    except ValueError as error:
        raise InputError(f"start and end must be seconds ({error})") from error
    last = len(frames) / rate
    if not 0 <= start < end <= last + 1 / rate:
        raise InputError(
            f"start {start:g} and end {end:g} must be in order, within the recording's {last:.4g} s"
        )
    first = int(start * rate)
    return frames[first : max(round(end * rate), first + 1)]
