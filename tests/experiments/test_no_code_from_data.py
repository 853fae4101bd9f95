"""Scenario files hold data: after a warm-up run, loading and running any of them executes no code and looks nowhere."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GOOD = """\
version: 1
name: tiny
system:
  agents:
    banks: {file: banks.csv}
mode: static
shocks:
  - {kind: asset_loss, target: banks, size: 0.05}
channels:
  credit: {valuation: eisenberg-noe}
metrics: [system_loss, defaults]
monte_carlo: {draws: 4, seed: 7}
"""
BANKS = "id,total_assets,equity\na,100,4\nb,80,6\nc,60,9\n"
GENERATOR = ROOT.parent / "shared" / "corpus" / "bad_corpus.py"
WITH_EXPOSURES = GOOD.replace("mode:", "  layers:\n    interbank: {file: exposures.csv}\nmode:")
PWN = "__import__('os').system('touch PWNED')"
CORPUS = {
    "good": (GOOD, BANKS),
    "python tag": ("!!python/object/apply:os.system ['touch PWNED']\n", BANKS),
    "tag in a value": (GOOD.replace("tiny", "!!python/name:os.system"), BANKS),
    "custom tag": (GOOD.replace("tiny", "!include /etc/passwd"), BANKS),
    "alias bomb": ("a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n" + GOOD, BANKS),
    "merge key": (GOOD.replace("name: tiny", "<<: {name: tiny}"), BANKS),
    "expression": (GOOD.replace("0.05", f'"{PWN}"'), BANKS),
    "template": (GOOD.replace("tiny", "'{{ self.__class__ }}{0.__class__}'"), BANKS),
    "dotted kind": (GOOD.replace("asset_loss", "os:system"), BANKS),
    "dotted valuation": (GOOD.replace("eisenberg-noe", "os.system"), BANKS),
    "dotted metric": (GOOD.replace("defaults]", "os.system]"), BANKS),
    "absolute path": (GOOD.replace("banks.csv", "/etc/passwd"), BANKS),
    "path that climbs": (GOOD.replace("banks.csv", "../../../../etc/passwd"), BANKS),
    "url": (GOOD.replace("banks.csv", "http://127.0.0.1:9/banks.csv"), BANKS),
    "base that climbs": ("base: ../../../../etc/passwd\n" + GOOD, BANKS),
    "pickle as a table": (GOOD.replace("banks.csv", "banks.pkl"), BANKS),
    "link out": (GOOD.replace("banks.csv", "link.csv"), BANKS),
    "formula in a cell": (GOOD, BANKS.replace("100", "=1+1")),
    "code in a cell": (GOOD, BANKS.replace("100", f'"{PWN}"')),
    "formula as an id": (GOOD, BANKS.replace("a,100", "=cmd|' /C calc'!A0,100")),
    "no table": (GOOD.replace("banks.csv", "nothere.csv"), BANKS),
}
INSIDE = r"""
import os, sys
from pathlib import Path

place, root = Path(sys.argv[1]), Path(sys.argv[2])
import sim
from sim.errors import SimError
from sim.cli.app import main

for _ in range(2):  # everything that is imported or compiled later is compiled now
    sim.run(place / "good" / "s.yaml", draws=2, seed=1, out=place / "warm")
    main(["validate", str(place / "good" / "s.yaml")])
    for bad in ("expression", "path that climbs", "formula in a cell", "alias bomb", "no table"):
        try:
            sim.run(place / bad / "s.yaml", draws=2, seed=1)
        except SimError:
            pass

watching, seen = True, []
allowed = tuple(str(each) for each in (place, root / "scenarios", root / "sim"))
modules = set(sys.modules)


def watch(event, args):
    if not watching:
        return
    if event in {"exec", "os.system", "subprocess.Popen", "os.exec", "os.posix_spawn", "os.fork", "pickle.find_class"}:
        seen.append((event, str(args)[:200]))
    elif event == "import" and str(args[0]) not in modules:
        seen.append((event, str(args[0])))
    elif event.startswith("socket.") and event != "socket.gethostname":
        seen.append((event, ""))
    elif event == "open" and isinstance(args[0], (str, bytes)):
        name = os.fsdecode(args[0])
        path = os.path.abspath(name)
        # which plug-ins are installed is read from the metadata of packages, without importing any
        about = ".dist-info" in path or ".egg-info" in path or path in sys.path or path.endswith("/site-packages")
        if not path.startswith(allowed) and not path.startswith(("/proc/", "/sys/")) and not about:
            seen.append((event, path))


sys.addaudithook(watch)
outcomes = {}
for folder in sorted(place.iterdir()):
    if not (folder / "s.yaml").is_file():
        continue
    try:
        sim.run(folder / "s.yaml", draws=2, seed=1, out=folder / "r")
        outcomes[folder.name] = "ran"
    except SimError as error:
        outcomes[folder.name] = type(error).__name__
    except OSError as error:
        outcomes[folder.name] = "OSError"
watching = False
for line in seen:
    print("SEEN", *line)
for name, what in outcomes.items():
    print(name, "->", what)
"""


def shared(place: Path) -> None:
    """Lay the cases of the shared corpus beside ours: scenarios as they are, tables under a scenario of ours."""
    if not GENERATOR.is_file():
        return
    cases = place.parent / "shared corpus"
    subprocess.run([sys.executable, str(GENERATOR), str(cases)], check=True, capture_output=True)
    for case in sorted(cases.iterdir()):
        scenario = case / "scenario.yaml"
        if scenario.is_file() and scenario.stat().st_size < 2_000_000:
            target = place / f"shared {case.name}"
            shutil.copytree(case, target, symlinks=True)
            tables = case.name.startswith("C") and (case / "exposures.csv").is_file()
            (target / "s.yaml").write_bytes(WITH_EXPOSURES.encode() if tables else scenario.read_bytes())
            if tables and (banks := target / "banks.csv").is_file():  # the names of our columns
                text = banks.read_bytes().replace(b"external_assets", b"total_assets")
                banks.write_bytes(text.replace(b"external_liabilities", b"equity"))


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What a process that loaded and ran all of them did."""
    place = tmp_path_factory.mktemp("corpus")
    for name, (scenario, banks) in CORPUS.items():
        (place / name).mkdir()
        (place / name / "s.yaml").write_text(scenario)
        (place / name / "banks.csv").write_text(banks)
        (place / name / "banks.pkl").write_bytes(b"cos\nsystem\n(S'touch PWNED'\ntR.")
        (place / name / "link.csv").symlink_to("/etc/passwd")
    shared(place)
    done = subprocess.run(
        [sys.executable, "-c", INSIDE, str(place), str(ROOT)],
        cwd=place,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not list(place.rglob("PWNED"))
    return done.stdout.splitlines()


def test_nothing_is_executed_connected_or_read_elsewhere(said: list[str]) -> None:
    assert [line for line in said if line.startswith("SEEN")] == []
    if GENERATOR.is_file():
        found = [line.partition(" -> ")[2] for line in said if line.startswith("shared ")]
        assert len(found) > 100
        assert {"ran", "InputError"} <= set(found) <= {"ran", "InputError", "OSError"}, found


@pytest.mark.parametrize("name", CORPUS)
def test_bad_files_are_refused(said: list[str], name: str) -> None:
    outcome = next(line for line in said if line.startswith(f"{name} -> ")).partition(" -> ")[2]
    runs = {"good", "template", "formula as an id"}
    assert (outcome == "ran") == (name in runs), outcome
