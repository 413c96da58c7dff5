"""The folder of a run and its files, which are replaced atomically."""

import dataclasses
import errno
import json
import logging
import os
import platform
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import jax
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ttfs_jax.model import Model, save_model
from ttfs_jax.population.distributed import barrier, is_primary
from ttfs_jax.support import checkpoint
from ttfs_jax.support.errors import InputError
from ttfs_jax.support.json_text import dumps

CONFIG, METRICS, HISTORY, TIMES = "config.json", "metrics.json", "history.parquet", "seconds.json"
LOG = "log.txt"
SLACK = 2**18  # bytes of a checkpoint in addition to its arrays

AnyConfig = TypeVar("AnyConfig")
FORMAT = 2  # of metrics.json; in 1 `relu` was the network before fine-tuning


def read_metrics(path: Path) -> dict[str, Any]:
    """Read the results of the finished run in the folder `path`.

    Raises: InputError for a folder without them, and for those of another version, whose figures
    have another meaning.
    """
    try:
        metrics = json.loads((path / METRICS).read_text(encoding="utf-8"))
        version = metrics.get("format", 1)
    except (OSError, ValueError, AttributeError) as error:
        raise InputError(f"{path} holds no finished run: end it by --resume {path}") from error
    if version != FORMAT:
        raise InputError(
            f"{path / METRICS} has format {version}, whose figures mean something else than those "
            f"of format {FORMAT}: start a new run, or read it by the version that made it"
        )
    return metrics


