"""The public interface: every name has text, packages say what they export, examples run."""

import ast
import doctest
import importlib
import importlib.util

import pytest
from places import ROOT, SOURCE

LIBRARY = ("ttfs_jax", "hardware", "search")
MODULES = sorted(path for name in LIBRARY for path in (SOURCE / name).rglob("*.py"))
ROOMS = [path for path in MODULES if path.name == "__init__.py"]
WITH_EXAMPLES = [path for path in MODULES if ">>> " in path.read_text(encoding="utf-8")]


def load_comments():
    """Import what reads the text of fields for the site."""
    spec = importlib.util.spec_from_file_location("comments", ROOT / "docs/site/comments.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


COMMENTS = load_comments()


def dotted(path):
    return ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")


def is_text(node):
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def without_text(code):
    """List the public classes, functions and fields of a module that nothing is said about."""
    tree, comments = ast.parse(code), COMMENTS.read_comments(code)
    missing = [] if ast.get_docstring(tree) else ["module"]

    def visit(body, prefix):
        for node, following in zip(body, [*body[1:], None], strict=True):
            if isinstance(node, ast.ClassDef | ast.FunctionDef):
                if node.name.startswith("_"):
                    continue
                if not ast.get_docstring(node):
                    missing.append(prefix + node.name)
                if isinstance(node, ast.ClassDef):
                    visit(node.body, f"{prefix}{node.name}.")
            elif prefix and isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                said = is_text(following) or COMMENTS.text_at(
                    comments, node.lineno, node.end_lineno
                )
                if not said and not node.target.id.startswith("_"):
                    missing.append(prefix + node.target.id)

    visit(tree.body, "")
    return missing


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_every_public_name_and_field_has_text(path):
    assert without_text(path.read_text(encoding="utf-8")) == []


def test_names_without_text_are_found():
    code = '''
def said():
    """Do."""
def unsaid(): ...
class Plain:
    first: int
    second: int  # behind
    # Above,
    # on two lines.
    third: int
    fourth: int
    """Below."""
    fifth: int  # noqa: E501
    _hidden: int
    def method(self): ...
'''
    names = ["module", "unsaid", "Plain", "Plain.first", "Plain.fifth", "Plain.method"]
    assert without_text(code) == names
    comments = COMMENTS.read_comments(code)
    assert [COMMENTS.text_at(comments, line, line) for line in (7, 10)] == [
        "behind",
        "Above, on two lines.",
    ]


@pytest.mark.parametrize("path", ROOMS, ids=dotted)
def test_packages_say_what_they_export(path):
    room = importlib.import_module(dotted(path))
    names = room.__all__
    assert list(names) == sorted(names, key=lambda name: (not name.isupper(), name))
    assert len(set(names)) == len(names) <= 24
    for name in names:
        value = getattr(room, name)
        assert not name.startswith("_")
        assert getattr(value, "__doc__", None), f"{name} has no docstring"


@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=dotted)
def test_examples_in_docstrings_run(path):
    results = doctest.testmod(importlib.import_module(dotted(path)), optionflags=doctest.ELLIPSIS)
    assert results.attempted and not results.failed
