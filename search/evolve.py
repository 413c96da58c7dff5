"""The command: search, retrain and prove a TTFS network, `python -m search.evolve`."""

import argparse
import sys
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console
from rich.table import Table

from search import stages, xylo_stages
from search.checks import (
    XYLO,
    check_chip,
    check_recipes,
    check_referee,
    refuse_changes,
    refuse_idle_options,
)
from search.config import PRESETS, Config, read_config
from search.loop import algorithms
from search.loop.exploration import Search
from search.loop.genes import Genes
from search.loop.progress import Reporter
from search.loop.run_directory import RunDirectory, read_metrics
from search.presets import preset
from search.reports import chip, networks
from search.spaces.convolutional import SPACES, make_space
from search.spaces.xylo import xylo_space
from search.strategies.xylo.scores import objective_names
from ttfs_jax import datasets
from ttfs_jax.population import distributed
from ttfs_jax.support import compilation_cache
from ttfs_jax.support.command import console, disk_trouble, one_line_errors, parse_options
from ttfs_jax.support.devices import missing_platform, single_precision, use_every_core
from ttfs_jax.support.errors import InputError, unknown

SHOWN_PROBLEMS = 5
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
    """Run the command; what the user can mend ends in one line and exit status 2."""
    try:
        with one_line_errors(), single_precision():
            metrics = execute(sys.argv[1:] if arguments is None else arguments, console())
    except KeyboardInterrupt:
        print("interrupted: go on by --resume with the run directory", file=sys.stderr)
        sys.exit(130)
    if faults := failures(metrics):
        print("PROOF FAILED (all results are kept):", *faults, sep="\n  ", file=sys.stderr)
        sys.exit(1)


def execute(arguments: list[str], screen: Console) -> dict:
    """Parse, check everything that can be checked, and run."""
    command, saved = parse(arguments)
    config = command.config
    use_every_core()
    if command.distributed:
        distributed.start(
            coordinator=command.coordinator, processes=command.processes, process=command.process
        )
        screen.quiet = not distributed.is_primary()
    if (reason := missing_platform()) is not None:
        raise InputError(reason)
    compilation_cache.enable()
    algorithms.check(
        config.evolution.algorithm,
        population=config.evolution.population,
        several=config.space == XYLO,
    )
    path = command.resume or command.run_dir
    path = path or Path("runs") / f"{config.data}-{datetime.now():%Y%m%d-%H%M%S}"
    if not saved and distributed.is_primary():
        RunDirectory.check_free(path)
    started = time.perf_counter()
    with Reporter(screen) as reporter:
        data = datasets.load(
            config.data,
            data_dir=config.data_dir,
            split_seed=config.split_seed,
            eye=config.eye,
            on_progress=reporter.follow("simulate", unit="takes"),
        )
    loading = time.perf_counter() - started
    space = _space(config, data)
    check_recipes(config, data, space)
    try:
        directory = RunDirectory(path) if saved else RunDirectory.create(path, config)
        directory.add_seconds("data", loading)
        return run(config, data, space, directory, screen)
    except Exception as error:
        if (reason := disk_trouble(error)) is None:
            raise
        raise InputError(
            f"the run in {path} stopped: {reason}, then go on by --resume {path}"
        ) from error


def run(
    config: Config, data: datasets.Dataset, space: Genes, directory: RunDirectory, screen: Console
) -> dict:
    """Go through the stages of the run that are left, write the report, then show the table."""
    on_chip = config.space == XYLO
    _report_problems(data, directory, screen)
    screen.print(
        f"{data.name}: {len(data.train.labels):,} training, "
        f"{len(data.validation.labels):,} validation, {len(data.test.labels):,} test images. "
        f"Space {space.name}: {space.size:,} architectures. Results: {directory.path}",
        soft_wrap=True,
    )
    distributed.barrier("start")
    if directory.finished:
        metrics = read_metrics(directory.path)
    else:
        algorithm = algorithms.make(
            config.evolution.algorithm,
            space,
            population=config.evolution.population,
            objectives=len(objective_names(config.objectives)) if on_chip else None,
        )
        with Reporter(screen) as reporter:
            search = Search(config, data, space, algorithm, directory, reporter)
            metrics = (xylo_stages if on_chip else stages).run(search)
    try:
        if directory.writes and on_chip:
            chip.write(directory.path, data)
        elif directory.writes:
            networks.write_raster(directory.path, data.test.images, data.name)
            networks.write(directory.path)
    finally:
        screen.print(chip.table(metrics) if on_chip else table(metrics))
    return metrics


def _space(config: Config, data: datasets.Dataset) -> Genes:
    """Build the space for the data's images."""
    if config.space != XYLO:
        return make_space(config.space, data.image_shape, len(data.classes))
    return xylo_space(
        data.image_shape,
        len(data.classes),
        polarities=2 if data.source.get("kind") == "eye" else 1,
        mappings=tuple(config.xylo.mappings.split(",")),
    )


def _report_problems(data: datasets.Dataset, directory: RunDirectory, screen: Console) -> None:
    """Keep every problem in the log, and show the first few."""
    for problem in data.problems:
        directory.log.warning("data: %s", problem)
    for problem in data.problems[:SHOWN_PROBLEMS]:
        screen.print(f"data: {problem}", style="yellow", soft_wrap=True)
    if len(data.problems) > SHOWN_PROBLEMS:
        screen.print(f"data: {len(data.problems)} problems, all in log.txt", style="yellow")


def parse(arguments: list[str]) -> tuple[Command, Config | None]:
    """Turn arguments into a command; `--preset`, `--data` and `--resume` set the defaults.

    Raises: InputError for an unknown preset or data set, a folder that holds no run, an option out
    of its range or without effect, and one that differs from those of the run to go on with.
    """
    early = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    for name in ("preset", "data", "resume", "space"):
        early.add_argument(f"--{name}", nargs="?")
    known, _ = early.parse_known_args(arguments)
    saved = read_config(Path(known.resume)) if known.resume else None
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
    command = parse_options(
        Command, arguments, name="search.evolve", default=Command(config=default)
    )
    if command.resume and command.run_dir:
        raise InputError("--resume goes on in its own folder: leave out --run-dir")
    if command.distributed and not (command.resume or command.run_dir):
        raise InputError("--distributed needs --run-dir: the processes have to agree on a folder")
    for option in ("coordinator", "processes", "process"):
        if getattr(command, option) is not None and not command.distributed:
            raise InputError(f"--{option} is for several processes: add --distributed")
    if saved is not None:
        refuse_changes(saved, command.config)
    else:
        refuse_idle_options(default, command.config)
        check_referee(command.config)
    if command.config.space == XYLO:
        check_chip(command.config)
    return command, saved


def failures(metrics: dict) -> list[str]:
    """Say which networks failed their proof, and why.

    The two codes, `relu` and `ttfs`, have to be equal before fine-tuning, and on a chip the integer
    core and the vendor's simulator.
    """
    unequal = [
        f"{folder}/{n}: before fine-tuning {reason}"
        for folder in ("best", "random_search")
        for n, row in enumerate(metrics.get(folder, []))
        for reason in row["identity"]["failures"]
    ]
    chips = [(f"front/{n}", row) for n, row in enumerate(metrics.get("front", []))]
    chips += [("baseline", row)] if (row := metrics.get("baseline")) else []
    return unequal + [
        f"{name}: XyloSim decides otherwise on {differs} test samples"
        for name, row in chips
        if (differs := row["test"]["xylosim_differs"])
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
