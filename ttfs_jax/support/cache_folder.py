"""The folder for files that can be made again."""

import hashlib
import logging
import os
import platform
import re
import tempfile
from functools import cache
from pathlib import Path

from ttfs_jax.support.errors import InputError

LOG = logging.getLogger(__name__)


def cache_folder(name: str = "") -> Path:
    """Return the folder ttfs-jax/<name> to write to, the last of `cache_folders`.

    Raises: InputError when not even a temporary folder can be written.
    """
    return cache_folders(name)[-1]


def cache_folders(name: str = "") -> tuple[Path, ...]:
    """List the folders to look in, the one to write to last.

    The first choice is ttfs-jax/<name> under XDG_CACHE_HOME or ~/.cache, which is not created here.
    If it cannot be written (or there is no home), a folder of this user under the temporary folder
    follows, with one warning; the first one is still read.

    Raises: InputError when not even a temporary folder can be written.
    """
    home = _home()
    if home is None:
        say("no home folder is known")
        return (_temporary() / name,)
    folder = home / "ttfs-jax" / name
    if _writable(folder):
        return (folder,)
    say(f"{home / 'ttfs-jax'} cannot be written")
    return folder, _temporary() / name


@cache
def say(reason: str) -> None:
    """Report once per process where caches go instead, and the `reason`.

    It is a line on stderr unless logging is set up.
    """
    LOG.warning(
        "%s: caches go to %s; set XDG_CACHE_HOME to a folder to keep them", reason, _temporary()
    )


@cache
def processor() -> str:
    """Identify the kind of processor: hexadecimal, equal on machines that run the same programs."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    lines = re.findall(r"^(?:model name|flags|Features|CPU part)\s*:.*$", text, re.MULTILINE)
    kind = [platform.machine(), platform.processor(), *sorted(set(lines))]
    return hashlib.sha256("\n".join(kind).encode()).hexdigest()[:8]


def _home() -> Path | None:
    setting = os.environ.get("XDG_CACHE_HOME")
    if setting:
        return Path(setting)
    try:
        return Path.home() / ".cache"
    except RuntimeError:  # neither HOME nor an entry in the list of users
        return None


def _writable(folder: Path) -> bool:
    """Tell whether a folder can be written or, if it is missing, be made."""
    place = next((p for p in (folder, *folder.parents) if os.path.lexists(p)), Path())
    return os.path.isdir(place) and os.access(place, os.W_OK | os.X_OK)


@cache
def _temporary() -> Path:
    user = os.getuid() if hasattr(os, "getuid") else None
    try:
        folder = Path(tempfile.gettempdir()) / ("ttfs-jax" if user is None else f"ttfs-jax-{user}")
        folder.mkdir(mode=0o700, exist_ok=True)
        # Anybody may write to a temporary folder: one of that name may be another user's.
        if user is not None and (folder.is_symlink() or folder.stat().st_uid != user):
            raise FileExistsError
        if _writable(folder):
            return folder
        raise PermissionError
    except OSError:
        pass
    try:
        return Path(tempfile.mkdtemp(prefix="ttfs-jax-"))
    except OSError as error:
        raise InputError(
            f"neither a cache nor a temporary folder can be written ({error.strerror}): set "
            "XDG_CACHE_HOME to a folder with space"
        ) from error
