"""The reports by name: how a finished run is shown. A new one is one module, and one line here."""

from pathlib import Path
from typing import Any, Protocol

from rich.table import Table

from search.reports import chip, networks
from ttfs_jax.datasets import Dataset
from ttfs_jax.support import errors


class Report(Protocol):
    """How a run is shown, from its files and `metrics.json`."""

    @property
    def FOLDER(self) -> str:
        """Name the folder of the final networks of the run, numbered from 0."""
        ...

    def write(self, run: Path, data: Dataset) -> None:
        """Write figures and tables of a finished `run` into its folder; `data` are its images."""
        ...

    def table(self, metrics: dict) -> Table:
        """Lay out the final table of a run's `metrics`."""
        ...

    def failures(self, metrics: dict) -> list[str]:
        """Say which networks in `metrics` failed their proof, and why, one line each."""
        ...

    def load(self, folder: Path, /) -> Any:
        """Load one network. Raises: InputError for a damaged folder."""
        ...


# The reports by the names that spaces use.
REPORTS: dict[str, Report] = {"networks": networks, "chip": chip}


def report_entry(name: str) -> Report:
    """Look up a report by `name`. Raises: InputError for an unknown one."""
    return errors.look_up("report", name, REPORTS)
