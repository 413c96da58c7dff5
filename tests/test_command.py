"""What small commands share: a table or one line of JSON, and mistakes in one line."""

import json
from dataclasses import dataclass

import pytest

from ttfs_jax.command import run_command
from ttfs_jax.errors import InputError


@dataclass(frozen=True)
class Options:
    """Count."""

    number: int = 2
    """A number."""
    json: bool = False
    """Print one JSON line."""


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
    [("--number=-1", "error: --number -1 is negative"), ("--nubmer=1", "Unrecognized options")],
)
def test_mistakes_end_in_status_2(capsys, option, words):
    with pytest.raises(SystemExit, match="2"):
        run(option)
    shown = capsys.readouterr()
    assert words in shown.err + shown.out and "Traceback" not in shown.err


def test_help_names_the_module(capsys):
    with pytest.raises(SystemExit, match="0"):
        run("--help")
    assert "python -m some.module" in capsys.readouterr().out
