"""Configs that note which of their fields are read, and by whom that counts."""

import copy
import dataclasses
import sys

from places import SOURCE

from ttfs_jax.support.ranges import PAIRED, inside

# Who reads a field to check, compare, copy, save or list it does not use it.
NO_USE = {str(SOURCE / name) for name in ("search/checks.py", "search/options.py")} | {
    str(SOURCE / "ttfs_jax/support/ranges.py"),
    dataclasses.__file__,
    copy.__file__,
    "<string>",  # __eq__ and __hash__ of dataclasses
}
CHECKS = {"__post_init__", "check_clips", "check_config"}


def _counts(frame):
    code = frame.f_code
    return code.co_filename not in NO_USE and code.co_name not in CHECKS


def recorded(config, reads, within=""):
    """Return a config that does as the one given, and adds the names of fields read to `reads`.

    Names are a.b for b of a config a; all fields of `PAIRED` configs are one option, by its name.
    """
    kind, clone = type(config), copy.copy(config)
    names = {field.name for field in dataclasses.fields(config)}
    for name in names:
        value = getattr(config, name)
        if dataclasses.is_dataclass(value) and name not in PAIRED:
            object.__setattr__(clone, name, recorded(value, reads, inside(name, within)))

    def read(self, name):
        if name in names and _counts(sys._getframe(1)):
            reads.add(within + name)
        elif name == "__dict__" and _counts(sys._getframe(1)):
            reads.update(within + field for field in names)
        return object.__getattribute__(self, name)

    own = type(kind.__name__, (kind,), {"__getattribute__": read})
    object.__setattr__(clone, "__class__", own)
    return clone
