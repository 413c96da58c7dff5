"""Put finished runs side by side, with mean and spread: `python -m benchmarks.summary RUN ...`."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

from search.run_directory import METRICS
from ttfs_jax.errors import InputError


@dataclass(frozen=True)
class Arguments:
    """Compare the network chosen on validation data with random search, run by run."""

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Folders of finished runs."""
    json: bool = False
    """Print one JSON line."""


def read(folder: Path) -> dict:
    """Read the metrics of a run. Raises: InputError if it has not finished."""
    path = folder / METRICS
    if not path.is_file():
        raise InputError(f"{folder} holds no finished run: end it by --resume {folder}")
    return json.loads(path.read_text(encoding="utf-8"))


def row(metrics: dict) -> dict[str, float]:
    """Take the figures of one run: best on validation, and random search."""
    best, chance = metrics["best"][0], metrics["random_search"]
    return {
        "seed": metrics["seed"],
        "architectures": metrics["architectures_evaluated"],
        "relu_war": best["relu"]["war"],
        "ttfs_war": best["ttfs"]["war"],
        "ttfs_uar": best["ttfs"]["uar"],
        "spikes_per_neuron": best["spikes_per_neuron"],
        "synops": best["synops"],
        "random_ttfs_war": chance["ttfs"]["war"],
        "random_spikes_per_neuron": chance["spikes_per_neuron"],
        "minutes": sum(metrics["seconds"].values()) / 60,
    }


def summarise(rows: list[dict[str, float]]) -> dict[str, tuple[float, float]]:
    """Return (mean, standard deviation with n − 1) of every figure; 0 spread for one run."""
    spread = int(len(rows) > 1)
    return {
        name: (
            float(np.mean([r[name] for r in rows])),
            float(np.std([r[name] for r in rows], ddof=spread)),
        )
        for name in rows[0]
        if name != "seed"
    }


def main(arguments: list[str] | None = None) -> None:
    """Print one line a run, then mean ± standard deviation."""
    chosen = tyro.cli(Arguments, args=arguments, prog="python -m benchmarks.summary")
    console = Console()
    try:
        metrics = [read(folder) for folder in chosen.runs]
    except InputError as error:
        raise SystemExit(f"error: {error}") from error
    rows = [row(m) for m in metrics]
    summary = summarise(rows)
    if chosen.json:
        print(json.dumps({"benchmark": "summary", "runs": rows, "mean_and_sd": summary}))
        return
    names = sorted({m["dataset"] for m in metrics})
    table = Table("figure (test)", *(f"seed {r['seed']}" for r in rows), "mean ± sd")
    table.title = ", ".join(names)
    for name, (mean, deviation) in summary.items():
        digits = 4 if mean < 10 else 1 if mean < 1000 else 0
        values = [f"{r[name]:,.{digits}f}" for r in rows]
        table.add_row(name, *values, f"{mean:,.{digits}f} ± {deviation:,.{digits}f}")
    console.print(table)


if __name__ == "__main__":
    main()
