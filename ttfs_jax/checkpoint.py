"""Save and restore pytrees with orbax: whole or not at all, checked against damage."""

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from ttfs_jax.errors import InputError

FORMAT = 1
META, TREE = "meta.json", "tree"


def save(path: Path, tree: Any, *, meta: dict, replace: bool = False) -> None:
    """Write a pytree of arrays and a JSON-able `meta` to a new folder.

    The folder appears complete under its name. Raises: InputError if it exists and `replace` is
    off.
    """
    path = Path(path).absolute()
    if path.exists() and not replace:
        raise InputError(f"{path} exists: choose another folder")
    fresh, old = path.with_name(f".{path.name}.new"), path.with_name(f".{path.name}.old")
    for leftover in (fresh, old):
        shutil.rmtree(leftover, ignore_errors=True)
    fresh.mkdir(parents=True)
    with _checkpointer() as checkpointer:
        checkpointer.save(fresh / TREE, jax.tree.map(np.asarray, tree))
    values = {"format": FORMAT, "files": _digests(fresh), "meta": meta}
    (fresh / META).write_text(json.dumps(values, indent=1), encoding="utf-8")
    if path.exists():
        path.rename(old)
    os.replace(fresh, path)
    shutil.rmtree(old, ignore_errors=True)


def exists(path: Path) -> bool:
    """Tell whether there is a checkpoint, finishing a replacement that was interrupted."""
    path = Path(path).absolute()
    old = path.with_name(f".{path.name}.old")
    if not path.exists() and old.exists():
        old.rename(path)
    return path.exists()


def read_meta(path: Path) -> dict:
    """Return the `meta` of a checkpoint after checking all of its files.

    Raises: InputError for a missing, foreign, newer or damaged folder.
    """
    path = Path(path).absolute()
    if not (path / META).is_file():
        raise InputError(f"{path} is not a ttfs-jax checkpoint ({META} is missing)")
    try:
        values = json.loads((path / META).read_text(encoding="utf-8"))
        version, files, meta = values["format"], values["files"], values["meta"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path / META} is damaged: restore it from a copy") from error
    if version != FORMAT:
        raise InputError(f"{path} has format {version}, this version reads {FORMAT}: update")
    if _digests(path) != files:
        raise InputError(f"{path} is damaged (checksums differ): restore it from a copy")
    return meta


def restore(path: Path, template: Any) -> tuple[Any, dict]:
    """Return (tree, meta); the template gives structure, shapes and dtypes.

    Raises: InputError as `read_meta`, and when the arrays do not fit the template.
    """
    path = Path(path).absolute()
    meta = read_meta(path)
    like = jax.tree.map(np.asarray, template)
    try:
        with _checkpointer() as checkpointer:
            tree = checkpointer.restore(path / TREE, like)
    except (ValueError, KeyError, TypeError) as error:
        reason = str(error).splitlines()[0][:120]
        raise InputError(f"{path} does not fit the network expected: {reason}") from error
    return tree, meta


def _checkpointer():
    """Each of several processes reads and writes on its own, without waiting for the others."""
    own = jax.process_index()
    return ocp.StandardCheckpointer(
        multiprocessing_options=ocp.options.MultiprocessingOptions(
            primary_host=own, active_processes={own}, barrier_sync_key_prefix=f"process_{own}"
        )
    )


def _digests(folder: Path) -> dict[str, str]:
    files = sorted(p for p in (folder / TREE).rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}
