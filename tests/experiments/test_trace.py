"""One draw posting by posting: what a result tells of it, keeps of it, and shows."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sim.errors import InputError, StoreError, UsageError
from sim.experiments.monte_carlo import resume, run
from sim.experiments.opening import open_result
from sim.experiments.provenance import read_manifest
from sim.experiments.replayed import replay
from sim.experiments.repro import verify
from sim.experiments.result import Result
from sim.experiments.trace import net
from sim.scenario.load import load

COLUMNS = ["posting", "step", "phase", "channel", "cause", "agent", "counterparty", "instrument", "amount"]


@pytest.fixture(scope="module")
def banks() -> Any:
    """The shipped demo, four steps."""
    return load("eu48_sovereign").override({"horizon.steps": 4})


@pytest.fixture(scope="module")
def kept(banks: Any, tmp_path_factory: pytest.TempPathFactory) -> Result:
    chosen = banks.override({"record": "trace", "trace": [5, 2]})
    return run(chosen, draws=8, seed=7, out=tmp_path_factory.mktemp("kept") / "r")


@pytest.fixture(scope="module")
def lines(kept: Result) -> pd.DataFrame:
    return kept.trace(draw=5)


def losses(lines: pd.DataFrame, step: int) -> dict[tuple[str, str], float]:
    """By channel and agent, up to a step."""
    chosen = lines[lines["step"] <= step]
    found = chosen.groupby(["channel", "agent"])["amount"].apply(math.fsum)
    return {(str(channel), str(agent)): float(value) for (channel, agent), value in found.items()}


def test_what_a_line_says(lines: pd.DataFrame) -> None:
    assert list(lines.columns) == COLUMNS
    assert lines.attrs == {"draw": 5, "unit": "EUR million"}
    assert set(lines["step"]) == {1, 2, 3, 4}
    assert (lines["amount"] != 0.0).all()
    assert set(lines["channel"]) == {"shock", "market", "credit"}


def test_losses_add_up_to_the_ledger(kept: Result, lines: pd.DataFrame) -> None:
    state = replay(kept, 5).state
    found = losses(lines, 4)
    for place, source in enumerate(state.sources):
        for row, agent in enumerate(state.ids):
            assert found.get((source, agent), 0.0) == pytest.approx(state.loss[place, row, 0], rel=1e-9, abs=1e-9)


def test_losses_add_up_to_the_metrics_of_every_step(kept: Result, lines: pd.DataFrame) -> None:
    state = replay(kept, 5).state
    ids = state.ids[state.banks]
    equity = dict(zip(ids, np.maximum(0.0, state.equity0[state.banks, 0]).tolist(), strict=True))
    for step in (1, 2, 3, 4):
        by = losses(lines, step)
        lost = {source: [by.get((source, bank), 0.0) for bank in ids] for source in ("shock", "market", "credit")}
        total = [sum(each) for each in zip(*lost.values(), strict=True)]
        capped = sum(min(each, equity[bank]) for each, bank in zip(total, ids, strict=True))
        creditors = by.get(("credit", "households"), 0.0) + by.get(("credit", "outside"), 0.0)
        first = sum(min(each, equity[bank]) for each, bank in zip(lost["shock"], ids, strict=True))
        found = {
            "first_round_loss": first,
            "system_loss": capped + creditors,
            "contagion_loss": capped + creditors - first,
            "credit_loss": sum(max(0.0, each) for each in lost["credit"]),
            "market_loss": sum(max(0.0, each) for each in lost["market"]),
        }
        for name, value in found.items():
            assert value == pytest.approx(kept.metrics[name][5, step - 1], rel=1e-9), (name, step)


def test_a_draw_that_is_not_kept_is_played_again(kept: Result, lines: pd.DataFrame, banks: Any) -> None:
    other = run(banks, draws=8, seed=7)
    assert "traces" not in other.manifest
    pd.testing.assert_frame_equal(other.trace(5), lines)
    assert other.trace(1).attrs["draw"] == 1
    # whatever the block it was played in
    pd.testing.assert_frame_equal(run(banks, draws=6, seed=7, block=2, workers=1).trace(5), lines)


def test_keeping_changes_no_answer(kept: Result, banks: Any, tmp_path: Path) -> None:
    assert kept.answer_sha256 == run(banks, draws=8, seed=7).answer_sha256
    assert sorted(kept.manifest["traces"]) == ["2", "5"]
    assert kept.folder is not None
    names = sorted(path.name for path in (kept.folder / "traces").iterdir())
    assert names == ["draw-0000000002.parquet", "draw-0000000005.parquet"]
    memory = run(banks.override({"record": "trace", "trace": [5, 2]}), draws=8, seed=7)
    assert memory.manifest["traces"] == kept.manifest["traces"]
    pd.testing.assert_frame_equal(memory.trace(2), kept.trace(2))
    memory.save(tmp_path / "saved")
    assert verify(tmp_path / "saved").manifest["traces"] == kept.manifest["traces"]
    pd.testing.assert_frame_equal(open_result(tmp_path / "saved").trace(5), kept.trace(5))
    by_option = run(banks, draws=2, seed=7, record="trace")
    assert sorted(by_option.manifest["traces"]) == ["0"]


def test_which_draws_are_kept_is_no_part_of_what_a_run_is(tmp_path: Path, banks: Any) -> None:
    chosen = banks.override({"record": "trace", "trace": [0], "horizon.steps": 1})
    run(chosen, draws=4, seed=7, out=tmp_path)
    more = run(
        chosen.override({"trace": [0, 3]}), draws=4, seed=7, out=tmp_path, progress=lambda at: seen.append(at.cached)
    )
    assert seen[-1] == 4
    assert sorted(more.manifest["traces"]) == ["0", "3"]


seen: list[int] = []


def test_a_named_draw_that_the_run_does_not_have_is_told(banks: Any) -> None:
    found = run(banks.override({"record": "trace", "trace": [1, 9], "horizon.steps": 1}), draws=5, seed=7)
    assert sorted(found.manifest["traces"]) == ["1"]
    (warning,) = found.warnings
    assert warning.message == "trace names draws that the run does not have: 9; it has 0 to 4"
    assert warning.key == "trace"


def test_a_damaged_trace_is_named_and_made_again(tmp_path: Path, banks: Any) -> None:
    chosen = banks.override({"record": "trace", "trace": [1], "horizon.steps": 1})
    whole = run(chosen, draws=2, seed=7, out=tmp_path)
    path = tmp_path / "traces" / "draw-0000000001.parquet"
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 0xFF
    path.write_bytes(bytes(data))
    with pytest.raises(StoreError, match=r"traces/draw-0000000001\.parquet"):
        verify(tmp_path)
    with pytest.raises(StoreError, match=r"traces/draw-0000000001\.parquet"):
        open_result(tmp_path).trace(1)
    path.unlink()
    with pytest.raises(StoreError, match=r'traces/draw-0000000001\.parquet is missing; "resume" records it again'):
        verify(tmp_path)
    again = resume(tmp_path)
    assert again.manifest["traces"] == whole.manifest["traces"]
    assert verify(tmp_path).parts == 1


def test_a_quiet_draw_has_no_lines(tmp_path: Path) -> None:
    quiet = load("ring_of_ten").override({"shocks": [], "record": "trace"})
    found = run(quiet, draws=2, seed=1, out=tmp_path)
    assert found.manifest["traces"]["0"]["lines"] == 0
    assert list((tmp_path / "traces").iterdir()) == []
    assert verify(tmp_path).parts == 1
    frame = open_result(tmp_path).trace(0)
    assert list(frame.columns) == COLUMNS
    assert frame.empty
    assert net(frame).empty


def test_other_numbers_are_seen(kept: Result, banks: Any) -> None:
    other = run(banks, draws=8, seed=7)
    values = other.metrics["system_loss"]
    values.setflags(write=True)
    values[3, 2] = np.nextafter(values[3, 2], np.inf)
    with pytest.raises(UsageError, match="draw 3 was not played by the rules of this package"):
        other.trace(3)
    assert len(other.trace(4))


def test_what_cannot_be_traced(toy: Any, scenario: Any, banks: Any) -> None:
    with pytest.raises(UsageError, match="draw must be from 0 to 7, got 8"):
        run(banks, draws=8, seed=7).trace(8)

    def fails() -> None:
        raise ValueError("bad luck")

    with pytest.raises(UsageError, match="draw 1 failed and cannot be shown"):
        run(scenario, draws=3, player=toy(breaks={1: fails})).trace(1)
    with pytest.raises(UsageError, match=r"record: trace keeps what this package's own rules post; .*Toy"):
        run(scenario, draws=3, player=toy(), record="trace")
    for wrong in ([-1], [0, -3]):
        with pytest.raises(InputError, match="names draws, from 0"):
            banks.override({"record": "trace", "trace": wrong})
    with pytest.raises(InputError, match="goes with record: trace"):
        banks.override({"trace": [1]})


def test_net_leaves_out_what_changes_hands_at_its_worth(kept: Result, lines: pd.DataFrame) -> None:
    found = net(lines)
    per = ["step", "phase", "channel", "agent", "counterparty"]
    raw = lines.groupby(per)["amount"].sum()
    shown = found.set_index(per)["amount"]
    assert shown.to_dict() == pytest.approx({key: raw[key] for key in shown.index})
    gone = raw.drop(shown.index)
    assert (gone.abs() < 1e-6).all()
    assert len(gone)
    first = found[(found["step"] == 1) & (found["channel"] == "shock")]["amount"]
    assert first.is_monotonic_decreasing


Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Call:
    from sim.cli.app import main

    def call(*args: str) -> tuple[int, str, str]:
        code = main(args)
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def test_sim_show_prints_a_draw(kept: Result, command: Call) -> None:
    code, out, err = command("show", str(kept.folder), "--draw", "3", "--lines", "2")
    assert code == 0
    assert "draw 3, seed 7; losses in EUR million" in out
    assert "step 1, events: shock (shocks.0): " in out
    assert out.index("step 1, market") < out.index("step 1, credit: credit") < out.index("step 2, market")
    frame = net(kept.trace(3))
    credit = frame[(frame["step"] == 1) & (frame["channel"] == "credit")]
    by = credit.groupby("agent")["amount"].sum().sort_values(ascending=False)
    first = credit[credit["agent"] == by.index[0]].iloc[0]
    block = out[out.index("step 1, credit") :].splitlines()
    assert block[0].endswith(f"{by.sum():,.0f} lost by {len(by)} agents")
    assert block[2].split()[:3] == [by.index[0], f"{by.iloc[0]:,.0f}", first["counterparty"]]
    assert block[2].split()[-1] == "interbank"
    assert block[4] == f"  and {len(by) - 2:,} more, {by.iloc[2:].sum():,.0f} together"
    assert f"{kept.metrics['system_loss'][3, -1]:,.0f}" in out
    assert "--json has every line" in err
    assert "estate" not in {line.split()[0] for line in out.splitlines() if line.strip()}


def test_sim_show_gives_every_line_as_json(kept: Result, command: Call) -> None:
    code, out, _ = command("show", str(kept.folder), "--draw", "5", "--json")
    assert code == 0
    said = json.loads(out)
    assert said["draw"] == 5
    assert said["unit"] == "EUR million"
    assert said["metrics"]["system_loss"] == kept.metrics["system_loss"][5, -1]
    pd.testing.assert_frame_equal(
        pd.DataFrame(said["lines"]), pd.DataFrame(kept.trace(5)), check_dtype=False, check_frame_type=False
    )


def test_sim_show_refuses(kept: Result, command: Call, tmp_path: Path) -> None:
    assert command("show", str(kept.folder), "--lines", "2")[0] == 2
    assert command("show", str(kept.folder), "--draw", "99")[0] == 2
    assert command("show", str(tmp_path), "--draw", "1")[0] == 6


def test_the_manifest_of_a_run_without_traces_says_nothing_of_them(banks: Any, tmp_path: Path) -> None:
    run(banks.override({"horizon.steps": 1}), draws=2, seed=1, out=tmp_path)
    assert "traces" not in read_manifest(tmp_path)
    assert not (tmp_path / "traces").exists()
