"""The layout of SEE on disk: find the sequences, and report their faults.

Format after Zhang et al. 2023 (arXiv:2310.04043) and its public instructions: event/ or event_30/
and frame/, then a folder per emotion, a folder per sequence and numbered JPEGs; one JSON file names
the classes, the subset, class and segment of every sequence.
"""

import json
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

from ttfs_jax.support.errors import InputError

EVENT_FOLDERS = ("event", "event_30")
INTENSITY_FOLDERS = ("frame",)
SUBSETS = {"training": True, "testing": False}
LONGEST = 100_000  # frames; their names have five digits
NUMBERED = re.compile(r"([0-9]{1,9})(?:\.[^.]*)?")
FIELDS = ("number", "subject", "sex", "age", "degree", "light", "emotion", "length", "take")


@dataclass(frozen=True)
class Sequence:
    """One sequence that can be read."""

    name: str  # of its folder
    subject: int  # number of the person
    light: str  # one of `face.LIGHTS`
    label: int  # index into `Index.classes`
    training: bool  # part of the official split
    files: tuple[Path, ...]  # event frames in time order; missing ones are left out


@dataclass(frozen=True)
class Index:
    """The contents of a folder in the layout of SEE."""

    root: Path  # the folder
    classes: tuple[str, ...]  # names, in the order of the labels
    sequences: tuple[Sequence, ...]  # those that can be read, at least in part
    problems: tuple[str, ...]  # one line each, with the path


def parse_name(name: str) -> dict[str, str]:
    """Split a sequence name into its nine fields.

    Raises: ValueError for a name with another number of fields or a subject that is no number of
    at most 9 digits.
    """
    parts = name.split("_")
    if len(parts) != len(FIELDS):
        raise ValueError(f"{len(parts)} fields instead of {len(FIELDS)}")
    fields: dict[str, str] = dict(zip(FIELDS, parts, strict=True))
    if not re.fullmatch("[0-9]{1,9}", fields["subject"]):
        raise ValueError(f"subject {_short(fields['subject'])} is not a number of at most 9 digits")
    return fields


def read_index(root: Path) -> Index:
    """Find all sequences of the data set in `root`; faults of single ones are listed, not fatal.

    Raises: InputError when there is no folder, no usable JSON file or no usable sequence.
    """
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"{root} is not a folder: name the one that holds event/ by --data-dir")
    path, content = _annotation(root)
    classes = tuple(label.lower() for label in content["labels"])
    events = _find(root, EVENT_FOLDERS)
    if events is None:
        raise InputError(f"{root} has no folder event/ or event_30/: unpack the event frames there")
    folders = _sequence_folders(events)
    sequences, problems = [], []
    for name, entry in content["database"].items():
        try:
            sequence, notes = _sequence(name, entry, classes, folders)
        except ValueError as error:
            printable = name if name.isprintable() else ascii(name)
            problems.append(f"{folders.get(name, path)}: {printable}: {error}; left out")
            continue
        problems += notes
        if sequence is not None:
            sequences.append(sequence)
    known = content["database"].keys()
    problems += [
        f"{folder}: not in {path.name}; left out" for n, folder in folders.items() if n not in known
    ]
    if not sequences:
        raise InputError(
            f"{root} holds no sequence that can be read ({len(problems)} problems, the first: "
            f"{problems[0] if problems else 'the JSON file is empty'}): get the data set again"
        )
    return Index(root, classes, tuple(sequences), tuple(problems))


def intensity(index: Index) -> Index:
    """Return the sequences of `index` with their intensity frames, file by file.

    Raises: InputError when there is no folder frame/ or a sequence is missing in it.
    """
    frames = _find(index.root, INTENSITY_FOLDERS)
    if frames is None:
        raise InputError(f"{index.root} has no folder frame/: unpack the intensity frames there")
    folders = _sequence_folders(frames)
    missing = [s.name for s in index.sequences if s.name not in folders]
    if missing:
        raise InputError(f"{frames} lacks {len(missing)} sequences, the first {missing[0]}")
    sequences = tuple(
        replace(s, files=tuple(folders[s.name] / file.name for file in s.files))
        for s in index.sequences
    )
    return replace(index, sequences=sequences)


