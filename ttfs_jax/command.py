"""What small commands share: options, one result, a table or one line of JSON, errors in a line."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import tyro
from rich.console import Console

from ttfs_jax import compilation_cache
from ttfs_jax.errors import InputError


@contextmanager
def one_line_errors() -> Iterator[None]:
    """End the program with one line and exit status 2 for input that the user can mend."""
    try:
        yield
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


def run_command(
    name: str,
    options: type,
    measure: Callable[[Any], dict[str, Any]],
    show: Callable[[dict[str, Any]], Any],
    arguments: list[str] | None,
    *,
    cache: bool = True,
) -> None:
    """Run the module `name` as a command: print what `measure(options)` returns.

    `options` is a frozen dataclass with a field `json`: with it the result, which is JSON values,
    is printed as one line, else what `show(result)` makes of it for rich. `cache` keeps compiled
    programs for the next call; a command that times compilation leaves it off.
    """
    chosen = tyro.cli(options, args=arguments, prog=f"python -m {name}")
    if cache:
        compilation_cache.enable()
    with one_line_errors():
        result = measure(chosen)
    if chosen.json:
        print(json.dumps(result))
    else:
        Console().print(show(result))
