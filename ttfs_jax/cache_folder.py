"""Where things are kept that can be made again."""

import os
from pathlib import Path


def cache_folder(name: str) -> Path:
    """Return ttfs-jax/<name> under XDG_CACHE_HOME or ~/.cache; nothing is created."""
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return root / "ttfs-jax" / name
