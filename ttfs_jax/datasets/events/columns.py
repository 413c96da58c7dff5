"""Identify columns: by their names if there are any, else by their values."""

import re
from itertools import permutations
from typing import NamedTuple

import numpy as np

from ttfs_jax.datasets.events.time_units import find_unit

ALIASES = {
    "t": ("t", "ts", "time", "times", "timestamp", "timestamps", "time_stamp"),
    "x": ("x", "xs", "x_coordinate", "x_pos", "pos_x", "x_addr"),
    "y": ("y", "ys", "y_coordinate", "y_pos", "pos_y", "y_addr"),
    "p": ("p", "ps", "pol", "pols", "polarity", "polarities", "on"),
}
KEY_OF = {alias: key for key, names in ALIASES.items() for alias in names}
UNSIGNED_MINUS_ONE = (255.0, 65535.0, 2.0**32 - 1, 2.0**64 - 1)  # −1 in u1, u2, u4, u8
LARGEST_EDGE = 4096  # pixels of a frame or sensor; event sensors on the market reach 1280
MOSTLY = 0.9  # share of a column's values that must fit its guessed meaning

# All orders with x before y; the first three are in use.
USUAL = ("txyp", "xytp", "xypt")
ORDERS = USUAL + tuple(
    order
    for order in ("".join(letters) for letters in permutations("txyp"))
    if order.index("x") < order.index("y") and order not in USUAL
)


class Names(NamedTuple):
    """Where t, x, y, p are among named columns."""

    positions: dict[str, int]  # of t, x, y and p
    unit: str | None  # of time, if the name says it: "t [us]"


def key_of(name: str) -> tuple[str | None, str | None]:
    """Return which of t, x, y, p a column's name stands for, if any, and the unit in the name."""
    inside = " ".join(re.findall(r"[\[(](.*?)[\])]", name))
    base = re.sub(r"[\[(].*?[\])]", "", name).strip(" \t\"'/:.").casefold()
    if base in KEY_OF:
        return KEY_OF[base], find_unit(inside)
    stem, _, suffix = base.rpartition("_")
    unit = find_unit(suffix)
    if KEY_OF.get(stem) == "t" and unit:
        return "t", unit
    return None, None


def find_names(names: list[str]) -> Names | None:
    """Return the positions of t, x, y, p among the names, or None if one is missing.

    If two names stand for the same column the first is used.
    """
    positions, unit = {}, None
    for number, name in enumerate(names):
        key, its_unit = key_of(name)
        if key and key not in positions:
            positions[key] = number
            unit = its_unit if key == "t" else unit
    return Names(positions, unit) if len(positions) == 4 else None


def guess_order(sample: np.ndarray) -> str:
    """Return the order of four columns without names, such as "txyp", from their values.

    p has only 0, 1 and −1; x and y are pixel numbers; t does not decrease. If no order fits, times
    may decrease (unsorted files); if still none, "txyp".

    Shapes: sample [N, 4].
    """
    columns = sample.T.astype(float)  # unsigned differences would never be negative
    rises = [_mostly(column >= np.append(column[:1], column[:-1])) for column in columns]
    binary = [_mostly(np.isin(column, (0, 1, -1, *UNSIGNED_MINUS_ONE))) for column in columns]
    pixel = [
        _mostly((column >= 0) & (column < LARGEST_EDGE) & (column == np.floor(column)))
        for column in columns
    ]

    def suits(order: str, sorted_times: bool) -> bool:
        t, x, y, p = (order.index(letter) for letter in "txyp")
        return binary[p] and pixel[x] and pixel[y] and (rises[t] or not sorted_times)

    for sorted_times in (True, False):
        for order in ORDERS:
            if suits(order, sorted_times):
                return order
    return "txyp"


def _mostly(holds: np.ndarray) -> bool:
    return bool(holds.mean() >= MOSTLY)
