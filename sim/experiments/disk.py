"""Files that are there whole or not at all, and a folder that one run writes at a time."""

from __future__ import annotations

import errno
import hashlib
import itertools
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sim.errors import StoreError

TEMPORARY = ".tmp"
LOCK = "run.lock"
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EMFILE, errno.ENFILE})
NO_LOCKS = frozenset({errno.ENOTSUP, errno.ENOLCK, errno.ENOSYS, errno.EINVAL, errno.EBADF})
"""What file systems without locks answer."""

_numbers = itertools.count()


class NoRoomError(StoreError):
    """The disk has no room for a result; what was written before is kept."""

    exit_code = 5


class Files:
    """Every call by which a result changes the disk: the one layer in which a fault can be put before any of them."""

    def fill(self, path: Path, write: Callable[[Path], None]) -> None:
        """Let a file be written.

        Parameters
        ----------
        path : Path
            The file.
        write : callable
            Writes it.
        """
        write(path)

    def flush(self, path: Path) -> None:
        """Bring a file, or the names in a folder, to the disk.

        Parameters
        ----------
        path : Path
            File or folder.
        """
        if path.is_dir() and os.name == "nt":  # Windows has no folders to flush; there a rename is durable
            return
        descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def rename(self, path: Path, target: Path) -> None:
        """Give a file another name, in the place of what had it.

        Parameters
        ----------
        path, target : Path
            Old and new name, in one folder.
        """
        path.replace(target)

    def remove(self, path: Path) -> None:
        """Remove a file, if it is there.

        Parameters
        ----------
        path : Path
            The file.
        """
        path.unlink(missing_ok=True)

    def make(self, folder: Path) -> None:
        """Make a folder and those above it, if they are not there.

        Parameters
        ----------
        folder : Path
            The folder.
        """
        folder.mkdir(parents=True, exist_ok=True)

    def append(self, path: Path, text: str) -> None:
        """Add text to the end of a file.

        Parameters
        ----------
        path : Path
            Made where there is none.
        text : str
            Whole lines.
        """
        with path.open("a", encoding="utf-8") as stream:
            stream.write(text)


class _Current:
    """Which layer is in use."""

    files = Files()


current = _Current()
"""Its `files` are replaced by tests only."""


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
    # two writers of one file write the same bytes, but not into the same temporary file
    temporary = path.with_name(f"{path.name}.{os.getpid()}-{next(_numbers)}{TEMPORARY}")
    files = current.files
    try:
        files.fill(temporary, write)
        files.flush(temporary)
        files.rename(temporary, path)
        files.flush(path.parent)
    except OSError as error:
        # a failed flush is never tried again: the system may have dropped the bytes and would then report success
        with suppress(OSError):  # the folder is gone or read-only; the first error says more
            files.remove(temporary)
        raise refused(path, error) from error


def commit_bytes(path: Path, data: bytes) -> None:
    """Write bytes as `commit` does.

    Parameters
    ----------
    path : Path
        The file.
    data : bytes
        Its content.

    Raises
    ------
    StoreError
        Naming the file, if the system refuses.
    """

    def write(place: Path) -> None:
        place.write_bytes(data)

    commit(path, write)


def append(path: Path, text: str) -> None:
    """Add text to a file.

    Parameters
    ----------
    path : Path
        Made where there is none.
    text : str
        Whole lines.

    Raises
    ------
    StoreError
        Naming the file, if the system refuses.
    """
    try:
        current.files.append(path, text)
    except OSError as error:
        raise refused(path, error) from error


def remove(path: Path) -> None:
    """Remove a file, if it is there.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    StoreError
        Naming the file, if the system refuses.
    """
    try:
        current.files.remove(path)
    except OSError as error:
        raise refused(path, error) from error


def make_folder(folder: Path) -> None:
    """Make a folder, if it is not there; never through a link.

    Parameters
    ----------
    folder : Path
        A folder inside a result.

    Raises
    ------
    StoreError
        If there is a link of that name, or the system refuses.
    """
    if folder.is_symlink():
        raise StoreError(f"{folder}: is a link; nothing is written through it")
    if folder.is_dir():
        return
    try:
        current.files.make(folder)
        current.files.flush(folder.parent)
    except OSError as error:
        raise refused(folder, error) from error


def identity(folder: Path, below: Path) -> tuple[int, ...]:
    """Return what tells two folders from others that may be put in their place later.

    Parameters
    ----------
    folder, below : Path
        A folder, which may be reached through a link, and one in it, which may not.

    Returns
    -------
    tuple of int
        Their numbers in the file system; a 0 where one is missing.
    """
    try:
        whole, part = folder.stat(), below.lstat()
    except OSError:
        return (0,)
    return (whole.st_dev, whole.st_ino, part.st_dev, part.st_ino)


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


def tidy(folder: Path) -> None:
    """Remove what an interrupted `commit` left behind.

    Parameters
    ----------
    folder : Path
        Not its subfolders.

    Raises
    ------
    StoreError
        If the system refuses.
    """
    for path in sorted(folder.glob(f"*{TEMPORARY}")):
        if path.is_file() or path.is_symlink():
            remove(path)


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
        current.files.make(folder)
        descriptor = _locked(folder)
    except OSError as error:
        raise refused(folder, error) from error
    note = folder / LOCK
    try:
        commit_bytes(note, json.dumps({"pid": os.getpid(), "boot": _boot()}).encode())
        yield
    finally:
        if _holder(note) == (os.getpid(), _boot()):
            note.unlink(missing_ok=True)
        if descriptor is not None:
            os.close(descriptor)


def _locked(folder: Path) -> int | None:
    """Take the system's lock on a folder; None where there is no such lock and the note in it has to do."""
    try:
        import fcntl
    except ImportError:
        _refuse_noted(folder)
        return None
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        pid, _ = _holder(folder / LOCK)
        by = f"another run (process {pid})" if pid else "another run"
        raise StoreError(f"{folder}: in use by {by}; wait for it or choose another folder") from error
    except OSError as error:
        os.close(descriptor)
        if error.errno not in NO_LOCKS:
            raise
        _refuse_noted(folder)
        return None
    return descriptor


def _refuse_noted(folder: Path) -> None:
    """Refuse a folder whose note names a run that may live; that of a dead process of this machine does not count."""
    pid, boot = _holder(folder / LOCK)
    if not pid or (boot == _boot() and not _alive(pid)):
        return
    elsewhere = " of another machine, or before a restart of this one"
    where = f"process {pid}{'' if boot == _boot() else elsewhere}"
    raise StoreError(f"{folder}: in use by another run ({where}); if there is none, remove {LOCK}")


def _holder(note: Path) -> tuple[int, str]:
    """Process and boot that a note names; (0, "") where there is none that can be read."""
    try:
        said = json.loads(note.read_bytes())
        return int(said["pid"]), str(said["boot"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return 0, ""


def _alive(pid: int) -> bool:
    """Whether a process of this machine lives."""
    if os.name == "nt":  # there the question would be a signal
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _boot() -> str:
    """What tells this start of this machine from any other, and says nothing else about it."""
    try:
        name = Path("/proc/sys/kernel/random/boot_id").read_bytes()
    except OSError:
        return ""
    return hashlib.sha256(name).hexdigest()[:16]
