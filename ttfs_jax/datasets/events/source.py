"""What a reader of one format returns: blocks of raw columns and their description in the file."""

import importlib
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ttfs_jax.support.errors import InputError, unknown

BLOCK = 1 << 18  # events held as raw columns at a time
INSTALL = "install it by pip install 'ttfs-jax[events]'"

Columns = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # t, x, y, p as the file has them


class Source(NamedTuple):
    """The event stream of one file, not yet checked."""

    name: str
    """Name in messages."""
    blocks: Iterator[Columns]
    """The events, block by block; they can be read once."""
    notes: list[str]
    """What the reader had to guess or leave out; complete once `blocks` is exhausted."""
    dropped: Counter[str]
    """Events that could not be read, by reason; complete once `blocks` is exhausted."""
    size: tuple[int, int] | None = None
    """Width and height of the sensor, if the file has them."""
    unit: str | None = None
    """Unit of time, if the format or the file gives it."""


def import_package(name: str) -> Any:
    """Import the optional package `name`. Raises: InputError that says how to install it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise InputError(f"reading this file needs the package {name}: {INSTALL}") from error


def choose_stream(name: str, streams: dict[str, str], chosen: str | None) -> str:
    """Return the name of the stream to read: the only one, or the `chosen` one.

    A stream is chosen by its whole name, or by a part between slashes that no other stream has
    (`left` for `davis/left/events`). `streams` maps names to descriptions.

    Raises: InputError that lists the streams, for several without a choice, or an unknown choice.
    """
    listed = ", ".join(f"{key} ({value})" if value else key for key, value in streams.items())
    if chosen is None:
        if len(streams) == 1:
            return next(iter(streams))
        raise InputError(
            f"{name} holds {len(streams)} streams of events: {listed}; choose one by --stream"
        )
    wanted = chosen.strip("/")
    if wanted in streams:
        return wanted
    partial = [key for key in streams if f"/{wanted}/" in f"/{key}/"]
    if len(partial) == 1:
        return partial[0]
    if partial:
        raise InputError(f"--stream {chosen} fits several streams of {name}: {', '.join(partial)}")
    raise unknown("--stream", chosen, streams)
