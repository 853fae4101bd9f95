"""A fault in every call that changes the disk, and a power loss after every one.

``python -m tests.campaign_runs.crash [--draws N]`` lets each call of a small run of several parts fail in turn, by a
crash, a full disk and an input/output error, before it and half way through, then goes on from the folder and compares
the answer; then replays what a disk may hold when the power goes after each call. About 10 minutes on two cores.
"""

from __future__ import annotations

import argparse
import errno
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sim.errors import StoreError
from sim.experiments import disk
from sim.experiments.disk import Files, NoRoomError
from sim.experiments.monte_carlo import resume, run
from sim.experiments.opening import open_result
from sim.experiments.repro import verify


class Crash(BaseException):
    """The process is gone: nothing is cleaned up."""


class Breaking(Files):
    """Lets the n-th call that changes the disk fail, before it or half way through."""

    def __init__(self, at: int, error: Callable[[], BaseException]) -> None:
        self.at, self.n, self.error = at, 0, error

    def step(self) -> None:
        self.n += 1
        if self.n == self.at:
            raise self.error()

    def fill(self, path: Path, write: Callable[[Path], None]) -> None:
        self.step()
        super().fill(path, write)
        self.n += 1
        if self.n == self.at:  # half of the bytes have reached the file
            os.truncate(path, path.stat().st_size // 2)
            raise self.error()

    def flush(self, path: Path) -> None:
        self.step()
        super().flush(path)

    def rename(self, path: Path, target: Path) -> None:
        self.step()
        super().rename(path, target)

    def remove(self, path: Path) -> None:
        self.step()
        super().remove(path)

    def make(self, folder: Path) -> None:
        self.step()
        super().make(folder)

    def append(self, path: Path, text: str) -> None:
        self.step()
        super().append(path, text[: len(text) // 2] if self.n + 1 == self.at else text)


class Recorder(Files):
    """Writes down what a power loss would undo: everything that was not brought to the disk."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.log = folder, list[tuple[str, str, Any]]()

    def told(self, what: str, path: Path, more: Any = None) -> None:
        if path == self.folder or self.folder in path.parents:
            self.log.append((what, path.relative_to(self.folder).as_posix(), more))

    def fill(self, path: Path, write: Callable[[Path], None]) -> None:
        super().fill(path, write)
        self.told("fill", path, path.read_bytes())

    def flush(self, path: Path) -> None:
        super().flush(path)
        self.told("flush", path)

    def rename(self, path: Path, target: Path) -> None:
        super().rename(path, target)
        self.told("rename", path, target.relative_to(self.folder).as_posix())

    def remove(self, path: Path) -> None:
        super().remove(path)
        self.told("remove", path)

    def make(self, folder: Path) -> None:
        super().make(folder)
        self.told("make", folder)

    def after(self, n: int, folder: Path, *, torn: bool) -> None:
        """Build what a disk may hold when the power goes after n calls."""
        files: dict[str, tuple[bytes, bool]] = {}
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for what, name, more in self.log[:n]:
            if what == "make":
                (folder / name).mkdir(exist_ok=True, parents=True)
            elif what == "fill":
                files[name] = (more, False)
            elif what == "flush" and name in files:
                files[name] = (files[name][0], True)
            elif what == "rename":
                files[more] = files.pop(name)
            elif what == "remove":
                files.pop(name, None)
        for name, (data, safe) in files.items():
            if safe or torn:
                (folder / name).parent.mkdir(exist_ok=True, parents=True)
                (folder / name).write_bytes(data if safe else data[: len(data) // 2])


@contextmanager
def files(layer: Files) -> Iterator[None]:
    before = disk.current.files
    disk.current.files = layer
    try:
        yield
    finally:
        disk.current.files = before


def crash() -> BaseException:
    return Crash()


def full() -> BaseException:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def broken() -> BaseException:
    return OSError(errno.EIO, os.strerror(errno.EIO))


def every_call(
    folder: Path,
    scenario: Any,
    toy: Any,
    *,
    error: Callable[[], BaseException],
    draws: int,
    start: int = 1,
    every: int = 1,
) -> int:
    """Let every call fail in turn; return how many there are."""
    expected = run(scenario, draws=draws, player=toy(), record="agents").answer_sha256
    at = start
    while True:
        shutil.rmtree(folder, ignore_errors=True)
        layer = Breaking(at, error)
        with files(layer):
            try:
                run(scenario, draws=draws, player=toy(), record="agents", out=folder, block=128, workers=1)
            except Crash:
                pass
            except StoreError as told:
                named = os.strerror(getattr(error(), "errno", 0)) in str(told)
                assert (named, told.exit_code) == (True, 5 if isinstance(told, NoRoomError) else 6)  # noqa: PT017
            else:
                assert layer.n < at
                return layer.n
        if (folder / "manifest.json").exists() and json.loads((folder / "manifest.json").read_text())["complete"]:
            assert open_result(folder).answer_sha256 == expected
        if (folder / "scenario.yaml").is_file() and (folder / "inputs.json").is_file():
            made = resume(folder, player=toy())
            assert made.draws == draws
        else:
            made = run(scenario, draws=draws, player=toy(), record="agents", out=folder)
        assert made.answer_sha256 == expected, at
        assert verify(folder).manifest["answer_sha256"] == expected
        assert not list(folder.rglob("*.tmp"))
        at += every


def every_loss(place: Path, scenario: Any, toy: Any, *, draws: int, every: int = 1) -> int:
    """Let the power go after every call; return how many there are."""
    folder, after = place / "r", place / "after"
    recorder = Recorder(folder)
    with files(recorder):
        expected = run(scenario, draws=draws, player=toy(), out=folder, block=128, workers=1).answer_sha256
    for n in range(0, len(recorder.log) + 1, every):
        for torn in (False, True):
            recorder.after(n, after, torn=torn)
            assert run(scenario, draws=draws, player=toy(), out=after).answer_sha256 == expected, (n, torn)
    return len(recorder.log)


def main() -> None:
    from sim.scenario.load import load
    from tests.experiments.conftest import Toy

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=2003)
    asked = parser.parse_args()
    scenario = load("ring_of_ten").override(
        {"mode": "dynamic", "horizon.steps": 3, "metrics": ["system_loss", "defaults"], "monte_carlo.seed": 7}
    )
    with tempfile.TemporaryDirectory() as place:
        for error in (crash, full, broken):
            calls = every_call(Path(place) / "r", scenario, Toy, error=error, draws=asked.draws)
            print(f"{error.__name__}: {calls} points, the same answer after each", flush=True)
        metrics = scenario.override({"record": "metrics"})
        print(
            f"power loss: {every_loss(Path(place) / 'power', metrics, Toy, draws=asked.draws)} points, both ways",
            flush=True,
        )


if __name__ == "__main__":
    main()
