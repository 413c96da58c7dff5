"""Train SEEN by its own recipe on the eye clips of finished runs, and compare both.

`python -m benchmarks.seen_baseline RUN ... --out DIR` (all runs on the same eye data and split).
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.peers.seen_network import Seen, multiply_adds
from benchmarks.peers.seen_recipe import (
    EPOCHS,
    SEED,
    SeenData,
    look_up_clips,
    to_source,
    train_seen,
)
from hardware.cmos import ACCUMULATE, MULTIPLY_ADD
from hardware.target import DISCLAIMER
from search.config import Config
from search.loop.run_directory import read_metrics
from search.saved_config import read_config
from ttfs_jax.datasets.eye import recordings, simulated
from ttfs_jax.datasets.eye.dataset import Clips, columns, draw_parts
from ttfs_jax.datasets.eye.recordings import Recordings
from ttfs_jax.evaluation import protocol
from ttfs_jax.support.command import run_command
from ttfs_jax.support.errors import InputError


@dataclass(frozen=True)
class SeenArguments:
    """Compare networks found by `python -m search.evolve` with SEEN on the same eye data."""

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Folders of finished runs on eye data, all with the same clips and split."""
    out: Path
    """Folder for SEEN's checkpoints; an interrupted training continues there."""
    epochs: int = EPOCHS
    """Passes over the training sequences; the published recipe has 180."""
    seeds: tuple[int, ...] = (SEED,)
    """Seeds of SEEN, as many as runs for a fair comparison; the published one is 2022."""
    json: bool = False
    """Print one JSON line."""


def _simulated(config: Config) -> tuple[str, Recordings, np.ndarray]:
    options: Any = config.data_options
    eye = options.eye
    pair = simulated.generate(seed=eye.simulator_seed, subjects=eye.subjects, size=eye.size)
    return "simulated eye data", *pair


def _see(config: Config) -> tuple[str, Recordings, np.ndarray]:
    options: Any = config.data_options
    if options.data_dir is None:
        raise InputError("the run names no folder of SEE: make it again with --data-dir")
    real = recordings.read_see(options.data_dir, size=options.eye.size)
    return "SEE", real, recordings.read_see_light(options.data_dir, size=options.eye.size)


READERS = {"eye": _simulated, "see": _see}


def load_recordings(config: Config) -> tuple[str, Recordings, np.ndarray]:
    """Load the recordings of a run with their intensity frames.

    `config` is the run's. Returns a name, the recordings, and uint8 [N, H, W].

    Raises: InputError for a run on other data than eyes.
    """
    if config.data not in READERS:
        raise InputError(f"the run is on {config.data}: SEEN needs runs with --data eye or see")
    return READERS[config.data](config)


def energy(*, synops: float, multiply_adds: float = 0.0) -> dict[str, float]:
    """Estimate the energy of one inference in J, by the constants of the target `cmos45`.

    An accumulate for each of `synops`, a multiply-add for each of `multiply_adds`, which are those
    of values that are not spikes; arithmetic only.
    """
    joules = ACCUMULATE.value * synops + MULTIPLY_ADD.value * multiply_adds
    return asdict(joules)


