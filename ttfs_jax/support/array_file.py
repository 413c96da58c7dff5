"""Arrays in .npy files: written row by row into reserved space, and mapped only if complete.

Nothing is written through a memory map: on a full disk that would kill the process by a signal.
"""

import errno
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from math import prod
from pathlib import Path
from typing import BinaryIO

import numpy as np

Put = Callable[[int, np.ndarray], None]  # the first row, and rows [k, ...] from there on
ZEROS = bytes(1 << 20)


@contextmanager
def reserved_array(path: Path, dtype: type, shape: tuple[int, ...]) -> Iterator[Put]:
    """Make a .npy file of zeros, `path`, and give the function that writes rows, from any thread.

    All its space is taken before the first row is written, and it is on disk when the block ends.

    Shapes: `put(first, rows)` with rows [k, *shape[1:]] of the dtype, first + k ≤ shape[0].
    Raises: OSError when there is no space.
    """
    header = _header(dtype, shape)
    row = prod(shape[1:]) * np.dtype(dtype).itemsize
    lock = threading.Lock()
    with path.open("w+b") as file:
        reserve(file, len(header) + shape[0] * row)
        file.seek(0)
        file.write(header)

        def put(first: int, rows: np.ndarray) -> None:
            fits = rows.dtype == dtype and rows.shape[1:] == shape[1:]
            if not fits or not 0 <= first <= shape[0] - len(rows):
                raise ValueError(f"{rows.dtype} {rows.shape} at {first} does not fit {shape}")
            with lock:
                file.seek(len(header) + first * row)
                file.write(np.ascontiguousarray(rows).data)

        yield put
        file.flush()
        os.fsync(file.fileno())


def reserve(file: BinaryIO, size: int) -> None:
    """Reserve `size` bytes of disk for an empty file. Raises: OSError when there is no space."""
    check_space(Path(file.name).parent, size)
    try:
        os.posix_fallocate(file.fileno(), 0, size)
        return
    except AttributeError:  # not on every system
        pass
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL):
            raise
    for begin in range(0, size, len(ZEROS)):
        file.write(ZEROS[: size - begin])
    file.flush()


def check_space(folder: Path, size: int) -> None:
    """Raise OSError when the disk of an existing folder has fewer than `size` bytes left."""
    usage = shutil.disk_usage(folder)
    if usage.total and usage.free < size:
        raise OSError(errno.ENOSPC, f"{size / 1e9:.3g} GB needed, {usage.free / 1e9:.3g} GB free")


def map_array(path: Path, dtype: type, shape: tuple[int, ...]) -> np.ndarray:
    """Map the file `path` of an array of this `dtype` and shape for reading.

    Raises: OSError when it is missing, ValueError when it is incomplete or of another shape.
    """
    header = _header(dtype, shape)
    size = len(header) + prod(shape) * np.dtype(dtype).itemsize
    with path.open("rb") as file:
        if file.read(len(header)) != header or os.fstat(file.fileno()).st_size != size:
            raise ValueError(f"{path} is damaged or holds something else")
        return np.memmap(file, dtype, "r", len(header), shape)


def _header(dtype: type, shape: tuple[int, ...]) -> bytes:
    buffer = BytesIO()
    described = np.lib.format.dtype_to_descr(np.dtype(dtype))
    content = {"descr": described, "fortran_order": False, "shape": tuple(map(int, shape))}
    np.lib.format.write_array_header_1_0(buffer, content)
    return buffer.getvalue()
