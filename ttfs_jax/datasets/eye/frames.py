"""Three-level event frames: to and from JPEG, and decoded once into a memory-mapped array."""

import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from math import prod
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import PIL
from jax.typing import ArrayLike
from PIL import Image

from ttfs_jax.datasets.events.columns import LARGEST_EDGE
from ttfs_jax.datasets.eye.see import Index
from ttfs_jax.support.array_file import map_array, reserved_array
from ttfs_jax.support.cache_entry import load_or_make
from ttfs_jax.support.cache_folder import cache_folders
from ttfs_jax.support.errors import InputError
from ttfs_jax.support.ranges import check_whole

# Grey is no event; white and black are the polarities. JPEG blurs the levels, hence a threshold
# halfway between grey and either end. Which polarity is white is not published: ON is chosen.
GREY, LOW, HIGH = 128, 64, 192
CACHE_FORMAT = 3
Kind = Literal["event", "light"]


def to_levels(events: ArrayLike) -> np.ndarray:
    """Paint events: int8 (−1, 0, +1) [...] -> uint8 (0, 128, 255) [...]."""
    return np.choose(np.asarray(events) + 1, [0, GREY, 255]).astype(np.uint8)


def from_levels(levels: np.ndarray) -> np.ndarray:
    """Read events off `levels`, a painted frame: uint8 [...] -> int8 [...]."""
    return (levels > HIGH).astype(np.int8) - (levels < LOW)


def read_frame(path: Path, size: int | None = None, *, kind: Kind = "event") -> np.ndarray:
    """Decode the frame `path` of a `kind`: event -> int8 [H, W], light -> uint8 [H, W].

    Another size than `size` is resampled.

    Raises: ValueError naming the file when it is no readable image.
    """
    try:
        with Image.open(path) as image:
            grey = image.convert("L")
    except MemoryError:
        raise
    except Exception as error:  # a damaged file makes Pillow raise errors of many types
        raise ValueError(f"{path}: cannot be decoded ({error})") from error
    if size is not None and grey.size != (size, size):
        grey = grey.resize((size, size), Image.Resampling.BOX)
    levels = np.asarray(grey)
    return from_levels(levels) if kind == "event" else levels


class _Frames(NamedTuple):
    """All event frames, or all intensity frames, of a data set."""

    values: np.ndarray  # int8 (events) or uint8 (light) [N, H, W], memory-mapped
    starts: np.ndarray  # [S + 1] sequence s owns frames starts[s] : starts[s + 1]
    problems: tuple[str, ...]  # one line each, with the path


def load_frames(
    index: Index, *, size: int | None = None, cache: Path | None = None, kind: Kind = "event"
) -> _Frames:
    """Decode all frames of a `kind` in parallel, or map those decoded by an earlier call.

    `index` lists the files, `cache` is the folder for the result. The key is the list of files with
    the size and the modification times of each: another segment, a changed or a new frame is
    decoded again, and so are unfinished or damaged entries. A frame that cannot be decoded counts
    as empty and is listed.

    Shapes: `size` is the edge of the frames, by default that of the first one that can be read.
    Raises: InputError when no frame can be decoded or the cache cannot be written.
    """
    if size is None:
        size = _first_size(index)
    check_whole("size", size, 1, LARGEST_EDGE)
    files = [path for sequence in index.sequences for path in sequence.files]
    starts = np.cumsum([0] + [len(sequence.files) for sequence in index.sequences])
    shape, dtype = (len(files), size, size), np.int8 if kind == "event" else np.uint8

    def load(entry: Path) -> _Frames:
        content = json.loads((entry / "index.json").read_text(encoding="utf-8"))
        if not isinstance(content, list) or not all(isinstance(line, str) for line in content):
            raise ValueError("no list of problems")
        return _Frames(map_array(entry / "frames.npy", dtype, shape), starts, tuple(content))

    return load_or_make(
        cache_folders("frames") if cache is None else (cache,),
        f"{_checksum(index.root, files)}-{kind}-{size}",
        load=load,
        make=partial(_decode, files, shape, dtype, kind),
        size=prod(shape),
    )


def _decode(files: list[Path], shape: tuple[int, ...], dtype, kind: Kind, entry: Path) -> None:
    problems: list[str] = []
    with reserved_array(entry / "frames.npy", dtype, shape) as put, ThreadPoolExecutor() as pool:

        def decode(number: int) -> None:
            try:
                frame = read_frame(files[number], shape[-1], kind=kind)
            except ValueError as error:
                problems.append(f"{error}; counted as empty")
            else:
                put(number, frame[None])

        for _ in pool.map(decode, range(len(files))):
            pass
    if len(problems) == len(files):
        raise InputError(f"none of {len(files)} frames could be decoded, the first: {problems[0]}")
    (entry / "index.json").write_text(json.dumps(sorted(problems)), encoding="utf-8")


def _first_size(index: Index) -> int:
    reasons = []
    for sequence in index.sequences:
        try:
            return min(read_frame(sequence.files[0]).shape)
        except ValueError as error:
            reasons.append(str(error))
    raise InputError(f"no event frame can be decoded, the first: {reasons[0]}")


def _checksum(root: Path, files: list[Path]) -> str:
    """Identify the files without reading 10⁵ of them: names, sizes and times of change."""
    versions = f"{CACHE_FORMAT} {LOW} {HIGH} {PIL.__version__}"
    lines = [versions, str(root.resolve())]
    for file in map(str, files):
        try:
            now = os.stat(file)
            # The time of change counts too: copying tools keep that of modification.
            lines.append(f"{file}\0{now.st_size} {now.st_mtime_ns} {now.st_ctime_ns}")
        except OSError:
            lines.append(file)
    return hashlib.sha256(os.fsencode("\n".join(lines))).hexdigest()[:24]
