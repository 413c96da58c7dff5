"""Save and restore pytrees with orbax: whole or not at all, checked against damage.

A folder holds `meta.json` and `tree/`. While one is replaced, `.NAME.new` next to it is being
written and `.NAME.old` is the previous one; at any moment one complete checkpoint can be read.
"""

import hashlib
import json
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from ttfs_jax.support.errors import InputError
from ttfs_jax.support.json_text import dumps

FORMAT = 2  # in 1, networks had no plan and kernels [k k I, O]
READABLE = (1, FORMAT)
META, TREE = "meta.json", "tree"


def save(path: Path, tree: Any, *, meta: dict, replace: bool = False) -> None:
    """Write a `tree` of arrays and a JSON-able `meta` to a new folder, `path`.

    The folder appears complete under its name, after all of it was read back and compared; one
    that is replaced is kept until then. Raises: InputError if there is one and `replace` is off,
    if something else is there, or if the disk refuses it.
    """
    path = Path(path).absolute()
    if exists(path) and not replace:
        raise InputError(f"{path} exists: choose another folder")
    if path.exists() and not _is_checkpoint_or_empty(path):
        raise InputError(f"{path} holds something else than a checkpoint: choose another folder")
    fresh, old = _beside(path, "new"), _beside(path, "old")
    arrays = jax.tree.map(np.asarray, tree)
    _remove(fresh)
    try:
        _write(fresh, arrays, meta)
        if path.exists():
            # The complete copy is under its own name, so the previous one can be removed.
            _remove(old)
            os.rename(path, old)
        try:
            os.replace(fresh, path)
        except OSError:
            if old.exists():
                os.rename(old, path)
            raise
    except (OSError, ValueError, RuntimeError) as error:
        _remove(fresh)
        raise InputError(
            f"cannot save to {path} ({_reason(error)}): make room there or choose another folder; "
            "what was saved before is kept"
        ) from error
    _remove(old)


def exists(path: Path) -> bool:
    """Tell whether `path` is a checkpoint, be it the old one of an interrupted replacement."""
    return _find(Path(path).absolute()).exists()


def read_meta(path: Path) -> dict:
    """Return the `meta` of the checkpoint `path` after checking all files that were saved.

    Files that were not, such as `.DS_Store`, are ignored.

    Raises: InputError for a missing, foreign, newer or damaged folder.
    """
    return _read_meta(_find(Path(path).absolute()))


def restore(path: Path, template: Any) -> tuple[Any, dict]:
    """Return (tree, meta) of the checkpoint `path`; the template gives structure, shapes, dtypes.

    Raises: InputError as `read_meta`, and when the arrays do not fit the template.
    """
    path = _find(Path(path).absolute())
    meta = _read_meta(path)
    like = jax.tree.map(np.asarray, template)
    try:
        return _read_tree(path, like), meta
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} does not fit the network expected: {_reason(error)}") from error


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(f".{path.name}.{suffix}")


def _find(path: Path) -> Path:
    """Choose the folder to read: the old copy if a replacement was interrupted.

    Nothing on the disk is changed, since all processes call this, maybe on a read-only disk.
    """
    old = _beside(path, "old")
    if not path.exists() and old.exists():
        with suppress(InputError):
            _read_meta(old)
            return old
    return path


def _read_meta(path: Path) -> dict:
    if not (path / META).is_file():
        raise InputError(f"{path} is not a ttfs-jax checkpoint ({META} is missing)")
    try:
        values = json.loads((path / META).read_text(encoding="utf-8"))
        version, files, meta = values["format"], dict(values["files"]), values["meta"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path / META} is damaged: restore it from a copy") from error
    if version not in READABLE:
        raise InputError(
            f"{path} has format {version}, this version reads {READABLE[0]} to {FORMAT}: update"
        )
    for name, digest in files.items():
        if not (path / name).is_file():
            raise InputError(f"{path} is damaged ({name} is missing): restore it from a copy")
        if _digest(path / name) != digest:
            raise InputError(
                f"{path} is damaged (the checksum of {name} differs): restore it from a copy"
            )
    return meta


