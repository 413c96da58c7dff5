"""The layout of SEE on disk: find the sequences, and say what is wrong with which.

Format after Zhang et al. 2023 (arXiv:2310.04043) and its public instructions: event/ or event_30/
and frame/, then a folder an emotion, a folder a sequence and numbered JPEGs; one JSON file names
the classes, the subset, class and segment of every sequence.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path

from ttfs_jax.errors import InputError

EVENT_FOLDERS = ("event", "event_30")
INTENSITY_FOLDERS = ("frame",)
SUBSETS = {"training": True, "testing": False}
FIELDS = ("number", "subject", "sex", "age", "degree", "light", "emotion", "length", "take")


@dataclass(frozen=True)
class Sequence:
    """One sequence that can be read."""

    name: str
    subject: int
    light: str
    label: int  # index into `Index.classes`
    training: bool
    files: tuple[Path, ...]  # event frames in order of time; missing ones are left out


@dataclass(frozen=True)
class Index:
    """What a folder in the layout of SEE holds."""

    root: Path
    classes: tuple[str, ...]
    sequences: tuple[Sequence, ...]
    problems: tuple[str, ...]  # one line each, with the path


def parse_name(name: str) -> dict[str, str]:
    """Split a sequence name into its nine fields.

    Raises: ValueError for a name with another number of fields or a subject that is no number.
    """
    parts = name.split("_")
    if len(parts) != len(FIELDS):
        raise ValueError(f"{len(parts)} fields instead of {len(FIELDS)}")
    fields = dict(zip(FIELDS, parts, strict=True))
    if not fields["subject"].isdigit():
        raise ValueError(f"subject {fields['subject']!r} is no number")
    return fields


def read_index(root: Path) -> Index:
    """Find all sequences of a data set; whatever is wrong with one is listed, not fatal.

    Raises: InputError when there is no folder, no usable JSON file or no usable sequence.
    """
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"{root} is not a folder: name the one that holds event/ by --data-dir")
    path, content = _annotation(root)
    classes = tuple(str(label).lower() for label in content["labels"])
    events = _find(root, EVENT_FOLDERS)
    if events is None:
        raise InputError(f"{root} has no folder event/ or event_30/: unpack the event frames there")
    folders = _sequence_folders(events)
    sequences, problems = [], []
    for name, entry in content["database"].items():
        try:
            sequence, notes = _sequence(name, entry, classes, folders)
        except ValueError as error:
            problems.append(f"{folders.get(name, path)}: {name}: {error}; left out")
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
    """Return the same sequences with their intensity frames, file by file.

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
    try:
        annotation = entry["annotations"]
        label, (begin, end) = str(annotation["label"]).lower(), annotation["segment"]
        training = SUBSETS[entry["subset"]]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"subset, label or segment is missing or unknown ({error})") from error
    if label not in classes:
        raise ValueError(f"label {label!r} is none of {', '.join(classes)}")
    if end == 0:
        return None, []  # the published loader skips these on purpose
    folder = folders.get(name)
    if folder is None:
        raise ValueError("its folder is missing")
    notes = []
    if fields["emotion"].lower() != label:
        notes.append(f"{folder}: named {fields['emotion']} but labelled {label}; label is used")
    present = {int(p.stem): p for p in folder.iterdir() if p.stem.isdigit()}
    # Some copies count from 1: then the last number of the segment exists and the first does not.
    shift = int(begin not in present and end in present)
    wanted = range(begin + shift, end + shift)
    files = tuple(present[n] for n in wanted if n in present)
    if not files:
        raise ValueError("it has no frames")
    if len(files) < len(wanted):
        missing = [n for n in wanted if n not in present]
        notes.append(
            f"{folder}: {len(missing)} of {len(wanted)} frames missing, the first {missing[0]:05d}"
        )
    light = fields["light"]
    return Sequence(
        name, int(fields["subject"]), light, classes.index(label), training, files
    ), notes


def _annotation(root: Path) -> tuple[Path, dict]:
    reasons = []
    for path in sorted(root.glob("*.json")):
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if isinstance(content["labels"], list) and isinstance(content["database"], dict):
                return path, content
            reasons.append(f"{path.name} has no list of labels and table of sequences")
        except (ValueError, KeyError, TypeError) as error:
            reasons.append(f"{path.name}: {error!r}")
    raise InputError(
        f"{root} has no JSON file with labels and database ({'; '.join(reasons) or 'none there'}): "
        "copy the one of the data set there"
    )


def _find(root: Path, names: tuple[str, ...]) -> Path | None:
    """Find a folder by name, whatever its case."""
    folders = {p.name.lower(): p for p in sorted(root.iterdir()) if p.is_dir()}
    return next((folders[name] for name in names if name in folders), None)


def _sequence_folders(events: Path) -> dict[str, Path]:
    emotions = [p for p in sorted(events.iterdir()) if p.is_dir()]
    return {p.name: p for emotion in emotions for p in sorted(emotion.iterdir()) if p.is_dir()}
