"""Three-level event frames: to and from JPEG, and decoded once into a memory-mapped array."""

import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError

from ttfs_jax.cache_folder import cache_folder
from ttfs_jax.datasets.see import Index
from ttfs_jax.errors import InputError

# Grey is no event; white and black are the polarities. JPEG blurs the levels, hence a threshold
# halfway between grey and either end. Which polarity is white is not published: ON is chosen.
GREY, LOW, HIGH = 128, 64, 192
CACHE_FORMAT = 2
Kind = Literal["event", "light"]


def to_levels(events: np.ndarray) -> np.ndarray:
    """Paint events: int8 (−1, 0, +1) [...] -> uint8 (0, 128, 255) [...]."""
    return np.choose(events + 1, [0, GREY, 255]).astype(np.uint8)


def from_levels(levels: np.ndarray) -> np.ndarray:
    """Read events off a painted frame: uint8 [...] -> int8 [...]."""
    return (levels > HIGH).astype(np.int8) - (levels < LOW)


def read_frame(path: Path, size: int | None = None, *, kind: Kind = "event") -> np.ndarray:
    """Decode one frame: event -> int8 [H, W], light -> uint8 [H, W].

    Another size than `size` is resampled.

    Raises: ValueError naming the file when it is no readable image.
    """
    try:
        with Image.open(path) as image:
            grey = image.convert("L")
    except (OSError, UnidentifiedImageError, SyntaxError) as error:
        raise ValueError(f"{path}: cannot be decoded ({error})") from error
    if size is not None and grey.size != (size, size):
        grey = grey.resize((size, size), Image.Resampling.BOX)
    levels = np.asarray(grey)
    return from_levels(levels) if kind == "event" else levels


class Frames(NamedTuple):
    """All event frames, or all intensity frames, of a data set."""

    values: np.ndarray  # int8 (events) or uint8 (light) [N, H, W], memory-mapped
    starts: np.ndarray  # [S + 1] sequence s owns frames starts[s] : starts[s + 1]
    problems: tuple[str, ...]  # one line each, with the path


def load_frames(
    index: Index, *, size: int | None = None, cache: Path | None = None, kind: Kind = "event"
) -> Frames:
    """Decode all frames in parallel, or map those decoded by an earlier call.

    The cache is kept apart for every source: its checksum is over the names, the annotation and
    the times of change of all folders. A frame that cannot be decoded counts as empty and is
    listed.

    Shapes: `size` is the edge of the frames, by default that of the first one that can be read.
    Raises: InputError when no frame can be decoded or the cache cannot be written.
    """
    if size is None:
        size = _first_size(index)
    folder = (cache or cache_folder("frames")) / f"{_checksum(index)}-{kind}-{size}"
    described = folder / "index.json"
    if not described.is_file():
        _decode(index, size, folder, kind)
    values = json.loads(described.read_text(encoding="utf-8"))
    frames = np.load(folder / "frames.npy", mmap_mode="r")
    return Frames(frames, np.asarray(values["starts"]), tuple(values["problems"]))


def _decode(index: Index, size: int, folder: Path, kind: Kind) -> None:
    files = [path for sequence in index.sequences for path in sequence.files]
    starts = np.cumsum([0] + [len(sequence.files) for sequence in index.sequences])
    try:
        folder.mkdir(parents=True, exist_ok=True)
        fresh = folder / f".frames-{os.getpid()}.npy"
        dtype = np.int8 if kind == "event" else np.uint8
        frames = np.lib.format.open_memmap(fresh, "w+", dtype, (len(files), size, size))
    except OSError as error:
        raise InputError(
            f"cannot write the cache {folder} ({error.strerror}): set XDG_CACHE_HOME to a folder "
            "with space"
        ) from error
    problems: list[str] = []

    def decode(number):
        try:
            frames[number] = read_frame(files[number], size, kind=kind)
        except ValueError as error:
            problems.append(f"{error}; counted as empty")

    with ThreadPoolExecutor() as pool:
        for _ in pool.map(decode, range(len(files)), chunksize=64):
            pass
    frames.flush()
    if len(problems) == len(files):
        raise InputError(f"none of {len(files)} frames could be decoded, the first: {problems[0]}")
    os.replace(fresh, folder / "frames.npy")
    content = {"starts": starts.tolist(), "problems": sorted(problems)}
    partial = folder / f".index-{os.getpid()}.json"
    partial.write_text(json.dumps(content), encoding="utf-8")
    os.replace(partial, folder / "index.json")


def _first_size(index: Index) -> int:
    reasons = []
    for sequence in index.sequences:
        try:
            return min(read_frame(sequence.files[0]).shape)
        except ValueError as error:
            reasons.append(str(error))
    raise InputError(f"no event frame can be decoded, the first: {reasons[0]}")


def _checksum(index: Index) -> str:
    """Identify the source without reading 10⁵ files: names, labels, counts and folder times."""
    digest = hashlib.sha256(f"{CACHE_FORMAT} {index.root.resolve()}".encode())
    for sequence in index.sequences:
        changed = sequence.files[0].parent.stat().st_mtime_ns
        digest.update(f"{sequence.name} {len(sequence.files)} {changed}\n".encode())
    return digest.hexdigest()[:24]
