"""Modules by their names from before the rooms: forwarded to the new ones, with a warning."""

import importlib
import sys
import warnings
from collections.abc import Mapping
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import CodeType, ModuleType


class _Forwarder(MetaPathFinder, Loader):
    def __init__(self, names: Mapping[str, str]):
        self.names = dict(names)

    def find_spec(self, fullname, path=None, target=None):
        return ModuleSpec(fullname, self) if fullname in self.names else None

    def _message(self, fullname: str) -> str:
        return f"{fullname} is now {' and '.join(self.names[fullname].split())}"

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        names, message = self.names[spec.name].split(), self._message(spec.name)
        warnings.warn(message, DeprecationWarning, stacklevel=2)
        module = ModuleType(spec.name, message)
        for name in names:
            module.__dict__.update(vars(importlib.import_module(name)))
        module.__dict__.update(__name__=spec.name, __doc__=message)
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Do nothing: the module was filled when it was made."""

    def get_code(self, fullname: str) -> CodeType:
        """Return the code of `python -m fullname`, which runs the new module."""
        # Warns from __main__, so that it is shown.
        lines = (
            "import runpy, warnings",
            f"warnings.warn({self._message(fullname)!r}, DeprecationWarning)",
            f"runpy.run_module({self.names[fullname]!r}, run_name='__main__', alter_sys=True)",
        )
        return compile("\n".join(lines), f"<{fullname}>", "exec")


def forward_names(names: Mapping[str, str]) -> None:
    """Let old names of modules be imported: a table from old to new dotted names.

    An old name may map to several new ones, with spaces between them. An import by an old name
    gives their contents, and `python -m` runs the command in the new one, both with a
    DeprecationWarning.
    """
    sys.meta_path.append(_Forwarder(names))


_KEPT_THEIR_NAMES = {
    "support": "errors command cache_folder cache_entry compilation_cache checkpoint array_file"
    " ranges json_text memory devices",
    "network": "convolution layers dense timeline",
    "codes": "window encoding",
    "training": "fitting",
    "tasks": "augmentation losses",
    "evaluation": "protocol",
    "population": "lanes distributed",
}
MOVED = {
    f"ttfs_jax.{name}": f"ttfs_jax.{room}.{name}"
    for room, names in _KEPT_THEIR_NAMES.items()
    for name in names.split()
} | {
    "ttfs_jax.architecture": "ttfs_jax.network.architecture ttfs_jax.network.counts",
    "ttfs_jax.identity": "ttfs_jax.evaluation.identity ttfs_jax.network.conversion"
    " ttfs_jax.network.layers",
    "ttfs_jax.metrics": "ttfs_jax.tasks.recall",
    "ttfs_jax.training.losses": "ttfs_jax.tasks.losses",
    "ttfs_jax.training.augmentation": "ttfs_jax.tasks.augmentation",
    "ttfs_jax.evaluation.metrics": "ttfs_jax.tasks.recall",
    "ttfs_jax.network.window": "ttfs_jax.codes.window",
    "ttfs_jax.network.encoding": "ttfs_jax.codes.encoding",
    "ttfs_jax.network.variables": "ttfs_jax.network.layers",
    "hardware.counts": "ttfs_jax.network.counts",
    "ttfs_jax.dense_training": "ttfs_jax.training.dense",
    "ttfs_jax.bucket_training": "ttfs_jax.training.buckets",
    "ttfs_jax.buckets": "ttfs_jax.training.shapes",
    "ttfs_jax.datasets.ranges": "ttfs_jax.support.ranges ttfs_jax.datasets.eye.clips"
    " ttfs_jax.datasets.events.columns",
    "ttfs_jax.datasets.clips": "ttfs_jax.datasets.eye.clips",
    "ttfs_jax.datasets.eye_face": "ttfs_jax.datasets.eye.face",
    "ttfs_jax.datasets.eye_motion": "ttfs_jax.datasets.eye.motion",
    "ttfs_jax.datasets.eye_plan": "ttfs_jax.datasets.eye.plan",
    "ttfs_jax.datasets.eye_simulator": "ttfs_jax.datasets.eye.simulator",
    "ttfs_jax.datasets.simulated_eye": "ttfs_jax.datasets.eye.simulated",
    "ttfs_jax.datasets.recordings": "ttfs_jax.datasets.eye.recordings",
    "ttfs_jax.datasets.see": "ttfs_jax.datasets.eye.see",
    "ttfs_jax.datasets.event_frames": "ttfs_jax.datasets.eye.frames",
    "ttfs_jax.datasets.event_camera": "ttfs_jax.datasets.events.camera",
    "ttfs_jax.datasets.event_files": "ttfs_jax.datasets.events.files",
}


forward_names(MOVED)
