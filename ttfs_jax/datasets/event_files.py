"""Recordings of event cameras: read a file, sum its events up to frames like the simulator's.

AEDAT4 is read by `aedat`, HDF5 (layouts of Prophesee and of DSEC) by `h5py`, both in the extra
`[events]`; text needs nothing more. All give records (t in seconds, x, y, p) in order of time.
"""

import importlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ttfs_jax.errors import InputError, unknown

EVENT = np.dtype([("t", "f8"), ("x", "u2"), ("y", "u2"), ("p", "u1")])
FORMATS = (".aedat4", ".h5", ".hdf5", ".txt", ".csv")
MICROSECONDS = 1e-6
INSTALL = "install it by pip install 'ttfs-jax[events]'"


class EventFile(NamedTuple):
    """The events of one recording."""

    events: np.ndarray  # EVENT [N], in order of time
    width: int
    height: int


def read_events(path: Path) -> EventFile:
    """Read a recording by the ending of its name.

    AEDAT4; HDF5 with CD/events as Prophesee writes, or events/{x,y,t,p} as in DSEC, in
    microseconds; text with columns t x y p in seconds (p is 1 or 0, −1). Without a size in the
    file the sensor is as large as the largest coordinates say.

    Raises: InputError for a missing, damaged, foreign or empty file, or a missing package.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path} is not a file: name a recording")
    ending = path.suffix.lower()
    if ending not in FORMATS:
        raise unknown("kind of recording", ending, FORMATS)
    read = {".aedat4": _aedat4, ".h5": _hdf5, ".hdf5": _hdf5, ".txt": _text, ".csv": _text}[ending]
    try:
        events, size = read(path)
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} cannot be read ({error}): get the file again") from error
    if not len(events):
        raise InputError(f"{path} holds no events: record again")
    if not np.isfinite(events["t"]).all():
        raise InputError(f"{path} holds times that are not finite: clean the file")
    events = events[np.argsort(events["t"], kind="stable")]
    width, height = size or (int(events["x"].max()) + 1, int(events["y"].max()) + 1)
    return EventFile(events, width, height)


def to_frames(
    recording: EventFile,
    *,
    size: int,
    rate: float = 30.0,
    crop: tuple[int, int, int] | None = None,
) -> np.ndarray:
    """Sum events up to frames: the sign of ON minus OFF events of each pixel and 1 / rate seconds.

    The square `crop` (left, top, edge; by default the largest one in the middle) is divided into
    size × size cells. Time begins at the first event of the recording.

    Shapes: N events -> int8 [T, size, size] of −1, 0, +1.
    Raises: InputError for a crop that leaves the sensor or is smaller than `size`.
    """
    edge = min(recording.width, recording.height)
    centred = ((recording.width - edge) // 2, (recording.height - edge) // 2, edge)
    left, top, edge = crop or centred
    inside = left >= 0 and top >= 0
    if not inside or left + edge > recording.width or top + edge > recording.height:
        raise InputError(
            f"crop {left} {top} {edge} leaves the sensor of {recording.width} × "
            f"{recording.height}: choose a smaller one"
        )
    if edge < size:
        raise InputError(f"the crop of {edge} pixels is smaller than the network's {size}")
    events = recording.events
    number = np.floor((events["t"] - events["t"][0]) * rate).astype(int)
    balance = np.zeros((number[-1] + 1, size, size), np.int32)
    x, y = events["x"].astype(int) - left, events["y"].astype(int) - top
    seen = (x >= 0) & (x < edge) & (y >= 0) & (y < edge)
    cells = (number[seen], y[seen] * size // edge, x[seen] * size // edge)
    np.add.at(balance, cells, np.where(events["p"][seen] > 0, 1, -1))
    return np.sign(balance).astype(np.int8)


def _records(t, x, y, p) -> np.ndarray:
    events = np.zeros(len(t), EVENT)
    events["t"], events["x"], events["y"], events["p"] = t, x, y, np.asarray(p) > 0
    return events


def _package(name: str):
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise InputError(f"reading this file needs the package {name}: {INSTALL}") from error


def _aedat4(path: Path):
    decoder = _package("aedat").Decoder(path)
    streams = [s for s in decoder.id_to_stream().values() if s["type"] == "events"]
    if not streams:
        raise InputError(f"{path} has no stream of events: record them too")
    packets = [packet["events"] for packet in decoder if "events" in packet]
    raw = (
        np.concatenate(packets) if packets else np.zeros(0, [(n, "u8") for n in ("t", *"xy", "on")])
    )
    size = (streams[0]["width"], streams[0]["height"])
    return _records(raw["t"] * MICROSECONDS, raw["x"], raw["y"], raw["on"]), size


def _hdf5(path: Path):
    h5py = _package("h5py")
    with h5py.File(path, "r") as file:
        group = file["CD/events"] if "CD/events" in file else file.get("events")
        if group is None:
            raise InputError(f"{path} has neither CD/events nor events/: export it again")
        columns = {name: np.asarray(group[name]) for name in ("t", "x", "y", "p")}
    t = columns.pop("t").astype(float) * MICROSECONDS
    return _records(t, **columns), None


def _text(path: Path):
    delimiter = "," if path.suffix.lower() == ".csv" else None
    table = np.loadtxt(path, delimiter=delimiter, ndmin=2)
    if table.size and table.shape[1] != 4:
        raise InputError(f"{path} has {table.shape[1]} columns: t x y p are needed")
    t, x, y, p = table.T if table.size else np.zeros((4, 0))
    if len(t) and (min(x.min(), y.min()) < 0 or (x % 1).any() or (y % 1).any()):
        raise InputError(f"{path} has coordinates that are no pixel numbers: clean the file")
    return _records(t, x, y, p), None
