"""Folders of files: list them, one folder per class, and read them without losing any.

Letters: N files.
"""

import hashlib
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ttfs_jax.datasets.base import Progress
from ttfs_jax.datasets.own.faults import DataError
from ttfs_jax.support.errors import InputError

# Names that the folder of a part may have, in small letters or capitals.
PART_FOLDERS = {"train": "train", "val": "validation", "validation": "validation", "test": "test"}


class Files(NamedTuple):
    """The files of a data set, sorted, with the classes and parts of their folders."""

    paths: list[Path]  # [N]
    labels: np.ndarray  # [N] int32
    classes: tuple[str, ...]  # names of the folders
    parts: np.ndarray | None  # [N] str, where there are folders of parts
    subjects: np.ndarray | None = None  # [N] str, where the paths have them
    problems: tuple[str, ...] = ()  # folders that are left out
    faults: tuple[str, ...] = ()  # paths without a subject, though others have one


def list_files(root: Path, *, subjects: str | None = None) -> Files:
    """List the files below one folder per class, or such folders in `train`, `val` and `test`.

    `root` is the folder that holds these; case does not matter in the three, and a folder `train`
    without folders is a class. Names that begin with a dot are ignored. `subjects` is a pattern,
    see `subjects_of`.

    Raises: InputError for no folder, no classes in it, a name of one that is not UTF-8, or a
    pattern that no path fits.
    """
    if not root.is_dir():
        raise InputError(f"{root} is not a folder: name the one that holds a folder per class")
    tops = _folders(root)
    named = {top: PART_FOLDERS.get(top.name.lower(), "") for top in tops}
    # A folder `train` of files, not of folders, shows trains.
    in_parts = any(part == "train" and _folders(top) for top, part in named.items())
    roots = named if in_parts else {root: "all"}
    problems = [f"{top}: no part (train, val or test), not read" for top in roots if not roots[top]]
    folders = [(one, part) for top, part in roots.items() if part for one in _folders(top)]
    classes = sorted({folder.name for folder, _ in folders})
    for name in classes:
        if name.encode("utf-8", "replace") != name.encode("utf-8", "surrogateescape"):
            raise InputError(f"the name of the folder {name!r} in {root} is not UTF-8: rename it")
    rows = [
        (path, classes.index(folder.name), part)
        for folder, part in folders
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    ]
    if not rows:
        raise InputError(f"{root} holds no files in folders: make one folder per class in it")
    paths, labels, parts = zip(*rows, strict=True)
    whose, faults = (None, []) if subjects is None else subjects_of(paths, subjects, root=root)
    return Files(
        list(paths),
        np.array(labels, np.int32),
        tuple(classes),
        np.array(parts) if in_parts else None,
        whose,
        tuple(problems),
        tuple(faults),
    )


def subjects_of(paths: Sequence[Path], pattern: str, *, root: Path) -> tuple[np.ndarray, list[str]]:
    """Return each file's subject: what the `pattern` finds in its path below `root`, [N] str.

    The pattern is a regular expression; the subject is its first group, or all that it matches.
    `paths` without a match are returned as faults, one line each.
    Raises: InputError for an invalid expression, or one that no path fits.
    """
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise InputError(
            f"--subjects {pattern!r} is not a regular expression ({error}): correct it"
        ) from error
    names = [path.relative_to(root).as_posix() for path in paths]
    matches = [expression.search(name) for name in names]
    subjects = [(match and match[min(expression.groups, 1)]) or "" for match in matches]
    faults = [
        f"{path}: --subjects {pattern!r} finds no subject in {name}: rename the file, or change it"
        for path, name, subject in zip(paths, names, subjects, strict=True)
        if not subject
    ]
    if len(faults) == len(paths):  # a wrong pattern: one error before any file is read
        others = f", nor in {len(paths) - 1} others" if len(paths) > 1 else ""
        raise InputError(
            f"--subjects {pattern!r} finds no subject in {names[0]}{others}: correct it, or "
            "rename the files"
        )
    return np.array(subjects), faults


def _folders(root: Path) -> list[Path]:
    return sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))


def read_all(
    paths: Sequence[Path], read: Callable[[Path], Any], *, on_progress: Progress | None = None
) -> tuple[list[Any], np.ndarray, list[str]]:
    """Read files in parallel: their contents, the numbers [n] of those read, and the problems.

    `paths` are the files; `on_progress(done, total)` is called while they are read.

    A file for which `read` raises InputError, and one that has the same bytes as an earlier one,
    are left out and reported.
    """
    first: dict[str, Path] = {}
    contents, numbers, problems = [], [], []

    def attempt(path: Path) -> tuple[str, Any]:
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            return digest, read(path)
        except (InputError, OSError) as error:
            return "", error

    with ThreadPoolExecutor() as pool:
        for number, (digest, content) in enumerate(pool.map(attempt, paths)):
            path = paths[number]
            if isinstance(content, Exception):
                problems.append(f"left out: {content}")
            elif (earlier := first.setdefault(digest, path)) != path:
                problems.append(f"left out: {path} is the same file as {earlier}")
            else:
                contents.append(content)
                numbers.append(number)
            if on_progress is not None:
                on_progress(number + 1, len(paths))
    if not contents:
        raise DataError([f"none of {len(paths)} files can be read: {problems[0]}"], problems)
    return contents, np.array(numbers), problems
