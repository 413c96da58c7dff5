"""Recordings of event cameras: read a file, sum its events into frames like the simulator's.

AEDAT4 is read by `aedat`, HDF5 by `h5py` and `hdf5plugin`, all in the extra `[events]`; text needs
no extra. All give records (t in seconds, x, y, p) in time order.
"""

from pathlib import Path

from ttfs_jax.datasets.events.aedat4 import open_aedat4
from ttfs_jax.datasets.events.frames import frame_pieces, to_frames
from ttfs_jax.datasets.events.hdf5 import open_hdf5
from ttfs_jax.datasets.events.recording import EVENT, EventFile, make_recording
from ttfs_jax.datasets.events.text import open_text
from ttfs_jax.datasets.events.time_units import check_unit
from ttfs_jax.support.errors import InputError, unknown

__all__ = ["EVENT", "EventFile", "frame_pieces", "make_recording", "read_events", "to_frames"]

OPENERS = {
    ".aedat4": open_aedat4,
    ".h5": open_hdf5,
    ".hdf5": open_hdf5,
    ".txt": open_text,
    ".csv": open_text,
    ".tsv": open_text,
}
# What libraries raise for files that are damaged or of another format.
UNREADABLE = (OSError, RuntimeError, ValueError, TypeError, LookupError, MemoryError, OverflowError)


def read_events(
    path: str | Path, *, time_unit: str | None = None, stream: str | None = None
) -> EventFile:
    """Read the recording `path` by its file extension.

    AEDAT4; HDF5 as Prophesee, DSEC, M3ED, MVSEC, v2e and rpg lay it out; text with one event per
    line, columns in any order if they are named. `time_unit` (s, ms, us, ns) sets the unit of time,
    otherwise taken from the file or guessed; `stream` chooses one of several cameras. The
    recording's `notes` and `dropped` report what was guessed, dropped or cut off.

    Raises: InputError for a missing, damaged, foreign or empty file, several streams without a
    choice, more than 1 % of bad events, a recording of more than a day, or a missing package.

    Examples:
        >>> import tempfile
        >>> with tempfile.NamedTemporaryFile("w", suffix=".csv") as file:
        ...     _ = file.write("t [us],x,y,p\\n0,3,4,1\\n500000,7,5,0\\n")
        ...     file.flush()
        ...     recording = read_events(file.name)
        >>> recording.events["t"].tolist(), recording.width, recording.height
        ([0.0, 0.5], 8, 6)
    """
    path = Path(path)
    if time_unit is not None:
        check_unit(time_unit)
    if not path.is_file():
        raise InputError(f"{path} is not a file: name a recording")
    ending = path.suffix.lower()
    if ending not in OPENERS:
        raise unknown("kind of recording", ending, OPENERS)
    try:
        return make_recording(OPENERS[ending](path, stream), time_unit=time_unit)
    except InputError:
        raise
    except UNREADABLE as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"{path} cannot be read ({reason}): it is damaged, or no {ending} file"
        ) from error
