"""The size of a sensor: from the file, else from the coordinates of its events."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from ttfs_jax.datasets.events.source import Source

STRAY_SHARE = 0.001  # of events far beyond all others, which do not make the sensor larger
SMALLEST_EDGE = 8  # pixels; smaller pairs of numbers are not a size
PAIRS = ("geometry", "resolution", "sensor_resolution", "sensor_size", "sensorsize", "size")
WIDTHS = ("width", "sensor_width", "sizex", "size_x")
HEIGHTS = ("height", "sensor_height", "sizey", "size_y")


def width_and_height(attributes: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return width and height as named values, the `attributes`, give them, or None.

    Tools write pairs in both orders; sensors are landscape, so the larger is the width.
    """
    values = {key.casefold(): value for key, value in attributes.items()}
    width = next((values[key] for key in WIDTHS if key in values), None)
    height = next((values[key] for key in HEIGHTS if key in values), None)
    if width is not None and height is not None:
        return _pair([width, height], lying=False)
    for key in (*PAIRS, "format"):
        if key not in values:
            continue
        text = values[key].decode("utf-8", "replace") if isinstance(values[key], bytes) else None
        text = values[key] if isinstance(values[key], str) else text
        size = _pair(values[key]) if text is None else size_in(text)
        if size:
            return size
    return None


def size_in(text: str) -> tuple[int, int] | None:
    """Return width and height that a line of text names ("346x260", "width 346 height 260")."""
    pair = re.search(r"(?<![\w.])(\d{2,4})\s*[x×]\s*(\d{2,4})(?![\w.])", text)
    if pair:
        return _pair(pair.groups(), lying=False)
    width, height = (
        re.search(rf"(?:{'|'.join(names)})\W{{0,4}}(\d+)", text, re.IGNORECASE)
        for names in (WIDTHS, HEIGHTS)
    )
    return _pair([width[1], height[1]], lying=False) if width and height else None


def _pair(values: Any, *, lying: bool = True) -> tuple[int, int] | None:
    try:
        first, second = (int(value) for value in np.ravel(np.asarray(values))[:2])
    except (TypeError, ValueError):
        return None
    if min(first, second) < SMALLEST_EDGE:
        return None
    return (max(first, second), min(first, second)) if lying else (first, second)


def find_size(
    source: Source, columns_seen: np.ndarray, rows_seen: np.ndarray
) -> tuple[int, int, list[str]]:
    """Return the width and height of the sensor, and notes.

    The size in `source` is used, swapped if only that fits the events. Otherwise the largest
    coordinates are used, without those of up to 0.1 % of the events that lie beyond twice all
    others.

    Shapes: events of every x, `columns_seen`, and of every y, `rows_seen`, each [LARGEST_EDGE].
    """
    extent = tuple(int(np.flatnonzero(counts)[-1]) + 1 for counts in (columns_seen, rows_seen))
    if source.size:
        width, height = source.size
        outside = columns_seen[width:].sum() + rows_seen[height:].sum()
        turned = columns_seen[height:].sum() + rows_seen[width:].sum()
        if turned < outside and turned == 0:
            return height, width, []
        return width, height, []
    width, height = _robust_edge(columns_seen), _robust_edge(rows_seen)
    notes = []
    if (width, height) != extent:
        notes.append(f"the sensor is taken to be {width} × {height}, without stray coordinates")
    return width, height, notes


def _robust_edge(counts: np.ndarray) -> int:
    occupied = np.flatnonzero(counts)
    beyond = np.cumsum(counts[occupied][::-1])[::-1]  # events at this coordinate or larger
    gaps = occupied[1:] + 1 > 2 * (occupied[:-1] + 1)
    stray = np.flatnonzero(gaps & (beyond[1:] <= STRAY_SHARE * counts.sum()))
    return int(occupied[stray[0]] if len(stray) else occupied[-1]) + 1
