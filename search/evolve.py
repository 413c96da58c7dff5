"""The command: search, retrain and prove a TTFS network, `python -m search.evolve`."""

import argparse
import json
import sys
import time
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console
from rich.table import Table

from hardware.xylo.families import family
from search import algorithms, report, stages, xylo_report, xylo_stages
from search.config import PRESETS, Config, preset
from search.exploration import Search
from search.progress import Reporter
from search.run_directory import METRICS, RunDirectory
from search.space import SPACES, make_space
from search.xylo_fitness import objective_names
from search.xylo_space import xylo_space
from ttfs_jax import compilation_cache, datasets, distributed
from ttfs_jax.command import one_line_errors
from ttfs_jax.devices import multiply_in, use_every_core
from ttfs_jax.errors import InputError, unknown
from ttfs_jax.training import TrainConfig

SHOWN_PROBLEMS = 5
XYLO = "xylo"
# The final table has to fit into 80 columns.
SHORT = {"conv3x3": "3×3", "conv5x5": "5×5", "residual": "res", "skip": "–"}


@dataclass(frozen=True)
class Command:
    """Search, retrain and prove a time-to-first-spike network.

    A ReLU supernet is trained, architectures are evolved with its weights, the best are
    retrained, converted to spike times exactly, fine-tuned, and measured once on test data.
    The run directory keeps config, history, checkpoints, metrics, figures and the best networks.
    """

    config: Annotated[Config, tyro.conf.arg(name="")]
    run_dir: Path | None = None
    """New or empty folder for the results (default: runs/<data>-<time>)."""
    resume: Path | None = None
    """Folder of an interrupted run to go on with, by its own config."""
    distributed: bool = False
    """Share the members of every population among several processes, each started by this command
    with the same options and a run directory they all reach. Where the job's manager (SLURM, Open
    MPI, Kubernetes) does not tell, the next three options do."""
    coordinator: str | None = None
    """Address HOST:PORT of process 0."""
    processes: int | None = None
    """Number of processes."""
    process: int | None = None
    """Number of this process, from 0."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command; input that the user can mend ends in one line and exit status 2."""
    console = Console()
    try:
        with one_line_errors():
            metrics = execute(sys.argv[1:] if arguments is None else arguments, console)
    except KeyboardInterrupt:
        print("interrupted: go on by --resume with the run directory", file=sys.stderr)
        sys.exit(130)
    if faults := failures(metrics):
        print("PROOF FAILED: the two codes are not equal before fine-tuning", file=sys.stderr)
        for fault in faults:
            print(f"  {fault}", file=sys.stderr)
        print("raise --retrain.identity-margin; all results are kept", file=sys.stderr)
        sys.exit(1)


def execute(arguments: list[str], console: Console) -> dict:
    """Parse, check everything that can be checked, and run."""
    command, saved = parse(arguments)
    config = command.config
    if saved is not None:
        _refuse_changes(saved, config)
    use_every_core()
    if command.distributed:
        distributed.start(
            coordinator=command.coordinator, processes=command.processes, process=command.process
        )
        console.quiet = not distributed.is_primary()
    compilation_cache.enable()
    started = time.perf_counter()
    with Reporter(console) as reporter:
        data = datasets.load(
            config.data,
            data_dir=config.data_dir,
            split_seed=config.split_seed,
            eye=config.eye,
            on_progress=reporter.follow("simulate", unit="takes"),
        )
    loading = time.perf_counter() - started
    on_chip = config.space == XYLO
    if on_chip:
        family(config.target)
        space = xylo_space(
            data.image_shape,
            len(data.classes),
            polarities=2 if data.source.get("kind") == "eye" else 1,
            mappings=tuple(config.xylo.mappings.split(",")),
        )
    else:
        space = make_space(config.space, data.image_shape, len(data.classes))
    algorithm = algorithms.make(
        config.evolution.algorithm,
        space,
        population=config.evolution.population,
        objectives=len(objective_names(config.objectives)) if on_chip else None,
    )
    _check_recipes(config, data, space)
    if command.resume is not None:
        directory = RunDirectory(command.resume)
    else:
        path = command.run_dir or Path("runs") / f"{config.data}-{datetime.now():%Y%m%d-%H%M%S}"
        directory = RunDirectory.create(path, config)
    directory.add_seconds("data", loading)
    _report_problems(data, directory, console)
    console.print(
        f"[bold]{data.name}[/]: {len(data.train.labels):,} training, "
        f"{len(data.validation.labels):,} validation, {len(data.test.labels):,} test images. "
        f"Space {space.name}: {space.size:,} architectures. Results: {directory.path}"
    )
    finished = directory.path / METRICS
    done = finished.exists()
    distributed.barrier("start")
    if done:
        metrics = json.loads(finished.read_text())
    else:
        with Reporter(console) as reporter:
            search = Search(config, data, space, algorithm, directory, reporter)
            metrics = (xylo_stages if on_chip else stages).run(search)
    if directory.writes and on_chip:
        xylo_report.write(directory.path, data)
    elif directory.writes:
        report.write_raster(directory.path, data.test.images, data.name)
        report.write(directory.path)
    console.print(xylo_report.table(metrics) if on_chip else table(metrics))
    return metrics


def _report_problems(data: datasets.Dataset, directory: RunDirectory, console: Console) -> None:
    """Keep every problem in the log, and show the first few."""
    for problem in data.problems:
        directory.log.warning("data: %s", problem)
    for problem in data.problems[:SHOWN_PROBLEMS]:
        console.print(f"[yellow]data:[/] {problem}", soft_wrap=True)
    if len(data.problems) > SHOWN_PROBLEMS:
        console.print(f"[yellow]data:[/] {len(data.problems)} problems, all in log.txt")


