"""Put several runs of `--space xylo` into tables.

`python -m benchmarks.reports.xylo_summary DIR …`
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro
from rich.console import Group
from rich.table import Table

from hardware.target import DISCLAIMER
from search.loop.run_directory import read_metrics
from search.reports.chip import best
from search.retraining.baseline import RECALLS
from ttfs_jax.support.command import run_command
from ttfs_jax.support.errors import InputError


@dataclass(frozen=True)
class XyloSummaryArguments:
    """Summarise runs of `--space xylo`."""

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Finished run directories."""
    json: bool = False
    """Print one JSON line."""


def read_run(run: Path) -> dict[str, Any]:
    """Summarise one run; the baseline is None if it did not fit.

    Raises: InputError for a folder without results of `--space xylo`, or of an earlier version.
    """
    metrics = read_metrics(run)
    if "front" not in metrics:
        raise InputError(f"{run} is not a run of --space xylo: name one")
    if "hypervolume" not in metrics:
        raise InputError(f"{run} searched for one objective: name runs for several")
    front = metrics["front"]
    baseline = metrics["baseline"]
    rerun = [*front, *([baseline] if baseline else [])]
    differs = [network["test"]["xylosim_differs"] for network in rerun]
    return {
        "seed": metrics["seed"],
        "hypervolume": metrics["hypervolume"],
        "comparison": metrics["comparison"],
        "best": describe_network(front[best(metrics)]),
        "baseline": describe_network(baseline) if baseline else None,
        "networks_rerun": len(rerun),
        "xylosim_differs": None if None in differs else sum(differs),
        "minutes": sum(metrics["seconds"].values()) / 60,
    }


def describe_network(network: dict[str, Any]) -> dict[str, Any]:
    """Take the table's figures of a `network`: test results, µJ and ms."""
    test = network["test"]
    return {
        "architecture": " ".join(network["architecture"].values()),
        "war": test["war"],
        "uar": test["uar"],
        "uj": {name: 1e6 * value for name, value in test["hardware"]["energy"].items()},
        "ms": 1e3 * test["latency"],
    }


def xylo_summary_tables(result: dict[str, Any]) -> Group:
    """Lay out the networks on test data, and the comparison with the baseline below.

    `result` is that of `summarise_runs`.
    """
    return Group(show_networks(result["runs"]), show_comparison(result["runs"]))


def show_networks(rows: list[dict[str, Any]]) -> Table:
    """Lay out hypervolumes, the best network and the baseline of each run.

    `rows` are those of `read_run`, one per run.
    """
    table = Table(title="--space xylo: hypervolume on validation data, best network on test")
    for name in ("seed", "", "volume", "WAR", "µJ (low to high)", "ms", "differs", "min"):
        table.add_column(name, justify="right", no_wrap=True)

    def cells(network):
        if network is None:
            return ("–", "does not fit", "–")
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
        table.add_row("", "baseline", "", *cells(row["baseline"]), end_section=True)

    def spread(part):
        values = np.array([row[part]["war"] for row in rows if row[part]])
        if not len(values):
            return "none fits"
        return f"{values.mean():.3f} ± {values.std(ddof=1 if len(values) > 1 else 0):.3f}"

    larger = sum(r["hypervolume"]["evolution"] > r["hypervolume"]["random"] for r in rows)
    table.caption = (
        f"Evolution has the larger hypervolume in {larger} of {len(rows)} runs. Mean ± standard "
        f"deviation of test WAR: best {spread('best')}, baseline {spread('baseline')}. Differs: "
        "test samples that XyloSim classifies otherwise / networks. Energy (low to high): "
        f"{DISCLAIMER}."
    )
    return table


def show_comparison(rows: list[dict[str, Any]]) -> Table:
    """Lay out how both searches compare with the baseline, all trained equally short.

    `rows` are those of `read_run`, one per run.
    """
    table = Table(title="Compared with the baseline, validation data, short training")
    for name in ("seed", "", "dominates", "WAR", "UAR", "µJ at its WAR", "at its UAR"):
        table.add_column(name, justify="right", no_wrap=True)

    def figure(value, digits, scale=1.0):
        return "none" if value is None else f"{scale * value:.{digits}f}"

    for row in rows:
        comparison = row["comparison"]
        own = comparison["baseline"]
        fits = comparison["evolution"] is not None
        table.add_row(
            str(row["seed"]),
            "baseline",
            "" if fits else "no fit",
            figure(own["war"], 3),
            figure(own["uar"], 3),
            *[figure(own["energy"], 1, 1e6)] * 2,
            end_section=not fits,
        )
        if not fits:
            continue
        for name in ("evolution", "random"):
            one = comparison[name]
            recalls = [figure(one["at_energy"][recall], 3) for recall in RECALLS]
            energies = [figure(one["at_recall"][recall], 1, 1e6) for recall in RECALLS]
            yes = "yes" if one["dominates"] else "no"
            table.add_row("", name, yes, *recalls, *energies, end_section=name == "random")
    dominated = [
        sum(bool(r["comparison"][name] and r["comparison"][name]["dominates"]) for r in rows)
        for name in ("evolution", "random")
    ]
    table.caption = (
        f"The front of evolution dominates the baseline in {dominated[0]}, that of random search "
        f"in {dominated[1]} of {len(rows)} runs. WAR, UAR: best of the front at the baseline's "
        "energy or less; µJ: least of the front at the baseline's recall or more."
    )
    return table


def summarise_runs(arguments: XyloSummaryArguments) -> dict[str, Any]:
    """Summarise all runs that the `arguments` name: JSON values.

    Raises: InputError for no runs.
    """
    if not arguments.runs:
        raise InputError("name at least one finished run of --space xylo")
    rows = [read_run(run) for run in arguments.runs]
    return {"benchmark": "xylo_summary", "runs": rows, "note": DISCLAIMER}


def main(arguments: list[str] | None = None) -> None:
    """Print a table or a JSON line; `arguments` replace those of the command line."""
    run_command(
        "benchmarks.reports.xylo_summary",
        XyloSummaryArguments,
        summarise_runs,
        xylo_summary_tables,
        arguments,
    )


if __name__ == "__main__":
    main()
