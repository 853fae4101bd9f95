"""Result folders: crashes at every step, damage, other runs, full disks, odd paths."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sim.errors import StoreError
from sim.experiments import parquet, store
from sim.experiments.disk import NoRoomError, commit, only_writer
from sim.experiments.monte_carlo import run
from sim.experiments.opening import open_result
from sim.experiments.part import FAILED, Part, columns, digest, from_columns, join
from sim.experiments.provenance import dumped, engine, key_of, told
from sim.experiments.store import Store

KEY = "0" * 64


def part(first: int = 0, draws: int = 5, scale: float = 1.0, agents: bool = False) -> Part:
    values = scale * np.random.default_rng(first).normal(size=(draws, 3))
    values[0] = (-0.0, 5e-324, 1.7976931348623157e308)
    values[2] = np.nan
    status = ["ok"] * draws
    status[2], status[3] = FAILED, "not-certified"
    reason = [""] * draws
    reason[2], reason[3] = 'ValueError: it\'s "odd"; 銀行', "residual 0.1"
    final = {"equity": values[:, :2].copy()} if agents else {}
    names = ("<b>", "a'b") if agents else ()
    return Part(first, {"loss": values, "x y": values + 1.0}, tuple(status), tuple(reason), final, names)


def same(one: Part, other: Part) -> bool:
    bits = all(
        list(a) == list(b) and all(a[name].tobytes() == b[name].tobytes() for name in a)
        for a, b in ((one.metrics, other.metrics), (one.final, other.final))
    )
    return bits and (one.first, one.status, one.reason, one.agents) == (
        other.first,
        other.status,
        other.reason,
        other.agents,
    )


class Crash(BaseException):
    """The process is gone: nothing is cleaned up."""


class Counter:
    """Lets the n-th step of writing fail."""

    def __init__(self, patch: pytest.MonkeyPatch, at: int, error: Callable[[], BaseException]) -> None:
        self.at, self.n, self.error = at, 0, error
        self._wrap(patch, os, "fsync")
        self._wrap(patch, Path, "replace")
        self._wrap(patch, store, "write_table", cut=True)
        self._wrap(patch, Path, "write_bytes", cut=True)

    def _wrap(self, patch: pytest.MonkeyPatch, place: Any, name: str, cut: bool = False) -> None:
        real = getattr(place, name)

        def counted(*given: Any) -> Any:
            self.n += 1
            if self.n == self.at:
                raise self.error()
            found = real(*given)
            if cut:
                self.n += 1
                if self.n == self.at:  # half of the bytes have reached the file
                    os.truncate(given[0], given[0].stat().st_size // 2)
                    raise self.error()
            return found

        patch.setattr(place, name, counted)


@pytest.mark.parametrize("agents", [False, True])
def test_bits_survive(tmp_path: Path, agents: bool) -> None:
    with only_writer(tmp_path):
        kept = Store.prepare(tmp_path, KEY)
        written = part(1000, agents=agents)
        found = kept.write(written)
    read = kept.read(1000, agents=agents)
    assert same(read, written)
    assert digest(columns(read)) == found


def test_equal_numbers_give_equal_files(tmp_path: Path) -> None:
    made = []
    for name in ("a", "b"):
        kept = Store.prepare(tmp_path / name, KEY)
        kept.write(part())
        made.append((tmp_path / name / "parts" / "draws-0000000000.parquet").read_bytes())
    assert made[0] == made[1]


def test_an_all_failed_part(tmp_path: Path) -> None:
    kept = Store.prepare(tmp_path, KEY)
    lost = Part(0, {"loss": np.empty((2, 0))}, (FAILED, FAILED), ("E: a", "E: b"))
    kept.write(lost)
    assert same(kept.read(0, agents=False), lost)
    whole = join([lost, Part(2, {"loss": np.ones((1, 3))}, ("ok",), ("",))])
    assert whole.steps == 3
    assert np.isnan(whole.metrics["loss"][:2]).all()
    assert same(from_columns(columns(whole)), whole)


def test_parts_with_gaps_do_not_join() -> None:
    with pytest.raises(ValueError, match="draws 5 to 9 are missing"):
        join([part(0), part(10)])


@pytest.mark.parametrize("agents", [False, True])
def test_a_crash_at_every_step_leaves_the_old_part_or_the_new_one(tmp_path: Path, agents: bool) -> None:
    old, new = part(draws=5, agents=agents), part(draws=8, agents=agents)
    for at in range(1, 100):
        folder = tmp_path / str(at)
        kept = Store.prepare(folder, KEY)
        kept.write(old)
        with pytest.MonkeyPatch.context() as patch:
            counter = Counter(patch, at, Crash)
            try:
                kept.write(new)
            except Crash:
                pass
            else:
                assert counter.n < at
                assert at > 5
                return
        again = Store.prepare(folder, KEY)
        assert not list((folder / "parts").glob("*.tmp"))
        draws = again.read(0, agents=agents).draws
        assert same(again.read(0, agents=agents).head(5), kept.read(0, agents=agents).head(5))
        assert draws in {5, 8}
        assert digest(columns(again.read(0, agents=agents))) == digest(columns(old if draws == 5 else new))
    pytest.fail("the write never came to its end")


def test_a_crash_at_every_step_of_a_run_changes_no_bit_of_the_answer(
    tmp_path: Path, toy: Any, scenario: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = run(scenario, draws=1100, player=toy()).answer_sha256
    crashes = 0
    for at in range(1, 100):
        folder = tmp_path / str(at)
        with pytest.MonkeyPatch.context() as patch:
            Counter(patch, at, Crash)
            try:
                run(scenario, draws=1100, player=toy(), out=folder, block=128)
            except Crash:
                crashes += 1
            else:
                break
        if (folder / "manifest.json").exists():
            held = json.loads((folder / "manifest.json").read_text())
            if held["complete"]:
                assert open_result(folder).answer_sha256 == expected
            else:
                with pytest.raises(StoreError, match="interrupted"):
                    open_result(folder)
        assert run(scenario, draws=1100, player=toy(), out=folder, block=128).answer_sha256 == expected
        assert open_result(folder).answer_sha256 == expected
        assert not list(folder.rglob("*.tmp"))
    assert crashes > 20


@pytest.mark.parametrize(("number", "code"), [(errno.ENOSPC, 5), (errno.EIO, 6)])
def test_a_refusal_at_every_step_names_the_file_and_leaves_the_old_one(tmp_path: Path, number: int, code: int) -> None:
    path = tmp_path / "f"
    path.write_text("old")

    def new(temporary: Path) -> None:
        temporary.write_bytes(b"new")

    for at in range(1, 6):
        with pytest.MonkeyPatch.context() as patch:
            Counter(patch, at, lambda: OSError(number, os.strerror(number)))
            with pytest.raises(StoreError, match=os.strerror(number)) as caught:
                commit(path, new)
        assert str(path) in str(caught.value)
        assert caught.value.exit_code == code
        # only the flush of the folder comes after the file is in place
        assert path.read_text() == ("new" if at == 5 else "old")
        assert not list(tmp_path.glob("*.tmp"))
    assert issubclass(NoRoomError, StoreError)


def test_a_failed_write_of_a_table_is_a_refusal(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"(?i)no such|cannot|not"):
        parquet.write_table(tmp_path / "nowhere" / "t.parquet", columns(part()), {"digest": "x"})


@pytest.mark.parametrize("where", ["flip", "cut", "empty", "text"])
def test_damage_is_found_named_and_played_again(tmp_path: Path, toy: Any, scenario: Any, where: str) -> None:
    expected = run(scenario, draws=1500, player=toy(), out=tmp_path).answer_sha256
    path = tmp_path / "parts" / "draws-0000001000.parquet"
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 4
    path.write_bytes({"flip": bytes(data), "cut": bytes(data[:-9]), "empty": b"", "text": b"hello"}[where])
    with pytest.raises(StoreError, match=r"parts/draws-0000001000\.parquet") as caught:
        open_result(tmp_path)
    assert caught.value.exit_code == 6
    again = toy()
    assert run(scenario, draws=1500, player=again, out=tmp_path).answer_sha256 == expected
    assert sorted(again.played) == list(range(1000, 1500))
    assert "played again: parts/draws-0000001000.parquet" in (tmp_path / "run.log").read_text()


def test_every_flipped_bit_of_the_data_is_found(tmp_path: Path) -> None:
    kept = Store.prepare(tmp_path, KEY)
    kept.write(part())
    path = tmp_path / "parts" / "draws-0000000000.parquet"
    good, whole = path.read_bytes(), kept.read(0, agents=False)
    for at in range(0, len(good), 13):
        bad = bytearray(good)
        bad[at] ^= 1 << at % 8
        path.write_bytes(bytes(bad))
        try:
            assert same(kept.read(0, agents=False), whole)  # a byte that nobody reads
        except StoreError as error:
            assert "draws-0000000000.parquet" in str(error)  # noqa: PT017


def test_a_missing_part_is_named(tmp_path: Path, toy: Any, scenario: Any) -> None:
    run(scenario, draws=1500, player=toy(), out=tmp_path)
    (tmp_path / "parts" / "draws-0000000000.parquet").unlink()
    with pytest.raises(StoreError, match=r"draws-0000000000\.parquet \(draws 0-999\) is missing"):
        open_result(tmp_path)


def test_another_run_is_refused(tmp_path: Path, toy: Any, scenario: Any) -> None:
    run(scenario, draws=5, player=toy(), out=tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for other in (scenario.override({"monte_carlo.seed": 8}), scenario.override({"record": "agents"})):
        with pytest.raises(StoreError, match="holds another run; choose another folder") as caught:
            run(other, draws=5, player=toy(), out=tmp_path)
        assert caught.value.exit_code == 6
    (tmp_path / "manifest.json").unlink()
    with pytest.raises(StoreError, match="holds another run"):
        run(scenario, draws=5, seed=9, player=toy(), out=tmp_path)
    before.pop(tmp_path / "manifest.json")
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ("{", "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        ("[]", "not the manifest"),
        ('{"format": 7}', r"newer version \(format 7"),
        ('{"format": 1}', "run_key is missing"),
        ("\udcff", "not valid JSON"),
    ],
)
def test_bad_manifests(tmp_path: Path, toy: Any, scenario: Any, text: str, said: str) -> None:
    (tmp_path / "manifest.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(StoreError, match=said):
        open_result(tmp_path)
    with pytest.raises(StoreError, match=said):
        run(scenario, draws=3, player=toy(), out=tmp_path)


def test_a_damaged_manifest_is_made_again_from_the_parts(tmp_path: Path, toy: Any, scenario: Any) -> None:
    expected = run(scenario, draws=5, player=toy(), out=tmp_path).answer_sha256
    path = tmp_path / "manifest.json"
    path.write_text(path.read_text().replace('"seed": 7', '"seed": 8'))
    with pytest.raises(StoreError, match="digest differs"):
        open_result(tmp_path)
    idle = toy()
    assert run(scenario, draws=5, player=idle, out=tmp_path).answer_sha256 == expected
    assert not idle.played


def test_no_run_and_what_is_never_read(tmp_path: Path, toy: Any, scenario: Any) -> None:
    with pytest.raises(StoreError, match="no run found"):
        open_result(tmp_path)
    with pytest.raises(StoreError, match="no run found"):
        open_result(tmp_path / "nowhere")
    run(scenario, draws=3, player=toy(), out=tmp_path)
    (tmp_path / "parts" / "notes.txt").write_text("ignored")
    (tmp_path / "parts" / "draws-0000009000.parquet.tmp").write_text("left over")
    assert open_result(tmp_path).draws == 3
    (tmp_path / "parts" / "x.pkl").write_bytes(b"")
    with pytest.raises(StoreError, match=r"x\.pkl has a type that is never read"):
        open_result(tmp_path)


def test_one_writer_at_a_time(tmp_path: Path, toy: Any, scenario: Any) -> None:
    with only_writer(tmp_path), pytest.raises(StoreError, match="in use by another run"):
        run(scenario, draws=3, player=toy(), out=tmp_path)
    assert run(scenario, draws=3, player=toy(), out=tmp_path).draws == 3


def test_a_file_where_the_folder_should_be(tmp_path: Path, toy: Any, scenario: Any) -> None:
    (tmp_path / "f").write_text("")
    for place in (tmp_path / "f", tmp_path / "f" / "g"):
        with pytest.raises(StoreError):
            run(scenario, draws=3, player=toy(), out=place)


@pytest.mark.parametrize("name", ["a b", "it's", 'q"q', "a[1]*?", "k=3", "銀行", "new\nline", "x" * 200, "%20;--"])
def test_odd_paths(tmp_path: Path, toy: Any, scenario: Any, name: str) -> None:
    made = run(scenario, draws=3, player=toy(), out=tmp_path / name, record="agents")
    assert open_result(tmp_path / name).answer_sha256 == made.answer_sha256


def test_nothing_in_the_folder_names_this_machine(tmp_path: Path, toy: Any, scenario: Any) -> None:
    def fails() -> None:
        raise OSError(f"cannot open {tmp_path}/secret/x.csv near {Path.home()}/y at 0x7f0012345678")

    run(scenario, draws=3, player=toy(breaks={1: fails}), out=tmp_path)
    for path in tmp_path.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert str(tmp_path).encode() not in data
            assert b"0x7f00" not in data
    assert json.loads((tmp_path / "manifest.json").read_text())["failed"] == 1


def test_keys() -> None:
    keys = {key_of(s, seed, record) for s in "ab" for seed in (1, 2) for record in ("metrics", "agents")}
    assert len(keys) == 8
    assert key_of("a", 1, "metrics", "other") not in keys
    assert engine() == engine()


def test_warnings_are_told_once_and_without_folders() -> None:
    assert [fact["message"] for fact in told(["a", "a", "b"])] == ["a", "b"]


def test_a_manifest_says_the_same_twice() -> None:
    assert dumped({"a": 1}) == dumped(json.loads(dumped({"a": 1})))
