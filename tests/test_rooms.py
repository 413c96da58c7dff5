"""Packages import one way, and so do rooms inside them; no room is too large to survey."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("ttfs_jax", "hardware", "search", "benchmarks")  # each imports those before it
LARGEST = 12  # modules of a room


def imported(path):
    """List the project's modules and names that a file imports, with their dots."""
    names = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            names += [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
    return [name for name in names if name.partition(".")[0] in PACKAGES]


def room_of(name):
    """Return the folder of a package, or the module beside the folders, of a dotted name."""
    package, inner = [*name.split("."), "__init__"][:2]
    folder = ROOT / package
    return inner if (folder / inner).is_dir() or (folder / f"{inner}.py").exists() else "__init__"


def rooms_imported(package):
    """Return the rooms of a package that each of its rooms imports."""
    folder = ROOT / package
    graph = {}
    for path in folder.rglob("*.py"):
        room = path.relative_to(folder).parts[0].removesuffix(".py")
        names = [name for name in imported(path) if name.partition(".")[0] == package]
        graph.setdefault(room, set()).update({room_of(name) for name in names} - {room})
    return graph


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_import_one_way(package):
    allowed = PACKAGES[: PACKAGES.index(package) + 1]
    for path in (ROOT / package).rglob("*.py"):
        wrong = [name for name in imported(path) if name.partition(".")[0] not in allowed]
        assert not wrong, f"{path} imports {wrong}"


def test_rooms_of_the_library_import_one_way():
    graph = rooms_imported("ttfs_jax")
    order = list(TopologicalSorter(graph).static_order())  # a circle raises and is named
    assert order.index("support") < order.index("network") < order.index("training")
    assert "network" not in graph["population"]


def test_rooms_of_the_search_import_one_way():
    graph = rooms_imported("search")
    order = list(TopologicalSorter(graph).static_order())
    assert order.index("config") < order.index("strategies") < order.index("retraining")
    assert not graph["loop"]  # it knows no pipeline and no config


@pytest.mark.parametrize("package", ["ttfs_jax", "hardware", "search"])
def test_a_room_has_few_modules(package):
    for folder in (ROOT / package, *(ROOT / package).rglob("*/")):
        modules = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
        assert len(modules) <= LARGEST, folder
