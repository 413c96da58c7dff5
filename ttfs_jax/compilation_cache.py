"""Keep compiled programs in the user's cache folder, so that the second run starts fast."""

import os
import platform
from pathlib import Path

import jax

from ttfs_jax.cache_folder import cache_folder


def enable(directory: Path | None = None) -> Path | None:
    """Turn on JAX's persistent compilation cache; return its folder, or None if unwritable.

    The default is ttfs-jax/xla/<jax version>-<machine> under XDG_CACHE_HOME or ~/.cache; a folder
    set by JAX_COMPILATION_CACHE_DIR wins.
    """
    chosen = os.environ.get("JAX_COMPILATION_CACHE_DIR")
    if directory is None:
        directory = cache_folder("xla") / f"{jax.__version__}-{platform.machine()}"
    if chosen:
        directory = Path(chosen)
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    jax.config.update("jax_compilation_cache_dir", str(directory))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    return directory