def parse(arguments: list[str]) -> tuple[Command, Config | None]:
    """Turn arguments into a command; `--preset`, `--data` and `--resume` set the defaults.

    Raises: InputError for an unknown preset or data set, or a folder that holds no run.
    """
    early = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    for name in ("preset", "data", "resume", "space"):
        early.add_argument(f"--{name}", nargs="?")
    known, _ = early.parse_known_args(arguments)
    saved = RunDirectory.read_config(Path(known.resume)) if known.resume else None
    for option, value, choices in (
        ("preset", known.preset, PRESETS),
        ("data", known.data, datasets.NAMES),
        ("space", known.space, (*SPACES, XYLO)),
    ):
        if value is not None and value not in choices:
            raise unknown(f"--{option}", value, choices)
    default = saved or preset(
        known.data or Config.data, known.preset or "default", space=known.space
    )
    command = tyro.cli(
        Command,
        default=Command(config=default),
        args=arguments,
        prog="python -m search.evolve",
    )
    if command.resume and command.run_dir:
        raise InputError("--resume goes on in its own folder: leave out --run-dir")
    if command.distributed and not (command.resume or command.run_dir):
        raise InputError("--distributed needs --run-dir: the processes have to agree on a folder")
    if not command.distributed and command.coordinator:
        raise InputError("--coordinator is for several processes: add --distributed")
    return command, saved


def _refuse_changes(saved: Config, wanted: Config, prefix: str = "") -> None:
    for field in fields(saved):
        old, new = getattr(saved, field.name), getattr(wanted, field.name)
        name = prefix + field.name.replace("_", "-")
        if is_dataclass(old):
            _refuse_changes(old, new, f"{name}.")
        elif old != new:
            raise InputError(
                f"--{name} {new} differs from the {old} this run began with: leave the option "
                "out, or start a new run by --run-dir"
            )


def _check_recipes(config: Config, data: datasets.Dataset, space) -> None:
    samples = len(data.train.labels)
    recipes = {
        "supernet.train": config.supernet.train,
        "retrain.train": config.retrain.train,
        "retrain.fine-tune": config.retrain.fine_tune,
    }
    if config.space == XYLO:
        recipes = {
            "xylo.train": config.xylo.train,
            "xylo.retrain": config.xylo.retrain,
            "xylo.relu": config.xylo.relu,
            "xylo.relu-retrain": config.xylo.relu_retrain,
        }
    for name, recipe in recipes.items():
        if not 0 < recipe.batch_size <= samples:
            raise InputError(
                f"--{name}.batch-size {recipe.batch_size} must be between 1 and the {samples} "
                "training images"
            )
        if isinstance(recipe, TrainConfig):
            try:
                multiply_in(recipe.products)
            except ValueError as error:
                raise InputError(f"--{name}.products {recipe.products}: {error}") from error
    if config.supernet.train.batch_size % config.supernet.paths:
        raise InputError(
            f"--supernet.train.batch-size {config.supernet.train.batch_size} must be a multiple "
            f"of --supernet.paths {config.supernet.paths}"
        )
    budget = config.evolution.population * config.evolution.generations
    if not config.retrain.top <= budget <= space.size or config.retrain.top < 1:
        raise InputError(
            f"--evolution.population × --evolution.generations is {budget}: it must be at least "
            f"--retrain.top {config.retrain.top} (≥ 1) and at most the space's {space.size}"
        )


def failures(metrics: dict) -> list[str]:
    """Say which networks failed the proof that their two codes are equal, and why."""
    return [
        f"{folder}/{n}: {reason}"
        for folder in ("best", "random_search")
        for n, row in enumerate(metrics.get(folder, []))
        for reason in row["identity"]["failures"]
    ]


def table(metrics: dict) -> Table:
    """Lay out the final table: the best networks and random search, measured on test data."""
    result = Table(title=f"{metrics['dataset']}: test results of the networks shipped")
    result.add_column("network", no_wrap=True)
    result.add_column("architecture")
    for name in ("WAR", "UAR", "own\nReLU", "spikes/\nneuron", "kSynOps", "params"):
        result.add_column(name, justify="right", no_wrap=True)
    for folder, name in (("best", "best"), ("random_search", "random")):
        for n, row in enumerate(metrics[folder]):
            result.add_row(
                f"{name}/{n}",
                " ".join(SHORT.get(value, str(value)) for value in row["architecture"].values()),
                f"{row['ttfs']['war']:.4f}",
                f"{row['ttfs']['uar']:.4f}",
                f"{row['relu']['war']:.4f}",
                f"{row['spikes_per_neuron']:.3f}",
                f"{row['synops'] / 1e3:,.0f}",
                f"{row['params']:,}",
            )
    proof, best = metrics["identity"], metrics["best"][0]
    before = best["before_fine_tuning"]
    agreement = f"{proof['argmax_agreement']:.2%} same class"
    result.caption_justify = "left"
    result.caption = (
        f"best/0 before fine-tuning: ReLU {before['relu']['war']:.4f}, spike times "
        f"{before['ttfs']['war']:.4f}, {agreement}\n"
        f"best/0 shipped: quantised {best['ttfs']['war']:.4f}, continuous "
        f"{best['ttfs_continuous']['war']:.4f}, first spike {best['first_spike']['war']:.4f}\n"
        f"{best['hardware']['headline']}"
    )
    return result


if __name__ == "__main__":
    main()
