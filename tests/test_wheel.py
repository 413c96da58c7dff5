"""The wheel has all that the packages need: built, put into an empty folder, imported elsewhere."""

import shutil
import subprocess
import sys
import zipfile

import pytest
from places import PACKAGES, ROOT, SOURCE

import ttfs_jax

# Imports every module that the installed extras allow, and prints what it could not.
IMPORT = """
import importlib, pathlib, pkgutil, sys
home = pathlib.Path(sys.argv[1])
for name in sys.argv[2:]:
    package = importlib.import_module(name)
    assert home in pathlib.Path(package.__file__).parents, package.__file__
    for module in pkgutil.walk_packages(package.__path__, f"{name}."):
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as error:
            print(error.name)
from benchmarks.ranking import TABLE
assert TABLE.is_file() and home in TABLE.parents
import ttfs_jax
names = ttfs_jax.zoo.network_names()
assert "digits" in names
for name in names:
    ttfs_jax.load(f"zoo:{name}")
"""
EXTRAS = {"torch", "snntorch"}  # of `bench`, for its peers


def pip(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "pip", "-q", *map(str, arguments)],
        capture_output=True,
        text=True,
        **options,
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Build from a copy: setuptools would take in what an earlier build left in the checkout."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in PACKAGES:
        shutil.copytree(SOURCE / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    built = pip("wheel", "--no-deps", "-w", out, source)
    if built.returncode and "No matching distribution found for setuptools" in built.stderr:
        pytest.skip("setuptools, which builds the wheel, cannot be downloaded")
    assert not built.returncode, built.stderr
    (path,) = out.glob("*.whl")
    return path


@pytest.mark.slow
def test_a_wheel_has_every_file_and_the_version(wheel):
    assert wheel.name.startswith(f"ttfs_jax-{ttfs_jax.__version__}-")
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    wanted = {
        path.relative_to(SOURCE).as_posix()
        for package in PACKAGES
        for path in (SOURCE / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert packed == wanted
    assert {f"{package}/py.typed" for package in PACKAGES} <= packed


@pytest.mark.slow
def test_every_module_of_the_wheel_is_imported_from_another_folder(wheel, tmp_path):
    home, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    elsewhere.mkdir()
    installed = pip("install", "--no-deps", "--no-compile", "--target", home, wheel)
    assert not installed.returncode, installed.stderr
    shown = subprocess.run(
        [sys.executable, "-c", IMPORT, home, *PACKAGES],
        cwd=elsewhere,
        env={"PYTHONPATH": str(home), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert not shown.returncode, shown.stderr
    assert set(shown.stdout.split()) <= EXTRAS
    assert not list(elsewhere.iterdir())
