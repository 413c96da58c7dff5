"""Folders of a cache: loaded if complete, or made again, by one process or several at once."""

import shutil
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from ttfs_jax.support.array_file import check_space
from ttfs_jax.support.errors import InputError

Value = TypeVar("Value")
PARTIAL = ".ttfs-jax-partial-"
DAMAGED = (OSError, ValueError, RecursionError)  # the last one by nested JSON
ABANDONED = 24 * 3600.0  # seconds without a write, after which an unfinished entry is abandoned


def load_or_make(
    folders: Sequence[Path],
    name: str,
    *,
    load: Callable[[Path], Value],
    make: Callable[[Path], None],
    size: int,
) -> Value:
    """Load the entry `name` from the first of the folders with a complete one, else make it.

    It is made in the last of `folders`.

    `load(entry)` raises OSError or ValueError for an entry that is missing or damaged, and what it
    returns must not need the path any more. `make(entry)` fills an empty folder with about `size`
    bytes; it gets its name only when it is complete, and is removed if that fails.

    Raises: InputError when the last folder cannot be written or has too little space.
    """
    for folder in folders:
        try:
            return load(folder / name)
        except DAMAGED:
            continue  # missing, or damaged and made again
    target = folders[-1] / name
    partial = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(target.parent)
        check_space(target.parent, size)
        partial = target.parent / f"{PARTIAL}{uuid.uuid4().hex}"
        partial.mkdir()
        make(partial)
        value = load(partial)
        _publish(partial, target, load)
        return value
    except OSError as error:
        raise InputError(
            f"cannot write the cache {target} ({error.strerror or error}): set XDG_CACHE_HOME to a "
            f"folder that can be written and has {size / 1e9:.2g} GB of space"
        ) from error
    finally:
        if partial is not None:
            shutil.rmtree(partial, ignore_errors=True)


def _publish(partial: Path, target: Path, load: Callable[[Path], object]) -> None:
    """Give a complete entry its name, unless another process was faster."""
    for last in (False, False, True):  # others may publish and remove at the same time
        try:
            partial.rename(target)
            return
        except OSError:
            if last:
                raise
        try:
            load(target)
            return
        except DAMAGED:
            _remove(target)


def _remove(entry: Path) -> None:
    if entry.is_symlink() or not entry.is_dir():
        entry.unlink(missing_ok=True)
    else:
        shutil.rmtree(entry, ignore_errors=True)


def _remove_abandoned(folder: Path) -> None:
    """Remove the unfinished entries of killed processes."""
    for partial in folder.glob(f"{PARTIAL}*"):
        try:
            times = [p.stat().st_mtime for p in (partial, *partial.iterdir())]
        except OSError:
            continue
        if time.time() - max(times) > ABANDONED:
            _remove(partial)
