"""Options of data sets on a command line, and the set each belongs to."""

import argparse
from dataclasses import is_dataclass
from typing import Any, get_type_hints

from ttfs_jax.datasets import DATASETS
from ttfs_jax.support.errors import InputError, unknown
from ttfs_jax.support.ranges import inside, option


def first_option(arguments: list[str], name: str) -> str | None:
    """Return the value that `arguments` give the option --`name`; None if they do not."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument(f"--{name}", nargs="?", dest="value")
    return parser.parse_known_args(arguments)[0].value


def chosen_data(arguments: list[str], default: str | None = None) -> str:
    """Return the data set that the arguments name, or the default.

    Raises: InputError for none, an unknown one, and arguments that are options of another one.
    """
    data = first_option(arguments, "data") or default
    if data is None:
        raise InputError(f"--data is missing: choose one of {', '.join(DATASETS)}")
    if data not in DATASETS:
        raise unknown("--data", data, DATASETS)
    refuse_foreign_options(arguments, data)
    return data


def option_names(kind: Any, *, within: str = "") -> set[str]:
    """List the options of a config's class, `kind`: `--a.b` for b of a config a in it.

    `within` is put before every name, such as `a.`.
    """
    names = set()
    for name, hint in get_type_hints(kind).items():
        if is_dataclass(hint):
            names |= option_names(hint, within=inside(name, within))
        else:
            names.add(option(within + name))
    return names


def refuse_foreign_options(arguments: list[str], data: str) -> None:
    """Refuse arguments that are options of another data set than `data`. Raises: InputError."""
    owners = {name: option_names(entry.options) for name, entry in DATASETS.items()}
    for argument in arguments:
        name = argument.partition("=")[0].replace("_", "-")
        others = [owner for owner, names in owners.items() if name in names]
        if others and data not in others:
            raise InputError(
                f"{name} has no effect with --data {data}: leave it out; it is an option of --data "
                + " or ".join(others)
            )
