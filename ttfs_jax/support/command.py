"""Shared by commands: options, one result, a table or one line of JSON, one-line errors."""

import codecs
import errno
import io
import os
import re
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

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
# Replacements for characters that ASCII lacks.
PLAIN = {"×": "x", "–": "-", "−": "-", "…": "...", "±": "+-", "µ": "u", "≤": "<=", "≥": ">="}
COLOUR, RULE = re.compile(r"\x1b\[[\d;]*m"), re.compile(r"^[─-]{3,}$", re.MULTILINE)
COMPLETION = ("--tyro-print-completion", "--tyro-write-completion")
HIDDEN = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)  # may be words in a library's own error


@contextmanager
def one_line_errors() -> Iterator[None]:
    """End the program with one line and exit status 2 for invalid input.

    The same for a full or read-only disk, and requested devices that are absent.
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
    """Say what the disk refused, and the fix, if that ended a computation.

    Libraries may hide the system's error behind one of their own: causes and their texts are
    searched. None for anything else.
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

    No character ends the program, and every reader can decode the output: × becomes x, a character
    without an equivalent its escape, as \\xe9.
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
    """Make a console that shows text as it is: names such as `take[red]` are not markup.

    It prints on standard output, or on standard error if `stderr` is set.
    """
    show_every_character()
    return Console(stderr=stderr, markup=False, emoji=False)


def parse_options(
    options: type[Options],
    arguments: list[str] | None,
    *,
    name: str,
    default: Any = None,
    hidden: Collection[str] = (),
    script: str | None = None,
    markers: tuple[Any, ...] = (),
) -> Options:
    """Read the options of the module `name`, a dataclass, and check their ranges.

    `arguments` replace those of the command line; `default` has the values of options that are not
    given, instead of the dataclass's own. Fields of it that are `hidden`, a.b for b of a config a,
    are not options, and keep these values. `script` is the command's name where the module is
    installed as one: its shell completion needs a name without spaces. `markers` are tyro's.

    Raises: InputError for an unknown option or a value that it cannot have; SystemExit for --help.
    """
    given = {} if default is None else {"default": default, "registry": _view(default, hidden)}
    parsed = _parsed(name, options, script=script, args=arguments, config=markers, **given)
    ranges.check_all(parsed)
    return parsed


def _parsed(name: str, kind: type, *, script: str | None = None, **options: Any) -> Any:
    """Let tyro read a dataclass for the module `name`; an error is reported in one line."""
    output, program = io.StringIO(), f"python -m {name}"
    first = (sys.argv[1:] if options.get("args") is None else options["args"])[:1]
    if script and (Path(sys.argv[0]).stem == script or first and first[0] in COMPLETION):
        program = script
    try:
        with ranges.deferred(), redirect_stderr(output):
            return tyro.cli(kind, prog=program, **options)
    except SystemExit:
        if reason := _in_one_line(output.getvalue()):
            raise InputError(f"{reason} See {program} --help") from None
        raise
    finally:
        if not _in_one_line(output.getvalue()):
            print(output.getvalue(), end="", file=sys.stderr)


def _in_one_line(box: str) -> str:
    """Return the text of tyro's error box; nothing if the text is not such a box.

    Of its parts, with rules between them, the first one is the error; another may suggest options.
    """
    box = COLOUR.sub("", box)
    rows = [line.strip("│ ") for line in box.splitlines() if not line.startswith(("╭", "╰"))]
    parts = [part.split() for part in RULE.split("\n".join(rows))]
    if "╭" not in box:  # plain: the title is a part of its own
        parts = parts[1:]
    reason = " ".join(parts[0]).rstrip(". ") if parts else ""
    reason = re.sub(r"^Error parsing [A-Z]\w*: ", "", reason)  # a config that checks itself
    for words in parts[1:]:
        if words[:3] == ["Perhaps", "you", "meant:"]:
            return f"{reason}: did you mean {words[3]}?"
    return reason and f"{reason}."


@dataclass(frozen=True)
class Changes:
    """Values of some fields of a config, by name."""

    values: dict[str, Any]  # what the fields become


def pairs(kind: type) -> Any:
    """Make the option of a config of that `kind`, a dataclass of numbers, from NAME=VALUE ...

    It goes into `Annotated`. Fields that are not named keep their default of the command.
    """
    hints = get_type_hints(kind)
    names = {field.name.replace("_", "-"): field.name for field in fields(kind)}

    def read(words: list[str]) -> Changes:
        values = {}
        for word in words:
            name, _, value = word.partition("=")
            if not value or (field := names.get(name.replace("_", "-"))) is None:
                raise ValueError(f"{word!r} is not NAME=VALUE; names are {', '.join(names)}")
            values[field] = (int if int in get_args(hints[field]) else float)(value)
        return Changes(values)

    def write(config: Any) -> list[str]:
        values = {name: getattr(config, field) for name, field in names.items()}
        return [f"{name}={value}" for name, value in values.items() if value is not None]

    return tyro.constructors.PrimitiveConstructorSpec(
        nargs="*",
        metavar="[NAME=VALUE ...]",
        instance_from_str=read,
        is_instance=lambda value: isinstance(value, kind),
        str_from_instance=write,
    )


def _view(default: Any, hidden: Collection[str]) -> tyro.constructors.ConstructorRegistry:
    """Make the rule by which tyro finds the fields of a config and of those in it: not `hidden`."""
    left_out: dict[type, set[str]] = {}
    registry, at_work = tyro.constructors.ConstructorRegistry(), []

    def walk(config: Any, within: str) -> bool:
        own = set()
        for field in fields(config):
            value, name = getattr(config, field.name), within + field.name
            nested = is_dataclass(value) and field.name not in ranges.PAIRED
            shown = walk(value, ranges.inside(field.name, within)) if nested else name not in hidden
            own |= set() if shown else {field.name}
        if len(own) < len(fields(config)):
            left_out[type(config)] = own
        return type(config) in left_out and len(own) < len(fields(config))

    @registry.struct_rule
    def rule(info: tyro.constructors.StructTypeInfo):
        if info.type not in left_out or at_work:
            return None
        at_work.append(info)  # the rule for all dataclasses is asked below
        spec = tyro.constructors.ConstructorRegistry.get_struct_spec(info)
        at_work.clear()
        assert isinstance(spec, tyro.constructors.StructConstructorSpec)
        shown = [field for field in spec.fields if field.name not in left_out[info.type]]

        def make(**values):
            return _changed(info.default, **values)

        make.__doc__ = info.type.__doc__  # heads its options
        return replace(spec, instantiate=make, fields=tuple(shown))

    walk(default, "")
    return registry


def _changed(default: Any, **values: Any) -> Any:
    """Return a config with other values of some fields."""
    for name, value in values.items():
        if isinstance(value, Changes):
            values[name] = replace(getattr(default, name), **value.values)
    return replace(default, **values)


def parse_some_options(arguments: list[str], *, name: str, default: Options) -> Options:
    """Read the options of the module `name` that others depend on, and ignore the others.

    `arguments` are those of the command line, `default` is a dataclass with the values of options
    that are not given.

    Raises: InputError for a value that an option cannot have.
    """
    parsed, _ = _parsed(
        name,
        type(default),
        args=arguments,
        default=default,
        registry=_view(default, ()),
        return_unknown_args=True,
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
