"""What commands share: options, one result, a table or one line of JSON, errors in a line."""

import codecs
import errno
import io
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from typing import Any, TypeVar

import tyro
from rich.console import Console

from ttfs_jax.support import compilation_cache, ranges
from ttfs_jax.support.devices import missing_platform, single_precision
from ttfs_jax.support.errors import InputError
from ttfs_jax.support.json_text import dumps

Options = TypeVar("Options")
# What a disk refuses, and what to do about it.
DISK = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space",
    errno.EROFS: "choose a folder that can be written",
    errno.EACCES: "change its permissions, or choose another",
    errno.EPERM: "change its permissions, or choose another",
}
# What is printed for characters that ASCII lacks.
PLAIN = {"×": "x", "–": "-", "−": "-", "…": "...", "±": "+-", "µ": "u", "≤": "<=", "≥": ">="}
COLOUR, RULE = re.compile(r"\x1b\[[\d;]*m"), re.compile(r"^[─-]{3,}$", re.MULTILINE)
HIDDEN = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)  # may be words in a library's own error


@contextmanager
def one_line_errors() -> Iterator[None]:
    """End the program with one line and exit status 2 for invalid input.

    So do a full or read-only disk, and devices that are asked for and absent.
    """
    show_every_character()
    try:
        yield
    except InputError as error:
        fail(str(error))
    except Exception as error:
        reason = disk_trouble(error)
        if reason is None and isinstance(error, RuntimeError | AssertionError):
            reason = missing_platform()
        if reason is None:
            raise
        fail(reason)


def fail(message: str) -> None:
    """Print the `message` in one line, and end the program with status 2."""
    print(f"error: {' '.join(message.splitlines())}", file=sys.stderr)
    sys.exit(2)


def disk_trouble(error: BaseException | None) -> str | None:
    """Say what the disk refused, and what to do, if that is what ended a computation.

    Libraries may hide the system's error behind one of their own: causes are looked through, and
    their words. None for anything else.
    """
    while error is not None:
        for code, advice in DISK.items():
            reason = os.strerror(code)
            if isinstance(error, OSError) and error.errno == code:
                return f"{f'{error.filename}: ' if error.filename else ''}{reason}: {advice}"
            if code in HIDDEN and reason in str(error):
                return f"{reason}: {advice}"
        error = error.__cause__ or error.__context__
    return None


def show_every_character() -> None:
    """Print plain ASCII where the encoding is not Unicode, as Rich does with its boxes.

    No character ends the program, and whoever reads the output can decode it: × becomes x, a
    character without such a likeness its escape, as \\xe9.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            unicode = stream.encoding.lower().startswith("utf")
            stream.reconfigure(encoding=None if unicode else "ascii", errors="plain")


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    escaped = (c.encode("ascii", "backslashreplace").decode() for c in text)
    return "".join(PLAIN.get(c, e) for c, e in zip(text, escaped, strict=True)), error.end


codecs.register_error("plain", _plain)


def console(*, stderr: bool = False) -> Console:
    """Make a console that shows text as it is: names such as `take[red]` are no markup.

    It prints on standard output, or on standard error if `stderr` is set.
    """
    show_every_character()
    return Console(stderr=stderr, markup=False, emoji=False)


def parse_options(
    options: type[Options], arguments: list[str] | None, *, name: str, default: Any = None
) -> Options:
    """Read the options of the module `name`, a dataclass, and check their ranges.

    `arguments` replace those of the command line; `default` has the values of options that are not
    given, instead of the dataclass's own.

    Raises: InputError for an unknown option or a value that it cannot have; SystemExit for --help.
    """
    defaults = {} if default is None else {"default": default}
    parsed = _parsed(name, options, args=arguments, **defaults)
    ranges.check_all(parsed)
    return parsed


def _parsed(name: str, kind: type, **options: Any) -> Any:
    """Let tyro read a dataclass for the module `name`; a mistake is told in one line."""
    said = io.StringIO()
    try:
        with ranges.deferred(), redirect_stderr(said):
            return tyro.cli(kind, prog=f"python -m {name}", **options)
    except SystemExit:
        if reason := _in_one_line(said.getvalue()):
            raise InputError(f"{reason} See python -m {name} --help") from None
        raise
    finally:
        if not _in_one_line(said.getvalue()):
            print(said.getvalue(), end="", file=sys.stderr)


def _in_one_line(box: str) -> str:
    """Say what tyro's box of an error says; nothing if the text is no such box.

    Of its parts, with rules between them, the first one is the error; another may suggest options.
    """
    box = COLOUR.sub("", box)
    rows = [line.strip("│ ") for line in box.splitlines() if not line.startswith(("╭", "╰"))]
    parts = [part.split() for part in RULE.split("\n".join(rows))]
    if "╭" not in box:  # plain: the title is a part of its own
        parts = parts[1:]
    reason = " ".join(parts[0]).rstrip(". ") if parts else ""
    for words in parts[1:]:
        if words[:3] == ["Perhaps", "you", "meant:"]:
            return f"{reason}: did you mean {words[3]}?"
    return reason and f"{reason}."


def parse_some_options(arguments: list[str], *, name: str, default: Options) -> Options:
    """Read the options of the module `name` that others depend on, and pass over these.

    `arguments` are those of the command line, `default` is a dataclass with the values of options
    that are not given.

    Raises: InputError for a value that an option cannot have.
    """
    parsed, _ = _parsed(
        name, type(default), args=arguments, default=default, return_unknown_args=True
    )
    ranges.check_all(parsed)
    return parsed


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
    programs for the next call; a command that times compilation leaves it off. `arguments` replace
    those of the command line.
    """
    with one_line_errors(), single_precision():
        parsed = parse_options(options, arguments, name=name)
        if cache:
            compilation_cache.enable()
        result = measure(parsed)
        if parsed.json:
            print(dumps(result))
        else:
            console().print(show(result))
