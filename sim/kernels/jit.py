"""The one decorator that compiles kernels, and where their machine code is kept."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, TypeVar, cast

import llvmlite
import numba
import numpy as np
import platformdirs
from llvmlite import binding
from numba.core import config

F = TypeVar("F", bound=Callable[..., Any])

_SETTINGS: Any = config  # numba fills this module at run time, so a type checker sees none of its names


def _digest(folder: Path) -> str:
    """Return a digest of all that machine code depends on.

    Numba by itself notices a change in a kernel's own file, but not in another kernel that was compiled into it;
    hence every source of the folder is part of the digest.
    """
    facts = hashlib.blake2b(digest_size=12)
    for source in sorted(folder.glob("*.py")):
        facts.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
    cpu = _SETTINGS.CPU_NAME or binding.get_host_cpu_name()
    features = _SETTINGS.CPU_FEATURES or binding.get_host_cpu_features().flatten()
    versions = (numba.__version__, llvmlite.__version__, np.__version__, platform.python_version())
    facts.update("\0".join((*versions, cpu, features)).encode())
    return facts.hexdigest()


@cache
def cache_folder() -> str | None:
    """Return the folder for this machine code, made if needed.

    Returns
    -------
    str or None
        ``kernels-<digest>`` in the user's cache folder of the program; None when it cannot be written, in which case
        kernels are compiled anew in each process.
    """
    root = Path(platformdirs.user_cache_dir("contagion-sim", appauthor=False))
    if not root.is_absolute():  # a user without a home folder: do not litter the working folder
        return None
    try:
        folder = root / f"kernels-{_digest(Path(__file__).parent)}"
        folder.mkdir(parents=True, exist_ok=True)
        TemporaryFile(dir=folder).close()
    except OSError:
        return None
    return str(folder)


def kernel(function: F) -> F:
    """Compile a pure function over arrays and numbers.

    No fast-math flag of any kind, so the same operations in the same order give the same bits on every machine;
    a division by zero gives an infinity or a NaN as in NumPy; the interpreter lock is released while it runs.
    With ``NUMBA_DISABLE_JIT=1`` the function itself is returned and gives the same bits, slowly.

    Parameters
    ----------
    function : callable
        Module-level function; compiled at its first call and then kept on disk.

    Returns
    -------
    callable
        The compiled function, with the same signature.
    """
    return _compiled(function, inlined=False)


def element(function: F) -> F:
    """Compile a `kernel` of a few numbers that is always inlined, so that loops over it run in vector registers.

    Parameters
    ----------
    function : callable
        Module-level function of numbers, without a loop over data.

    Returns
    -------
    callable
        The compiled function, with the same signature.
    """
    return _compiled(function, inlined=True)


def _compiled(function: F, inlined: bool) -> F:
    """Compile with the cache in its place."""
    if _SETTINGS.DISABLE_JIT:
        return function
    folder = cache_folder()
    before = _SETTINGS.CACHE_DIR
    try:
        # Numba fixes the place of a function's cache when it decorates it; other users of numba keep their own.
        _SETTINGS.CACHE_DIR = folder or before
        decorate = numba.njit(cache=folder is not None, nogil=True, error_model="numpy", forceinline=inlined)
        compiled = decorate(function)
    finally:
        _SETTINGS.CACHE_DIR = before
    return cast(F, compiled)
