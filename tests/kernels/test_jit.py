"""The decorator: where machine code is kept, and that it gives the bits of plain Python."""

from __future__ import annotations

import errno
import hashlib
import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
import pytest
from numba.core import config as numba_config

from sim.arrays import Float, csr
from sim.kernels import jit, special
from sim.kernels.philox import philox4x32, uniforms
from sim.kernels.pull import pull
from sim.kernels.total import total
from sim.streams import Draws

config: Any = numba_config  # numba fills it at run time, unseen by a type checker
ROOT = Path(__file__).parents[2]


def ratio(x: float, y: float) -> float:
    return x / y


@pytest.fixture
def fresh() -> Iterator[None]:
    """Forget the folder before and after, because it is looked up once a process."""
    jit.cache_folder.cache_clear()
    yield
    jit.cache_folder.cache_clear()


def put(monkeypatch: pytest.MonkeyPatch, folder: Path | str) -> None:
    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda *args, **kwargs: str(folder))


def needs_jit() -> None:
    if config.DISABLE_JIT:
        pytest.skip("NUMBA_DISABLE_JIT is set, so there is no machine code")


def test_machine_code_goes_to_the_users_cache(fresh: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    needs_jit()
    put(monkeypatch, tmp_path / "deep" / "cache")
    before = config.CACHE_DIR
    compiled = jit.kernel(ratio)
    after = config.CACHE_DIR
    assert after == before
    assert compiled(1.0, 4.0) == 0.25
    kept = list((tmp_path / "deep" / "cache").glob("kernels-*/*/*.nbc"))
    assert len(kept) == 1


def test_division_by_zero_is_numpys(fresh: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    needs_jit()
    put(monkeypatch, tmp_path)
    assert jit.kernel(ratio)(1.0, 0.0) == np.inf


@pytest.mark.parametrize("where", ["a file in the way", "no home"])
def test_without_a_folder_kernels_still_run(
    fresh: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, where: str
) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.chdir(tmp_path)
    put(monkeypatch, tmp_path / "file" / "cache" if where == "a file in the way" else "~/.cache")
    with pytest.warns(RuntimeWarning, match="machine code of kernels is not kept, so that every process compiles"):
        assert jit.cache_folder() is None
    assert jit.kernel(ratio)(1.0, 4.0) == 0.25  # told once a process
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_folder_follows_the_sources(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\n")
    first = jit._digest(tmp_path)
    assert jit._digest(tmp_path) == first
    (tmp_path / "b.py").write_text("x = 1\n")
    second = jit._digest(tmp_path)
    (tmp_path / "a.py").write_text("x = 2\n")
    assert len({first, second, jit._digest(tmp_path)}) == 3


def test_the_folder_follows_the_sources_whatever_their_time_and_size(tmp_path: Path) -> None:
    source = tmp_path / "a.py"
    source.write_text("x = 1\n")
    before, first = source.stat(), jit._digest(tmp_path)
    source.write_text("x = 2\n")  # an upgrade that keeps size and time: numba by itself would run the old code
    os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (source.stat().st_size, source.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert jit._digest(tmp_path) != first


def test_a_function_of_the_same_time_and_size_is_compiled_anew(
    fresh: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    needs_jit()
    put(monkeypatch, tmp_path / "cache")
    source, found = tmp_path / "changed.py", []
    for number in (1, 2):
        source.write_text(f"def answer():\n    return {number}.0\n")
        os.utime(source, ns=(10**18, 10**18))
        spec = importlib.util.spec_from_file_location("changed", source)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setattr(sys, "dont_write_bytecode", True)
        spec.loader.exec_module(module)
        found.append(jit.kernel(module.answer)())
    assert found == [1.0, 2.0]


# -- F40 to F42: what is kept is damaged, torn, or cannot be written ---------------------------------------------------

DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "cut": lambda data: data[: len(data) // 2],
    "garbage": lambda data: os.urandom(len(data)),
    "a bit": lambda data: data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 4]) + data[len(data) // 2 + 1 :],
    "of another version": lambda data: b"\x80\x04\x8c\x060.50.0\x94." + data,
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_machine_code_is_compiled_again(
    damage: str, fresh: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    needs_jit()
    put(monkeypatch, tmp_path)
    assert jit.kernel(ratio)(1.0, 3.0) == 1.0 / 3.0
    (kept,) = tmp_path.glob("kernels-*/*/*.nbc")
    whole = kept.read_bytes()
    kept.write_bytes(DAMAGE[damage](whole))
    with pytest.warns(RuntimeWarning, match="was damaged and is compiled again"):
        assert jit.kernel(ratio)(1.0, 3.0) == 1.0 / 3.0
    (again,) = tmp_path.glob("kernels-*/*/*.nbc")
    assert hashlib.sha256(again.read_bytes()).hexdigest()[:32] in again.name
    compiled: Any = jit.kernel(ratio)  # and now it is taken as it is, without a warning
    assert compiled(1.0, 3.0) == 1.0 / 3.0
    assert sum(compiled.stats.cache_hits.values()) == 1


def test_an_intact_file_that_cannot_be_used_is_compiled_again(
    fresh: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    needs_jit()
    put(monkeypatch, tmp_path)
    jit.kernel(ratio)(1.0, 3.0)
    (kept,) = tmp_path.glob("kernels-*/*/*.nbc")
    rubbish = b"no pickle at all"
    name = ".".join([*kept.name.split(".")[:-2], hashlib.sha256(rubbish).hexdigest()[:32], "nbc"])
    kept.rename(kept.with_name(name)).write_bytes(rubbish)
    with pytest.warns(RuntimeWarning, match="of ratio cannot be used and is compiled again"):
        assert jit.kernel(ratio)(1.0, 3.0) == 1.0 / 3.0


def test_signatures_have_files_of_their_own(fresh: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    needs_jit()
    put(monkeypatch, tmp_path)
    compiled: Any = jit.kernel(ratio)
    assert (compiled(1.0, 4.0), compiled(1, 4)) == (0.25, 0.25)
    assert len(list(tmp_path.glob("kernels-*/*/*.nbc"))) == 2
    again: Any = jit.kernel(ratio)
    assert (again(1, 4), again(1.0, 4.0)) == (0.25, 0.25)
    assert sum(again.stats.cache_hits.values()) == 2
    assert not list(tmp_path.glob("kernels-*/*/*.nbi"))


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES, errno.EIO])
def test_a_disk_that_takes_nothing_costs_time_only(
    code: int, fresh: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    needs_jit()
    put(monkeypatch, tmp_path)

    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(jit._Files, "_open_for_write", refuse)
    with pytest.warns(RuntimeWarning, match=f"is not kept, .*: {os.strerror(code)} in the cache folder"):
        assert jit.kernel(ratio)(1.0, 4.0) == 0.25
    assert not list(tmp_path.glob("kernels-*/*/*.nbc"))


def test_processes_that_compile_together(tmp_path: Path) -> None:
    # the campaign tests.campaign_runs.cache does this 50 times with 8 processes
    from tests.campaign_runs.cache import together

    found = together(tmp_path, 3)
    assert len(found) == 1
    assert "" not in found


def test_the_folder_follows_the_processor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    first = jit._digest(tmp_path)
    monkeypatch.setattr(config, "CPU_NAME", "generic")
    assert jit._digest(tmp_path) != first


def digest_of_everything() -> str:
    """One digest over outputs of every kernel of this folder; the inputs hold for every machine too."""
    draws = Draws(2**100 + 1, [0, 3, 2**33, 2**40 - 1])
    u = draws.uniform("inputs", [str(i) for i in range(60)], 5)
    layer = csr(np.where(u[:7] < 0.6, u[:7] - 0.25, 0.0))
    outputs: list[Float] = [u, np.empty((7, 4)), np.empty(4)]
    pull(layer.indptr, layer.indices, layer.weights, u[7:11].copy(), outputs[1])
    total(outputs[1], outputs[2])
    a, b = np.empty((3, 4)), np.empty((3, 4))
    uniforms(np.uint64(2**64 - 3), np.array([1, 2**63 + 5, 2**64 - 1], np.uint64), draws.draws, 77, a, b)
    outputs += [a, b, draws.normal("shock", ["A", "\u00e9", ""], 5)]
    words = philox4x32(np.uint32(1), np.uint32(2), np.uint32(3), np.uint32(2**32 - 1), np.uint32(5), np.uint32(6))
    outputs.append(np.array([float(word) for word in words]))
    chances = np.concatenate([u.ravel(), np.ldexp(u.ravel(), np.arange(240) * -4), [0.0, 1.0, 0.5]])
    x = np.concatenate([u.ravel() * 90.0 - 45.0, u.ravel() * 4.0 - 2.0, [0.0, -0.0, 1e300, -1e300, np.inf]])
    for kernel, given in (
        (special.exp_of, x * 20.0),
        (special.log_of, np.append(chances, [5e-324, 1e-310, 1e300, np.inf])),
        (special.normal_cdf_of, x),
        (special.normal_quantile_of, chances),
    ):
        out = np.empty_like(given)
        kernel(given, out)
        outputs.append(out)
    outputs += [np.array([kernel(float(value)) for value in x]) for kernel in (special.erf, special.erfc)]
    return hashlib.sha256(b"".join(np.ascontiguousarray(out, "<f8").tobytes() for out in outputs)).hexdigest()


@pytest.mark.parametrize(
    "settings",
    [{"NUMBA_DISABLE_JIT": "1"}, {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}],
    ids=["plain Python", "oldest processor"],
)
def test_same_bits_without_machine_code_and_on_any_processor(settings: dict[str, str], tmp_path: Path) -> None:
    script = "import runpy, sys; print(runpy.run_path(sys.argv[1])['digest_of_everything']())"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, __file__],
        env={**os.environ, **settings, "PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == digest_of_everything()


def test_the_bits_are_the_promised_ones() -> None:
    # Changes only where a kernel's arithmetic is changed on purpose, and with it every result.
    assert digest_of_everything() == "b3b53fce61a73cccea714a987e0ba0859d7c840c53949ca76fc3b5b79b8ac879"
