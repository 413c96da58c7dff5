"""From events to frames like the simulator's: the sign of ON minus OFF per cell and time."""

import math
from bisect import bisect_left
from collections.abc import Iterator

import numpy as np

from ttfs_jax.datasets.events.recording import EventFile
from ttfs_jax.datasets.events.source import BLOCK
from ttfs_jax.support.errors import InputError

Crop = tuple[int, int, int]  # left, top, edge in pixels
THINNEST = 0.01  # events per pixel of a crop over those per pixel of the sensor
FRAMES_AT_A_TIME = 256


def to_frames(
    recording: EventFile, *, size: int, rate: float = 30.0, crop: Crop | None = None
) -> np.ndarray:
    """Sum events into frames: the sign of ON minus OFF events of each pixel and 1 / rate seconds.

    The square `crop` (left, top, edge; by default the largest one in the middle) is divided into
    size × size cells. Time begins at the first event of the recording.

    Shapes: N events -> int8 [T, size, size] of −1, 0, +1.
    Raises: InputError for a crop that leaves the sensor, is smaller than `size` or sees (almost)
    no events, a rate that is not positive, an empty recording, or frames that memory cannot hold.
    """
    pieces = frame_pieces(recording, size=size, rate=rate, crop=crop)
    count = count_frames(recording, rate=rate)
    try:
        frames = np.empty((count, size, size), np.int8)
    except MemoryError as error:
        raise InputError(
            f"{count} frames of {size} × {size} do not fit into memory: cut the recording"
        ) from error
    begin = 0
    for piece in pieces:
        frames[begin : begin + len(piece)] = piece
        begin += len(piece)
    return frames


def frame_pieces(
    recording: EventFile,
    *,
    size: int,
    rate: float = 30.0,
    crop: Crop | None = None,
    length: int = FRAMES_AT_A_TIME,
) -> Iterator[np.ndarray]:
    """Return the frames of `to_frames` in order, `length` at a time: int8 [<= length, size, size].

    `recording`, `size`, `rate` and `crop` are those of `to_frames`.

    Everything is checked at once; frames are made lazily.
    Raises: InputError as `to_frames` does.
    """
    _check(recording, size, rate)
    square = _square(recording, size, crop)
    _check_seen(recording, square)
    count = count_frames(recording, rate=rate)

    def pieces() -> Iterator[np.ndarray]:
        for begin in range(0, count, length):
            yield _sum_up(recording, square, size, rate, begin, min(begin + length, count))

    return pieces()


def count_frames(recording: EventFile, *, rate: float = 30.0) -> int:
    """Return how many frames a recording gives at `rate` frames per second."""
    return _frame_of(recording.events["t"][-1], recording, rate) + 1


def _frame_of(time: float, recording: EventFile, rate: float) -> int:
    return math.floor((time - recording.events["t"][0]) * rate)


def _sum_up(recording, square, size, rate, begin, end) -> np.ndarray:
    left, top, edge = square
    times = recording.events["t"]
    first, last = (
        bisect_left(times, bound, key=lambda time: _frame_of(time, recording, rate))
        for bound in (begin, end)
    )
    balance = np.zeros((end - begin, size, size), np.int32)
    for start in range(first, last, BLOCK):
        events = recording.events[start : min(start + BLOCK, last)]
        events = events[_inside(events, square)]
        number = np.floor((events["t"] - times[0]) * rate).astype(int) - begin
        x, y = events["x"].astype(int) - left, events["y"].astype(int) - top
        sign = np.where(events["p"] > 0, 1, -1).astype(np.int32)
        np.add.at(balance, (number, y * size // edge, x * size // edge), sign)
    return np.sign(balance).astype(np.int8)


def _inside(events: np.ndarray, square: Crop) -> np.ndarray:
    left, top, edge = square
    x, y = events["x"], events["y"]
    return (x >= left) & (x < left + edge) & (y >= top) & (y < top + edge)


def _check(recording: EventFile, size: int, rate: float) -> None:
    if not (math.isfinite(rate) and rate > 0) or size < 1:
        raise InputError(f"rate {rate} and size {size} must be positive")
    times = recording.events["t"]
    if not len(times):
        raise InputError("the recording holds no events: record again")
    for begin in range(0, len(times), BLOCK):
        block = times[max(begin - 1, 0) : begin + BLOCK]
        if not (np.isfinite(block).all() and (np.diff(block) >= 0).all()):
            raise InputError("events must have finite times in order: use make_recording")


def _square(recording: EventFile, size: int, crop: Crop | None) -> Crop:
    width, height = recording.width, recording.height
    edge = min(width, height)
    left, top, edge = crop or ((width - edge) // 2, (height - edge) // 2, edge)
    if left < 0 or top < 0 or left + edge > width or top + edge > height:
        raise InputError(
            f"crop {left} {top} {edge} leaves the sensor of {width} × {height}: "
            "choose a smaller one"
        )
    if edge < size:
        raise InputError(
            f"the crop of {edge} pixels is smaller than the images of {size}: choose a larger one "
            "by --crop, or say how large the sensor is by --sensor"
        )
    return left, top, edge


def _check_seen(recording: EventFile, square: Crop) -> None:
    events, (left, top, edge) = recording.events, square
    seen, low, high = 0, np.full(2, np.iinfo(int).max), np.full(2, -1)
    for begin in range(0, len(events), BLOCK):
        block = events[begin : begin + BLOCK]
        seen += int(_inside(block, square).sum())
        low = np.minimum(low, [block["x"].min(), block["y"].min()])
        high = np.maximum(high, [block["x"].max(), block["y"].max()])
    share = edge**2 / (recording.width * recording.height)
    if seen <= THINNEST * share * len(events):
        raise InputError(
            f"the crop {left} {top} {edge} sees {seen} of {len(events)} events: they lie within "
            f"x {low[0]} to {high[0]}, y {low[1]} to {high[1]}; choose another --crop"
        )
