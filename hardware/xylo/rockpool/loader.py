"""Rockpool's mappers and simulators, loaded without `samna`, the vendor's library for boards.

Importing `rockpool.devices.xylo` needs `samna`, which on PyPI is a stub that runs pip when it is
imported. Only the modules named here are imported, under packages whose own `__init__` does not
run, as a private copy: whatever `sys.modules` held of Rockpool before is put back afterwards, so
`import rockpool` and `import samna` elsewhere work as if nothing had been loaded. Objects of the
copy are therefore not instances of the classes that such an import gives.
"""

import importlib
import importlib.util
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from hardware.xylo.families import FAMILIES, Family
from ttfs_jax.support.errors import InputError

VERSION = "3.1.0"
# Made unavailable while Rockpool loads; all except the first only to save time.
_HIDDEN = ("samna", "torch", "matplotlib", "holoviews")
_DEVICES = "rockpool.devices.xylo"
# Packages whose __init__ imports boards, layers to train or more than is needed.
_BARE = (
    "rockpool.nn",
    "rockpool.nn.modules",
    "rockpool.transform",
    _DEVICES,
    *(f"{_DEVICES}.{name}" for name in ("syns61201", "syns61300", "syns63300", "syns65302")),
)
# Audio 3 has the simulator of the IMU, as in Rockpool itself.
_SIMULATORS = {"syns61201": "syns61201", "syns63300": "syns63300", "syns65302": "syns63300"}
_lock = threading.Lock()


class Tools(NamedTuple):
    """Rockpool's tools for one chip."""

    graph: ModuleType
    """`rockpool.graph`: modules of the computational graph and what connects them."""
    mapper: Callable[..., dict[str, Any]]
    """Graph -> specification; alters the graph."""
    simulator: Any
    """XyloSim, built by `from_specification(**…)`."""
    channel_quantize: Callable[..., dict[str, Any]]
    """Scales each neuron's weights so that the largest is 127, which alters integers, too."""
    global_quantize: Callable[..., dict[str, Any]]
    """Scales all weights by one factor, which alters integers, too."""


def load_tools(chip: Family) -> Tools:
    """Load Rockpool's tools for a chip: under a second the first time, at once afterwards.

    Other threads should not import anything meanwhile.

    Raises: InputError if Rockpool or XyloSim is missing, or Rockpool is of another version.
    """
    with _lock:
        return _load_all()[chip.module]


@cache
def _load_all() -> dict[str, Tools]:
    try:
        spec = importlib.util.find_spec("rockpool")
        if spec is None:
            raise ImportError("no rockpool")
        with _private():
            version = importlib.import_module("rockpool").__version__
            if version != VERSION:
                raise InputError(
                    f"Rockpool is {version}, the bridge knows {VERSION}: "
                    f"pip install rockpool=={VERSION}"
                )
            return _import_tools(Path(str(spec.origin)).parent)
    except ImportError as error:
        raise InputError(
            "the bridge needs Rockpool and XyloSim: pip install 'ttfs-jax[xylo]' (a C++ compiler "
            "is needed)"
        ) from error


@contextmanager
def _private() -> Iterator[None]:
    """Import here afresh and without the hidden libraries; restore everything afterwards."""

    def concerned():
        return [n for n in sys.modules if n in _HIDDEN or n.partition(".")[0] == "rockpool"]

    before = {name: sys.modules.pop(name) for name in concerned()}
    sys.modules.update(dict.fromkeys(_HIDDEN))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in concerned():
            del sys.modules[name]
        sys.modules.update(before)


def _import_tools(root: Path) -> dict[str, Tools]:
    for name in _BARE:
        package = ModuleType(name)
        package.__path__ = [str(root.joinpath(*name.split(".")[1:]))]
        sys.modules[name] = package

    def device(name: str) -> Any:
        return importlib.import_module(f"{_DEVICES}.{name}")

    # The IMU's modules look for this class in the package.
    neurons = device("syns61201.xylo_graph_modules").Xylo2Neurons
    vars(sys.modules[f"{_DEVICES}.syns61201"])["Xylo2Neurons"] = neurons
    quantise = importlib.import_module("rockpool.transform.quantize_methods")
    return {
        module: Tools(
            graph=importlib.import_module("rockpool.graph"),
            mapper=device(f"{module}.xylo_mapper").mapper,
            simulator=device(f"{_SIMULATORS[module]}.xylo_sim").XyloSim,
            channel_quantize=quantise.channel_quantize,
            global_quantize=quantise.global_quantize,
        )
        for module in (chip.module for chip in FAMILIES.values())
    }