def measure_seen(model: Seen, variables, source: SeenData, whole: Recordings, clips: Clips) -> dict:
    """Score SEEN on test clips, and count its operations.

    `model` with its trained `variables` sees the `clips` of `source`; `whole` has their labels,
    people and lights.
    """

    @jax.jit
    def run(variables, source, rows):
        logits, activity = model.apply(variables, *look_up_clips(source, rows))
        return logits.argmax(-1), activity

    chunks = np.array_split(clips.rows, max(len(clips.rows) // 200, 1))
    parts = [
        run(variables, source, jnp.asarray(rows))
        for rows in track(chunks, "test clips", console=Console(stderr=True))
    ]
    predictions = np.concatenate([np.asarray(p) for p, _ in parts])
    weights = np.array([len(rows) for rows in chunks])
    dense, synops = (
        float(np.average([getattr(a, name) for _, a in parts], weights=weights))
        for name in ("dense", "synops")
    )
    size, frames = source.events.shape[1], clips.rows.shape[1]
    labels = whole.labels[clips.sequence]
    return {
        "protocol": protocol.score_draws(predictions, labels, whole.classes, columns(whole, clips)),
        "params": sum(leaf.size for leaf in jax.tree.leaves(variables["params"])),
        "multiply_adds_if_dense": sum(multiply_adds(size, frames).values()),
        "multiply_adds": dense,
        "synops": synops,
        "joules": energy(synops=synops, multiply_adds=dense),
    }


def compare_with_seen(arguments: SeenArguments) -> dict:
    """Train and measure SEEN, and compare the runs with it, by the `arguments`: JSON values.

    Raises: InputError for no runs, or runs on different data.
    """
    if not arguments.runs:
        raise InputError("name at least one finished run")
    configs = [read_config(run) for run in arguments.runs]
    first = configs[0]
    for run, config in zip(arguments.runs, configs, strict=True):
        same = ("data", "data_options", "split_seed")
        if any(getattr(config, name) != getattr(first, name) for name in same):
            raise InputError(f"{run} has other data, clips or split than {arguments.runs[0]}")
    results = [read_metrics(run) for run in arguments.runs]
    for run, metrics in zip(arguments.runs, results, strict=True):
        if "best" not in metrics:
            raise InputError(f"{run} is a run of --space xylo: name one of another space")
    name, whole, light = load_recordings(first)
    options: Any = first.data_options
    eye = options.eye
    parts = draw_parts(whole, eye, seed=first.split_seed)
    source = to_source(whole, light, np.unique(parts["train"].sequence))
    rows = []
    for seed in arguments.seeds:
        model, variables = train_seen(
            arguments.out / f"seed_{seed}",
            source,
            eye,
            classes=len(whole.classes),
            epochs=arguments.epochs,
            seed=seed,
        )
        row = measure_seen(model, variables, source, whole, parts["test"])
        rows.append({"seed": seed, **row})
    return {
        "benchmark": "seen_baseline",
        "dataset": name,
        "size": eye.size,
        "epochs": arguments.epochs,
        "seen": rows,
        "ttfs": [
            describe_run(run, metrics) for run, metrics in zip(arguments.runs, results, strict=True)
        ],
        "note": DISCLAIMER,
    }


def describe_run(run: Path, metrics: dict) -> dict:
    """Take the compared figures of a run's best network from its `metrics`; `run` is the folder."""
    best = metrics["best"][0]
    figures = {name: best[name] for name in ("params", "synops", "spikes_per_neuron", "protocol")}
    joules = energy(synops=best["synops"])
    return {"run": str(run), "seed": metrics["seed"], **figures, "joules": joules}


def seen_table(result: dict) -> Table:
    """Lay out the result."""
    table = Table("network", "WAR", "UAR", "params", "multiply-adds", "SynOps", "µJ (low to high)")
    table.title = f"{result['dataset']}, frames of {result['size']} pixels, test"
    kinds = {"seen": f"SEEN, {result['epochs']} epochs", "ttfs": "TTFS"}
    for kind, words in kinds.items():
        for row in result[kind]:
            score = row["protocol"]
            low, nominal, high = (1e6 * row["joules"][key] for key in ("low", "nominal", "high"))
            table.add_row(
                f"{words}, seed {row['seed']}",
                *(
                    f"{score[k]:.3f} [{score['interval'][k][0]:.3f}, {score['interval'][k][1]:.3f}]"
                    for k in ("war", "uar")
                ),
                f"{row['params']:,}",
                f"{row.get('multiply_adds', 0):,.0f}",
                f"{row['synops']:,.0f}",
                f"{nominal:.3g} ({low:.2g} to {high:.2g})",
            )
    count = {kind: len({row["seed"] for row in result[kind]}) for kind in kinds}
    table.caption = (
        f"Seeds: {count['seen']} of SEEN, {count['ttfs']} of ours"
        + ("." if count["seen"] == count["ttfs"] else ", which are not equally many.")
        + f" Energy by the target cmos45 for both, arithmetic only: {DISCLAIMER}."
    )
    return table


def main(arguments: list[str] | None = None) -> None:
    """Print a table or a JSON line; `arguments` replace those of the command line."""
    run_command("benchmarks.seen_baseline", SeenArguments, compare_with_seen, seen_table, arguments)


if __name__ == "__main__":
    main()
