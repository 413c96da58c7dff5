"""The one constructor of recordings: raw columns of any format are checked, then narrowed.

Events go through a temporary file that is mapped into memory, so that a recording of any length
needs little memory.
"""

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from ttfs_jax.datasets.events import sensor
from ttfs_jax.datasets.events.columns import LARGEST_EDGE, UNSIGNED_MINUS_ONE
from ttfs_jax.datasets.events.source import BLOCK, Columns, Source
from ttfs_jax.datasets.events.time_units import (
    LONGEST,
    NAMES,
    SECONDS,
    check_span,
    check_unit,
    guess_unit,
)
from ttfs_jax.support.errors import InputError

EVENT = np.dtype([("t", "f8"), ("x", "u2"), ("y", "u2"), ("p", "u1")])
LARGEST_BAD_SHARE = 0.01  # up to this share is dropped and reported; more is an error
SAMPLE = 250  # times of each block used to guess the unit
FEW_EVENTS = 10.0  # events per second below which the unit of time is doubtful

# Polarities in the temporary file, until all have been read.
ZERO, ONE, MINUS_ONE, UNSIGNED, POSITIVE, NEGATIVE = range(6)


class EventFile(NamedTuple):
    """The events of one recording."""

    events: np.ndarray  # EVENT [N], t in seconds, in order of time
    width: int  # of the sensor, in pixels
    height: int  # of the sensor, in pixels
    notes: tuple[str, ...] = ()
    """What was guessed, left out or corrected on reading, one line each."""
    dropped: Mapping[str, int] = {}
    """How many events were dropped for which reason."""


def make_recording(source: Source, *, time_unit: str | None = None) -> EventFile:
    """Check the raw events of `source` and return them as a recording.

    Finiteness, whole numbers and ranges are checked before anything is narrowed. Up to 1 % of the
    events may be bad: they are dropped, counted and reported. ON is 1; OFF is 0 or −1, also where
    −1 is stored unsigned (255, 65535, ...); other positive values count as ON, with a note. The
    unit of time is `time_unit`, else the one in the file, else guessed, with a note. Without a size
    in the file the sensor is as large as the largest coordinates, except stray ones.

    Shapes: blocks of columns [n] -> EVENT [N], N the sum of all n less the dropped ones.
    Raises: InputError for no events, more than 1 % of bad ones, a recording of more than a day, or
    a full temporary folder.
    """
    unit = check_unit(time_unit) if time_unit is not None else None
    tally = Tally()
    raw = _unpack(source, tally)
    times = np.concatenate(tally.times)
    integers = tally.integers
    known = unit or source.unit
    if known:
        check_span(source.name, times, known, integers=integers)
    units = known or guess_unit(times, integers=integers)
    width, height, notes = sensor.find_size(source, tally.columns_seen, tally.rows_seen)
    events = _finish(source.name, raw, tally, units, (width, height), float(np.median(times)))
    notes = [*source.notes, *notes]
    if not known:
        notes.append(
            f"times are read as {NAMES[units]}, guessed from their kind and span "
            f"({_span(events):.4g} s); --time-unit says otherwise"
        )
    notes += _doubts(events, tally)
    dropped = dict(+tally.dropped)
    if dropped:
        notes.insert(
            0, f"dropped {sum(dropped.values())} of {tally.total} events: {_list(dropped)}"
        )
    return EventFile(events, width, height, tuple(notes), dropped)


def _unpack(source: Source, tally: "Tally") -> np.ndarray:
    """Write the sound events of all blocks to a temporary file and map it: EVENT [tally.kept]."""
    with _told_if_full(source.name):
        file = tempfile.TemporaryFile()
    with file:
        for block in source.blocks:
            events = tally.narrow(source.name, block)
            with _told_if_full(source.name):
                file.write(events.tobytes())
                file.flush()
        tally.dropped.update(source.dropped)
        tally.total += source.dropped.total()
        if not tally.total:
            raise InputError(f"{source.name} holds no events: record again")
        _check_bad(source.name, tally)
        return np.memmap(file, EVENT, "r+", shape=(tally.kept,))


@contextmanager
def _told_if_full(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{name} cannot be unpacked in a temporary folder ({error}): make room there, or name "
            "another folder by TMPDIR"
        ) from error


