"""What breaks while a run goes on: disk, power, folder, tables, memory, time; the bits of the answer do not."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sim.errors import InputError, SimError, StoreError, UsageError
from sim.experiments import disk, shelf, threads
from sim.experiments.blocks import OutOfMemoryError
from sim.experiments.disk import LOCK, NoRoomError, only_writer
from sim.experiments.gather import LostDrawsError
from sim.experiments.monte_carlo import Progress, resume, run
from sim.experiments.opening import open_result
from sim.experiments.part import PART
from sim.experiments.repro import repro, verify
from tests.campaign_runs.crash import Crash, broken, crash, every_call, every_loss, full

ROOT = Path(__file__).resolve().parents[2]
SCENARIO = """\
version: 1
name: tiny
system:
  agents:
    banks: {file: banks.csv}
  layers:
    interbank: {file: exposures.csv}
mode: static
shocks:
  - {kind: asset_loss, target: banks, size: {beta: {a: 2, b: 20}}}
channels:
  credit: {valuation: eisenberg-noe}
metrics: [system_loss, defaults]
monte_carlo: {draws: 4, seed: 7}
"""
BANKS = "id,total_assets,equity\na,100,4\nb,80,6\nc,60,9\n"
EXPOSURES = "creditor,debtor,amount\nb,a,20\nc,a,10\nc,b,15\n"


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A scenario with its tables, and room for results beside it."""
    place = tmp_path / "work" / "scenario"
    place.mkdir(parents=True)
    for name, text in (("tiny.yaml", SCENARIO), ("banks.csv", BANKS), ("exposures.csv", EXPOSURES)):
        (place / name).write_text(text)
    return place


def stop_at(draws: int) -> Callable[[Progress], None]:
    def told(at: Progress) -> None:
        if at.done >= draws:
            raise KeyboardInterrupt

    return told


def interrupted(tiny: Path, draws: int = 300, at: int = 100, name: str = "r") -> Path:
    """The folder of a run that was stopped."""
    folder = tiny.parent / name
    with pytest.raises(KeyboardInterrupt):
        run(tiny / "tiny.yaml", draws=draws, out=folder, progress=stop_at(at), block=16, workers=1)
    return folder


class TestEveryCall:
    """A fault in any of the calls that change the disk."""

    # the campaign tests.campaign_runs.crash goes through every call, with every fault, for a run of several parts
    @pytest.mark.parametrize(
        ("error", "start", "every"), [(crash, 1, 2), (full, 2, 9), (broken, 5, 9)], ids=["crash", "full", "broken"]
    )
    def test_old_or_new_state_and_the_same_answer(
        self, tmp_path: Path, toy: Any, scenario: Any, error: Callable[[], BaseException], start: int, every: int
    ) -> None:
        calls = every_call(tmp_path / "r", scenario, toy, error=error, draws=24, start=start, every=every)
        assert calls > 40

    def test_power_loss(self, tmp_path: Path, toy: Any, scenario: Any) -> None:
        assert every_loss(tmp_path, scenario, toy, draws=24, every=3) > 20