class LogFile(logging.Handler):
    """Append a line to the log `path` at a time: no file stays open, a full disk ends the run."""

    def __init__(self, path: Path):
        super().__init__()
        self._path = path
        self.setFormatter(logging.Formatter("%(asctime)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record."""
        # A name may have bytes that are not text.
        with open(self._path, "a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(self.format(record) + "\n")


class RunDirectory:
    """One run, in the folder `path`: config, checkpoints, history, metrics, log.

    Files are replaced atomically.

    Only the first of several processes writes; all of them read. A finished run keeps its log and
    times; its report can be written again where the folder can be written.
    """

    def __init__(self, path: Path):
        self.path = path
        self.finished = (path / METRICS).exists()
        self.writes = is_primary() and not (self.finished and not os.access(path, os.W_OK))
        self.seconds: dict[str, float] = {}
        if (path / TIMES).exists():
            self.seconds = json.loads((path / TIMES).read_text())
        # Not one of the process's named loggers, whose names form a tree by their dots.
        self.log = logging.Logger("ttfs-jax run", logging.INFO)
        if self.writes and not self.finished:
            self.log.addHandler(LogFile(path / LOG))
        else:
            self.log.disabled = True

    @staticmethod
    def check_free(path: Path) -> None:
        """Check that `path` is free: at the start of a command, before hours of work.

        Raises: InputError if there is a run, or anything except an empty folder.
        """
        if (path / CONFIG).exists():
            raise InputError(
                f"{path} already holds a run: continue it with --resume {path}, or choose "
                "another --run-dir"
            )
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise InputError(f"{path} is not an empty folder: choose another --run-dir")

    @classmethod
    def create(cls, path: Path, config: Any) -> "RunDirectory":
        """Start a run in `path`, new or empty; the processes that do not write wait for it.

        `config` is a dataclass, kept as JSON. Raises: InputError if something is there already;
        nothing is overwritten.
        """
        if not is_primary():
            barrier("run directory")
            return cls(path)
        cls.check_free(path)
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"cannot make the folder {path} ({error.strerror}): choose another --run-dir"
            ) from error
        _write(path / CONFIG, json.dumps(to_dict(config), indent=2))
        barrier("run directory")
        return cls(path)

    @classmethod
    def resume_or_create(cls, path: Path, config: Any) -> "RunDirectory":
        """Continue the run in `path`, or start one in it by `config`; see `create`."""
        return cls(path) if (path / CONFIG).exists() else cls.create(path, config)

    @staticmethod
    def read_config(path: Path, build: Callable[[dict], AnyConfig]) -> AnyConfig:
        """Read the config of the run in `path`; `build` makes it from its JSON values.

        Raises: InputError if the folder holds no run, or a config this version cannot read.
        """
        if not (path / CONFIG).is_file():
            raise InputError(f"{path} holds no run ({CONFIG} is missing): start one by --run-dir")
        try:
            return build(json.loads((path / CONFIG).read_text()))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise InputError(
                f"{path / CONFIG} is damaged or of another version ({error}): start a new run"
            ) from error

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure the wall time of the stage `name`; pieces of an interrupted one add up."""
        started = time.perf_counter()
        self.log.info("%s: start", name)
        try:
            yield
        finally:
            self.add_seconds(name, time.perf_counter() - started)

    def add_seconds(self, name: str, spent: float) -> None:
        """Count time `spent` on the stage `name`; not on a run that was finished before."""
        if self.finished:
            return
        self.seconds[name] = round(self.seconds.get(name, 0.0) + spent, 3)
        self.write_json(TIMES, self.seconds)
        self.log.info("%s: %.1f s", name, spent)

    def write_history(self, columns: dict[str, Any]) -> None:
        """Write every evaluated candidate, `columns` by name, without wall times."""
        if not self.writes:
            return
        temporary = self.path / f".{HISTORY}.tmp"
        pq.write_table(pa.table(columns), temporary)
        os.replace(temporary, self.path / HISTORY)

    def write_metrics(self, metrics: dict) -> None:
        """Write the results, `metrics`, which ends the run."""
        self.write_json(METRICS, {"format": FORMAT, **metrics})
        self.log.info("done: %s and %s written", METRICS, HISTORY)

    def write_json(self, name: str, values: dict) -> None:
        """Write `values` to the JSON file `name`."""
        if self.writes:
            _write(self.path / name, dumps(values, indent=2))

    def save(self, path: Path, tree: Any, *, meta: dict) -> None:
        """Save or replace a checkpoint of `tree` in `path`, with `meta`, JSON values."""
        if self.writes:
            make_room(self.path, _bytes(tree))
            checkpoint.save(path, tree, meta=meta, replace=True)

    def save_model(self, name: str, model: Model) -> None:
        """Save or replace a trained network, `model`, in the folder `name` of the run."""
        if self.writes:
            make_room(self.path, _bytes(model.variables))
            save_model(self.path / name, model, replace=True)

    def restore(self, path: Path, template: Callable[[dict], Any]) -> tuple[Any, dict] | None:
        """Return (tree, meta) of the checkpoint `path`, or None if there is none yet.

        `template(meta)` gives the tree's structure and shapes. No process continues, and so none
        replaces the checkpoint, before all have read it.
        """
        barrier(f"before reading {path.name}")
        contents = None
        if checkpoint.exists(path):
            contents = checkpoint.restore(path, template(checkpoint.read_meta(path)))
        barrier(f"after reading {path.name}")
        return contents

    def checkpoint(self, name: str) -> Path:
        """Return where the stage `name` keeps its checkpoint."""
        return self.path / "checkpoints" / name


def make_room(folder: Path, size: int) -> None:
    """Check that the disk of `folder` has room for a checkpoint of `size` bytes, twice when merged.

    Raises: OSError here, in one place, instead of in several of orbax's threads.
    """
    probe, needed = folder / ".room.tmp", 2 * size + SLACK
    try:
        with open(probe, "wb") as file:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, needed)
            elif shutil.disk_usage(folder).free < needed:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
    except OSError as error:
        # Some file systems cannot reserve space, which says nothing about how much there is.
        if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
            raise OSError(error.errno, error.strerror, str(folder)) from error
    finally:
        probe.unlink(missing_ok=True)


def _bytes(tree: Any) -> int:
    return sum(np.asarray(leaf).nbytes for leaf in jax.tree.leaves(tree))


def to_dict(config: Any) -> dict:
    """Turn a config, a dataclass, into plain JSON values."""
    return {key: _plain(value) for key, value in dataclasses.asdict(config).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return str(value) if isinstance(value, Path) else value


def environment() -> dict[str, Any]:
    """Describe the software and devices of a run."""
    return {
        "jax": jax.__version__,
        "python": platform.python_version(),
        "device": jax.devices()[0].device_kind,
        "devices": jax.device_count(),
        "cpus": os.cpu_count(),
    }


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text + "\n", encoding="utf-8")
    os.replace(temporary, path)
