"""The results of a finished run."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from pyarrow.lib import ArrowException
from rich.table import Table

from search.config import Config
from search.loop.run_directory import HISTORY, read_metrics
from search.reports.registry import Report
from search.reports.registry import report_entry as report_of
from search.saved_config import read_config
from search.spaces.registry import space_entry as space_of
from ttfs_jax.support.errors import InputError


class Networks(Sequence):
    """The final networks of a run, best first; each is loaded on access.

    `run` is the run directory, `report` knows where in it they are.
    """

    def __init__(self, run: Path, report: Report):
        self._report = report
        self._folders = sorted((run / report.FOLDER).iterdir(), key=lambda f: int(f.name))
        self._loaded: dict[int, Any] = {}

    def __len__(self) -> int:
        return len(self._folders)

    def __getitem__(self, place):
        if isinstance(place, slice):
            return [self[n] for n in range(*place.indices(len(self)))]
        n = range(len(self))[place]
        if n not in self._loaded:
            self._loaded[n] = self._report.load(self._folders[n])
        return self._loaded[n]


@dataclass(frozen=True)
class Result:
    """The results of a run. `result.best[0]` is its best network.

    `best` in a convolutional space are models (`ttfs_jax.load`), from the highest recall on
    validation data; in `xylo` networks on the chip, along the front.

    Examples:
        >>> import search
        >>> config = search.preset("digits", "smoke")
        >>> result = search.run(config, run_dir="runs/digits")  # doctest: +SKIP
        >>> result.best[0].predict(images), result.metrics["best"][0]["ttfs"]  # doctest: +SKIP
    """

    path: Path
    """The run directory."""

    def __post_init__(self):
        object.__setattr__(self, "path", Path(self.path))

    @cached_property
    def config(self) -> Config:
        """Read the config of the run."""
        return read_config(self.path)

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """Read metrics.json. Raises: InputError for a run that is not finished."""
        return read_metrics(self.path)

    @cached_property
    def history(self) -> dict[str, list]:
        """Read the candidates of both searches: columns by name, a value per candidate.

        Raises: InputError for a folder without them.
        """
        try:
            return pq.read_table(self.path / HISTORY).to_pydict()
        except (OSError, ArrowException) as error:
            raise InputError(f"{self.path} holds no {HISTORY} that can be read") from error

    @cached_property
    def best(self) -> Networks:
        """List the final networks of the run; they are loaded one by one."""
        return Networks(self.path, self._report)

    @property
    def failures(self) -> list[str]:
        """Say which networks failed their proof, and why."""
        return self._report.failures(self.metrics)

    def table(self) -> Table:
        """Lay out the final table, for rich."""
        return self._report.table(self.metrics)

    @property
    def _report(self) -> Report:
        return report_of(space_of(self.config.space).report)
