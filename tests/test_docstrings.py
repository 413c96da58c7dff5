"""Docstrings of public functions name every argument."""

import ast
import re

import pytest
from places import SOURCE

LIBRARY = ("ttfs_jax", "hardware", "search")
PLACES = [
    path
    for package in LIBRARY
    for path in sorted((SOURCE / package).iterdir())
    if (path.is_dir() and path.name != "__pycache__") or path.suffix == ".py"
]


def functions(body, docstring=""):
    """Yield public functions and methods with their docstrings; of `__init__` that of its class."""
    for node in body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from functions(node.body, ast.get_docstring(node) or "")
        elif isinstance(node, ast.FunctionDef) and node.name == "__init__":
            yield node, docstring
        elif isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield node, ast.get_docstring(node) or ""


def unnamed(code):
    """List the arguments that docstrings do not name, as function.argument."""
    missing = []
    for node, docstring in functions(ast.parse(code).body):
        given = node.args
        named = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
        names = {argument.arg for argument in named if argument} - {"self", "cls"}
        words = set(re.findall(r"\w+", docstring.partition("\nExamples:")[0]))
        missing += [f"{node.name}.{name}" for name in sorted(names - words)]
    return missing


@pytest.mark.parametrize("place", PLACES, ids=lambda place: f"{place.parent.name}-{place.stem}")
def test_every_argument_is_named(place):
    modules = sorted(place.rglob("*.py")) if place.is_dir() else [place]
    missing = {
        str(path.relative_to(SOURCE)): names
        for path in modules
        if (names := unnamed(path.read_text(encoding="utf-8")))
    }
    assert not missing


def test_arguments_without_a_name_are_found():
    code = '''
def scale(x, *, by, **more):
    """Return x times 2; `more` is ignored."""
class Kept:
    """Hold a value."""
    def __init__(self, value, other): ...
    def _hidden(self, it): ...
'''
    assert unnamed(code) == ["scale.by", "__init__.other"]
