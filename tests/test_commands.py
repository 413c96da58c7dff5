"""Commands in README, docs and docstrings are understood: each is parsed, and none is run."""

import ast
import importlib
import re
import shlex

import pytest
from places import PACKAGES, ROOT, SOURCE

from search import evolve
from ttfs_jax.support import command
from ttfs_jax.support.command import parse_options

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
# A line of its own, or a part of one between backticks.
COMMAND = re.compile(
    r"^(?: {4}|\$ )?python -m (.+)$|`(?:\w+=\S+ )?python -m ([^`]+)`", re.MULTILINE
)
# What stands for values, in capitals, by the option before it.
VALUES = {"--data": "npz", "--space": "conv", "--objectives": "war"}
NUMBERS = {"--seed", "--subjects", "--size"}


def commands(text):
    """List the commands of a text: the module, and the words after it."""
    rows = []
    for line, inline in COMMAND.findall(text):
        module, *words = shlex.split(re.sub(r"\.\.\.|…|[\[\]]", " ", line or inline))
        if re.fullmatch(r"[a-z_.]+", module) and module.split(".")[0] in PACKAGES:
            rows.append((module, *words))
    return rows


def with_values(words):
    """Put values in the place of words such as NAME and S."""
    values = []
    for before, word in zip(("", *words), words, strict=False):
        stands = re.fullmatch(r"[A-Z]+", word)
        value = "8" if before in NUMBERS else VALUES.get(before, word)
        values.append(value if stands else word)
    return values


def written():
    """Return all commands that are written anywhere, and where each is first."""
    places = {}
    for page in PAGES:
        for row in commands(page.read_text(encoding="utf-8")):
            places.setdefault(row, page.name)
    for package in PACKAGES:
        for path in sorted((SOURCE / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                    for row in commands(ast.get_docstring(node) or ""):
                        places.setdefault(row, path.name)
    return places


WRITTEN = written()


class Parsed(BaseException):
    """The options of a command are read."""


def parse(module, words, monkeypatch):
    """Let a command read its words, and do no more."""

    def stop(*given, **named):
        parse_options(*given, **named)
        raise Parsed

    main = importlib.import_module(module).main
    for place in ("ttfs_jax.predict", module):
        monkeypatch.setattr(f"{place}.parse_options", stop, raising=False)
    monkeypatch.setattr(command, "parse_options", stop)
    try:
        evolve.parse(words) if module == evolve.NAME else main(words)
    except Parsed:
        pass


@pytest.mark.parametrize(("row", "place"), WRITTEN.items(), ids=[" ".join(row) for row in WRITTEN])
def test_a_command_that_is_written_is_understood(row, place, monkeypatch):
    module, *words = row
    if not words:  # its name alone
        assert callable(importlib.import_module(module).main)
    elif "--help" in words:
        with pytest.raises(SystemExit, match="0"):
            parse(module, with_values(words), monkeypatch)
    else:
        parse(module, with_values(words), monkeypatch)


def test_commands_of_every_form_are_seen_and_wrong_ones_noticed(monkeypatch, capsys):
    text = (
        "    python -m search.evolve --data D [--seed S]\na `X=1 python -m search.predict\n--x A`"
    )
    assert commands(text) == [
        ("search.evolve", "--data", "D", "--seed", "S"),
        ("search.predict", "--x", "A"),
    ]
    assert with_values(["--data", "D", "--seed", "S", "RUN"]) == [
        "--data",
        "npz",
        "--seed",
        "8",
        "RUN",
    ]
    for module in ("benchmarks.reports.summary", "ttfs_jax.predict", "ttfs_jax.datasets.make_eye"):
        with pytest.raises(SystemExit, match="2"):
            parse(module, ["--no-such-option", "1"], monkeypatch)
        error = capsys.readouterr().err
        assert error.startswith("error: ") and error.count("\n") == 1
