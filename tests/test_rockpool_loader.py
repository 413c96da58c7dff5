"""Rockpool is loaded late, without the vendor's library, and a missing or other one is named."""

import importlib.util
import os
import subprocess
import sys

import pytest
from places import SOURCE

from hardware.xylo.families import family
from hardware.xylo.rockpool import loader
from hardware.xylo.rockpool.loader import load_tools
from ttfs_jax.support.errors import InputError

# Not importorskip: importing Rockpool itself looks for `samna`.
if importlib.util.find_spec("rockpool") is None:
    pytest.skip("the extra [xylo] is not installed", allow_module_level=True)
pytest.importorskip("xylosim")

A3 = family("xylo-a3")


@pytest.fixture
def forgotten():
    """Load anew in the test and after it."""
    loader._load_all.cache_clear()
    yield
    loader._load_all.cache_clear()


@pytest.mark.parametrize("missing", [("rockpool",), ("xylosim", "xylosim.v1", "xylosim.v2")])
def test_missing_extra_is_named(monkeypatch, forgotten, missing):
    for name in missing:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(InputError, match=r"pip install 'ttfs-jax\[xylo\]'"):
        load_tools(A3)
    for name in missing:
        assert sys.modules[name] is None


def test_other_version_is_refused(monkeypatch, forgotten, tmp_path):
    (tmp_path / "rockpool").mkdir()
    (tmp_path / "rockpool" / "__init__.py").write_text('__version__ = "9.9"\n')
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match=r"Rockpool is 9.9, the bridge knows 3.1.0: pip install"):
        load_tools(A3)


ISOLATED = """
import importlib, os, pkgutil, sys
import hardware.xylo
for module in pkgutil.walk_packages(hardware.xylo.__path__, "hardware.xylo."):
    importlib.import_module(module.name)
names = {name.partition(".")[0] for name in sys.modules}
assert not names & {"rockpool", "xylosim", "samna"}, names

from hardware.xylo.rockpool import loader
from hardware.xylo.families import FAMILIES
first, *_ = (loader.load_tools(chip) for chip in FAMILIES.values())
assert "SAMNA" not in os.environ
names = {name.partition(".")[0] for name in sys.modules}
assert not names & {"rockpool", "samna", "torch"}, names

import samna, rockpool.graph
assert os.environ["SAMNA"] == "imported"
assert rockpool.graph.LinearWeights is not first.graph.LinearWeights
before = dict(sys.modules)
loader._load_all.cache_clear()
loader.load_tools(FAMILIES["xylo-a3"])
assert dict(sys.modules) == before
"""


def test_nothing_is_imported_early_and_nothing_stays_hidden(tmp_path):
    (tmp_path / "samna.py").write_text(
        "import os\nos.environ['SAMNA'] = 'imported'\n__version__ = '0'\n"
    )
    paths = os.pathsep.join([str(tmp_path), str(SOURCE)])
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", ISOLATED],
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
