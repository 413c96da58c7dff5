"""The folder of a run: what is written where, whole or not at all."""

import json
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from search.config import Config, from_dict, to_dict
from ttfs_jax import checkpoint
from ttfs_jax.errors import InputError
from ttfs_jax.model import Model, save_model

CONFIG, METRICS, HISTORY, TIMES = "config.json", "metrics.json", "history.parquet", "seconds.json"


class RunDirectory:
    """One run: config, checkpoints, history, metrics, log. Files are replaced atomically."""

    def __init__(self, path: Path):
        self.path = path
        self.seconds: dict[str, float] = {}
        if (path / TIMES).exists():
            self.seconds = json.loads((path / TIMES).read_text())
        self.log = logging.getLogger(f"ttfs-jax.{path}")
        if not self.log.handlers:
            handler = logging.FileHandler(path / "log.txt", encoding="utf-8")
            handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
            self.log.addHandler(handler)
            self.log.setLevel(logging.INFO)
            self.log.propagate = False

    @classmethod
    def create(cls, path: Path, config: Config) -> "RunDirectory":
        """Start a run in a new or empty folder.

        Raises: InputError if something is there already; nothing is overwritten.
        """
        if (path / CONFIG).exists():
            raise InputError(
                f"{path} already holds a run: go on with it by --resume {path}, or choose "
                "another --run-dir"
            )
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise InputError(f"{path} is not an empty folder: choose another --run-dir")
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"cannot make the folder {path} ({error.strerror}): choose another --run-dir"
            ) from error
        _write(path / CONFIG, json.dumps(to_dict(config), indent=2))
        return cls(path)

    @staticmethod
    def read_config(path: Path) -> Config:
        """Read the config of an existing run.

        Raises: InputError if the folder holds no run, or a config this version cannot read.
        """
        if not (path / CONFIG).is_file():
            raise InputError(f"{path} holds no run ({CONFIG} is missing): start one by --run-dir")
        try:
            return from_dict(json.loads((path / CONFIG).read_text()))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise InputError(
                f"{path / CONFIG} is damaged or of another version ({error}): start a new run"
            ) from error

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure the wall time of a stage; pieces of an interrupted one add up."""
        started = time.perf_counter()
        self.log.info("%s: start", name)
        try:
            yield
        finally:
            self.add_seconds(name, time.perf_counter() - started)

    def add_seconds(self, name: str, spent: float) -> None:
        """Count time spent on a stage."""
        self.seconds[name] = round(self.seconds.get(name, 0.0) + spent, 3)
        _write(self.path / TIMES, json.dumps(self.seconds, indent=2))
        self.log.info("%s: %.1f s", name, spent)

    def write_history(self, columns: dict[str, Any]) -> None:
        """Write every evaluated candidate, one row each, without wall times."""
        temporary = self.path / f".{HISTORY}.tmp"
        pq.write_table(pa.table(columns), temporary)
        os.replace(temporary, self.path / HISTORY)

    def write_json(self, name: str, values: dict) -> None:
        """Write a JSON file."""
        _write(self.path / name, json.dumps(values, indent=2))

    def save(self, path: Path, tree: Any, *, meta: dict) -> None:
        """Replace a checkpoint."""
        checkpoint.save(path, tree, meta=meta, replace=True)

    def save_model(self, name: str, model: Model) -> None:
        """Save or replace a trained network."""
        save_model(self.path / name, model, replace=True)

    def checkpoint(self, name: str) -> Path:
        """Say where a stage keeps its checkpoint."""
        return self.path / "checkpoints" / name


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text + "\n", encoding="utf-8")
    os.replace(temporary, path)
