"""Text: one event per line, with or without names, in columns separated by blanks, tabs, , or ;."""

import re
from collections import Counter
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from ttfs_jax.datasets.events import sensor
from ttfs_jax.datasets.events.columns import find_names, guess_order, key_of
from ttfs_jax.datasets.events.source import BLOCK, Columns, Source, choose_stream
from ttfs_jax.support.errors import InputError

COMMENTS = ("#", "%", "//")
WORDS = {"true": "1", "on": "1", "false": "0", "off": "0"}
SAMPLE = 10_000  # lines used to guess the order of unnamed columns
LONGEST_HEAD = 1000  # lines before the first event
UNREADABLE = "unreadable lines"


class Head(NamedTuple):
    """The lines before the first event, and that event's line."""

    comments: list[str]  # lines marked by their first character
    names: list[str]  # of the columns, if a line has them
    size: tuple[int, int] | None  # width and height of the sensor, if a comment has them
    titles: list[str]  # lines of words that name no column
    first: str  # line of the first event
    unreadable: int  # lines before it that are no events


def open_text(path: Path, stream: str | None) -> Source:
    """Open the events of the text file `path`, which has one `stream`.

    Raises: InputError, OSError.
    """
    choose_stream(str(path), {"events": ""}, stream)
    file = path.open(encoding=_encoding(path), errors="replace")
    try:
        return _source(path, file)
    except BaseException:
        file.close()
        raise


def _source(path: Path, file: IO[str]) -> Source:
    head = _read_head(path, file)
    if head is None:
        raise InputError(f"{path} holds no events: record again")
    delimiter = _delimiter(head.first)
    fields = _split(head.first, delimiter)
    sample = list(islice(_events(file), SAMPLE))
    notes = [f"ignored the line {title[:80]!r} before the events" for title in head.titles[:1]]
    positions, unit = _find_columns(path, head, len(fields), delimiter, sample, notes)
    dropped = Counter({UNREADABLE: head.unreadable})
    lines = chain([head.first], sample, _events(file))
    size = head.size or next(filter(None, map(sensor.size_in, head.comments)), None)
    time = fields[positions["t"]]
    return Source(
        name=str(path),
        blocks=_blocks(file, lines, delimiter, positions, time, dropped),
        notes=notes,
        dropped=dropped,
        size=size,
        unit=unit,
    )


def _encoding(path: Path) -> str:
    with path.open("rb") as file:
        begin = file.read(2)
    return "utf-16" if begin in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"


def _events(file: IO[str]) -> Iterator[str]:
    return (line for line in file if line.strip() and not line.lstrip().startswith(COMMENTS))


def _read_head(path: Path, file: IO[str]) -> Head | None:
    comments, names, size, titles, unreadable = [], [], None, [], []
    for line in islice(file, LONGEST_HEAD):
        text = line.strip()
        if not text:
            continue
        if text.startswith(COMMENTS):
            comments.append(text.lstrip("#%/! "))
            continue
        delimiter = _delimiter(text)
        fields = _split(text, delimiter)
        numbers = [_number(field) for field in fields]
        if all(number is not None for number in numbers):
            if len(fields) == 2 and size is None:
                size = sensor.width_and_height({"width": numbers[0], "height": numbers[1]})
                continue
            return Head(comments, names, size, titles, line, len(unreadable))
        if any(number is not None for number in numbers[:2]):
            unreadable.append(text)
        elif not names and any(key_of(field)[0] for field in fields):
            names = fields
        else:
            titles.append(text)
    if names or unreadable or titles:
        text = " ".join(unreadable[:1] or names or titles)
        raise InputError(
            f"{path} cannot be read: {text[:80]!r} is not an event; t x y p are needed"
        )
    return None


def _find_columns(path, head, width, delimiter, sample, notes):
    """Return the positions of t, x, y, p and the unit of time, if the names give it."""
    if head.names:
        names = find_names(head.names)
        if names is None or len(head.names) != width:
            raise InputError(
                f"{path} has columns named {', '.join(head.names)} and {width} values per line: "
                "names for t, x, y and p are needed"
            )
        return names.positions, names.unit
    for comment in head.comments:
        listed = re.findall(r"[^\s,;\[(]+(?:\s*[\[(][^\])]*[\])])?", comment)
        names = find_names(listed)
        if names:
            order = sorted(names.positions, key=names.positions.__getitem__)
            if width >= 4:
                return {key: n for n, key in enumerate(order)}, names.unit
    if width != 4:
        raise InputError(
            f"{path} has {width} columns without names: t x y p are needed, or a line of names"
        )
    rows = [_row(line, delimiter, range(4)) for line in (head.first, *sample)]
    order = guess_order(np.array([row for row in rows if row is not None]))
    if order != "txyp":
        notes.append(f"columns are read as {' '.join(order)}, judged by their values")
    return {key: order.index(key) for key in "txyp"}, None


def _blocks(file, lines, delimiter, positions, time, dropped) -> Iterator[Columns]:
    use = [positions[key] for key in "txyp"]
    integers = re.fullmatch(r"[\"']?[+-]?\d+[\"']?", time) is not None
    with file:
        while block := list(islice(lines, BLOCK)):
            try:
                points = [line.replace(",", ".") for line in block] if delimiter == ";" else block
                table = np.loadtxt(points, delimiter=delimiter, usecols=use, ndmin=2)
            except ValueError:
                rows = [_row(line, delimiter, use) for line in block]
                table = np.array([row for row in rows if row is not None]).reshape(-1, 4)
                dropped[UNREADABLE] += sum(row is None for row in rows)
            t, x, y, p = table.T
            whole = integers and np.isfinite(t).all() and (np.abs(t) < 2**63).all()
            yield (t.astype(np.int64) if whole and (t % 1 == 0).all() else t), x, y, p


def _delimiter(line: str) -> str | None:
    return next((mark for mark in (";", ",") if mark in line), None)


def _split(line: str, delimiter: str | None) -> list[str]:
    text = line.replace(",", ".") if delimiter == ";" else line  # then a comma is a decimal point
    fields = [field.strip() for field in text.strip().split(delimiter)]
    return fields[:-1] if delimiter and not fields[-1] else fields


def _number(field: str) -> float | None:
    text = field.strip("\"' ").casefold()
    try:
        return float(WORDS.get(text, text))
    except ValueError:
        return None


def _row(line: str, delimiter: str | None, use) -> list[float] | None:
    fields = _split(line, delimiter)
    if len(fields) <= max(use):
        return None
    numbers = [number for n in use if (number := _number(fields[n])) is not None]
    return numbers if len(numbers) == len(use) else None
