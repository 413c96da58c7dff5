"""Put finished runs side by side: `python -m benchmarks.reports.summary RUN ...`.

Every figure of the test data by run, then mean and standard deviation.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from rich.table import Table

from search.loop.run_directory import read_metrics
from ttfs_jax.support.command import run_command
from ttfs_jax.support.errors import InputError


@dataclass(frozen=True)
class SummaryArguments:
    """Compare the network chosen on validation data with random search, run by run."""

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Folders of finished runs."""
    json: bool = False
    """Print one JSON line."""


def row(metrics: dict) -> dict[str, float]:
    """Take the figures of one run: best on validation of evolution, and of random search.

    `metrics` are the run's. `before_*` are figures of the network before fine-tuning, all others of
    the one shipped.
    """
    best, control = metrics["best"][0], metrics["random_search"][0]
    figures = {
        "seed": metrics["seed"],
        "architectures": metrics["architectures_evaluated"],
        "retrained_each": len(metrics["best"]),
        "before_relu_war": best["before_fine_tuning"]["relu"]["war"],
        "before_ttfs_war": best["before_fine_tuning"]["ttfs"]["war"],
        "agreement_with_relu": best["agreement_with_relu"],
    }
    for prefix, shipped in (("", best), ("random_", control)):
        figures |= {
            f"{prefix}validation_war": shipped["validation"]["war"],
            f"{prefix}ttfs_war": shipped["ttfs"]["war"],
            f"{prefix}ttfs_uar": shipped["ttfs"]["uar"],
            f"{prefix}ttfs_continuous_war": shipped["ttfs_continuous"]["war"],
            f"{prefix}first_spike_war": shipped["first_spike"]["war"],
            f"{prefix}relu_war": shipped["relu"]["war"],
            f"{prefix}spikes_per_neuron": shipped["spikes_per_neuron"],
            f"{prefix}synops": shipped["synops"],
            f"{prefix}params": shipped["params"],
        }
    return figures | {"minutes": sum(metrics["seconds"].values()) / 60}


def mean_and_spread(rows: list[dict[str, float]]) -> dict[str, tuple[float, float]]:
    """Return (mean, standard deviation with n − 1) of every figure; 0 spread for one run.

    `rows` are those of `row`, one per run.
    """
    spread = int(len(rows) > 1)
    return {
        name: (
            float(np.mean([r[name] for r in rows])),
            float(np.std([r[name] for r in rows], ddof=spread)),
        )
        for name in rows[0]
        if name != "seed"
    }


def compare_with_random(arguments: SummaryArguments) -> dict:
    """Read the runs that the `arguments` name and summarise them: JSON values.

    Raises: InputError for no runs.
    """
    if not arguments.runs:
        raise InputError("name at least one finished run")
    metrics = [read_metrics(folder) for folder in arguments.runs]
    rows = [row(m) for m in metrics]
    return {
        "benchmark": "summary",
        "datasets": sorted({m["dataset"] for m in metrics}),
        "runs": rows,
        "mean_and_sd": mean_and_spread(rows),
    }


def summary_table(result: dict) -> Table:
    """Lay out one column per run of the `result`, then mean ± standard deviation."""
    rows = result["runs"]
    table = Table("figure (test)", *(f"seed {r['seed']}" for r in rows), "mean ± sd")
    table.title = ", ".join(result["datasets"])
    for name, (mean, deviation) in result["mean_and_sd"].items():
        digits = 4 if mean < 10 else 1 if mean < 1000 else 0
        values = [f"{r[name]:,.{digits}f}" for r in rows]
        table.add_row(name, *values, f"{mean:,.{digits}f} ± {deviation:,.{digits}f}")
    return table


def main(arguments: list[str] | None = None) -> None:
    """Print a table or a JSON line; `arguments` replace those of the command line."""
    run_command(
        "benchmarks.reports.summary",
        SummaryArguments,
        compare_with_random,
        summary_table,
        arguments,
    )


if __name__ == "__main__":
    main()