def _write(folder: Path, arrays: Any, meta: dict) -> None:
    """Write a checkpoint, and read it back. Raises: OSError or ValueError if that fails."""
    folder.mkdir(parents=True)
    with _literal(folder, "[]*?\\") as plain, _orbax() as checkpointer:
        checkpointer.save(plain / TREE, jax.tree.map(_not_empty, arrays))
    files = sorted(p for p in (folder / TREE).rglob("*") if p.is_file())
    digests = {str(p.relative_to(folder)): _digest(p) for p in files}
    values = {"format": FORMAT, "files": digests, "meta": meta}
    (folder / META).write_text(dumps(values, indent=1), encoding="utf-8")
    _read_meta(folder)
    leaves = jax.tree.leaves(_read_tree(folder, arrays))
    if not all(map(_same, leaves, jax.tree.leaves(arrays))):
        raise OSError("what was written reads back otherwise")


def _read_tree(folder: Path, like: Any) -> Any:
    with _literal(folder, "\\") as plain, _orbax() as checkpointer:
        tree = checkpointer.restore(plain / TREE, jax.tree.map(_not_empty, like))
    return jax.tree.map(lambda leaf, wanted: leaf if wanted.size else wanted, tree, like)


def _not_empty(array: np.ndarray) -> np.ndarray:
    """Replace an empty array by one zero, since orbax does not save empty ones."""
    return array if array.size else np.zeros(1, array.dtype)


@contextmanager
def _literal(folder: Path, special: str) -> Iterator[Path]:
    """Give a name of a folder that is taken literally.

    Orbax looks up files by a pattern that the folder's own name is part of, and tensorstore takes
    a backslash for a slash.
    """
    if _is_plain(str(folder), special):
        yield folder
        return
    place = tempfile.gettempdir()
    with tempfile.TemporaryDirectory(dir=place if _is_plain(place, special) else "/tmp") as scratch:
        link = Path(scratch) / "link"
        link.symlink_to(folder, target_is_directory=True)
        yield link


def _is_plain(name: str, special: str) -> bool:
    return name.isprintable() and not set(special) & set(name)


def _is_checkpoint_or_empty(path: Path) -> bool:
    return path.is_dir() and ((path / META).is_file() or not any(path.iterdir()))


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    """Compare bit for bit, so that NaN equals itself."""
    one, other = np.asarray(one), np.asarray(other)
    kinds = (one.dtype, one.shape) == (other.dtype, other.shape)
    return kinds and one.tobytes() == other.tobytes()


def _remove(folder: Path) -> None:
    """Remove a folder, or a link to it, as far as the disk allows."""
    with suppress(OSError):
        if folder.is_symlink():
            folder.unlink()
        else:
            shutil.rmtree(folder, ignore_errors=True)


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _reason(error: Exception) -> str:
    """Say briefly why reading or writing failed."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if code := re.search(r"os_error_code='(\d+)'", str(error)):
        return os.strerror(int(code[1]))
    return (str(error).splitlines() or [type(error).__name__])[0][:120]


@contextmanager
def _orbax() -> Iterator[ocp.StandardCheckpointer]:
    """Each of several processes reads and writes on its own, without waiting for the others."""
    own, log = jax.process_index(), logging.getLogger("absl")
    options = ocp.options.MultiprocessingOptions(
        primary_host=own, active_processes={own}, barrier_sync_key_prefix=f"process_{own}"
    )
    # Its threads log faults at length; our error reports them once.
    level = log.level
    log.setLevel(logging.CRITICAL + 1)
    try:
        with ocp.StandardCheckpointer(multiprocessing_options=options) as checkpointer:
            yield checkpointer
    finally:
        log.setLevel(level)
