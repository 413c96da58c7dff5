"""Ranges of options: one way to check them, one wording, and the option's name on a command.

A config is a frozen dataclass whose `__post_init__` calls `check_fields` with the ranges of its
fields; what their types allow is checked with them.
"""

import math
import numbers
import operator
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, Protocol, Union, get_args, get_origin, get_type_hints

from ttfs_jax.support.errors import InputError


class Allowed(Protocol):
    """The values that a field may have; `str` says which, after "must be"."""

    def holds(self, value: Any) -> bool:
        """Tell whether a value is allowed."""
        ...


@dataclass(frozen=True)
class Allowance:
    """The finite numbers, or whole numbers, between two bounds."""

    low: float = -math.inf  # smallest
    high: float = math.inf  # largest
    without_low: bool = False  # `low` itself is not allowed
    without_high: bool = False  # `high` itself is not allowed
    whole: bool = False  # only whole numbers are allowed
    optional: bool = False
    """None is allowed."""

    def holds(self, value: Any) -> bool:
        """Tell whether a value is allowed; NaN and infinity never are."""
        if value is None:
            return self.optional
        kind = numbers.Integral if self.whole else numbers.Real
        if not isinstance(value, kind) or isinstance(value, bool):
            return False
        try:
            number = float(value)
        except OverflowError:  # a whole number beyond all floats
            return False
        if not math.isfinite(number):
            return False
        above = number > self.low if self.without_low else number >= self.low
        return above and (number < self.high if self.without_high else number <= self.high)

    def __str__(self) -> str:
        low, high = f"{self.low:.12g}", f"{self.high:.12g}"
        if self.low == -math.inf:
            return "a whole number" if self.whole else "a finite number"
        if self.high == math.inf:
            text = f"above {low}" if self.without_low else f"at least {low}"
        elif self.without_high:
            text = f"at least {low} and below {high}"
        else:
            text = f"between {low} and {high}"
        return text + (" (a whole number)" if self.whole else "")


@dataclass(frozen=True)
class OneOf:
    """One of a few values."""

    choices: tuple[Any, ...]  # the values
    why: str = ""  # added after them in messages

    def holds(self, value: Any) -> bool:
        """Tell whether a value is allowed."""
        return value in self.choices

    def __str__(self) -> str:
        *most, last = map(str, self.choices)
        return (f"{', '.join(most)} or {last}" if most else last) + self.why


@dataclass(frozen=True)
class Names:
    """One or more names, each once, in a tuple; of a few `choices` if there are any."""

    choices: tuple[str, ...] = ()  # the names that are allowed; none: all

    def holds(self, value: Any) -> bool:
        """Tell whether a value is allowed; names joined by commas in one text are not."""
        words = isinstance(value, tuple) and all(isinstance(name, str) for name in value)
        if not words or not value or len(set(value)) < len(value):
            return False
        return all(name in self.choices if self.choices else "," not in name for name in value)

    def __str__(self) -> str:
        which = f" of {', '.join(self.choices)}" if self.choices else ""
        return f"one or more names{which}, each a word of its own, once, without commas"


@dataclass(frozen=True)
class Instance:
    """The values of one class."""

    kind: type  # the class

    def holds(self, value: Any) -> bool:
        """Tell whether a value is allowed."""
        return isinstance(value, self.kind)

    def __str__(self) -> str:
        return f"of type {self.kind.__name__}"


FLAG = OneOf((True, False))


def at_least(low: float) -> Allowance:
    """Allow numbers from `low` on."""
    return Allowance(low)


def above(low: float) -> Allowance:
    """Allow numbers larger than `low`."""
    return Allowance(low, without_low=True)


def between(low: float, high: float) -> Allowance:
    """Allow numbers from `low` to `high`, both included."""
    return Allowance(low, high)


def below(high: float) -> Allowance:
    """Allow numbers from 0 to less than `high`."""
    return Allowance(0, high, without_high=True)


def whole(low: int, high: float = math.inf) -> Allowance:
    """Allow whole numbers from `low` to `high`, both included."""
    return Allowance(low, high, whole=True)


def optional(allowed: Allowance) -> Allowance:
    """Allow None in addition to what is `allowed`."""
    return replace(allowed, optional=True)


LARGEST_SEED = 2**32 - 1
SEED = whole(0, LARGEST_SEED)

