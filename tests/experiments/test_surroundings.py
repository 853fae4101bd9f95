"""What the host program and the machine do around a run: processes that fork, idle threads, compilers, notebooks."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest

from sim.experiments.monte_carlo import resume, run
from sim.kernels.jit import cache_folder

ROOT = Path(__file__).resolve().parents[2]
CAPS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def python(code: str, place: Path, *, drop: tuple[str, ...] = (), **more: str) -> subprocess.CompletedProcess[str]:
    """Run a script in a process of its own."""
    (place / "script.py").write_text(textwrap.dedent(code))
    env = {key: value for key, value in os.environ.items() if key not in drop} | {"PYTHONPATH": str(ROOT)} | more
    return subprocess.run(
        [sys.executable, "script.py"], cwd=place, env=env, capture_output=True, text=True, check=False, timeout=240
    )


def command(place: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Call the command line in a process of its own."""
    env = os.environ | {"PYTHONPATH": str(ROOT)} | more
    words_ = [sys.executable, "-m", "sim", *words]
    return subprocess.run(words_, cwd=place, env=env, capture_output=True, text=True, check=False, timeout=240)


# -- F14: the host program forks ---------------------------------------------------------------------------------------

FORKS = """
    import multiprocessing
    import sim

    def child(answers, out):
        answers.put(sim.run("ring_of_ten", draws=300, seed=1, workers=2, out=out).answer_sha256)

    if __name__ == "__main__":
        multiprocessing.set_start_method("fork")
        answers = multiprocessing.SimpleQueue()
        print(sim.run("ring_of_ten", draws=300, seed=1, workers=2, out="parent").answer_sha256)
        for out in (None, "child"):
            process = multiprocessing.Process(target=child, args=(answers, out))
            process.start()
            process.join(60)
            print(answers.get() if process.exitcode == 0 else f"exit code {process.exitcode}")
        if CLUSTER:
            print(sim.run("ring_of_ten", draws=300, seed=1, out="cluster", cluster="local:1").answer_sha256)
"""


@pytest.mark.parametrize("cluster", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["threads", "cluster"])
def test_f14_a_host_that_forks_gets_the_same_bits(tmp_path: Path, cluster: bool) -> None:
    # nothing here keeps threads that a fork would lose, and processes of a cluster are spawned whatever the host says
    if cluster:
        pytest.importorskip("distributed", reason="the extra `cluster` is not installed")
    done = python(FORKS.replace("CLUSTER", str(cluster)), tmp_path)
    assert done.returncode == 0, done.stderr
    expected = run("ring_of_ten", draws=300, seed=1).answer_sha256
    assert done.stdout.split() == [expected] * (4 if cluster else 3)


# -- F15: no more threads work than were asked for ---------------------------------------------------------------------

