"""Put several runs of `--space xylo` into one table: `python -m benchmarks.xylo_summary DIR …`."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro
from rich.table import Table

from hardware.target import DISCLAIMER
from search.run_directory import METRICS
from search.xylo_report import best
from ttfs_jax.command import run_command
from ttfs_jax.errors import InputError


@dataclass(frozen=True)
class Arguments:
    """Summarise runs of `--space xylo`."""

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Finished run directories."""
    json: bool = False
    """Print one JSON line."""


def read(run: Path) -> dict[str, Any]:
    """Summarise one run. Raises: InputError for a folder without results of `--space xylo`."""
    try:
        metrics = json.loads((run / METRICS).read_text(encoding="utf-8"))
        front, made = metrics["front"], metrics["hand_made"]
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{run} holds no finished run of --space xylo: finish it first") from error
    chosen = front[best(metrics)]

    def row(network):
        test = network["test"]
        return {
            "architecture": " ".join(network["architecture"].values()),
            "war": test["war"],
            "uar": test["uar"],
            "uj": {name: 1e6 * value for name, value in test["hardware"]["energy"].items()},
            "ms": 1e3 * test["latency"],
        }

    volume = metrics["hypervolume"]
    differs = [network["test"]["xylosim_differs"] for network in [*front, made]]
    return {
        "seed": metrics["seed"],
        "hypervolume": volume,
        "beats_random": volume["evolution"] > volume["random"],
        "beats_hand_made": volume["evolution"] > volume["hand_made"],
        "best": row(chosen),
        "hand_made": row(made),
        "networks_rerun": len(front) + 1,
        "xylosim_differs": None if None in differs else sum(differs),
        "minutes": sum(metrics["seconds"].values()) / 60,
    }


def show(result: dict[str, Any]) -> Table:
    """Lay out the runs and their means."""
    rows = result["runs"]
    table = Table(title="--space xylo: hypervolume on validation data, best network on test")
    for name in ("seed", "", "volume", "WAR", "µJ (low to high)", "ms", "differs", "min"):
        table.add_column(name, justify="right", no_wrap=True)

    def cells(network):
        low, nominal, high = (network["uj"][name] for name in ("low", "nominal", "high"))
        return (
            f"{network['war']:.3f}",
            f"{nominal:.1f} ({low:.1f} to {high:.1f})",
            f"{network['ms']:.2f}",
        )

    for row in rows:
        volume, differs = row["hypervolume"], row["xylosim_differs"]
        table.add_row(
            str(row["seed"]),
            "evolved",
            f"{volume['evolution']:.3f}",
            *cells(row["best"]),
            "not run" if differs is None else f"{differs}/{row['networks_rerun']}",
            f"{row['minutes']:.0f}",
        )
        table.add_row("", "random", f"{volume['random']:.3f}")
        table.add_row(
            "", "by hand", f"{volume['hand_made']:.3f}", *cells(row["hand_made"]), end_section=True
        )

    def spread(part, name):
        values = np.array([row[part][name] for row in rows])
        return f"{values.mean():.3f} ± {values.std(ddof=1 if len(rows) > 1 else 0):.3f}"

    table.caption = (
        f"Evolution beats random search in {sum(r['beats_random'] for r in rows)} and the network "
        f"made by hand in {sum(r['beats_hand_made'] for r in rows)} of {len(rows)} runs. Mean ± "
        f"standard deviation of WAR: best {spread('best', 'war')}, by hand "
        f"{spread('hand_made', 'war')}. Differs: test samples that XyloSim classifies otherwise / "
        f"networks. Energy (low to high): {DISCLAIMER}."
    )
    return table


def summarise(arguments: Arguments) -> dict[str, Any]:
    """Summarise all runs: JSON values. Raises: InputError for no runs."""
    if not arguments.runs:
        raise InputError("name at least one finished run of --space xylo")
    rows = [read(run) for run in arguments.runs]
    return {"benchmark": "xylo_summary", "runs": rows, "note": DISCLAIMER}


def main(arguments: list[str] | None = None) -> None:
    """Print a table or a JSON line."""
    run_command("benchmarks.xylo_summary", Arguments, summarise, show, arguments)


if __name__ == "__main__":
    main()