# Fields whose own fields are options without a prefix.
UNPREFIXED = ("config", "data_options")
# Fields whose own fields are given as NAME=VALUE, after one option.
PAIRED = ("limits", "population")

_deferred: ContextVar[bool] = ContextVar("deferred", default=False)


class RangeError(InputError):
    """A field of a config is out of its range; `field` may be that of a config inside, a.b.

    It has a `value`, and `wanted` says what is allowed, after "must be".
    """

    def __init__(self, field: str, value: Any, wanted: object):
        finite = "a finite number"
        if isinstance(value, float) and not math.isfinite(value) and str(wanted) != finite:
            wanted = f"{finite}, {wanted}"
        super().__init__(f"{field} must be {wanted}, not {value!r}")
        self.field, self.value, self.wanted = field, value, wanted


def check_fields(config: Any, *, within: str = "", **allowed: Allowed) -> None:
    """Check fields of a config by name, in its `__post_init__`; all others by their types.

    Truth values, names of a `Literal`, configs inside and text have to be that; numbers are finite,
    and whole where the type is `int`. `allowed` has narrower ranges.
    `within` is the caller's name, with a dot, for a config inside another.

    Raises: RangeError, a ValueError, for the first value out of its range.
    """
    if _deferred.get():
        return
    for name, values in (_by_type(type(config)) | allowed).items():
        if not values.holds(value := getattr(config, name)):
            raise RangeError(within + name, value, values)


@cache
def _by_type(kind: type) -> dict[str, Allowed]:
    """Return what the types of a dataclass's fields allow, where they restrict it."""
    hints = get_type_hints(kind)
    ranges = {field.name: _allowed(hints[field.name]) for field in fields(kind)}
    return {name: values for name, values in ranges.items() if values is not None}


def _allowed(hint: Any) -> Allowed | None:
    simple: dict[Any, Allowed] = {bool: FLAG, int: Allowance(whole=True), float: Allowance()}
    if hint in simple:
        return simple[hint]
    if get_origin(hint) is Literal:
        return OneOf(get_args(hint))
    if get_origin(hint) in (Union, UnionType):
        inner = [_allowed(one) for one in get_args(hint) if one is not NoneType]
        return optional(inner[0]) if len(inner) == 1 and isinstance(inner[0], Allowance) else None
    inside = isinstance(hint, type) and (hint is str or is_dataclass(hint))
    return Instance(hint) if inside else None


@contextmanager
def deferred() -> Iterator[None]:
    """Defer checks while a command line is read, so that `check_all` can name the option."""
    token = _deferred.set(True)
    try:
        yield
    finally:
        _deferred.reset(token)


def option(name: str) -> str:
    """Spell a field's name as on the command line: retrain.fine_tune -> --retrain.fine-tune."""
    return "--" + name.replace("_", "-")


def spelled(value: Any) -> str:
    """Spell a field's `value` as on the command line: ("war", "uar") -> war uar."""
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def inside(name: str, within: str = "") -> str:
    """Return the prefix for options of a config that is the field `name` of another.

    `within` is the prefix of the other one.
    """
    return "" if name in UNPREFIXED else f"{within}{name}{' ' if name in PAIRED else '.'}"


def check_all(config: Any, *, within: str = "") -> None:
    """Check a config and all configs in it, as their `__post_init__` would have, and all types.

    `within` is the name of the config in the one that holds it, with a dot.

    Raises: InputError that names the option.
    """
    for field in fields(config):
        if is_dataclass(value := getattr(config, field.name)):
            check_all(value, within=inside(field.name, within))
    try:
        check_fields(config)
        getattr(config, "__post_init__", lambda: None)()
    except RangeError as error:
        name, value = option(within + error.field), spelled(error.value)
        raise InputError(f"{name} {value} must be {error.wanted}") from error


def check_whole(name: str, value: int, low: int, high: int) -> None:
    """Check one whole number outside a config, such as a user's argument.

    Raises: InputError that names it by `name` unless `low` ≤ `value` ≤ `high`.
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool) or not low <= number <= high:
        raise InputError(f"{name} must be a whole number from {low} to {high}, not {value!r}")


def check_seed(name: str, seed: int) -> None:
    """Raise InputError that names a `seed` by `name` if it is no whole number up to 2³² − 1."""
    check_whole(name, seed, 0, LARGEST_SEED)
