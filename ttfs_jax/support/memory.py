"""How much memory this process may still use, by machine and control group, and has used."""

import os
import sys
from pathlib import Path

UNKNOWN = 2 * 2**30  # assumed where the system gives no value


def free_memory(root: Path = Path("/")) -> int:
    """Return the bytes that this process can still use, the smallest of all limits.

    MemAvailable of Linux, and what the limits of its control groups (containers, batch jobs) leave,
    version 1 or 2, parents included; page cache that can be dropped counts as free. Elsewhere free
    pages, or half of all memory. `root` is where /proc and /sys lie.
    """
    bounds = [_available(root / "proc/meminfo"), *_left_to_groups(root)]
    limits = [bound for bound in bounds if bound is not None]
    return max(min(limits), 0) if limits else _free_pages()


def peak_memory(root: Path = Path("/")) -> int:
    """Return the largest memory of this process so far, in bytes.

    VmHWM of Linux, where `root` is where /proc lies; elsewhere `getrusage`, whose peak on Linux
    would count that of the process this one was started from.
    """
    peak = _entry(root / "proc/self/status", "VmHWM:", unit=1024)
    if peak is not None:
        return peak
    import resource  # not on Windows

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _available(meminfo: Path) -> int | None:
    return _entry(meminfo, "MemAvailable:", unit=1024)


def _left_to_groups(root: Path) -> list[int | None]:
    """Return what every group that this process is in leaves, from its own to the outermost."""
    system, rooms = root / "sys/fs/cgroup", []
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, name = (*line.split(":", 2), "", "")[:3]
        if controllers == "":
            top, limit, usage = system, "memory.max", "memory.current"
        elif "memory" in controllers.split(","):
            top, limit, usage = system / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes"
        else:
            continue
        # In a container the path may be that of the host, where only the top is visible.
        group = top / name.strip("/")
        while True:
            rooms.append(_room(group, limit, usage))
            if group == top or top not in group.parents:
                break
            group = group.parent
    return rooms


def _room(group: Path, limit: str, usage: str) -> int | None:
    most, used = _read(group / limit).strip(), _read(group / usage).strip()
    if not most.isdigit() or not used.isdigit():
        return None
    idle = _entry(group / "memory.stat", "total_inactive_file ")
    if idle is None:
        idle = _entry(group / "memory.stat", "inactive_file ")
    return int(most) - max(int(used) - (idle or 0), 0)


def _entry(path: Path, name: str, *, unit: int = 1) -> int | None:
    for line in _read(path).splitlines():
        if line.startswith(name):
            return int(line[len(name) :].split()[0]) * unit
    return None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _free_pages() -> int:
    for name, share in (("SC_AVPHYS_PAGES", 1), ("SC_PHYS_PAGES", 2)):
        try:
            return os.sysconf(name) * os.sysconf("SC_PAGE_SIZE") // share
        except (AttributeError, ValueError, OSError):
            continue
    return UNKNOWN
