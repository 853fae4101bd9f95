"""Processes that compile the same kernels at once into an empty cache: all must give the same bits.

``python -m tests.campaign_runs.cache --times 50 --processes 8`` (about 30 minutes on two idle cores).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = """
import hashlib, sys, time
from pathlib import Path
import numpy as np
from sim.kernels import special, total
Path(sys.argv[1], f"ready-{sys.argv[2]}").touch()
while len(list(Path(sys.argv[1]).glob("ready-*"))) < int(sys.argv[3]):
    time.sleep(0.002)
x = np.linspace(-3.0, 3.0, 400)
out, sums = np.empty_like(x), np.empty(4)
seen = hashlib.sha256()
for kernel in (special.exp_of, special.normal_cdf_of):
    kernel(x, out)
    seen.update(out.tobytes())
total.total(np.ascontiguousarray(out.reshape(100, 4)), sums)
seen.update(sums.tobytes())
print(seen.hexdigest())
"""


def together(place: Path, processes: int) -> set[str]:
    """Return the answers of processes that start to compile at the same moment, and of one that comes later."""
    (place / "ready").mkdir(parents=True)
    env = os.environ | {"PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(place / "cache")}

    def command(number: int, of: int) -> list[str]:
        return [sys.executable, "-W", "error", "-c", SCRIPT, str(place / "ready"), str(number), str(of)]

    running = [
        subprocess.Popen(command(k, processes), env=env, stdout=subprocess.PIPE, text=True) for k in range(processes)
    ]
    found = {child.communicate(timeout=300)[0].strip() if child.wait(300) == 0 else "" for child in running}
    last = subprocess.run(command(processes, 1), env=env, capture_output=True, text=True, check=False)
    return found | {last.stdout.strip() if last.returncode == 0 else ""}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--processes", type=int, default=8)
    asked = parser.parse_args()
    answers: set[str] = set()
    for number in range(asked.times):
        with tempfile.TemporaryDirectory() as place:
            found = together(Path(place), asked.processes)
        answers |= found
        print(f"{number + 1:>4}: {'same bits' if len(found) == 1 and '' not in found else found}", flush=True)
    good = len(answers) == 1 and "" not in answers
    print("all gave the same bits" if good else f"{len(answers)} different answers, or a failure")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
