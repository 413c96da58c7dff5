"""Measure once whether members run faster side by side or one after another, and remember it."""

import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from ttfs_jax.population.program import PopulationConfig, Program
from ttfs_jax.support.cache_folder import cache_folder, processor
from ttfs_jax.support.errors import InputError


def fastest_lanes(
    function: Callable[[Any, Any], Any],
    members: Any,
    shared: Any,
    *,
    name: str,
    candidates: Sequence[int] = (1, 4),
    path: Path | None = None,
) -> int:
    """Return the number of lanes that ran a short function fastest on this machine.

    `name` identifies the function, which is called with `members` [P] and what they have in common,
    `shared`. Members should fill the largest of the `candidates`, numbers of lanes, on every
    device. Results are kept in `path`, by default ttfs-jax/lanes.json in the user's cache folder,
    for every processor, name and set of shapes; if that cannot be written, every call measures
    again.
    """
    kind = _kind(name, members, shared, candidates)
    if path is None:
        path = _default_path()
    stored = _read(path)
    if kind not in stored:
        seconds = {lanes: _seconds(function, members, shared, lanes) for lanes in candidates}
        fastest = min(seconds, key=seconds.__getitem__)
        stored = _read(path) | {kind: fastest}  # others may have measured meanwhile
        _write(path, stored)
    return stored[kind]


def _default_path() -> Path | None:
    try:
        return cache_folder() / "lanes.json"
    except InputError:  # no folder can be written
        return None


def _kind(name, members, shared, candidates) -> str:
    """Describe machine, function and shapes: all that the result may depend on."""
    device, cores = jax.local_devices()[0], os.cpu_count()
    machine = f"{device.device_kind} {processor()} x {jax.local_device_count()} of {cores}"
    leaves = jax.tree.leaves((members, shared))
    shapes = [(jnp.shape(leaf), str(jnp.result_type(leaf))) for leaf in leaves]
    digest = hashlib.sha256(repr((shapes, *candidates)).encode()).hexdigest()[:12]
    return f"{machine}, jax {jax.__version__}, {name}, shapes {digest}"


def _seconds(function, members, shared, lanes, repeats=2):
    program = Program(function, members, shared, config=PopulationConfig(lanes=lanes))
    program(members, shared)
    started = time.perf_counter()
    for _ in range(repeats):
        program(members, shared)
    return time.perf_counter() - started


def _read(path) -> dict[str, int]:
    if path is None:
        return {}
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(stored, dict):
        return {}
    return {k: v for k, v in stored.items() if type(v) is int and v > 0}


def _write(path, stored):
    if path is None:
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")
        os.replace(temporary, path)
    except OSError:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
