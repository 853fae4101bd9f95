"""One answer however the work is cut: workers x block width x executor x killed or not.

``python -m tests.campaign_runs.grid [--scenarios NAME ...] [--draws N]`` plays every cell of the grid as processes of
the command line, those to be killed with signal 9 at a random time and resumed, and compares ``answer_sha256``. 72 runs
for three scenarios; about 15 minutes on two idle cores.
"""

from __future__ import annotations

import argparse
import itertools
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.campaign_runs.kill import ENV, ROOT, answer, command

SCENARIOS = ("eu48_sovereign", "eu48_single_failures", "ring_of_ten")
WORKERS, BLOCKS = (1, 2), (2, 8, 64)


def played(folder: Path, scenario: str, draws: int, how: list[str], killed: float | None) -> str | None:
    """Return the answer of one run, killed after some seconds and resumed where asked for."""
    args = command("run", scenario, "--draws", str(draws), "--seed", "7", "--quiet", "--out", str(folder), *how)
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(args, cwd=ROOT, env=ENV, **quiet) as child:  # type: ignore[call-overload]
        if killed is not None:
            time.sleep(killed)
            child.send_signal(signal.SIGKILL)
        child.wait()
    if killed is not None:
        again = command("resume", str(folder), "--quiet", *how) if (folder / "inputs.json").is_file() else args
        subprocess.run(again, cwd=ROOT, env=ENV, check=False, **quiet)  # type: ignore[call-overload]
    return answer(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenarios", nargs="+", default=list(SCENARIOS))
    parser.add_argument("--draws", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    luck, bad = random.Random(asked.seed), 0
    for scenario in asked.scenarios:
        found: dict[str | None, int] = {}
        grid = itertools.product(("threads", "dask"), WORKERS, BLOCKS, (False, True))
        for executor, workers, block, killed in grid:
            how = ["--block", str(block)]
            how += ["--workers", str(workers)] if executor == "threads" else ["--cluster", f"local:{workers}"]
            with tempfile.TemporaryDirectory() as place:
                after = luck.uniform(1.0, 4.0) if killed else None
                said = played(Path(place) / "r", scenario, asked.draws, how, after)
            found[said] = found.get(said, 0) + 1
            print(
                f"{scenario:24s} {executor:8s} {workers} x {block:2d} {'killed' if killed else '':7s} {said}",
                flush=True,
            )
        bad += len(found) != 1 or None in found
        print(f"{scenario}: {sum(found.values())} runs, {len(found)} answer(s)")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
