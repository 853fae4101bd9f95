"""The one decorator that compiles kernels, and where their machine code is kept."""

from __future__ import annotations

import hashlib
import platform
import warnings
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
from numba.core import caching, config

F = TypeVar("F", bound=Callable[..., Any])

ANEW = "machine code of kernels is not kept, so that every process compiles them anew"

_CACHING: Any = caching  # numba annotates little of it
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
        kernels are compiled anew in each process, which a warning says.
    """
    root = Path(platformdirs.user_cache_dir("contagion-sim", appauthor=False))
    if not root.is_absolute():  # a user without a home folder: do not litter the working folder
        _notice(f"{ANEW}: there is no home folder; XDG_CACHE_HOME names another place")
        return None
    try:
        folder = root / f"kernels-{_digest(Path(__file__).parent)}"
        folder.mkdir(parents=True, exist_ok=True)
        TemporaryFile(dir=folder).close()
    except OSError as error:
        _notice(f"{ANEW}: {error.strerror or error} in the cache folder; XDG_CACHE_HOME names another place")
        return None
    return str(folder)


def _notice(text: str) -> None:
    warnings.warn(text, RuntimeWarning, stacklevel=2)


class _Files(_CACHING.IndexDataCacheFile):  # type: ignore[misc]
    """Machine code, one file a signature: named by what it depends on and by the digest of what it holds.

    Numba's own index maps signatures to numbered files. Processes that compile at the same time can tear it apart, and
    nothing tells a file whose bits have changed from a good one: it is run. Here a file is good or it is not there.
    """

    def _named(self, key: Any) -> str:
        said = repr((self._version, self._source_stamp, key))
        return f"{self._index_name.removesuffix('.nbi')}.{hashlib.sha256(said.encode()).hexdigest()[:24]}"

    def save(self, key: Any, data: Any) -> None:
        """Keep machine code; several processes may do so at once.

        Parameters
        ----------
        key : tuple
            Signature, processor and code.
        data : tuple
            What numba makes of it.
        """
        packed = self._dump(data)
        name = f"{self._named(key)}.{hashlib.sha256(packed).hexdigest()[:32]}.nbc"
        with self._open_for_write(self._data_path(name)) as stream:
            stream.write(packed)

    def load(self, key: Any) -> Any:
        """Return machine code that is kept; damaged files are removed, and compiled again.

        Parameters
        ----------
        key : tuple
            Signature, processor and code.

        Returns
        -------
        tuple or None
            None where there is none that is intact.
        """
        for path in sorted(Path(self._cache_path).glob(f"{self._named(key)}.*.nbc")):
            try:
                if hashlib.sha256(path.read_bytes()).hexdigest()[:32] == path.name.split(".")[-2]:
                    return self._load_data(path.name)
                path.unlink(missing_ok=True)
            except OSError:  # another process has removed it
                continue
            _notice(f"kept machine code of a kernel was damaged and is compiled again ({path.name})")
        return None


class _Kept(_CACHING.FunctionCache):  # type: ignore[misc]
    """The cache of one kernel: whatever is wrong with it costs time and nothing else."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        # not the time and size of the source, which an upgrade may keep: what it says
        source = hashlib.sha256(Path(function.__code__.co_filename).read_bytes()).hexdigest()
        self._cache_file = _Files(self._cache_path, self._impl.filename_base, source)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return what is kept for a signature.

        Parameters
        ----------
        sig : tuple
            Types of the arguments.
        target_context : numba context
            For which machine.

        Returns
        -------
        object or None
            None where it must be compiled.
        """
        try:
            return super().load_overload(sig, target_context)
        except Exception as error:  # noqa: BLE001 - numba may stumble over an unfit file in any way
            _notice(f"kept machine code of {self._py_func.__name__} cannot be used and is compiled again: {error!r}")
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep what was compiled, if there is room for it.

        Parameters
        ----------
        sig : tuple
            Types of the arguments.
        data : object
            What was compiled.
        """
        try:
            super().save_overload(sig, data)
        except OSError as error:
            self.disable()
            _notice(f"{ANEW}: {error.strerror or error} in the cache folder")


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


def brief(function: F) -> F:
    """Compile a `kernel` that ends within microseconds and keeps the interpreter lock while it runs.

    To give the lock back and take it again costs a thread more than that where another thread wants it too.

    Parameters
    ----------
    function : callable
        Module-level function; compiled at its first call and then kept on disk.

    Returns
    -------
    callable
        The compiled function, with the same signature.
    """
    return _compiled(function, inlined=False, lock=True)


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


def _compiled(function: F, inlined: bool, lock: bool = False) -> F:
    """Compile with the cache in its place."""
    if _SETTINGS.DISABLE_JIT:
        return function
    folder = cache_folder()
    before = _SETTINGS.CACHE_DIR
    try:
        # Numba fixes the place of a function's cache when it decorates it; other users of numba keep their own.
        _SETTINGS.CACHE_DIR = folder or before
        decorate = numba.njit(cache=folder is not None, nogil=not lock, error_model="numpy", forceinline=inlined)
        compiled: Any = decorate(function)
        if folder is not None:
            compiled._cache = _Kept(function)  # noqa: SLF001 - numba takes no cache of others
    finally:
        _SETTINGS.CACHE_DIR = before
    return cast(F, compiled)
