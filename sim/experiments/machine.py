"""What this process has and may have of the machine's memory."""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path

UNKNOWN = 2.0**62
"""Where the system does not say, nothing is refused."""

GROUPS = Path("/sys/fs/cgroup")
MEMORY = Path("/proc/meminfo")
OWN_GROUP = Path("/proc/self/cgroup")
OWN_PAGES = Path("/proc/self/statm")


TRIM_THRESHOLD, MMAP_THRESHOLD, ARENA_MAX = -1, -3, -8
"""Numbers of the settings in glibc's malloc.h."""
KEPT, MAPPED = 256 * 2**20, 32 * 2**20
"""Bytes: what is kept when freed, and from what size on an array has pages of its own (glibc allows no more)."""


def resident() -> float:
    """Return how much memory this process holds.

    Returns
    -------
    float
        Bytes; 0 where the system does not say.
    """
    pages = _words(OWN_PAGES)
    if len(pages) > 1:
        import resource

        return float(pages[1]) * resource.getpagesize()
    with suppress(ImportError):
        import resource

        return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) * (1.0 if sys.platform == "darwin" else 1024.0)
    return 0.0


def available_memory() -> float:
    """Return how much more memory this process may take: what the machine has left, its group's limit, its own.

    Returns
    -------
    float
        Bytes.
    """
    found = [_machine(), *_groups(), _own()]
    return max(0.0, min(found))


@cache
def keep_memory() -> bool:
    """Ask the C library to keep what blocks free for the next block, where it can be asked.

    A column of 126 agents and 128 draws has 129 kB. By default glibc maps and unmaps every array of that size, so each
    one costs page faults, and threads wait for each other while the kernel does it: 128 draws together took longer a
    draw than 64.

    Returns
    -------
    bool
        Whether it was asked and agreed; elsewhere nothing changes.
    """
    with suppress(OSError, AttributeError, ValueError, TypeError):
        library = ctypes.CDLL(None)
        library.gnu_get_libc_version  # noqa: B018 - another library may give the numbers another meaning
        settings = ((ARENA_MAX, 1), (TRIM_THRESHOLD, KEPT), (MMAP_THRESHOLD, MAPPED))
        return all(library.mallopt(setting, value) for setting, value in settings)
    return False


def _machine() -> float:
    with suppress(OSError):
        for line in MEMORY.read_text().splitlines():
            name, _, rest = line.partition(":")
            if name == "MemAvailable":
                return float(rest.split()[0]) * 1024.0
    return UNKNOWN


def _groups() -> list[float]:
    """Room below the limits of the control groups this process is in, and of those above them."""
    places = [
        (GROUPS, "memory.max", "memory.current"),
        (GROUPS / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
    ]
    with suppress(OSError):
        for line in OWN_GROUP.read_text().splitlines():
            _, names, way = line.split(":", 2)
            if not names:
                base, limit, usage = GROUPS, "memory.max", "memory.current"
            elif "memory" in names.split(","):
                base, limit, usage = GROUPS / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes"
            else:
                continue
            here = base / way.strip("/")
            while here != base and base in here.parents:
                places.append((here, limit, usage))
                here = here.parent
    return [_room(*place) for place in places]


def _room(group: Path, limit: str, usage: str) -> float:
    most, used = _words(group / limit), _words(group / usage)
    if not most or not used or not most[0].isdigit():
        return UNKNOWN
    cached = 0.0  # pages of files are given back when memory is short
    with suppress(OSError):
        for line in (group / "memory.stat").read_text().splitlines():
            name, _, value = line.partition(" ")
            if name in {"inactive_file", "total_inactive_file"}:
                cached = float(value)
    return float(most[0]) - float(used[0]) + cached


def _own() -> float:
    """Room below the limit of this process's address space."""
    try:
        import resource
    except ImportError:
        return UNKNOWN
    most, _ = resource.getrlimit(resource.RLIMIT_AS)
    pages = _words(OWN_PAGES)
    if most == resource.RLIM_INFINITY or not pages:
        return UNKNOWN
    return float(most) - float(pages[0]) * resource.getpagesize()


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except OSError:
        return []
