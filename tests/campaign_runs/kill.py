"""The main process killed at random times: every resume ends in the same answer, and nothing is left behind.

``python -m tests.campaign_runs.kill --times 200 --seed 1 [--cluster local:2] [--draws N]`` starts a run of seconds,
kills it with signal 9 at a random time, counts the processes left after 2 seconds, goes on with ``sim resume``,
compares the answer and counts the draws that were finished before the kill and had to be played again. On two idle
cores about 8 s a time: 30 minutes for 200; with a cluster about 20 s a time. With ``--forked`` runs are forks of one
process that has everything loaded, so that every kill falls into the run itself: about 4 s a time.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from sim.errors import StoreError
from sim.experiments.monte_carlo import Progress, resume, run
from sim.experiments.repro import verify
from sim.scenario.load import load

ROOT = Path(__file__).resolve().parents[2]
ENV = os.environ | {"PYTHONPATH": str(ROOT)}
COUNTED = """
import os, sys
from sim.cli import progress
from sim.cli.app import main

place = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)


class Counted:
    def __call__(self, at):
        os.pwrite(place, b"%12d" % at.done, 0)


progress.Lines = Counted
sys.exit(main(sys.argv[2:]))
"""
"""The command line, with the number of finished draws in a file after every block."""


def command(*args: str) -> list[str]:
    return [sys.executable, "-m", "sim", *args]


def marked(mark: str) -> list[int]:
    """Return the processes whose environment carries a mark: those of one run, whoever is their parent now."""
    found = []
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            try:
                said, state = (
                    (place / "environ").read_bytes(),
                    (place / "stat").read_text().rsplit(")", 1)[1].split()[0],
                )
            except OSError:
                continue
            if mark.encode() in said and state != "Z":
                found.append(int(place.name))
    return found


def answer(folder: Path) -> str | None:
    """Return the answer of a complete result."""
    try:
        found: str | None = json.loads((folder / "manifest.json").read_text())["answer_sha256"]
    except (OSError, ValueError):
        return None
    return found


def finished(counted: Path) -> int:
    """Return how many draws a run had finished when it was killed."""
    return int(counted.read_text()) if counted.is_file() and counted.stat().st_size else 0


def cached(said: str, default: int) -> int:
    """Return how many draws a resumed run found in its folder, from the first line of its progress."""
    lines = [json.loads(line) for line in said.splitlines() if line.startswith('{"event": "progress"')]
    return int(lines[0]["cached"]) if lines else default


def once(
    place: Path, expected: str, *, draws: int, after: float, cluster: str = "", wait: bool = False
) -> dict[str, Any]:
    """Start a run, kill it after some seconds, or after its first draws, go on; return what was seen."""
    folder, mark = place / "r", f"SIM_RUN_MARK={random.random()}"
    shutil.rmtree(folder, ignore_errors=True)
    name, value = mark.split("=")
    more = ["--cluster", cluster] if cluster else []
    args = ("run", "eu48_sovereign", "--draws", str(draws), "--seed", "7", "--quiet", "--out", str(folder), *more)
    counted = place / "counted"
    counted.unlink(missing_ok=True)
    counting = [sys.executable, "-c", COUNTED, str(counted), *args, "--progress", "lines"]
    with subprocess.Popen(
        counting, cwd=ROOT, env=ENV | {name: value}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as child:
        time.sleep(after)
        while wait and not list(folder.glob("pieces/worker-*.txt")) and child.poll() is None:
            time.sleep(0.05)
        done = child.poll() is not None
        child.send_signal(signal.SIGKILL)
        child.wait()
    killed = time.monotonic()
    while (left := marked(mark)) and time.monotonic() < killed + 2.0:
        time.sleep(0.1)
    gone = time.monotonic() - killed
    kept = len(list(folder.glob("parts/draws-*.parquet")))
    if (folder / "scenario.yaml").is_file() and (folder / "inputs.json").is_file():
        again = command("resume", str(folder), "--quiet", "--progress", "json", *more)
    else:
        again = command(*args, "--progress", "json")
    ended = subprocess.run(again, cwd=ROOT, env=ENV, capture_output=True, text=True, check=False)
    good = ended.returncode == 0 and answer(folder) == expected and not left and not list(folder.rglob("*.tmp"))
    said = "" if good else ended.stderr.strip()
    try:
        verify(folder)
    except StoreError as error:
        good, said = False, f"{said} {error}".strip()
    return {
        "good": good,
        "done": done,
        "kept": kept,
        "left": left,
        "gone": round(gone, 1),
        "again": finished(counted) - cached(ended.stderr, finished(counted) * done),
        "said": said,
    }


def campaign(times: int, seed: int, *, draws: int, cluster: str = "") -> list[dict[str, Any]]:
    """Kill a run many times."""
    luck = random.Random(seed)
    found = []
    with tempfile.TemporaryDirectory() as place:
        first = Path(place) / "whole"
        began = time.monotonic()
        subprocess.run(
            command("run", "eu48_sovereign", "--draws", str(draws), "--seed", "7", "--quiet", "--out", str(first)),
            cwd=ROOT,
            env=ENV,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        whole, expected = time.monotonic() - began, answer(first) or ""
        for k in range(times):
            after = luck.uniform(0.2, whole)
            found.append(once(Path(place), expected, draws=draws, after=after, cluster=cluster))
            told = {key: value for key, value in found[-1].items() if value or key == "good"}
            print(f"{k + 1:>4}: killed after {after:5.2f} s: {told}", flush=True)
    return found


def fork(work: Callable[[], object]) -> int:
    """Start work in a copy of this process, in a process group of its own; return its number."""
    number = os.fork()
    if number:
        return number
    code = 1
    try:
        os.setpgid(0, 0)
        work()
        code = 0
    finally:
        os._exit(code)


def grouped(group: int) -> list[int]:
    """Return the processes of a group that are alive."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            state, _, its_group = (place / "stat").read_text().rsplit(")", 1)[1].split()[:3]
            if int(its_group) == group and state != "Z":
                found.append(int(place.name))
    return found


