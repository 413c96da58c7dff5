"""The unit of a recording's times: known, or guessed from their kind, size and span."""

import re

import numpy as np

from ttfs_jax.support.errors import InputError, unknown

SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
NAMES = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
SPELLINGS = {
    "s": "s sec secs second seconds",
    "ms": "ms msec msecs millisecond milliseconds",
    "us": "us µs μs usec usecs microsecond microseconds",
    "ns": "ns nsec nsecs nanosecond nanoseconds",
}
UNIT_OF = {word: unit for unit, words in SPELLINGS.items() for word in words.split()}
LONGEST = 86_400.0  # seconds; a longer span means a wrong unit
EPOCH_NANOSECONDS = 1e17  # later than 1973 in nanoseconds; as microseconds, the year 5138
LARGEST_WHOLE_SECONDS = 10_000  # whole numbers in decimal notation up to here may be seconds


def check_unit(unit: str) -> str:
    """Return the unit. Raises: InputError for one that is not s, ms, us or ns."""
    if unit not in SECONDS:
        raise unknown("--time-unit", unit, SECONDS)
    return unit


def find_unit(text: str) -> str | None:
    """Return the unit of time that a text names ("[us]", "float seconds"), or None."""
    for word in re.findall(r"[^\W\d_]+", text.casefold()):
        if word in UNIT_OF:
            return UNIT_OF[word]
    return None


def guess_unit(sample: np.ndarray, *, integers: bool) -> str:
    """Return the likely unit of raw times.

    Integers are microseconds; nanoseconds if they count from 1970 or span more than a day as
    microseconds. Numbers with a fraction are seconds; microseconds if they span more than a day.
    Milliseconds are never guessed.

    `integers`: the file has them as integers, not in floating point or with a decimal point.
    Shapes: sample [N], of the whole recording.
    """
    middle, span = float(np.median(sample)), robust_span(sample)
    whole = bool((sample == np.floor(sample)).all())
    if not integers and (not whole or span <= LARGEST_WHOLE_SECONDS):
        candidates = ("s", "us", "ns")
    elif middle > EPOCH_NANOSECONDS:
        candidates = ("ns",)
    else:
        candidates = ("us", "ns")
    return next((unit for unit in candidates if span * SECONDS[unit] <= LONGEST), "ns")


def robust_span(sample: np.ndarray) -> float:
    """Return the raw time within which 99 % of the events lie, by a `sample` of times [N]."""
    low, high = np.quantile(sample, (0.005, 0.995))
    return float(high - low)


def check_span(name: str, sample: np.ndarray, unit: str, *, integers: bool) -> None:
    """Refuse a recording, `name`, that lasts more than a day.

    `sample` [N] are times of it in `unit`, `integers` is as for `guess_unit`.
    Raises: InputError with the likely unit.
    """
    span = robust_span(sample)
    seconds = span * SECONDS[unit]
    if seconds <= LONGEST:
        return
    likely = guess_unit(sample, integers=integers)
    fix = f"the times look like {NAMES[likely]}: give --time-unit {likely}"
    if span * SECONDS[likely] > LONGEST:
        fix = "clean its times or cut it into shorter recordings"
    raise InputError(f"{name} lasts {seconds / LONGEST:,.1f} days in {NAMES[unit]}: {fix}")
