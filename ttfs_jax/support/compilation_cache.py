"""Keep compiled programs in the user's cache folder, so that the second run starts fast."""

import os
import platform
import time
import zlib
from pathlib import Path

import jax

from ttfs_jax.support.array_file import check_space
from ttfs_jax.support.cache_folder import LOG, cache_folder, processor
from ttfs_jax.support.errors import InputError

SPACE = 64 << 20  # bytes without which nothing is kept: a full disk would truncate programs
SHORTEST, NEVER = 0.1, 1e9  # seconds of compilation above which a program is kept
ZSTD = b"\x28\xb5\x2f\xfd"  # first bytes of its frames
CHECKED = ".checked"  # its time of change marks which programs have been read completely


def enable(directory: Path | None = None) -> Path | None:
    """Turn on JAX's persistent compilation cache; return its folder, or None without one.

    The default `directory` is ttfs-jax/xla/<jax version>-<machine>-<processor> in the cache folder;
    a folder set by JAX_COMPILATION_CACHE_DIR wins. Truncated programs are removed. A folder that
    cannot be written or has no space is not an error: it is only read, if it exists, with a
    warning.
    """
    setting = os.environ.get("JAX_COMPILATION_CACHE_DIR", "")
    shortest = SHORTEST
    try:
        if setting:
            directory = Path(setting)
        elif directory is None:
            kind = f"{jax.__version__}-{platform.machine()}-{processor()}"
            directory = cache_folder("xla") / kind
        if "://" not in setting:  # a bucket is JAX's own affair
            _prepare(directory)
    except (OSError, InputError) as error:
        LOG.warning("compiled programs are not kept: %s", error)
        if directory is None or not os.path.isdir(directory):
            directory = None
        shortest = NEVER
    place = None if directory is None else setting or str(directory)
    jax.config.update("jax_compilation_cache_dir", place)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", shortest)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    return directory


def _prepare(directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    check_space(directory, SPACE)
    _remove_damaged(directory)


def _remove_damaged(directory: Path) -> None:
    """Remove incomplete programs written since the last call.

    JAX would warn of such a program every time, and never replace it.
    """
    stamp = directory / CHECKED
    since = stamp.stat().st_mtime if stamp.exists() else 0.0
    now = time.time() - 1.0  # clocks of disks are coarse
    stamp.touch()
    for program in directory.glob("*-cache"):
        try:
            if program.stat().st_mtime >= since and not _is_whole(program.read_bytes()):
                program.unlink()
        except FileNotFoundError:
            continue  # another process was faster
    os.utime(stamp, (now, now))


def _is_whole(program: bytes) -> bool:
    """Tell whether a program compressed by zlib can be read to its end; zstd is not checked."""
    if program[:4] == ZSTD:
        return True
    stream = zlib.decompressobj()
    try:
        stream.decompress(program)
    except zlib.error:
        return False
    return stream.eof
