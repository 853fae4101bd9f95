"""Files that are there whole or not at all, and a folder that one run writes at a time."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sim.errors import StoreError

TEMPORARY = ".tmp"
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class NoRoomError(StoreError):
    """The disk has no room for a result; what was written before is kept."""

    exit_code = 5


def commit(path: Path, write: Callable[[Path], None]) -> None:
    """Write a file so that a crash at any moment leaves the old file or the new one.

    Parameters
    ----------
    path : Path
        The file.
    write : callable
        Writes the content to the path it is given, in the same folder.

    Raises
    ------
    StoreError
        Naming the file, if the system refuses; the old file is untouched.
    """
    temporary = path.with_name(path.name + TEMPORARY)
    try:
        write(temporary)
        _flush(temporary)
        temporary.replace(path)
        _flush(path.parent)
    except OSError as error:
        # a failed flush is never tried again: the system may have dropped the bytes and would then report success
        temporary.unlink(missing_ok=True)
        raise refused(path, error) from error


def refused(path: Path, error: OSError) -> StoreError:
    """Return what to tell when the system refuses to write.

    Parameters
    ----------
    path : Path
        The file concerned.
    error : OSError
        What the system said.

    Returns
    -------
    StoreError
        A `NoRoomError` when the disk is full.
    """
    kind = NoRoomError if error.errno in NO_ROOM else StoreError
    return kind(f"{path}: cannot write: {error.strerror or error}")


def _flush(path: Path) -> None:
    """Bring a file, or the names in a folder, to the disk."""
    if path.is_dir() and os.name == "nt":  # Windows has no folders to flush; there a rename is durable
        return
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def tidy(folder: Path) -> None:
    """Remove what an interrupted `commit` left behind.

    Parameters
    ----------
    folder : Path
        Not its subfolders.
    """
    for path in sorted(folder.glob(f"*{TEMPORARY}")):
        if path.is_file():
            path.unlink(missing_ok=True)


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Hold a folder for writing; the system lets go of it when the process ends, however it ends.

    Parameters
    ----------
    folder : Path
        Made where there is none.

    Yields
    ------
    None
        While no other run can hold it.

    Raises
    ------
    StoreError
        If another run writes there, or it cannot be a folder.
    """
    if folder.exists() and not folder.is_dir():
        raise StoreError(f"{folder}: is not a folder; choose another place")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise refused(folder, error) from error
    try:
        import fcntl
    except ImportError:  # no such locks on this system
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StoreError(f"{folder}: in use by another run; wait for it or choose another folder") from error
        except OSError as error:
            if error.errno not in {errno.ENOTSUP, errno.ENOLCK, errno.ENOSYS, errno.EINVAL, errno.EBADF}:
                raise
            # a file system without locks: the run goes on without one
        yield
    finally:
        os.close(descriptor)
