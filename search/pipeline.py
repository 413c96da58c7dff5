"""A run from data to measured networks: the same stages in every space."""

import json
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from search.checks import check_options, check_recipes, refuse_changes
from search.config import Config
from search.loop import algorithms
from search.loop.exploration import Search, explore
from search.loop.genes import Genes
from search.loop.goal import make_goal
from search.loop.progress import Reporter
from search.loop.run_directory import RunDirectory, environment
from search.options import fields_named
from search.reports import registry as reports
from search.result import Result
from search.retraining import registry as retraining
from search.saved_config import read_config
from search.spaces.registry import build_space, space_entry
from search.strategies import registry as strategies
from ttfs_jax import datasets
from ttfs_jax.datasets import Dataset
from ttfs_jax.population import distributed
from ttfs_jax.support.command import console, disk_trouble
from ttfs_jax.support.devices import single_precision
from ttfs_jax.support.errors import InputError

SHOWN_PROBLEMS = 5
GIVEN = "given.json"  # names of data and space passed from Python


def run(
    config: Config,
    *,
    data: Dataset | None = None,
    loaded: Dataset | None = None,
    space: Genes | None = None,
    run_dir: str | Path | None = None,
    resume: bool = False,
    screen: Console | None = None,
) -> Result:
    """Search, retrain and measure, or continue a run; return the result.

    It does what `python -m search.evolve` does, and computes in float32; its errors name fields of
    the config instead of options. `config` is best taken from `search.preset` and changed by
    `dataclasses.replace`. `data` are used instead of those that `config.data` names, and `space`
    instead of the one built for `config.space`, whose strategy, retraining and report it uses: for
    your own convolutional space that is `conv`. `loaded` are the data that `config.data` names, if
    they have been read already. Results are in `run_dir`, new or empty; by default in
    runs/<data>-<time>. With `resume` the run in `run_dir` continues, under the same config and with
    the same data and space. Progress and the final table are shown on `screen`; by default on
    standard error.

    Call `ttfs_jax.support.devices.use_every_core()` before any other use of JAX, so that members
    of a population run on all cores.

    Raises: InputError for invalid options, data or a folder, before anything is computed if
    possible; for a full disk, with how to continue.
    """
    _check_kinds(config=(config, Config), data=(data, Dataset), space=(space, Genes))
    screen = console(stderr=True) if screen is None else screen
    path = _path(config, data, run_dir)
    with fields_named(config), single_precision():
        _start(config, data, loaded, space, path, resume, screen)
    return Result(path)


def _start(
    config: Config,
    data: Dataset | None,
    loaded: Dataset | None,
    space: Genes | None,
    path: Path,
    resume: bool,
    screen: Console,
) -> None:
    """Check and start or continue a run, see `run`. Raises: InputError naming options."""
    given = {
        "data": None if data is None else data.name,
        "space": None if space is None else space.name,
    }
    check_options(config, new=not resume)
    _check_folder(path, config, given, resume=resume)
    started = time.perf_counter()
    data = (loaded or load_data(config, screen)) if data is None else datasets.check_dataset(data)
    loading = time.perf_counter() - started
    space = build_space(config, data) if space is None else space
    check_recipes(config, data, space)
    try:
        directory = RunDirectory(path) if resume else RunDirectory.create(path, config)
        if any(given.values()) and not resume:
            directory.write_json(GIVEN, given)
        directory.add_seconds("data", loading)
        _run(config, data, space, directory, screen)
    except Exception as error:
        if (reason := disk_trouble(error)) is None:
            raise
        raise InputError(
            f"the run in {path} stopped: {reason}, then continue with --resume {path}"
        ) from error


def _check_kinds(**given: tuple[Any, type]) -> None:
    """Check the types of arguments passed from Python. Raises: InputError."""
    for name, (value, kind) in given.items():
        if not isinstance(value, kind) and not (value is None and kind is not Config):
            raise InputError(f"{name} must be a {kind.__name__}, not a {type(value).__name__}")


def _path(config: Config, data: Dataset | None, run_dir: str | Path | None) -> Path:
    if run_dir is not None:
        return Path(run_dir)
    name = config.data if data is None else "-".join(data.name.replace("/", " ").split())
    return Path("runs") / f"{name}-{datetime.now():%Y%m%d-%H%M%S}"


