"""What small commands share: a table or one line of JSON, and mistakes in one line."""

import errno
import io
import json
import sys
from dataclasses import dataclass
from typing import Literal

import pytest
from rich.table import Table

from search.loop.progress import Reporter
from ttfs_jax.support.command import console, one_line_errors, run_command
from ttfs_jax.support.errors import InputError


@dataclass(frozen=True)
class Options:
    """Count."""

    number: int = 2
    """A number."""
    share: float = 0.5
    word: Literal["a", "b"] = "a"
    json: bool = False
    """Print one JSON line."""

    def __post_init__(self):
        if self.number > 9:
            raise ValueError("--number is one digit")


def measure(options):
    if options.number < 0:
        raise InputError("--number -1 is negative: choose 0 or more")
    return {"twice": 2 * options.number}


def run(*arguments):
    run_command("some.module", Options, measure, lambda r: f"twice: {r['twice']}", [*arguments])


def test_a_result_is_shown_or_printed_as_one_json_line(capsys):
    run("--number=3")
    assert capsys.readouterr().out == "twice: 6\n"
    run("--number=3", "--json")
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line) == {"twice": 6}


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--number=-1", "--number -1 is negative"),
        ("--numbr=1", "Unrecognized options: --numbr=1: did you mean --number? See python -m"),
        ("--number=x", "Error parsing --number: invalid literal for int() with base 10: 'x'. See"),
        ("--number=10", "--number is one digit. See python -m some.module"),
        ("--number", "Missing value for argument '--number'. Expected 1 values. See"),
        ("--share=nan", "--share nan must be a finite number"),
        ("--word=c", "invalid choice 'c' for argument '--word'. Expected one of ('a', 'b'). See"),
    ],
)
@pytest.mark.parametrize("columns", ["40", "200"])
@pytest.mark.parametrize("terminal", [True, False])
def test_mistakes_end_in_one_line(capsys, monkeypatch, option, words, columns, terminal):
    monkeypatch.setenv("COLUMNS", columns)
    if terminal:  # boxes and colours
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setattr("sys.stdout", io.TextIOWrapper(io.BytesIO(), encoding="utf-8"))
        monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    with pytest.raises(SystemExit, match="2"):
        run(option)
    shown = capsys.readouterr()
    assert shown.err.startswith(f"error: {words}") and shown.err.count("\n") == 1
    assert not shown.out


def test_help_names_the_module(capsys):
    with pytest.raises(SystemExit, match="0"):
        run("--help")
    assert "python -m some.module" in capsys.readouterr().out


MARKUP = "take[red].txt, a[/b].txt, seeds [0, 1] :warning:"


def test_text_is_no_markup(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    table = Table("[bold]", title=MARKUP)
    table.add_row(MARKUP)
    screen = console()
    screen.print(table)
    screen.print(MARKUP)
    with Reporter(screen) as reporter, reporter.bar(MARKUP[:9], 1, unit="files") as bar:
        bar.advance(1, MARKUP)
    shown = " ".join(capsys.readouterr().out.split())
    assert shown.count(MARKUP) == 4 and "[bold]" in shown


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_output_that_is_not_unicode_is_plain_ascii(encoding, monkeypatch):
    streams = [io.BytesIO(), io.BytesIO()]
    for name, raw in zip(("stdout", "stderr"), streams, strict=True):
        monkeypatch.setattr(f"sys.{name}", io.TextIOWrapper(raw, encoding=encoding))
    run_command("some.module", Options, measure, lambda r: Table("3 × 3 ≤ –", title="µJ é 眼"), [])
    with pytest.raises(SystemExit), one_line_errors():
        raise InputError("café ± 1")
    sys.stdout.flush()
    sys.stderr.flush()
    shown, said = (raw.getvalue().decode("ascii") for raw in streams)
    assert "3 x 3 <= -" in shown and "uJ \\xe9 \\u773c" in shown
    assert said.strip() == "error: caf\\xe9 +- 1"


def test_unicode_output_stays_and_half_a_character_ends_nothing(monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(raw, encoding="utf-8"))
    console().print("3 × 3 眼 \udce9")  # the last is a byte of a file name that is not UTF-8
    sys.stdout.flush()
    assert raw.getvalue().decode().strip() == "3 × 3 眼 \\udce9"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "x", "/data/file"), "/data/file: No space left on device: free"),
        (OSError(errno.EROFS, "x"), "Read-only file system: choose a folder"),
        (PermissionError(errno.EACCES, "x", "f"), "f: Permission denied: change its permissions"),
        (ValueError("RESOURCE_EXHAUSTED: OS error: Disk quota exceeded"), "Disk quota exceeded"),
        (InputError("a\nb"), "error: a b"),
    ],
)
def test_a_disk_that_refuses_ends_in_one_line(error, words, capsys):
    with pytest.raises(SystemExit, match="2"), one_line_errors():
        try:
            raise error
        except ValueError as cause:
            if isinstance(cause, InputError):
                raise
            raise RuntimeError("a library's own words") from cause
    message = capsys.readouterr().err
    assert words in message and message.count("\n") == 1


def test_faults_of_the_program_keep_their_traceback():
    with pytest.raises(FileNotFoundError), one_line_errors():
        raise FileNotFoundError(errno.ENOENT, "x", "file")
    with pytest.raises(AssertionError), one_line_errors():
        raise AssertionError
