"""The mutation campaign: plant small mistakes in the kernels and the solvers, and see that the tests notice.

``python -m tests.campaign.mutation --edits 100 --seed 1 [--only FILE] [--json FILE]``

Edits are drawn by seed over sim/kernels (but for `LEFT_ALONE`) and sim/contagion: kinds take turns (sign, product,
comparison, index, cap, constant or tolerance), places within a kind are equally likely. Each edit is made in a copy of
the repository in a temporary folder; the working tree is never touched. The tests that name the edited module run
first, then those of the modules that import it, then all others of `TESTS` and the slice of the campaign; a failure, a
crash or a run over its time counts as caught. Kernels are first tried without compilation, which is faster than
compiling them anew, but for wrong indices, which only compiled code can get away with. What fails in an untouched copy
does not count. The copy lies without the optional folder of reference data unless ``--shared`` is given, so what is
caught is caught by the repository alone.

About 20 to 60 seconds an edit; a survivor costs a run of all tests, some minutes.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from tests.campaign.edits import Edit, edits, parses

ROOT = Path(__file__).resolve().parents[2]
LEFT_ALONE = ("__init__", "jit", "philox", "sobol", "special")
"""Files that no algorithm of contagion is written in: the compiler, random numbers, elementary functions."""
TESTS = ("tests/kernels", "tests/contagion", "tests/channels")
SLICE = "tests/campaign/test_slice.py"
COPIED = ("sim", "tests", "scenarios", "pyproject.toml", "README.md")
LEAST_TIME, TIME_FACTOR = 120.0, 2.0
"""A run may take this many seconds, or this many times what it (compiled: what all tests) takes without a mistake."""
PLAIN_LIMIT = 45.0
"""Seconds that a test file, or several, may take without compiled kernels to be tried that way."""


@dataclass
class Verdict:
    """What became of one edit."""

    edit: Edit
    caught: bool
    by: str
    seconds: float
    diff: str


@dataclass
class Ran:
    """One call of pytest."""

    code: int
    seconds: float
    failed: list[str]


@dataclass
class Copy:
    """A copy of the repository in which one mistake at a time is made."""

    folder: Path
    shared: bool = False
    plain: dict[str, Ran] = field(default_factory=dict)
    whole: list[Ran] = field(default_factory=list)

    @property
    def repository(self) -> Path:
        """Where the copied files lie."""
        return self.folder / "repository"

    def make(self) -> None:
        """Copy what the tests need."""
        self.repository.mkdir(parents=True)
        leave = shutil.ignore_patterns("__pycache__", "*.pyc", ".hypothesis", ".pytest_cache")
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, self.repository / name, ignore=leave)
            elif source.exists():
                shutil.copy2(source, self.repository / name)
        beside = ROOT.parent / "shared"
        if self.shared and beside.is_dir():
            (self.folder / "shared").symlink_to(beside)

    def pytest(self, files: list[str], limit: float, *, jit: bool, first: bool, leave: list[str]) -> Ran:
        """Run test files against the copy as it is now."""
        command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", "--benchmark-disable"]
        command += ["-m", "not slow", "--no-header", "--tb=no", "-rfE", *(["-x"] if first else [])]
        command += [f"--deselect={name}" for name in leave]
        setting = os.environ | {
            "PYTHONPATH": str(self.repository),
            "PYTHONDONTWRITEBYTECODE": "1",
            "XDG_CACHE_HOME": str(self.folder / "cache"),
            "NUMBA_DISABLE_JIT": "0" if jit else "1",
        }
        began = time.monotonic()
        process = subprocess.Popen(
            [*command, *files],
            cwd=self.repository,
            env=setting,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            text=True,
        )
        try:
            text, _ = process.communicate(timeout=limit)
            code = process.returncode
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return Ran(-9, time.monotonic() - began, ["over its time"])
        failed = re.findall(r"^(?:FAILED|ERROR) (\S+(?:\[.*?\])?)(?: - |$)", text, flags=re.MULTILINE)
        if code not in (0, 1, 5) and not failed:
            failed = [f"exit code {code}"]
        return Ran(code, time.monotonic() - began, failed)

    def untouched(self) -> Ran:
        """Return how all tests run without a mistake, remembered; the first time compiles all kernels."""
        if not self.whole:
            files = every(self.repository)
            first = self.pytest(files, 3600.0, jit=True, first=False, leave=[])
            again = self.pytest(files, 3600.0, jit=True, first=False, leave=[])
            self.whole.append(Ran(again.code, again.seconds, sorted({*first.failed, *again.failed})))
        return self.whole[0]

    def uncompiled(self, name: str) -> Ran:
        """Return how a test file runs without a mistake and without compilation, remembered."""
        if name not in self.plain:
            self.plain[name] = self.pytest([name], PLAIN_LIMIT, jit=False, first=False, leave=[])
        return self.plain[name]

    def catches(self, files: list[str], *, jit: bool, wait: float) -> str:
        """Return what notices the mistake that is in the copy now, empty if nothing in these files does."""
        before = [self.untouched()] if jit else [self.uncompiled(name) for name in files]
        leave = [test for ran in before for test in ran.failed]
        limit = max(LEAST_TIME, TIME_FACTOR * sum(ran.seconds for ran in before)) + wait
        ran = self.pytest(files, limit, jit=jit, first=True, leave=leave)
        return "" if ran.code in (0, 5) else ran.failed[0] if ran.failed else f"exit code {ran.code}"


def targets(root: Path, only: str | None) -> list[str]:
    """Return the files to edit."""
    places = [*(root / "sim/kernels").glob("*.py"), *(root / "sim/contagion").glob("*.py")]
    found = sorted(str(place.relative_to(root)) for place in places if place.stem not in LEFT_ALONE)
    return [path for path in found if only is None or path.endswith(only)]


def drawn(root: Path, only: str | None, count: int, seed: int) -> list[Edit]:
    """Return edits by seed: kinds in turn, places of a kind equally likely, none twice."""
    left: dict[str, list[Edit]] = {}
    for path in targets(root, only):
        for edit in edits(root, path):
            left.setdefault("constant" if edit.kind == "tolerance" else edit.kind, []).append(edit)
    rng = np.random.default_rng(seed)
    chosen: list[Edit] = []
    while len(chosen) < count and any(left.values()):
        for kind in sorted(left):
            if left[kind] and len(chosen) < count:
                edit = left[kind].pop(int(rng.integers(len(left[kind]))))
                if parses(edit.apply((root / edit.path).read_bytes())):
                    chosen.append(edit)
    return chosen


def imports(root: Path) -> dict[str, set[str]]:
    """Return which modules of `sim` each Python file of the package and of its tests imports."""
    found: dict[str, set[str]] = {}
    for path in [*(root / "sim").rglob("*.py"), *(root / "tests").rglob("*.py")]:
        tree, names = ast.parse(path.read_bytes()), set()
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
            elif isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
        found[str(path.relative_to(root))] = names
    return found


def every(root: Path) -> list[str]:
    """Return all test files of the campaign."""
    files = [str(p.relative_to(root)) for folder in TESTS for p in sorted((root / folder).glob("test_*.py"))]
    return files + ([SLICE] if (root / SLICE).exists() else [])


def stages(root: Path, path: str, among: list[str] | None = None) -> list[list[str]]:
    """Return the test files to run against a mistake in `path`: those of the module, of its users, all others."""
    known, tests = imports(root), every(root) if among is None else among

    def own(module: str) -> list[str]:
        dotted = module.removesuffix(".py").replace("/", ".")
        here = "/".join(module.split("/")[1:-1])
        named = [name for name in tests if name == f"tests/{here}/test_{Path(module).stem}.py"]
        return named + [name for name in tests if dotted in known[name] and name not in named]

    first = own(path)[:3]
    dotted = path.removesuffix(".py").replace("/", ".")
    users = [name for name, names in known.items() if name.startswith("sim/") and dotted in names]
    near = [test for user in sorted(users) for test in own(user)[:1] if test not in first]
    near = list(dict.fromkeys(near))
    rest = [name for name in tests if name not in first and name not in near]
    return [stage for stage in (first, near, rest) if stage]


def judged(copy: Copy, edit: Edit) -> Verdict:
    """Make one mistake in the copy, see what notices, undo it."""
    place = copy.repository / edit.path
    source, times = place.read_bytes(), place.stat()
    groups = stages(copy.repository, edit.path)
    compiled_anew = edit.path.startswith("sim/kernels/")
    plain: list[str] = []
    if compiled_anew and edit.kind != "index":
        spent = 0.0
        for name in [name for group in groups[:2] for name in group]:
            if spent < PLAIN_LIMIT and copy.uncompiled(name).code != -9:
                plain.append(name)
                spent += copy.uncompiled(name).seconds
    copy.untouched()
    began, by = time.monotonic(), ""
    place.write_bytes(edit.apply(source))
    try:
        if plain:
            by = copy.catches(plain, jit=False, wait=0.0)
        for group in groups:
            by = by or copy.catches(group, jit=True, wait=300.0 if compiled_anew else 0.0)
    finally:
        place.write_bytes(source)
        os.utime(place, ns=(times.st_atime_ns, times.st_mtime_ns))
    return Verdict(edit, bool(by), by, time.monotonic() - began, edit.diff(source))


def shown(verdict: Verdict) -> str:
    """Return one line on a verdict, and the edited line where nothing noticed it."""
    edit = verdict.edit
    head = f"{'caught' if verdict.caught else 'SURVIVED':9s}{edit.kind:11s}{edit.path}:{edit.line}"
    if verdict.caught:
        return f"{head}  {verdict.seconds:.0f} s  {verdict.by}"
    return f"{head}  {verdict.seconds:.0f} s\n    " + verdict.diff.replace("\n", "\n    ")


def summary(verdicts: list[Verdict]) -> str:
    """Return the counts by kind, and the survivors."""
    made = Counter(verdict.edit.kind for verdict in verdicts)
    caught = Counter(verdict.edit.kind for verdict in verdicts if verdict.caught)
    lines = [f"{kind:12s}{caught[kind]:4d} of {made[kind]:4d} caught" for kind in sorted(made)]
    lines.append(f"{'all':12s}{sum(caught.values()):4d} of {len(verdicts):4d} caught")
    return "\n".join(lines + [shown(verdict) for verdict in verdicts if not verdict.caught])


def campaign(count: int, seed: int, only: str | None, shared: bool, tell: Callable[[str], None]) -> list[Verdict]:
    """Draw edits, judge each, and return what became of them."""
    with tempfile.TemporaryDirectory(prefix="mutation-") as place:
        copy = Copy(Path(place).resolve(), shared)
        copy.make()
        verdicts = []
        for edit in drawn(copy.repository, only, count, seed):
            verdicts.append(judged(copy, edit))
            tell(shown(verdicts[-1]))
            for stale in (copy.folder / "cache").glob("*/kernels-*"):
                if stale.name != _digest(copy):
                    shutil.rmtree(stale, ignore_errors=True)
    return verdicts


def _digest(copy: Copy) -> str:
    """Return the name of the cache folder of the untouched kernels."""
    code = "from sim.kernels.jit import cache_folder; print(cache_folder())"
    made = subprocess.run(
        [sys.executable, "-c", code],
        cwd=copy.repository,
        env=os.environ | {"PYTHONPATH": str(copy.repository), "XDG_CACHE_HOME": str(copy.folder / "cache")},
        capture_output=True,
        text=True,
        check=True,
    )
    return Path(made.stdout.strip()).name


def main() -> int:
    """Run the campaign as asked on the command line."""
    parser = argparse.ArgumentParser(description="Plant mistakes in a copy of the repository; see that tests notice.")
    parser.add_argument("--edits", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", help="edit only files whose path ends like this")
    parser.add_argument("--json", type=Path, help="also write the verdicts to this file")
    parser.add_argument("--shared", action="store_true", help="let the tests see the optional reference data")
    parser.add_argument("--list", action="store_true", help="show the edits and stop")
    given = parser.parse_args()
    if given.list:
        for edit in drawn(ROOT, given.only, given.edits, given.seed):
            print(f"{edit.kind:11s}{edit.path}:{edit.line}\n{edit.diff((ROOT / edit.path).read_bytes())}")
        return 0
    verdicts = campaign(given.edits, given.seed, given.only, given.shared, lambda line: print(line, flush=True))
    print(summary(verdicts))
    if given.json is not None:
        given.json.write_text(json.dumps([asdict(verdict) for verdict in verdicts], indent=1) + "\n")
    return 0 if verdicts and sum(v.caught for v in verdicts) >= 0.95 * len(verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
