"""Measure once whether members run faster side by side or one after another, and remember it."""

import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax

from ttfs_jax.cache_folder import cache_folder
from ttfs_jax.population import PopulationConfig, Program


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

    `name` stands for the function and its shapes. Members [P] should fill the largest candidate
    on every device. Answers are kept in `path`, by default ttfs-jax/lanes.json in the user's cache
    folder; where that cannot be written, every call measures anew.
    """
    path = cache_folder("lanes.json") if path is None else path
    device = jax.local_devices()[0]
    kind = f"{device.device_kind} x {jax.local_device_count()}, jax {jax.__version__}, {name}"
    known = _read(path)
    if kind not in known:
        seconds = {lanes: _seconds(function, members, shared, lanes) for lanes in candidates}
        known[kind] = min(seconds, key=seconds.__getitem__)
        _write(path, known)
    return known[kind]


def _seconds(function, members, shared, lanes, repeats=2):
    program = Program(function, members, shared, config=PopulationConfig(lanes=lanes))
    program(members, shared)
    started = time.perf_counter()
    for _ in range(repeats):
        program(members, shared)
    return time.perf_counter() - started


def _read(path) -> dict[str, int]:
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(known, dict):
        return {}
    return {k: v for k, v in known.items() if isinstance(v, int) and v > 0}


def _write(path, known):
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
        os.replace(temporary, path)
    except OSError:
        return
