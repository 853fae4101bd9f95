"""The main process killed at random times: every resume ends in the same answer, and nothing is left behind.

``python -m tests.campaign_runs.kill --times 200 --seed 1 [--cluster local:2] [--draws N]`` starts a run of seconds,
kills it with signal 9 at a random time, counts the processes left after 2 seconds, goes on with ``sim resume`` and
compares the answer. On two idle cores about 8 s a time: 30 minutes for 200; with a cluster about 20 s a time.
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
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
ENV = os.environ | {"PYTHONPATH": str(ROOT)}


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


def once(
    place: Path, expected: str, *, draws: int, after: float, cluster: str = "", wait: bool = False
) -> dict[str, Any]:
    """Start a run, kill it after some seconds, or after its first draws, go on; return what was seen."""
    folder, mark = place / "r", f"SIM_RUN_MARK={random.random()}"
    shutil.rmtree(folder, ignore_errors=True)
    name, value = mark.split("=")
    more = ["--cluster", cluster] if cluster else []
    args = ("run", "eu48_sovereign", "--draws", str(draws), "--seed", "7", "--quiet", "--out", str(folder), *more)
    with subprocess.Popen(
        command(*args), cwd=ROOT, env=ENV | {name: value}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as child:
        time.sleep(after)
        while wait and not list(folder.glob("pieces/worker-*.txt")) and child.poll() is None:
            time.sleep(0.05)
        done = child.poll() is not None
        child.send_signal(signal.SIGKILL)
        child.wait()
    until = time.monotonic() + 2.0
    while (left := marked(mark)) and time.monotonic() < until:
        time.sleep(0.1)
    kept = len(list(folder.glob("parts/draws-*.parquet")))
    if (folder / "scenario.yaml").is_file() and (folder / "inputs.json").is_file():
        again = command("resume", str(folder), "--quiet", *more)
    else:
        again = command(*args)
    ended = subprocess.run(again, cwd=ROOT, env=ENV, capture_output=True, text=True, check=False)
    checked = subprocess.run(
        command("verify", str(folder)), cwd=ROOT, env=ENV, capture_output=True, text=True, check=False
    )
    good = ended.returncode == 0 and checked.returncode == 0 and answer(folder) == expected and not left
    return {
        "good": good and not list(folder.rglob("*.tmp")),
        "done": done,
        "kept": kept,
        "left": left,
        "said": (ended.stderr + checked.stderr).strip(),
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--draws", type=int, default=1200)
    parser.add_argument("--cluster", default="")
    asked = parser.parse_args()
    found = campaign(asked.times, asked.seed, draws=asked.draws, cluster=asked.cluster)
    bad = [each for each in found if not each["good"]]
    print(f"{len(found) - len(bad)} of {len(found)} gave the same answer and left nothing behind")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
