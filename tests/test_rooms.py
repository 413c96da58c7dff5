"""How the house is kept: imports one way, small rooms, short functions, registries for names."""

import ast
from graphlib import TopologicalSorter

import pytest
from places import PACKAGES, SOURCE

from hardware.targets import TARGETS
from search.spaces.registry import SPACES
from search.strategies.registry import STRATEGIES
from ttfs_jax.codes import CODES
from ttfs_jax.datasets import DATASETS
from ttfs_jax.tasks import TASKS

LARGEST = 12  # modules of a room
LONGEST = 60  # lines of a function, from def to its last one
# Modules that may compare something with a registered name; a dict of names needs no comparison.
FORMATS = ("aedat4_decoder", "hdf5")  # `events` is a word of these
REGISTRIES = {f"ttfs_jax/datasets/events/{name}.py" for name in FORMATS}


def sources():
    """List the modules of all packages."""
    return [path for package in PACKAGES for path in sorted((SOURCE / package).rglob("*.py"))]


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
    folder = SOURCE / package
    return inner if (folder / inner).is_dir() or (folder / f"{inner}.py").exists() else "__init__"


def rooms_imported(package):
    """Return the rooms of a package that each of its rooms imports."""
    folder = SOURCE / package
    graph = {}
    for path in folder.rglob("*.py"):
        room = path.relative_to(folder).parts[0].removesuffix(".py")
        names = [name for name in imported(path) if name.partition(".")[0] == package]
        graph.setdefault(room, set()).update({room_of(name) for name in names} - {room})
    return graph


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_import_one_way(package):
    allowed = PACKAGES[: PACKAGES.index(package) + 1]
    for path in (SOURCE / package).rglob("*.py"):
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


def test_a_room_has_few_modules():
    crowded = set()
    for folder in {path.parent for path in sources()}:
        modules = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
        if len(modules) > LARGEST:
            crowded.add(str(folder.relative_to(SOURCE)))
    assert not crowded


def test_functions_are_short():
    long = set()
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                if node.end_lineno - node.lineno + 1 > LONGEST:
                    long.add(f"{path.relative_to(SOURCE)}: {node.name}")
    assert not long


def registered():
    """Return the names of targets, spaces, strategies, data sets, codes and tasks."""
    return {*TARGETS, *SPACES, *STRATEGIES, *DATASETS, *CODES, *TASKS}


def constants(names):
    """Return the identifiers that stand for one of the names, as in XYLO = "xylo"."""
    return {
        target.id
        for path in sources()
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name) and node.value.value in names
    }


def operands(tree):
    """Yield the operands of comparisons and the values of match statements, out of tuples."""
    pending = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            pending += [node.left, *node.comparators]
        elif isinstance(node, ast.MatchValue):
            pending.append(node.value)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Tuple | ast.List | ast.Set):
            pending += node.elts
        else:
            yield node


def compared(tree, names, stand_ins):
    """Return the registered names that a module compares something with."""
    asked = set()
    for node in operands(tree):
        word = getattr(node, "value", None) if isinstance(node, ast.Constant) else None
        identifier = getattr(node, "id", getattr(node, "attr", None))
        asked |= {word} & names | {identifier} & stand_ins
    return asked


def test_only_registries_ask_for_names():
    names = registered()
    stand_ins = constants(names)
    asked = {
        str(path.relative_to(SOURCE))
        for path in sources()
        if compared(ast.parse(path.read_text()), names, stand_ins)
    }
    assert not asked - REGISTRIES


@pytest.mark.parametrize(
    ("code", "asked"),
    [
        ('if config.space == "conv": pass', {"conv"}),
        ('if code not in ("relu", "ttfs"): pass', {"relu", "ttfs"}),
        ("if space != config.XYLO or space == XYLO: pass", {"XYLO"}),
        ('match task:\n    case "regression": pass', {"regression"}),
        ('row = {"relu": 1}["relu"]\nif count["ttfs"] == x.get("relu"): pass', set()),
    ],
)
def test_comparisons_with_names_are_found(code, asked):
    names = {"conv", "relu", "ttfs", "regression"}
    assert compared(ast.parse(code), names, {"XYLO"}) == asked
