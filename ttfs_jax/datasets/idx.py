"""IDX files, the format of MNIST and its successors, plain or gzipped."""

import gzip
import zlib
from math import prod
from pathlib import Path

import numpy as np

from ttfs_jax.support.errors import InputError


def read_idx(path: Path) -> np.ndarray:
    """Read an IDX file of unsigned bytes, `path` or `path`.gz.

    Raises: InputError when the file is missing, truncated, damaged or of another kind.
    Source: format description by LeCun, Cortes & Burges at http://yann.lecun.com/exdb/mnist/.
    """
    file = next((p for p in (path, path.with_name(path.name + ".gz")) if p.is_file()), None)
    if file is None:
        raise InputError(
            f"{path}[.gz] is missing: name the folder of the IDX files by --data-dir "
            "(Debian: apt-get install dataset-fashion-mnist, /usr/share/datasets/fashion-mnist)"
        )
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error.strerror}): make it readable") from error
    try:
        raw = gzip.decompress(raw) if file.suffix == ".gz" else raw
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{file} is truncated or damaged ({error}): get it again") from error
    if len(raw) < 4 or raw[:3] != b"\x00\x00\x08" or not 1 <= raw[3] <= 4:
        raise InputError(f"{file} is not an IDX file of bytes: get it again")
    start = 4 + 4 * raw[3]
    shape = tuple(np.frombuffer(raw[4:start], ">u4").tolist()) if len(raw) >= start else (-1,)
    if len(raw) - start != prod(shape):
        raise InputError(
            f"{file} is truncated: {len(raw) - start} bytes of data for shape {shape}; get it again"
        )
    return np.frombuffer(raw, np.uint8, offset=start).reshape(shape)
