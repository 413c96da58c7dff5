"""A public name belongs to two definitions at most, and to two only where they do the same."""

import ast
from collections import defaultdict

from places import PACKAGES, SOURCE

MOST = 2  # such as a solver and its textbook form, or both modules that follow one protocol
# `python -m` runs the `main` of each command module, so it has the same name in all of them.
EXEMPT = {"main"}


def public_names(tree):
    """List the functions and classes of a module that have no leading underscore."""
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    names = [node.name for node in tree.body if isinstance(node, kinds)]
    return [name for name in names if not name.startswith("_") and name not in EXEMPT]


def crowded(sources):
    """Return the names that more than `MOST` definitions share, with their modules."""
    places = defaultdict(list)
    for place, text in sources.items():
        for name in public_names(ast.parse(text)):
            places[name].append(place)
    return {name: where for name, where in places.items() if len(where) > MOST}


def test_few_definitions_share_a_name():
    sources = {
        str(path.relative_to(SOURCE)): path.read_text(encoding="utf-8")
        for package in PACKAGES
        for path in sorted((SOURCE / package).rglob("*.py"))
    }
    assert len(sources) > 100
    assert not crowded(sources)


def test_a_third_definition_is_seen():
    load, method = "def load(): ...", "class A:\n    def load(self): ..."
    assert not crowded({"a": load, "b": load, "c": "def _load(): ...", "d": method})
    assert not crowded(dict.fromkeys("abc", "def main(): ..."))
    assert crowded({"a": load, "b": load, "c": "class load: ..."}) == {"load": ["a", "b", "c"]}
