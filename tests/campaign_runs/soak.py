"""Runs one after the other in one process for an hour: memory, descriptors, threads and temporary files do not grow.

``python -m tests.campaign_runs.soak [--minutes M] [--rounds N]``: a round stops a run of a shipped scenario half way,
goes on with it, summarises, asks in SQL, exports, verifies and plays a draw again, and compares the answer with that
of the first round. What the process holds after each round is compared with what it held when it was warm.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import NoReturn

from sim.experiments.export import export
from sim.experiments.machine import resident
from sim.experiments.monte_carlo import Progress, resume, run
from sim.experiments.opening import open_result
from sim.experiments.repro import repro, verify

WARM = 5
"""Rounds after which everything is loaded, compiled and allocated once."""

ROOM = 20e6
"""Bytes the memory may move by: allocators keep pages."""


@dataclass(frozen=True)
class Held:
    """What a process holds on to."""

    memory: float
    descriptors: int
    threads: int
    files: int

    @classmethod
    def now(cls, place: Path) -> Held:
        """Return what this process holds, and how many files lie in a folder."""
        files = sum(1 for _ in place.rglob("*"))
        return cls(resident(), sum(1 for _ in Path("/proc/self/fd").iterdir()), threading.active_count(), files)

    def grown(self, since: Held) -> list[str]:
        """Return what there is more of than before."""
        names = ("bytes of memory", "descriptors", "threads", "temporary files")
        found = zip(names, astuple(self), astuple(since), (ROOM, 0, 0, 0), strict=True)
        return [f"{after - before:,.0f} more {name}" for name, after, before, room in found if after - before > room]


def stop(at: Progress) -> None:
    """Stop a run half way."""
    if 2 * at.done >= at.draws:
        raise KeyboardInterrupt


def play(folder: Path, scenario: str, draws: int) -> str:
    """Play one round; return the answer."""
    with suppress(KeyboardInterrupt):
        run(scenario, draws=draws, seed=7, out=folder, progress=stop, block=32)
    made = resume(folder, block=32)
    made.summary()
    made.sql("select count(*) as n from draws")
    export(folder, "parquet", folder.with_suffix(".parquet"))
    verify(folder)
    if repro(folder, draws // 2).differences:
        raise SystemExit(f"draw {draws // 2}: other numbers the second time")
    return open_result(folder).answer_sha256


def soak(scenario: str, draws: int, *, minutes: float = 0.0, rounds: int = 0) -> list[tuple[str, Held]]:
    """Play rounds for some minutes, or so many; return the answer of each and what was held after it."""
    found, until = list[tuple[str, Held]](), time.monotonic() + 60.0 * minutes
    with tempfile.TemporaryDirectory() as place:
        before, tempfile.tempdir = tempfile.tempdir, place
        try:
            while len(found) < rounds or time.monotonic() < until:
                with tempfile.TemporaryDirectory() as inside:
                    said = play(Path(inside) / "r", scenario, draws)
                found.append((said, Held.now(Path(place))))
        finally:
            tempfile.tempdir = before
    return found


def main() -> NoReturn:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--rounds", type=int, default=2 * WARM, help="at least so many")
    parser.add_argument("--scenario", default="eu48_sovereign")
    parser.add_argument("--draws", type=int, default=1500)
    asked = parser.parse_args()
    found = soak(asked.scenario, asked.draws, minutes=asked.minutes, rounds=asked.rounds)
    warm, last = found[min(WARM, len(found) - 1)][1], found[-1][1]
    bad = last.grown(warm) + ([] if len({said for said, _ in found}) == 1 else ["more than one answer"])
    print(f"{len(found)} rounds of {asked.draws:,} draws, one answer: {found[0][0]}")
    print(f"when warm: {warm}\nin the end: {last}")
    print("; ".join(bad) or "nothing grew")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