class Tally:
    """Statistics of a recording, collected while its blocks are written to the temporary file."""

    def __init__(self) -> None:
        self.total = self.kept = 0
        self.dropped: Counter[str] = Counter()
        self.times: list[np.ndarray] = []  # a sample, raw
        self.integers = True
        self.polarities = np.zeros(6, int)  # ZERO to NEGATIVE
        self.columns_seen, self.rows_seen = (np.zeros(LARGEST_EDGE, int) for _ in "xy")
        self.sorted = True
        self.unwrap = Unwrap()

    def narrow(self, name: str, block: Columns) -> np.ndarray:
        """Check and count a `block` of `name`: its sound events, raw times, numbered polarities."""
        if len({len(column) for column in block}) > 1:
            lengths = ", ".join(f"{len(c)} {k}" for k, c in zip("txyp", block, strict=True))
            raise InputError(
                f"{name} has columns of different lengths ({lengths}): export it again"
            )
        t, x, y, p = block
        self.total += len(t)
        self.integers &= t.dtype.kind in "iu"
        times = self.unwrap(t)
        good = np.ones(len(t), bool)
        for reason, bad in (
            ("times that are not finite", ~np.isfinite(times)),
            ("coordinates that are no pixel numbers", ~(_whole(x) & _whole(y))),
            ("negative coordinates", (x < 0) | (y < 0)),
            (f"coordinates beyond {LARGEST_EDGE}", (x >= LARGEST_EDGE) | (y >= LARGEST_EDGE)),
            ("polarities that are not finite", ~np.isfinite(p)),
        ):
            self.dropped[reason] += int((good & bad).sum())
            good &= ~bad
        events = np.empty(int(good.sum()), EVENT)
        for key, column in zip("txyp", (times, x, y, _codes(p)), strict=True):
            events[key] = column[good]
        if not len(events):
            return events
        self.kept += len(events)
        self.times.append(events["t"][:: max(len(events) // SAMPLE, 1)].copy())
        self.polarities += np.bincount(events["p"], minlength=6)
        self.columns_seen += np.bincount(events["x"], minlength=LARGEST_EDGE)
        self.rows_seen += np.bincount(events["y"], minlength=LARGEST_EDGE)
        return events


class Unwrap:
    """Turn raw times into float64, across overflows of a 32-bit clock."""

    def __init__(self) -> None:
        self.last: int | None = None
        self.turns = 0

    def __call__(self, times: np.ndarray) -> np.ndarray:
        """Return times [n] of the next block; 64-bit ones beyond 2^63 are negative ones."""
        if times.dtype.kind == "u" and times.dtype.itemsize == 8:
            return times.astype(np.int64).astype(float)
        if times.dtype.kind not in "iu" or times.dtype.itemsize != 4 or not len(times):
            return np.asarray(times, float)
        wide = times.astype(np.int64)
        steps = np.diff(wide, prepend=wide[0] if self.last is None else self.last)
        turns = self.turns + np.cumsum((steps < -(1 << 31)).astype(int) - (steps > (1 << 31)))
        self.last, self.turns = int(wide[-1]), int(turns[-1])
        return (wide + (turns << 32)).astype(float)


def _whole(column: np.ndarray) -> np.ndarray:
    if column.dtype.kind in "iub":
        return np.ones(len(column), bool)
    return np.isfinite(column) & (column == np.floor(column))


def _codes(polarities: np.ndarray) -> np.ndarray:
    values = polarities.astype(float)
    known = [values == 0, values == 1, values == -1, np.isin(values, UNSIGNED_MINUS_ONE)]
    codes = [ZERO, ONE, MINUS_ONE, UNSIGNED]
    return np.select([*known, values > 0], [*codes, POSITIVE], NEGATIVE)


def _finish(name, raw, tally, unit, size, middle) -> np.ndarray:
    """Scale times, set polarities, drop remaining bad events; in place, block by block."""
    on = [ONE, POSITIVE]
    if not tally.polarities[ONE] and tally.polarities[ZERO] and tally.polarities[UNSIGNED]:
        on.append(UNSIGNED)  # 0 and 255: no −1, but OFF and ON
    kept, last, in_order = 0, -np.inf, True
    for begin in range(0, len(raw), BLOCK):
        block = np.array(raw[begin : begin + BLOCK])
        far = np.abs(block["t"] - middle) * SECONDS[unit] > LONGEST
        outside = ((block["x"] >= size[0]) | (block["y"] >= size[1])) & ~far
        tally.dropped["times a day or more from the others"] += int(far.sum())
        tally.dropped[f"outside the sensor of {size[0]} × {size[1]}"] += int(outside.sum())
        block = block[~(far | outside)]
        if not len(block):
            continue
        block["t"] *= SECONDS[unit]
        block["p"] = np.isin(block["p"], on)
        in_order &= bool(block["t"][0] >= last and (np.diff(block["t"]) >= 0).all())
        last = block["t"][-1]
        raw[kept : kept + len(block)] = block
        kept += len(block)
    _check_bad(name, tally)
    tally.sorted = in_order
    events = raw[:kept]
    return events if in_order else events[np.argsort(events["t"], kind="stable")]


def _check_bad(name: str, tally: Tally) -> None:
    bad = tally.dropped.total()
    if bad > LARGEST_BAD_SHARE * tally.total:
        raise InputError(
            f"{name}: {bad} of {tally.total} events are bad, more than "
            f"{LARGEST_BAD_SHARE:.0%} ({_list(+tally.dropped)}): clean the file"
        )


def _doubts(events: np.ndarray, tally: Tally) -> list[str]:
    notes = [] if tally.sorted else ["events were not in order of time: sorted"]
    odd = int(tally.polarities[[POSITIVE, NEGATIVE]].sum())
    if odd:
        notes.append(f"{odd} events have polarities other than 0, 1 and −1: positive ones are ON")
    rate = len(events) / max(_span(events), 1e-9)
    if rate < FEW_EVENTS:
        notes.append(
            f"only {rate:.2g} events per second: if that is too few, the unit of time is a "
            "smaller one; give --time-unit"
        )
    return notes


def _span(events: np.ndarray) -> float:
    return float(events["t"][-1] - events["t"][0])


def _list(dropped: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in dropped.items())
