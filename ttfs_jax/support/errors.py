"""The one error raised for invalid input."""

import difflib
from collections.abc import Iterable, Mapping
from typing import TypeVar

Entry = TypeVar("Entry")


class InputError(ValueError):
    """Say what is wrong with the input and how to fix it, in one line.

    Commands print the message without a traceback and exit with status 2.
    """


def unknown(kind: str, name: str, choices: Iterable[str]) -> InputError:
    """Make the error for an unknown name of some `kind`; suggest the nearest of the choices."""
    choices = list(choices)
    close = difflib.get_close_matches(name, choices, 1)
    hint = f"did you mean {close[0]}? " if close else ""
    return InputError(f"unknown {kind} {name!r}: {hint}choose one of {', '.join(choices)}")


def look_up(kind: str, name: str, registry: Mapping[str, Entry]) -> Entry:
    """Return the entry of a `registry` with that `name`, which is of some `kind`.

    Raises: InputError for an unknown name, with the nearest one suggested.
    """
    if name not in registry:
        raise unknown(kind, name, registry)
    return registry[name]