def _check_folder(path: Path, config: Config, given: dict, *, resume: bool) -> None:
    """Check that a folder is free, or holds the run to continue. Raises: InputError."""
    if not resume:
        if distributed.is_primary():
            RunDirectory.check_free(path)
        return
    refuse_changes(read_config(path), config)
    before = _read_given(path / GIVEN)
    for name, value in given.items():
        if value != before.get(name):
            first, second = (one or "of its config" for one in (before.get(name), value))
            raise InputError(
                f"the run in {path} began with {name} {first}, not {second}: continue from Python, "
                f"by search.run(..., {name}=..., resume=True) with what it began with"
            )


def _read_given(path: Path) -> dict[str, Any]:
    """Read the names of data and space that a run started with. Raises: InputError."""
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
        return {name: given.get(name) for name in ("data", "space")}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, AttributeError) as error:
        raise InputError(f"{path} is damaged: start a new run") from error


def load_data(config: Config, screen: Console) -> Dataset:
    """Load the data that a config names, and show the progress on the `screen`.

    Raises: InputError for data that are missing, damaged or unsound.
    """
    with Reporter(screen) as reporter:
        return datasets.load_dataset(
            config.data,
            config.data_options,
            split_seed=config.split_seed,
            on_progress=reporter.follow("data", unit="items"),
        )


def _run(
    config: Config, data: Dataset, space: Genes, directory: RunDirectory, screen: Console
) -> None:
    """Run the remaining stages, write the report, then show the table."""
    _report_problems(data, directory, screen)
    screen.print(
        f"{data.name}: {len(data.train.labels):,} training, "
        f"{len(data.validation.labels):,} validation, {len(data.test.labels):,} test images. "
        f"Space {space.name}: {space.size:,} architectures. Results: {directory.path}",
        soft_wrap=True,
    )
    distributed.barrier("start")
    if not directory.finished:
        with Reporter(screen) as reporter:
            metrics = _stages(config, data, space, directory, reporter)
        directory.write_metrics(metrics)
        distributed.barrier("metrics")
    table = Result(directory.path).table()
    report = reports.report_entry(space_entry(config.space).report)
    try:
        if directory.writes:
            report.write(directory.path, data)
    finally:
        screen.print(table)


def _stages(
    config: Config, data: Dataset, space: Genes, directory: RunDirectory, reporter: Reporter
) -> dict[str, Any]:
    """Search by the space's strategy, retrain and measure the best: the content of metrics.json."""
    entry, evolution = space_entry(config.space), config.evolution
    make_strategy = strategies.strategy_entry(entry.strategy)
    goal = make_goal(config.objectives, vars(config.limits), offered=make_strategy.objectives)
    algorithm = algorithms.make(
        evolution.algorithm,
        space,
        population=evolution.population,
        objectives=len(goal.objectives) if goal.several else None,
    )
    search = Search(config, data, space, algorithm, directory, reporter, goal)
    strategy = make_strategy(search)
    archives = explore(
        search,
        strategy,
        fields=strategy.fields,
        streams=strategy.streams,
        population=evolution.population,
        generations=evolution.generations,
    )
    if not len(goal.finalists(archives["evolution"], 1)):
        raise InputError(
            f"no candidate is within the limits of {config.target} and --limits: raise these, or "
            "choose another --target"
        )
    groups = {name: archive.scores for name, archive in archives.items()}
    front = {"objectives": list(goal.objectives), "hypervolume": goal.volumes(groups)}
    return {
        "dataset": data.name,
        "classes": list(data.classes),
        "space": {"name": space.name, "size": space.size},
        "algorithm": evolution.algorithm,
        "seed": config.seed,
        "architectures_evaluated": len(archives["evolution"]),
        "random_architectures_evaluated": len(archives["random"]),
        **(front if goal.several else {}),
        **retraining.retraining_entry(entry.retraining).retrain(search, strategy, archives),
        "seconds": directory.seconds,
        "environment": environment(),
    }


def _report_problems(data: Dataset, directory: RunDirectory, screen: Console) -> None:
    """Keep every problem in the log, and show the first few."""
    for problem in data.problems:
        directory.log.warning("data: %s", problem)
    for problem in data.problems[:SHOWN_PROBLEMS]:
        screen.print(f"data: {problem}", style="yellow", soft_wrap=True)
    if len(data.problems) > SHOWN_PROBLEMS:
        screen.print(f"data: {len(data.problems)} problems, all in log.txt", style="yellow")
