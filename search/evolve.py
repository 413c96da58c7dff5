"""The command: search, retrain and prove a TTFS network, `python -m search.evolve`."""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console

from search.budget import TYPICAL, Size, data_size
from search.checks import changed, refuse_changes
from search.config import PRESETS, Config
from search.options import hidden_options, options_named, refuse_idle_options
from search.pipeline import load_data, run
from search.presets import data_options, has_rows, preset
from search.result import Result
from search.saved_config import read_config
from search.spaces.registry import SPACES
from ttfs_jax.datasets import DATASETS
from ttfs_jax.datasets.arguments import refuse_foreign_options
from ttfs_jax.population import distributed
from ttfs_jax.support import compilation_cache
from ttfs_jax.support.command import (
    COMPLETION,
    console,
    one_line_errors,
    parse_options,
    parse_some_options,
)
from ttfs_jax.support.devices import missing_platform, use_every_core
from ttfs_jax.support.errors import InputError, unknown

NAME, SCRIPT = "search.evolve", "ttfs-evolve"


@dataclass(frozen=True)
class Command:
    """Search, retrain and prove a time-to-first-spike network.

    A ReLU supernet is trained, architectures are evolved with its weights, the best are
    retrained, converted to spike times exactly, fine-tuned, and measured once on test data.
    The run directory keeps config, history, checkpoints, metrics, figures and the best networks.
    """

    config: Annotated[Config, tyro.conf.arg(name="")]
    """The configuration; the rest is where results go."""
    run_dir: Path | None = None
    """New or empty folder for the results (default: runs/<data>-<time>)."""
    resume: Path | None = None
    """Folder of an interrupted run to continue, with its own config."""
    distributed: bool = False
    """Share the members of every population among several processes, each started by this command
    with the same options and a run directory they all can access. Without a job manager (SLURM,
    Open MPI, Kubernetes) that identifies them, three more options do, shown with this one."""
    coordinator: str | None = None
    """Address HOST:PORT of process 0."""
    processes: int | None = None
    """Number of processes."""
    process: int | None = None
    """Number of this process, from 0."""


PEERS = ("coordinator", "processes", "process")  # used by several processes only


def main(arguments: list[str] | None = None) -> None:
    """Run the command by its `arguments`; invalid input ends in one line and exit status 2."""
    try:
        with one_line_errors():
            result = execute(sys.argv[1:] if arguments is None else arguments, console())
    except KeyboardInterrupt:
        print(
            "interrupted: continue with --resume DIR, the folder named after Results",
            file=sys.stderr,
        )
        sys.exit(130)
    if faults := result.failures:
        print("PROOF FAILED (all results are kept):", *faults, sep="\n  ", file=sys.stderr)
        sys.exit(1)


def execute(arguments: list[str], screen: Console) -> Result:
    """Parse `arguments`, set up the devices, and run; progress is shown on `screen`.

    Where the defaults follow from the size of the data, these are read first, after checking the
    options.
    """
    command, loaded = parse(arguments), None
    use_every_core()
    if command.distributed:
        distributed.join_processes(
            coordinator=command.coordinator, processes=command.processes, process=command.process
        )
        screen.quiet = not distributed.is_primary()
    if (reason := missing_platform()) is not None:
        raise InputError(reason)
    compilation_cache.enable()
    if command.resume is None and not has_rows(command.config):
        loaded = load_data(command.config, screen)
        command = parse(arguments, size=data_size(loaded))
    with options_named():
        return run(
            command.config,
            loaded=loaded,
            run_dir=command.resume or command.run_dir,
            resume=command.resume is not None,
            screen=screen,
        )


def parse(arguments: list[str], *, size: Size = TYPICAL) -> Command:
    """Turn arguments into a command; some options set the defaults of others.

    Those are `--preset`, `--data` and its own options, `--space`, `--objectives` and `--resume`.
    Defaults that follow from the size of the data are those for `size`.

    Raises: InputError for an unknown preset or data set, a folder that holds no run, an option out
    of its range or without effect, and one that differs from those of the run to continue.
    """
    early = _early(arguments)
    saved = read_config(Path(early.resume)) if early.resume else None
    if saved is not None and early.data not in (None, saved.data):
        raise changed("data", saved.data, early.data)
    data = saved.data if saved else early.data or Config.data
    refuse_foreign_options(arguments, data)
    default = saved or _defaults(arguments, early, data, size)
    several = "--distributed" in arguments
    for name in () if several else PEERS:
        if any(argument.partition("=")[0] == f"--{name}" for argument in arguments):
            raise InputError(f"--{name} belongs to --distributed: leave it out, or add that")
    # An option may decide which others are read: all are read once, to know which to show.
    wanted = parse_some_options(_without_help(arguments), name=NAME, default=default)
    refuse_idle_options(arguments, wanted)
    command = parse_options(
        Command,
        arguments,
        name=NAME,
        default=Command(config=default),
        hidden=hidden_options(wanted) | set(() if several else PEERS),
        script=SCRIPT,
        # The options that a run started with may be given again.
        markers=() if saved else (tyro.conf.FlagCreatePairsOff,),
    )
    if command.resume and command.run_dir:
        raise InputError("--resume continues in its own folder: leave out --run-dir")
    if command.distributed and not (command.resume or command.run_dir):
        raise InputError("--distributed needs --run-dir: the processes have to agree on a folder")
    if saved is not None:
        refuse_changes(saved, command.config)
    return command


def _without_help(arguments: list[str]) -> list[str]:
    """Return the arguments of a run, without requests for help or shell completion."""
    if arguments[:1] and arguments[0] in COMPLETION:
        arguments = arguments[3 if "write" in arguments[0] else 2 :]
    return [argument for argument in arguments if argument not in ("-h", "--help")]


def _early(arguments: list[str]) -> argparse.Namespace:
    """Read the options that others depend on. Raises: InputError for an unknown name."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    for name in ("preset", "data", "resume", "space"):
        parser.add_argument(f"--{name}", nargs="?")
    parser.add_argument("--objectives", nargs="*")
    early, _ = parser.parse_known_args(arguments)
    early.objectives = tuple(early.objectives) if early.objectives else None
    for text in early.objectives or ():
        if "," in text:
            names = " ".join(text.replace(",", " ").split())
            raise InputError(f"--objectives {text}: write names with spaces, --objectives {names}")
    for option, value, choices in (
        ("preset", early.preset, PRESETS),
        ("data", early.data, DATASETS),
        ("space", early.space, SPACES),
    ):
        if value is not None and value not in choices:
            raise unknown(f"--{option}", value, choices)
    return early


def _defaults(arguments: list[str], early: argparse.Namespace, data: str, size: Size) -> Config:
    """Return the values of options that are not given."""
    name = early.preset or "default"
    options = parse_some_options(
        _without_help(arguments), name=NAME, default=data_options(data, name)
    )
    return preset(
        data, name, space=early.space, objectives=early.objectives, options=options, size=size
    )


if __name__ == "__main__":
    main()
