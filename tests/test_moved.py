"""Modules can be imported by the names that they had before they were put into rooms."""

import importlib
import runpy
import sys

import pytest

from search import MOVED as SEARCH
from ttfs_jax.support.moved import MOVED, forward_names

OLD = MOVED | SEARCH


@pytest.mark.parametrize("old", OLD)
def test_an_old_name_leads_to_what_the_new_module_holds(old, monkeypatch):
    monkeypatch.delitem(sys.modules, old, raising=False)
    with pytest.warns(DeprecationWarning, match=f"{old} is now"):
        module = importlib.import_module(old)
    for name in OLD[old].split():
        new = importlib.import_module(name)
        assert new.__name__ == name
        held = {key for key in vars(new) if not key.startswith("__")}
        assert held <= vars(module).keys()


def test_a_command_runs_by_its_old_name(monkeypatch, capsys):
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    monkeypatch.delitem(sys.modules, "benchmarks.reports.summary", raising=False)
    monkeypatch.setattr(sys, "argv", ["benchmarks.old", "nowhere"])
    forward_names({"benchmarks.old": "benchmarks.reports.summary"})
    with (
        pytest.warns(DeprecationWarning, match=r"benchmarks.old is now benchmarks.reports.summary"),
        pytest.raises(SystemExit),
    ):
        runpy.run_module("benchmarks.old", run_name="__main__")
    assert capsys.readouterr().err.startswith("error: nowhere holds no finished run")


def test_chips_and_unknown_names(monkeypatch):
    monkeypatch.delitem(sys.modules, "hardware.xylo.exact", raising=False)
    with pytest.warns(DeprecationWarning, match=r"hardware.xylo.mappings.exact"):
        assert importlib.import_module("hardware.xylo.exact").convert
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    forward_names({"ttfs_jax.nowhere": "ttfs_jax.support.nowhere"})
    with (
        pytest.warns(DeprecationWarning),
        pytest.raises(ImportError, match=r"ttfs_jax.support.nowhere"),
    ):
        importlib.import_module("ttfs_jax.nowhere")
