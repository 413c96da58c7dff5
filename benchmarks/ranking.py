"""Measure how well cheap predictors rank architectures: `python -m benchmarks.ranking --json`.

Kendall τ of each predictor with the accuracy after full training, from the table stored in the
repository. `--train DATA --out DIR` makes that data set's part of the table again (an hour).
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console, Group
from rich.table import Table
from scipy.stats import kendalltau

from benchmarks.ranking_study import SEEDS, StudyConfig, study
from search.strategies.surrogate import Surrogate
from ttfs_jax.support.command import run_command
from ttfs_jax.support.devices import use_every_core
from ttfs_jax.support.errors import InputError

TABLE = Path(__file__).with_name("data") / "ranking.parquet"
PREDICTORS = {
    "inherited_relu": "inherited supernet weights, relu code",
    "inherited_ttfs": "inherited supernet weights, ttfs code",
    "short_training": "one epoch from scratch",
    "params": "parameter count",
    "synops": "SynOps",
    "multiply_adds": "multiply-adds of the ReLU twin",
    "random": "random",
}
# Not a column of the table: fitted to the genes and accuracies of some architectures, tested on
# others.
TRAINED = 80  # architectures it is fitted to, or half of a smaller table
SPLITS = 200  # draws of these architectures
PREDICTED = f"ridge regression on the genes of {TRAINED} trained architectures"
RESAMPLES = 2000


@dataclass(frozen=True)
class RankingArguments:
    """Rank architectures by cheap predictors, and compare with full training."""

    train: Literal["fashion-mnist", "eye"] | None = None
    """Train the architectures of this data set and replace its part of the table."""
    out: Path | None = None
    """Folder of the training run; an interrupted one continues."""
    table: Path = TABLE
    """The table, a parquet file."""
    json: bool = False
    """Print one JSON line."""
    study: StudyConfig = field(default_factory=StudyConfig)


def rank_correlation(one: np.ndarray, other: np.ndarray, *, seed: int = 0) -> dict[str, float]:
    """Return Kendall's τ_b of `one` and the `other`, with its 95 % interval.

    The interval is bootstrapped over architectures; `seed` is that of the resampling.

    Shapes: [n], [n] -> tau, tau_low, tau_high.
    Source: Kendall 1945, doi:10.1093/biomet/33.3.239; percentile bootstrap, Efron 1979.
    """
    draws = np.random.default_rng(seed).integers(0, len(one), (RESAMPLES, len(one)))
    values = [_tau(one[d], other[d]) for d in draws]
    low, high = np.nanquantile(values, [0.025, 0.975])
    return {"tau": _tau(one, other), "tau_low": float(low), "tau_high": float(high)}


def _tau(one: np.ndarray, other: np.ndarray) -> float:
    result: Any = kendalltau(one, other)
    return float(result.statistic)


def predicted_correlation(
    columns: dict[str, np.ndarray], truth: np.ndarray, *, seed: int = 0
) -> dict[str, float]:
    """Return the τ of a `Surrogate` with the `truth` [n] of architectures it was not fitted to.

    It is fitted to the genes of `TRAINED` architectures, which are the `columns` of words, and to
    their accuracy in training seed 0; mean and 2.5 and 97.5 % quantiles over `SPLITS` draws of
    these, by `seed`.
    """
    genes = [name for name, values in columns.items() if values.dtype.kind == "U"]
    genes = [name for name in genes if not name.endswith("_images")]
    numbers = [np.unique(columns[name], return_inverse=True) for name in genes]
    genotypes = np.stack([choices for _, choices in numbers], 1)
    counts = tuple(len(names) for names, _ in numbers)
    trained, rng = min(TRAINED, len(truth) // 2), np.random.default_rng(seed)
    values = []
    for _ in range(SPLITS):
        own, others = np.split(rng.permutation(len(truth)), [trained])
        surrogate = Surrogate(genotypes[own], columns["full_0"][own], choices=counts)
        values.append(_tau(surrogate.predict(genotypes[others]).mean, truth[others]))
    low, high = np.nanquantile(values, [0.025, 0.975])
    return {"tau": float(np.mean(values)), "tau_low": float(low), "tau_high": float(high)}


def analyse(columns: dict[str, np.ndarray]) -> dict:
    """Return the τ of every predictor, and the noise ceiling, for one data set.

    `columns` are those of the table, each [architectures]. Full training is the mean over an
    architecture's seeds. The ceiling is the τ between the mean of seeds 1, 2, … and seed 0, scored
    on the predictors' images, on the architectures that have them all: no predictor that is
    compared with one training can be expected above it. `shared_images` tells whether predictors
    were scored on the images of the truth: common noise then raises the τ of predictors that use
    images, and the ceiling.
    """
    seeds = np.stack([columns[f"full_{n}"] for n in range(SEEDS)])
    truth = np.nanmean(seeds, 0)
    repeated = ~np.isnan(seeds).any(0)
    return {
        "architectures": len(truth),
        "full_training": {
            "lowest": float(truth.min()),
            "median": float(np.median(truth)),
            "highest": float(truth.max()),
            "sd_between_seeds": float(seeds[:, repeated].std(0, ddof=1).mean()),
        },
        "truth_images": str(columns["truth_images"][0]),
        "predictor_images": str(columns["predictor_images"][0]),
        "shared_images": bool((columns["truth_images"] == columns["predictor_images"]).any()),
        "noise_ceiling": rank_correlation(
            seeds[1:, repeated].mean(0), columns["full_0_elsewhere"][repeated]
        ),
        "predictors": {
            **{name: rank_correlation(columns[name], truth) for name in PREDICTORS},
            "predicted": predicted_correlation(columns, truth),
        },
    }


def read_tables(path: Path) -> dict[str, dict[str, np.ndarray]]:
    """Read the table at `path`: data set -> columns. Raises: InputError if there is none."""
    if not path.is_file():
        raise InputError(f"{path} does not exist: make it by --train")
    try:
        table = pq.read_table(path).to_pydict()
        names = np.asarray(table.pop("data"))
        columns = {name: np.asarray(values) for name, values in table.items()}
        # Tables from before the halves: all was scored on all validation images.
        for name in ("truth_images", "predictor_images"):
            columns.setdefault(name, np.full(len(names), "validation, all"))
        columns.setdefault("full_0_elsewhere", columns["full_0"])
    except (pa.ArrowInvalid, KeyError) as error:
        raise InputError(f"{path} is damaged: get it again from the repository") from error
    return {
        str(name): {c: values[names == name] for c, values in columns.items()}
        for name in dict.fromkeys(names.tolist())
    }


def write_tables(path: Path, tables: dict[str, dict[str, np.ndarray]]) -> None:
    """Write the `tables` of all data sets, as `read_tables` gives them, into one at `path`."""
    names = np.concatenate([[n] * len(next(iter(c.values()))) for n, c in tables.items()])
    first = next(iter(tables.values()))
    joined = {c: np.concatenate([t[c] for t in tables.values()]) for c in first}
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"data": names, **joined}), path)


def rank(arguments: RankingArguments) -> dict:
    """Train if the `arguments` ask for it, and analyse the table: JSON values.

    Raises: InputError for training without a folder, or a table that is missing or damaged.
    """
    if arguments.train is not None:
        if arguments.out is None:
            raise InputError("--train needs --out: a folder for the training run")
        use_every_core()
        tables = read_tables(arguments.table) if arguments.table.exists() else {}
        console = Console(stderr=True)
        tables[arguments.train] = study(arguments.train, arguments.study, arguments.out, console)
        write_tables(arguments.table, tables)
    results = {data: analyse(columns) for data, columns in read_tables(arguments.table).items()}
    return {"benchmark": "ranking", **results}


def ranking_tables(results: dict) -> Group:
    """Lay out one table per data set of the `results`, and say on which images it was made."""
    tables = []
    for data, result in results.items():
        if data == "benchmark":
            continue
        ceiling = result["noise_ceiling"]
        table = Table("predictor", "Kendall τ", "95 % interval")
        table.title = f"{data}: {result['architectures']} architectures"
        table.caption = (
            "Made on shared images: predictors and truth were scored on the same ones "
            f"({result['truth_images']}), which flatters those that look at images."
            if result["shared_images"]
            else f"Truth on {result['truth_images']}; predictors on {result['predictor_images']}."
        )
        for name, words in {**PREDICTORS, "predicted": PREDICTED}.items():
            row = result["predictors"][name]
            table.add_row(
                words, f"{row['tau']:.2f}", f"{row['tau_low']:.2f} … {row['tau_high']:.2f}"
            )
        table.add_row(
            "noise ceiling (mean of two seeds, third)",
            f"{ceiling['tau']:.2f}",
            f"{ceiling['tau_low']:.2f} … {ceiling['tau_high']:.2f}",
            style="bold",
        )
        tables.append(table)
    return Group(*tables)


def main(arguments: list[str] | None = None) -> None:
    """Print a table or a JSON line; `arguments` replace those of the command line."""
    run_command("benchmarks.ranking", RankingArguments, rank, ranking_tables, arguments)


if __name__ == "__main__":
    main()
