"""What a run will cost: refused before it starts, near what is measured, and the width of blocks found by timing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sim.experiments import machine, plan
from sim.experiments.blocks import How, blocks
from sim.experiments.monte_carlo import run
from sim.experiments.plan import TooLargeError
from sim.experiments.width import Width

ROOT = Path(__file__).resolve().parents[2]


def test_a_small_run_is_planned() -> None:
    found = plan.plan("ring_of_ten", draws=500, workers=1)
    assert not found.refusals
    assert found.memory < 2e9
    assert 0.0 < found.seconds < 300.0
    assert 1_000 < found.disk < 1e6
    assert sum(found.parts.values()) == found.memory


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"draws": 10**9}, "a result folder"),
        ({"draws": 10**9, "record": "agents"}, "a result folder"),
        ({"draws": 10, "block": 128, "workers": 8}, "a machine with more memory|smaller --block"),
    ],
)
def test_what_memory_cannot_hold_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], said: str
) -> None:
    left = 10e6 if options["draws"] == 10 else 8e9
    monkeypatch.setattr(plan, "available_memory", lambda: left)
    monkeypatch.setattr(plan, "resident", lambda: 200e6)
    with pytest.raises(TooLargeError, match=said) as caught:
        run("eu48_sovereign", **options)
    assert caught.value.exit_code == 5
    assert "nothing was started" in str(caught.value)
    assert "80% of what is available" in str(caught.value)


def test_final_columns_of_many_agents(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    system = SimpleNamespace(banks=tuple(map(str, range(10**6))), layers={}, assets=())
    scenario = SimpleNamespace(record="agents", horizon=SimpleNamespace(steps=1), active={})
    task: Any = SimpleNamespace(system=system, scenario=scenario, metrics=("a",), networks=1)
    monkeypatch.setattr(plan, "available_memory", lambda: 16e9)
    found = plan.estimate(task, 10_000, How(2, 2), tmp_path / "r")
    assert "record: metrics" in found.refusals[0]


def test_a_disk_without_room(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(plan.shutil, "disk_usage", lambda _: SimpleNamespace(free=10**6))
    found = plan.plan("ring_of_ten", draws=10**6, out=tmp_path / "r")
    assert "on the disk" in found.refusals[0]
    assert not (tmp_path / "r").exists()


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="peak memory is read from /proc, which is not here")
def test_the_estimate_is_near_the_peak(tmp_path: Path) -> None:
    code = (
        "import re, sys; from pathlib import Path; from sim.experiments import gather, plan;"
        "from sim.experiments.monte_carlo import run;"
        "seen = []; real = plan.check_memory;"
        "gather.check_memory = lambda *a: (seen.append(plan.estimate(*a).memory), real(*a));"
        f"run('eu48_sovereign', draws=140, seed=7, out={str(tmp_path / 'r')!r}, workers=2, block=64);"
        # not ru_maxrss, which a process inherits from the one that started it
        "peak = re.search(r'VmHWM:\\s+(\\d+) kB', Path('/proc/self/status').read_text());"
        "print(seen[0], int(peak[1]) * 1024)"
    )
    for _ in range(2):  # the first compiles the kernels, which takes more memory than any small run
        shutil.rmtree(tmp_path / "r", ignore_errors=True)
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            check=True,
            capture_output=True,
            text=True,
        )
    estimated, peak = (float(word) for word in done.stdout.split())
    assert 1.0 / 1.5 < estimated / peak < 1.5


def test_limits_of_control_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    for place, limit in ((tmp_path / "a", "3000"), (inner, "max")):
        (place / "memory.max").write_text(limit)
        (place / "memory.current").write_text("1000")
        (place / "memory.stat").write_text("anon 5\ninactive_file 200\n")
    (tmp_path / "cgroup").write_text("0::/a/b\n")
    monkeypatch.setattr(machine, "GROUPS", tmp_path)
    monkeypatch.setattr(machine, "OWN_GROUP", tmp_path / "cgroup")
    assert machine.available_memory() == 2200.0
    (tmp_path / "memory" / "x").mkdir(parents=True)
    (tmp_path / "memory" / "x" / "memory.limit_in_bytes").write_text("1500")
    (tmp_path / "memory" / "x" / "memory.usage_in_bytes").write_text("1000")
    (tmp_path / "cgroup").write_text("4:cpu,memory:/x\n7:cpu:/y\n")
    assert machine.available_memory() == 500.0


def test_a_limit_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    resource = pytest.importorskip("resource")
    monkeypatch.setattr(resource, "getrlimit", lambda _: (10**15, 10**15))
    assert machine.available_memory() < 10**15
    monkeypatch.setattr(machine, "OWN_PAGES", Path("/nowhere"))
    assert machine.resident() > 10e6


def test_a_given_width_is_kept() -> None:
    width = Width(7, left=1000)
    assert [width() for _ in range(3)] == [7, 7, 7]
    width.tell(7, 1.0)
    assert width() == 7


def test_the_fastest_width_is_found() -> None:
    width, cost = Width(None, left=10**6), {16: 3.0, 32: 2.0, 64: 1.0, 128: 1.5, 256: 2.0}
    used = []
    for _ in range(20):
        used.append(width())
        width.tell(used[-1], used[-1] * cost[used[-1]] * 1e-3)
    assert used[0] == 64
    assert set(used[-8:]) == {64}


def test_slow_draws_come_in_narrow_blocks() -> None:
    width = Width(None, left=10**6)
    for _ in range(6):
        wide = width()
        width.tell(wide, 5.0 * wide)
    assert width() == 2
    assert Width(None, cells=10**7, left=10**6)() == 2


def test_blocks_that_were_cut_short_tell_nothing_of_the_usual_width() -> None:
    # draws that are there already cut blocks: the usual width may be asked for and never timed
    width, used = Width(None, left=10**6), []
    for _ in range(12):
        used.append(width())
        width.tell(6, 6e-3)
    assert used[0] == 64
    assert set(used) <= {32, 64, 128}


def test_the_last_blocks_are_narrower() -> None:
    width = Width(None, left=1_000, workers=2)
    cut = list(blocks({}, 1_000, width))
    assert sum(n for _, n in cut) == 1_000
    assert cut[0][1] == 64
    assert 32 in {n for _, n in cut[-3:]}
    assert cut[-1][1] <= 32


def test_stretches_that_are_there_are_left_out() -> None:
    assert list(blocks({3: 2, 8: 1}, 12, 4)) == [(0, 3), (5, 3), (9, 3)]
    assert list(blocks({0: 3, 3: 2, 999: 1, 1000: 1}, 1002, 600)) == [(5, 600), (605, 394), (1001, 1)]


FAULTS = """
import resource, numpy as np
from sim.experiments.machine import keep_memory
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(100):
        np.empty(2**17).fill(1.0)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
asked = keep_memory()
faults()
print(asked, faults())
"""


def test_blocks_reuse_memory_instead_of_faulting_it_in_anew():
    done = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True)
    asked, faults = done.stdout.split()
    if asked == "False":
        pytest.skip("the C library of this machine cannot be asked")
    assert int(faults) < 256  # 25,600 pages are written