THREADS = """
    import json, os, time
    import sim

    def used():
        found = {}
        for name in os.listdir("/proc/self/task"):
            fields = open(f"/proc/self/task/{name}/stat").read().rsplit(")", 1)[1].split()
            found[name] = int(fields[11]) + int(fields[12])
        return found

    scenario = sim.load("eu48_sovereign")
    sim.run(scenario, draws=64, seed=1, workers=2)
    before = used()
    made = sim.run(scenario, draws=600, seed=2, workers=2, out="r")
    spent = [ticks - before.get(name, 0) for name, ticks in used().items()]
    print(json.dumps({"answer": made.answer_sha256, "spent": spent, "cpu": time.process_time()}))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs /proc to see threads")
def test_f15_libraries_start_no_work_of_their_own(tmp_path: Path) -> None:
    found = {}
    for name, more in (("free", {}), ("capped", dict.fromkeys(CAPS, "1"))):
        (tmp_path / name).mkdir()
        done = python(THREADS, tmp_path / name, drop=CAPS, **more)
        assert done.returncode == 0, done.stderr
        found[name] = json.loads(done.stdout)
    free, capped = found["free"], found["capped"]
    assert free["answer"] == capped["answer"]
    # threads of a linear algebra library may be there; those that work are the two asked for and the one that writes
    assert sum(ticks > 0.05 * max(20, sum(free["spent"])) for ticks in free["spent"]) <= 3
    assert free["cpu"] <= 1.3 * capped["cpu"] + 1.0


# -- F40 to F44: the compiler and what it keeps ------------------------------------------------------------------------


def test_f40_a_run_on_damaged_machine_code_gives_the_same_bits(tmp_path: Path) -> None:
    kept = cache_folder()
    if kept is None or os.environ.get("NUMBA_DISABLE_JIT"):
        pytest.skip("no machine code is kept here")
    expected = run("ring_of_ten", draws=4, seed=1).answer_sha256
    place = tmp_path / "contagion-sim" / Path(kept).name
    shutil.copytree(kept, place)
    files = sorted(place.rglob("pull.*.nbc"))  # every run pulls along a layer
    assert files
    for number, path in enumerate(files):
        data = path.read_bytes()
        path.write_bytes((data[: len(data) // 2], b"", data[:-1] + bytes([data[-1] ^ 1]))[number % 3])
    words = ("run", "ring_of_ten", "--draws", "4", "--seed", "1", "--out", "r")
    done = command(tmp_path, *words, XDG_CACHE_HOME=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert f"answer_sha256: {expected}" in done.stderr
    told = [line for line in done.stderr.splitlines() if line.startswith("warning: ")]
    assert told
    assert all("was damaged and is compiled again" in line and str(tmp_path) not in line for line in told)


def test_f42_without_a_place_to_keep_machine_code(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    words = ("run", "ring_of_ten", "--draws", "2", "--seed", "1", "--out", "r", "--quiet")
    done = command(tmp_path, *words, XDG_CACHE_HOME=str(tmp_path / "file"), MPLCONFIGDIR=str(tmp_path / "mpl"))
    assert done.returncode == 0
    assert done.stderr.startswith("warning: machine code of kernels is not kept, so that every process compiles them")
    assert done.stderr.count("\n") == 1
    assert resume(tmp_path / "r").answer_sha256 == run("ring_of_ten", draws=2, seed=1).answer_sha256


BROKEN = {
    "no numba": (
        'import sys; sys.modules["numba"] = None',
        "a part of the installation cannot be loaded: import of numba",
    ),
    "llvm": (
        "import llvmlite.binding as b\ndef no(*_): raise RuntimeError('LLVM IR error: bad')\nb.parse_assembly = no",
        "the compiler of the kernels failed: LLVM IR error: bad; NUMBA_DISABLE_JIT=1 runs without it",
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_f44_a_compiler_or_library_that_fails_is_told(tmp_path: Path, what: str) -> None:
    code, said = BROKEN[what]
    (tmp_path / "sitecustomize.py").write_text(code)
    paths = os.pathsep.join([str(tmp_path), str(ROOT)])
    words = ("run", "ring_of_ten", "--draws", "2", "--out", "r")
    done = command(tmp_path, *words, PYTHONPATH=paths, XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert done.returncode == 5, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert command(tmp_path, "--help", PYTHONPATH=paths).returncode == 0


@pytest.mark.slow
def test_f44_without_the_compiler_the_bits_are_the_same(tmp_path: Path) -> None:
    words = ("run", "ring_of_ten", "--draws", "1", "--seed", "1", "--out", "r")
    done = command(tmp_path, *words, NUMBA_DISABLE_JIT="1")
    assert done.returncode == 0, done.stderr
    assert f"answer_sha256: {run('ring_of_ten', draws=1, seed=1).answer_sha256}" in done.stderr


# -- F64: a notebook ---------------------------------------------------------------------------------------------------


class Notebook:
    """A kernel that cells are sent to."""

    def __init__(self, place: Path) -> None:
        manager = pytest.importorskip("jupyter_client.manager", reason="nbclient is not installed")
        env = os.environ | {"PYTHONPATH": str(ROOT)}
        self.manager, self.client = manager.start_new_kernel(kernel_name="python3", cwd=str(place), env=env)

    def send(self, code: str) -> str:
        return str(self.client.execute(textwrap.dedent(code)))

    def reply(self, sent: str) -> dict[str, Any]:
        while True:
            said = self.client.get_shell_msg(timeout=120)
            if said["parent_header"].get("msg_id") == sent:
                return dict(said["content"])

    def value(self, code: str) -> str:
        """What an expression is."""
        sent = str(self.client.execute("", user_expressions={"it": code}))
        return str(self.reply(sent)["user_expressions"]["it"]["data"]["text/plain"])

    def close(self) -> None:
        from jupyter_core.utils import ensure_event_loop

        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
        ensure_event_loop().close()  # the one that the manager made


@pytest.mark.slow
def test_f64_a_notebook_is_interrupted_run_again_and_restarted(tmp_path: Path) -> None:
    expected = run("eu48_sovereign", draws=96, seed=1).answer_sha256
    notebook = Notebook(tmp_path)
    try:
        notebook.reply(notebook.send("import threading, sim; sim.run('eu48_sovereign', draws=8, seed=1, workers=2)"))
        sent = notebook.send("sim.run('eu48_sovereign', draws=10**6, seed=1, out='r', workers=2, block=16)")
        while not (tmp_path / "r" / "manifest.json").is_file():
            time.sleep(0.05)
        time.sleep(1.0)
        began = time.monotonic()
        notebook.manager.interrupt_kernel()
        said = notebook.reply(sent)
        assert time.monotonic() - began < 5.0
        assert (said["status"], said["ename"]) == ("error", "KeyboardInterrupt")
        # the same kernel goes on: nothing is left running, the folder is taken up where it was
        alive = "[each.name for each in threading.enumerate() if each.name.startswith('draws')]"
        until = time.monotonic() + 10.0
        while notebook.value(alive) != "[]" and time.monotonic() < until:
            time.sleep(0.2)
        assert notebook.value(alive) == "[]"
        again = "sim.run('eu48_sovereign', draws=96, seed=1, out='r', workers=2).answer_sha256"
        assert notebook.value(again) == repr(expected)
        # and so does a new kernel, after one that was killed in the middle
        notebook.send("sim.run('eu48_sovereign', draws=10**6, seed=1, out='r', workers=2, block=16)")
        time.sleep(1.0)
        notebook.manager.restart_kernel(now=True)
        notebook.client.wait_for_ready(timeout=60)
        notebook.reply(notebook.send("import sim"))
        assert notebook.value(again) == repr(expected)
    finally:
        notebook.close()
    assert not list((tmp_path / "r").rglob("*.tmp"))