class TestResume:
    """A folder is all it takes to go on."""

    def test_the_folder_alone(self, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        expected = run(tiny / "tiny.yaml", draws=300, block=64).answer_sha256
        folder = interrupted(tiny)
        assert list((folder / "pieces").glob("draws-*.parquet"))
        monkeypatch.chdir(tiny.parent.parent)  # the working folder does not matter
        seen: list[Progress] = []
        made = resume(folder, block=7, workers=2, progress=seen.append)
        assert (made.draws, made.answer_sha256, made.seed) == (300, expected, 7)
        assert seen[0].cached >= 100
        assert not (folder / "pieces").exists()
        assert verify(folder).manifest["answer_sha256"] == expected
        assert resume(folder).answer_sha256 == expected

    def test_draws_and_seed_of_the_call_are_kept(self, tiny: Path) -> None:
        folder = tiny.parent / "r"
        with pytest.raises(KeyboardInterrupt):
            run(tiny / "tiny.yaml", draws=50, seed=2**127, out=folder, progress=stop_at(10), block=10, workers=1)
        (folder / "manifest.json").unlink()  # made again from the scenario and the parts
        made = resume(folder)
        assert (made.draws, made.seed) == (50, 2**127)
        assert made.answer_sha256 == run(tiny / "tiny.yaml", draws=50, seed=2**127).answer_sha256

    @pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
    def test_a_damaged_manifest_is_made_again(self, tiny: Path, share: float) -> None:
        made = run(tiny / "tiny.yaml", draws=20, out=tiny.parent / "r")
        path = tiny.parent / "r" / "manifest.json"
        path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
        with pytest.raises(StoreError):
            verify(tiny.parent / "r")
        assert resume(tiny.parent / "r").answer_sha256 == made.answer_sha256
        assert verify(tiny.parent / "r").parts == 1

    def test_a_changed_table_is_refused(self, tiny: Path) -> None:
        folder = interrupted(tiny)
        (tiny / "banks.csv").write_text(BANKS.replace("100,4", "100,5"))
        with pytest.raises(InputError, match="changed since the run began") as caught:
            resume(folder)
        assert caught.value.exit_code == 3
        assert "banks.csv" in str(caught.value)

    def test_a_moved_folder_finds_its_tables_when_told(self, tiny: Path) -> None:
        folder = interrupted(tiny)
        moved = tiny.parent / "deep" / "er"
        moved.mkdir(parents=True)
        shutil.move(folder, moved / "r")
        with pytest.raises(InputError, match="name their folder with --inputs"):
            resume(moved / "r")
        made = resume(moved / "r", inputs=tiny)
        assert made.answer_sha256 == run(tiny / "tiny.yaml", draws=300).answer_sha256
        for path in (moved / "r").rglob("*"):
            if path.is_file():
                assert str(tiny).encode() not in path.read_bytes()
        assert json.loads((moved / "r" / "inputs.json").read_text())["folder"] == "../../../scenario"

    def test_what_cannot_go_on(self, tmp_path: Path, tiny: Path, toy: Any, scenario: Any) -> None:
        with pytest.raises(StoreError, match="no run found"):
            resume(tmp_path / "nowhere")
        (tmp_path / "empty").mkdir()
        with pytest.raises(StoreError, match="no run found"):
            resume(tmp_path / "empty")
        run(scenario, draws=3, player=toy(), out=tmp_path / "toy")
        with pytest.raises(StoreError, match=r"was played by .*Toy"):
            resume(tmp_path / "toy")
        folder = interrupted(tiny)
        manifest = json.loads((folder / "manifest.json").read_text())
        manifest["engine"] = "0.0.9+abc"
        from sim.experiments.provenance import dumped

        (folder / "manifest.json").write_text(dumped(manifest))
        with pytest.raises(StoreError, match=r"was made by engine 0\.0\.9\+abc"):
            resume(folder)
        (folder / "manifest.json").unlink()
        (folder / "scenario.yaml").write_text((folder / "scenario.yaml").read_text().replace("beta", "uniform"))
        with pytest.raises(StoreError, match=r"cannot be read|are not of this scenario"):
            resume(folder)

    def test_a_system_given_in_python_needs_its_program(self, tmp_path: Path) -> None:
        from tests.systems import random_system, scenario_of

        run(scenario_of(random_system(1)), draws=3, seed=1, out=tmp_path / "r")
        with pytest.raises(StoreError, match="given in Python"):
            resume(tmp_path / "r")

    def test_a_damaged_piece_is_played_again(self, tiny: Path) -> None:
        folder = interrupted(tiny)
        piece = next((folder / "pieces").glob("draws-*.parquet"))
        piece.write_bytes(piece.read_bytes()[:-20])
        assert resume(folder).answer_sha256 == run(tiny / "tiny.yaml", draws=300).answer_sha256
        assert "played again: pieces/draws-" in (folder / "run.log").read_text()

    def test_slow_draws_are_written_before_their_part_is_whole(
        self, tiny: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(shelf, "FLUSH", 0.0)
        seen: list[int] = []

        def told(at: Progress) -> None:
            if at.done == 64:
                seen.extend(int(path.stem.split("-")[2]) for path in (tiny.parent / "r" / "pieces").glob("draws-*"))
                raise Crash

        with pytest.raises(Crash):
            run(tiny / "tiny.yaml", draws=300, out=tiny.parent / "r", progress=told, block=16, workers=1)
        assert sum(seen) == 64
        seen_again: list[Progress] = []
        resume(tiny.parent / "r", progress=seen_again.append)
        assert seen_again[0].cached == 64


class TestVerifyAndRepro:
    """Digests recomputed, draws played again."""

    def test_verify_names_every_damaged_part(self, tmp_path: Path, toy: Any, scenario: Any) -> None:
        run(scenario, draws=2500, player=toy(), out=tmp_path)
        assert verify(tmp_path).parts == 3
        for first in (0, 2000):
            path = tmp_path / "parts" / f"draws-{first:010d}.parquet"
            data = bytearray(path.read_bytes())
            data[len(data) // 3] ^= 1
            path.write_bytes(bytes(data))
        with pytest.raises(StoreError) as caught:
            verify(tmp_path)
        assert caught.value.exit_code == 6
        assert "draws-0000000000" in str(caught.value)
        assert "draws-0000002000" in str(caught.value)
        assert "draws-0000001000" not in str(caught.value)
        resume(tmp_path, player=toy())
        (tmp_path / "parts" / "draws-0000001000.parquet").unlink()
        with pytest.raises(StoreError, match="is missing"):
            verify(tmp_path)

    def test_an_interrupted_run_is_not_verified(self, tiny: Path) -> None:
        with pytest.raises(StoreError, match=r'interrupted; the 0 parts it has are intact; "resume" finishes it'):
            verify(interrupted(tiny))

    def test_a_part_cut_anywhere_is_found(self, tiny: Path) -> None:
        run(tiny / "tiny.yaml", draws=5, out=tiny.parent / "r")
        path = tiny.parent / "r" / "parts" / "draws-0000000000.parquet"
        whole = path.read_bytes()
        for length in range(0, len(whole), 29):
            path.write_bytes(whole[:length])
            with pytest.raises(StoreError, match=r"draws-0000000000\.parquet"):
                verify(tiny.parent / "r")

    def test_a_draw_again_bit_for_bit(self, tiny: Path) -> None:
        folder = tiny.parent / "r"
        run(tiny / "tiny.yaml", draws=40, out=folder, record="agents")
        found = repro(folder, 17)
        assert found.stored is not None
        assert not found.differences
        with pytest.raises(UsageError, match="draw must be from 0 to 39"):
            repro(folder, 40)
        # a folder whose numbers were changed, digests included
        from sim.experiments.part import Part
        from sim.experiments.store import Store, read_manifest

        store = Store(folder, read_manifest(folder)["run_key"])
        part = store.read(0, agents=True)
        loss = part.metrics["system_loss"].copy()
        loss[17, 0] = np.nextafter(loss[17, 0], 2.0 * loss[17, 0] + 1.0)
        store.write(Part(0, {**part.metrics, "system_loss": loss}, part.status, part.reason, part.final, part.agents))
        told = repro(folder, 17).differences
        assert len(told) == 1
        assert told[0].startswith("system_loss, step 1: stored ")
        assert not repro(folder, 16).differences

    def test_a_draw_of_an_interrupted_run(self, tiny: Path) -> None:
        folder = interrupted(tiny)
        assert repro(folder, 3).stored is not None
        assert repro(folder, 299).stored is None


class TestFolder:
    """The place where the result goes."""

    def test_replaced_by_a_link_during_the_run(self, tmp_path: Path, toy: Any, scenario: Any) -> None:
        folder, elsewhere = tmp_path / "r", tmp_path / "elsewhere"
        elsewhere.mkdir()

        def told(at: Progress) -> None:
            if at.done >= 500 and not (folder / "parts").is_symlink():
                (folder / "parts").rename(tmp_path / "old")
                (folder / "parts").symlink_to(elsewhere)

        with pytest.raises(StoreError, match="removed or replaced") as caught:
            run(scenario, draws=2100, player=toy(), out=folder, progress=told)
        assert caught.value.exit_code == 6
        assert not list(elsewhere.iterdir())
        with pytest.raises(StoreError, match="is a link"):
            run(scenario, draws=2100, player=toy(), out=folder)
        assert not list(elsewhere.iterdir())

    def test_removed_during_the_run(self, tmp_path: Path, toy: Any, scenario: Any) -> None:
        def told(at: Progress) -> None:
            if at.done >= 500:
                shutil.rmtree(tmp_path / "r", ignore_errors=True)

        with pytest.raises(StoreError, match=r"removed or replaced|No such file") as caught:
            run(scenario, draws=2100, player=toy(), out=tmp_path / "r", progress=told)
        assert caught.value.exit_code == 6

    def test_a_second_run_is_told_who_holds_it(self, tmp_path: Path, toy: Any, scenario: Any) -> None:
        with (
            only_writer(tmp_path),
            pytest.raises(StoreError, match=rf"in use by another run \(process {os.getpid()}\)"),
        ):
            run(scenario, draws=3, player=toy(), out=tmp_path)
        assert not (tmp_path / LOCK).exists()

    @pytest.mark.parametrize(
        ("note", "held"),
        [
            ({"pid": 2**22 - 1, "boot": "own"}, False),
            ({"pid": 1, "boot": "own"}, True),
            ({"pid": 2**22 - 1, "boot": "another"}, True),
            ("rubbish", False),
        ],
    )
    def test_notes_where_there_are_no_locks(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, note: Any, held: bool
    ) -> None:
        import fcntl

        def refuse(*_: object) -> None:
            raise OSError(errno.ENOLCK, "no locks")

        monkeypatch.setattr(fcntl, "flock", refuse)
        if isinstance(note, dict):
            note["boot"] = disk._boot() if note["boot"] == "own" else note["boot"]
        (tmp_path / LOCK).write_text(note if isinstance(note, str) else json.dumps(note))
        if held:
            with pytest.raises(StoreError, match="in use by another run"), only_writer(tmp_path):
                pass
        else:
            with only_writer(tmp_path):
                pass
            assert not (tmp_path / LOCK).exists()

    def test_a_limit_on_the_size_of_files(self, tiny: Path) -> None:
        code = (
            "import resource, signal, sys; from sim.cli.app import main;"
            "main(['run', 'tiny.yaml', '--draws', '20', '--out', '../warm', '--quiet', '--progress', 'none']);"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (6000, 6000));"
            "sys.exit(main(['run', 'tiny.yaml', '--draws', '3000', '--out', '../r', '--quiet']))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code],
            check=False,
            cwd=tiny,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 5, done.stderr
        assert "File too large" in done.stderr
        assert "Traceback" not in done.stderr
        made = resume(tiny.parent / "r")
        assert made.answer_sha256 == run(tiny / "tiny.yaml", draws=3000).answer_sha256


class TestTimeAndMemory:
    """Blocks that never end, and machines that are too small."""

    def test_a_block_without_end_is_named_then_its_draw(self, tmp_path: Path, toy: Any, scenario: Any) -> None:
        ends = threading.Event()
        forever = toy(breaks={40: lambda: ends.wait(60.0)})
        expected = run(scenario, draws=200, player=toy()).answer_sha256
        try:
            with pytest.raises(LostDrawsError) as caught:
                run(scenario, draws=200, player=forever, out=tmp_path, block=16, workers=2, time_limit=1.0)
            assert caught.value.exit_code == 5
            said = str(caught.value)
            assert said.startswith("draws 32 to 47: did not end within 1 s")
            assert "sim resume" in said
            assert json.loads((tmp_path / "suspects.json").read_text()) == [[32, 16]]
            with pytest.raises(LostDrawsError) as caught:
                resume(tmp_path, player=forever, time_limit=1.0, workers=2)
            said = str(caught.value)
            assert said.startswith("draw 40: did not end within 1 s")
            assert f"sim repro {tmp_path} --draw 40" in said
            assert f"sim resume {tmp_path} --without 40" in said
            with pytest.raises(StoreError, match="interrupted"):
                open_result(tmp_path)
        finally:
            ends.set()
        # every other draw was kept
        good = toy()
        without = resume(tmp_path, player=good, without=[40])
        assert not good.played
        assert without.failed_draws["reason"].tolist() == ["left out of the run"]
        assert not (tmp_path / "suspects.json").exists()
        assert run(scenario, draws=200, player=toy()).answer_sha256 == expected
        assert without.answer_sha256 != expected

    def test_all_is_well_after_a_hang_that_was_chance(self, tmp_path: Path, toy: Any, scenario: Any) -> None:
        ends = threading.Event()
        try:
            with pytest.raises(LostDrawsError):
                run(
                    *(scenario,),
                    draws=100,
                    player=toy(breaks={5: lambda: ends.wait(60.0)}),
                    out=tmp_path,
                    time_limit=0.6,
                )
        finally:
            ends.set()
        assert resume(tmp_path, player=toy()).answer_sha256 == run(scenario, draws=100, player=toy()).answer_sha256

    def test_the_time_a_process_is_suspended_does_not_count(
        self, toy: Any, scenario: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real, jumps = time.monotonic, iter(range(0, 10**6, 3600))

        class Clock:
            """A clock that is an hour on at every look."""

            perf_counter = staticmethod(time.perf_counter)

            @staticmethod
            def monotonic() -> float:
                return real() + next(jumps)

        monkeypatch.setattr(threads, "time", Clock)
        slow = toy(breaks={3: lambda: time.sleep(1.2)})
        assert run(scenario, draws=8, player=slow, block=8, time_limit=30.0).draws == 8

    def test_memory_that_runs_out_is_no_property_of_a_draw(self, tmp_path: Path, toy: Any, scenario: Any) -> None:
        def no_room() -> None:
            raise MemoryError

        with pytest.raises(OutOfMemoryError, match="draw 3: memory ran out; try --workers 1") as caught:
            run(scenario, draws=8, player=toy(breaks={3: no_room}), out=tmp_path)
        assert caught.value.exit_code == 5
        assert resume(tmp_path, player=toy()).count("failed") == 0

    def test_memory_that_runs_out_for_many_draws_may_do_for_one(self, toy: Any, scenario: Any) -> None:
        player = toy()

        def wide(chosen: Any, system: Any, draws: Any, seed: int) -> Any:
            if len(draws) > 1:
                raise MemoryError
            return player(chosen, system, draws, seed)

        assert run(scenario, draws=40, player=wide).answer_sha256 == run(scenario, draws=40, player=toy()).answer_sha256

    def test_threads_are_gone_after_a_run(self, toy: Any, scenario: Any) -> None:
        run(scenario, draws=100, player=toy(), workers=3)
        assert not [each for each in threading.enumerate() if each.name.startswith("draws") and each.is_alive()]

    def test_threads_wait_little_for_each_other_and_the_setting_is_put_back(self, toy: Any, scenario: Any) -> None:
        player, before, seen = toy(), sys.getswitchinterval(), []

        def within(chosen: Any, system: Any, draws: Any, seed: int) -> Any:
            seen.append(sys.getswitchinterval())
            if draws[0] == 0:  # a run within a run must not put the setting back
                run(chosen, draws=8, seed=seed, player=player, workers=2)
                seen.append(sys.getswitchinterval())
            return player(chosen, system, draws, seed)

        run(scenario, draws=64, player=within, workers=2, block=16)
        assert max(seen) == pytest.approx(threads.HANDOVER)
        assert sys.getswitchinterval() == before
        with pytest.raises(KeyboardInterrupt):
            run(scenario, draws=64, player=player, workers=2, block=16, progress=stop_at(16))
        assert sys.getswitchinterval() == before
        seen.clear()
        run(
            scenario,
            draws=32,
            player=lambda *given: (seen.append(sys.getswitchinterval()), player(*given))[1],
            workers=1,
        )
        assert set(seen) == {before}


class TestSurroundings:
    """What a machine is set to."""

    def test_language_clock_and_hashes(self, tiny: Path) -> None:
        expected = run(tiny / "tiny.yaml", draws=30).answer_sha256
        odd = {"LC_ALL": "tr_TR.UTF-8", "TZ": "Pacific/Kiritimati", "PYTHONHASHSEED": "77", "PYTHONPATH": str(ROOT)}
        code = (
            "import os; os.umask(0o077); import sim;"
            "print(sim.run('tiny.yaml', draws=30, out='../öd d\"r').answer_sha256)"
        )
        done = subprocess.run(
            [sys.executable, "-X", "utf8", "-c", code],
            check=False,
            cwd=tiny,
            env=os.environ | odd,
            capture_output=True,
            text=True,
        )
        assert done.stdout.strip() == expected, done.stderr

    def test_memory_does_not_grow_with_the_draws(self, tmp_path: Path) -> None:
        from tests.campaign_runs.memory import growth

        assert growth(tmp_path, few=2_000, many=2_000 + 24 * PART) < 40e6


def test_every_error_of_these_has_its_code() -> None:
    for kind, code in ((LostDrawsError, 5), (OutOfMemoryError, 5), (NoRoomError, 5), (StoreError, 6)):
        assert issubclass(kind, SimError)
        assert kind.exit_code == code


def test_three_kills() -> None:
    # the campaign tests.campaign_runs.kill does this 200 times
    from tests.campaign_runs.kill import campaign

    found = campaign(3, 1, draws=150)
    assert [each["good"] for each in found] == [True] * 3, found


def test_a_slice_of_the_soak() -> None:
    # the campaign tests.campaign_runs.soak does this for an hour
    from tests.campaign_runs.soak import Held, soak

    found = soak("ring_of_ten", 40, rounds=7)
    assert len({said for said, _ in found}) == 1
    assert found[-1][1].grown(found[4][1]) == []
    assert found[-1][1].files == 0
    assert Held(1e9, 9, 3, 4).grown(Held(0.9e9, 8, 2, 3)) == [
        *("100,000,000 more bytes of memory", "1 more descriptors", "1 more threads", "1 more temporary files")
    ]
