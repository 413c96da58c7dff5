"""The options that a run reads and shows, and where all others belong."""

import dataclasses
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from search.config import Config
from search.retraining import registry as retraining
from search.saved_config import FIXED, MOVED
from search.spaces.registry import SPACES, space_entry
from search.strategies import registry as strategies
from ttfs_jax.support.errors import InputError
from ttfs_jax.support.ranges import PAIRED, inside, option

# Options that every run reads. All `data_options` are read by the data set, which defines them.
COMMON = (
    *("data", "preset", "space", "target", "objectives", "seed", "split_seed", "limits"),
    *("evolution.algorithm", "evolution.population", "evolution.generations"),
)

OPTION = re.compile(r"--[a-z][a-z0-9-]*(?:\.[a-z0-9-]+)*")
_on_command_line: ContextVar[bool] = ContextVar("on_command_line", default=False)


def conditions(config: Config) -> dict[str, str]:
    """Name the options, or groups of them, that the space of a `config` can read.

    Each with the condition under which it is read; that is empty if it is read already.
    """
    entry = space_entry(config.space)
    return {
        **dict.fromkeys((*COMMON, *entry.reads), ""),
        **strategies.strategy_entry(entry.strategy).options(config),
        **retraining.retraining_entry(entry.retraining).options(config),
    }


def option_fields(config: Any, within: str = "") -> Iterator[str]:
    """List the fields of a config, and of those in it, that may be options: a.b for b of a.

    `within` goes before every name.
    """
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value) and field.name not in PAIRED:
            yield from option_fields(value, inside(field.name, within))
        else:
            yield within + field.name


def hidden_options(config: Config) -> set[str]:
    """Name the fields that a run of a `config` does not read, which are not options."""
    known = conditions(config)
    own = set(option_fields(config.data_options))
    return {
        name for name in option_fields(config) if name not in own and _condition(known, name) != ""
    }


def shown_options(config: Config) -> set[str]:
    """Name the fields that a run of a `config` reads, and that are therefore options."""
    return set(option_fields(config)) - hidden_options(config)


def refuse_idle_options(arguments: list[str], config: Config) -> None:
    """Refuse arguments that a run of a `config` does not read, or that are not options any more.

    Raises: InputError that says where they belong, or what replaced them.
    """
    spelled = {}
    for name in hidden_options(config):
        group, _, last = option(name)[2:].rpartition(".")
        spelled |= {option(name): name, f"--{group}{'.' * bool(group)}no-{last}": name}
    for argument in arguments:
        written = argument.partition("=")[0].replace("_", "-")
        if name := spelled.get(written):
            raise InputError(f"{written} belongs to {_place(name, config)}: leave it out")
        if (fate := _fate(written)) is not None:
            raise InputError(f"{written} is not an option any more: {fate}")


@contextmanager
def options_named() -> Iterator[None]:
    """Let errors name options, as they do on a command line; `fields_named` has no effect."""
    token = _on_command_line.set(True)
    try:
        yield
    finally:
        _on_command_line.reset(token)


@contextmanager
def fields_named(config: Config) -> Iterator[None]:
    """Let errors name fields of a `config` instead of options: --a.b-c becomes a.b_c."""
    try:
        yield
    except InputError as error:
        if _on_command_line.get():
            raise
        fields = {option(name): name for name in option_fields(config)}
        message = OPTION.sub(lambda word: fields.get(word[0], word[0]), str(error))
        raise InputError(message) from error


def _fate(written: str) -> str | None:
    """Say what replaced an option of earlier versions; None for any other word."""
    name = written.removeprefix("--").replace("-", "_").replace(".no_", ".")
    group, _, last = written.removeprefix("--").rpartition(".")
    if written.startswith("--") and group in ("limits", "retrain.population"):
        return f"write --{group} {last}=VALUE"
    if name in MOVED:
        return f"take {option(MOVED[name])}, which holds for all trainings that share it"
    return f"it is {FIXED[name]} in every run, leave it out" if name in FIXED else None


def _condition(known: dict[str, str], name: str) -> str | None:
    """Return what an option needs, by its name or its group's; None if it is not `known`."""
    for group, condition in known.items():
        if name == group or name.startswith(f"{group}."):
            return condition
    return None


def _place(name: str, config: Config) -> str:
    """Say where an option belongs that is not read under a `config`."""
    if condition := _condition(conditions(config), name):
        return condition
    spaces = [
        space
        for space in SPACES
        if _condition(conditions(dataclasses.replace(config, space=space)), name) is not None
    ]
    *most, last = spaces
    return f"--space {', '.join(most)} or {last}" if most else f"--space {last}"