def _sequence(name, entry, classes, folders) -> tuple[Sequence | None, list[str]]:
    fields = parse_name(name)
    label, begin, end, training = _entry(entry, classes)
    if end == 0:
        return None, []  # the published loader skips these on purpose
    folder = folders.get(name)
    if folder is None:
        raise ValueError("its folder is missing")
    notes = []
    if fields["emotion"].lower() != label:
        notes.append(f"{folder}: named {fields['emotion']} but labelled {label}; label is used")
    try:
        frames = filter(None, map(NUMBERED.fullmatch, sorted(os.listdir(folder))))
        present = {int(frame[1]): frame[0] for frame in frames}
    except OSError as error:
        raise ValueError(f"its folder cannot be read ({error.strerror})") from error
    # Some copies count from 1: then the last number of the segment exists and the first does not.
    shift = int(begin not in present and end in present)
    segment = range(begin + shift, end + shift)
    files = tuple(folder / present[n] for n in segment if n in present)
    if not files:
        raise ValueError("it has no frames")
    if len(files) < len(segment):
        missing = [n for n in segment if n not in present]
        notes.append(
            f"{folder}: {len(missing)} of {len(segment)} frames missing, the first {missing[0]:05d}"
        )
    light = fields["light"]
    return Sequence(
        name, int(fields["subject"]), light, classes.index(label), training, files
    ), notes


def _entry(entry, classes) -> tuple[str, int, int, bool]:
    """Read class, begin and end of the segment, and part of one sequence off the JSON file."""
    try:
        annotation = entry["annotations"]
        label, segment = annotation["label"], annotation["segment"]
        training = SUBSETS[entry["subset"]]
    except (KeyError, TypeError, IndexError) as error:
        raise ValueError(
            f"subset, label or segment is missing or unknown ({_short(str(error))})"
        ) from error
    if not isinstance(label, str) or label.lower() not in classes:
        raise ValueError(f"label {_short(label)} is none of {', '.join(classes)}")
    if not isinstance(segment, list) or len(segment) != 2 or not all(map(_is_whole, segment)):
        raise ValueError(f"segment {_short(segment)} is not two whole numbers [begin, end]")
    begin, end = map(int, segment)
    if not 0 <= begin < end and not begin == end == 0:
        raise ValueError(f"segment {_short(segment)} must have 0 ≤ begin < end")
    if end > LONGEST:
        raise ValueError(f"segment {_short(segment)} ends after frame {LONGEST}")
    return label.lower(), begin, end, training


def _is_whole(number) -> bool:
    if isinstance(number, float):
        return number.is_integer()  # not for NaN and infinity
    return isinstance(number, int) and not isinstance(number, bool)


def _short(value) -> str:
    """Show a value of the JSON file in one line of ASCII."""
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _annotation(root: Path) -> tuple[Path, dict]:
    reasons = []
    for path in sorted(root.glob("*.json")):
        try:
            content = json.loads(path.read_bytes(), parse_int=_integer)
            labels, database = content["labels"], content["database"]
            if not isinstance(labels, list) or not isinstance(database, dict):
                reasons.append(f"{path.name} has no list of labels and table of sequences")
            elif not _are_classes(labels):
                reasons.append(f"{path.name}: labels {_short(labels)} are not different words")
            else:
                return path, content
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            reasons.append(f"{path.name}: {type(error).__name__} {_short(str(error))}")
    raise InputError(
        f"{root} has no JSON file with labels and database ({'; '.join(reasons) or 'none there'}): "
        "copy the one of the data set there"
    )


def _integer(digits: str) -> int | float:
    """Read a number of the JSON file: one with thousands of digits must not spoil the others."""
    return int(digits) if len(digits) <= 20 else float(digits)


def _are_classes(labels: list) -> bool:
    words = all(isinstance(label, str) and label and label.isprintable() for label in labels)
    return words and len({label.lower() for label in labels}) == len(labels) > 0


def _find(root: Path, names: tuple[str, ...]) -> Path | None:
    """Find a folder by name, whatever its case."""
    folders = {p.name.lower(): p for p in _subfolders(root)}
    return next((folders[name] for name in names if name in folders), None)


def _sequence_folders(events: Path) -> dict[str, Path]:
    return {p.name: p for emotion in _subfolders(events) for p in _subfolders(emotion)}


def _subfolders(folder: Path) -> list[Path]:
    try:
        return [p for p in sorted(folder.iterdir()) if p.is_dir()]
    except OSError as error:
        raise InputError(f"{folder} cannot be read ({error.strerror}): make it readable") from error
