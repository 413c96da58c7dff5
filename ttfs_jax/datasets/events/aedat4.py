"""AEDAT4, decoded in a separate process: a damaged file cannot crash this one."""

import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ttfs_jax.datasets.events.source import BLOCK, Columns, Source, choose_stream, import_package
from ttfs_jax.support.errors import InputError

DECODER = Path(__file__).with_name("aedat4_decoder.py")
RECORD = np.dtype([("t", "<u8"), ("x", "<u2"), ("y", "<u2"), ("on", "?")])


def open_aedat4(path: Path, stream: str | None) -> Source:
    """Open the events of the AEDAT4 file `path`; `stream` chooses among several.

    Raises: InputError.
    """
    import_package("aedat")
    process = subprocess.run(_command(path), capture_output=True, check=False)
    if process.returncode or not process.stdout:
        reason = _last_line(process.stderr, process.returncode)
        raise InputError(f"{path} cannot be read, its head is damaged ({reason}): copy it again")
    sizes = json.loads(process.stdout)
    if not sizes:
        raise InputError(f"{path} has no stream of events: record them too")
    streams = {number: f"{width} × {height}" for number, (width, height) in sizes.items()}
    stream_number = choose_stream(str(path), streams, stream)
    width, height = sizes[stream_number]
    notes: list[str] = []
    return Source(
        name=str(path),
        blocks=_blocks(path, stream_number, notes),
        notes=notes,
        dropped=Counter(),
        size=(width, height) if min(width, height) > 0 else None,
        unit="us",
    )


def _command(path: Path, *stream: str) -> list[str]:
    return [sys.executable, "-P", str(DECODER), str(path.absolute()), *stream]


def _blocks(path: Path, stream: str, notes: list[str]) -> Iterator[Columns]:
    events = 0
    with tempfile.TemporaryFile() as errors:
        with subprocess.Popen(
            _command(path, stream), stdout=subprocess.PIPE, stderr=errors
        ) as process:
            output = process.stdout
            assert output is not None
            output.readline()  # the streams, already known
            while data := output.read(BLOCK * RECORD.itemsize):
                block = np.frombuffer(data, RECORD, count=len(data) // RECORD.itemsize)
                events += len(block)
                yield block["t"], block["x"], block["y"], block["on"]
        if process.returncode == 0:
            return
        errors.seek(0)
        reason = _last_line(errors.read(), process.returncode)
    if not events:
        raise InputError(f"{path} cannot be read, no packet is whole ({reason}): copy it again")
    notes.append(f"the file is truncated or damaged ({reason}): read {events} events before that")


def _last_line(stderr: bytes, status: int) -> str:
    lines = stderr.decode("utf-8", "replace").strip().splitlines()
    return lines[-1][:200] if lines and status > 0 else f"the decoder ended with status {status}"