def forked(times: int, seed: int, *, draws: int) -> list[dict[str, Any]]:
    """Kill a run many times, each a copy of this process, which has everything loaded and no threads."""
    import_module("duckdb")
    scenario, luck, found = load("eu48_sovereign"), random.Random(seed), []
    expected = run(scenario, draws=draws, seed=7, workers=1).answer_sha256
    with tempfile.TemporaryDirectory() as place:
        folder, counted, there = Path(place) / "r", Path(place) / "counted", Path(place) / "there"

        def first() -> None:
            run(
                scenario, draws=draws, seed=7, out=folder, progress=lambda at: counted.write_text(str(at.done)) and None
            )

        def second() -> None:
            def told(at: Progress) -> None:
                if not there.exists():
                    there.write_text(str(at.cached))

            if (folder / "inputs.json").is_file():
                resume(folder, progress=told)
            else:
                run(scenario, draws=draws, seed=7, out=folder, progress=told)
            verify(folder)

        began = time.monotonic()
        os.waitpid(fork(first), 0)
        whole = time.monotonic() - began
        for k in range(times):
            shutil.rmtree(folder, ignore_errors=True)
            counted.unlink(missing_ok=True)
            there.unlink(missing_ok=True)
            after = luck.uniform(0.0, whole)
            child = fork(first)
            time.sleep(after)
            os.kill(child, signal.SIGKILL)
            killed = time.monotonic()
            done = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
            while (left := grouped(child)) and time.monotonic() < killed + 2.0:
                time.sleep(0.05)
            gone, kept = time.monotonic() - killed, len(list(folder.glob("parts/draws-*.parquet")))
            good = os.waitstatus_to_exitcode(os.waitpid(fork(second), 0)[1]) == 0 and answer(folder) == expected
            good = good and not left and not list(folder.rglob("*.tmp"))
            again = finished(counted) - (int(there.read_text()) if there.exists() else 0)
            found.append({"good": good, "done": done, "kept": kept, "gone": round(gone, 2), "again": again})
            print(f"{k + 1:>4}: killed after {after:5.2f} s: {found[-1]}", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--draws", type=int, default=1200)
    parser.add_argument("--cluster", default="")
    parser.add_argument("--forked", action="store_true")
    asked = parser.parse_args()
    if asked.forked:
        found = forked(asked.times, asked.seed, draws=asked.draws)
    else:
        found = campaign(asked.times, asked.seed, draws=asked.draws, cluster=asked.cluster)
    bad = [each for each in found if not each["good"]]
    print(f"{len(found) - len(bad)} of {len(found)} gave the same answer and left nothing behind")
    print(f"{sum(each['done'] for each in found)} had ended before the kill")
    print(f"longest until no process was left: {max(each['gone'] for each in found)} s")
    print(f"most draws finished, lost and played again: {max(each['again'] for each in found)} (a part has 1000)")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
