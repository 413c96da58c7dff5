"""Modules can be imported by the names that they had before they were put into rooms."""

import importlib
import sys

import pytest

from search import MOVED as SEARCH
from ttfs_jax.support.moved import MOVED, forward

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


def test_chips_and_unknown_names(monkeypatch):
    monkeypatch.delitem(sys.modules, "hardware.xylo.exact", raising=False)
    with pytest.warns(DeprecationWarning, match=r"hardware.xylo.mappings.exact"):
        assert importlib.import_module("hardware.xylo.exact").convert
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    forward({"ttfs_jax.nowhere": "ttfs_jax.support.nowhere"})
    with (
        pytest.warns(DeprecationWarning),
        pytest.raises(ImportError, match=r"ttfs_jax.support.nowhere"),
    ):
        importlib.import_module("ttfs_jax.nowhere")
