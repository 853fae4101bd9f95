"""Cascade, waterfall, impact, balance sheet and network at their edges, and the figures of a result by name."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text
from scipy import sparse

from sim.errors import InputError, UnknownNameError, UsageError
from sim.experiments.bearers import losses_by_bearer
from sim.experiments.monte_carlo import run
from sim.experiments.opening import open_result
from sim.experiments.part import Part
from sim.experiments.plots import KINDS, plot
from sim.experiments.replayed import replay
from sim.experiments.result import Result
from sim.report import balance, style, waterfall
from sim.report.balance import balance_sheets
from sim.report.circles import Circles, radii
from sim.report.importance import impact_vulnerability
from sim.report.labels import apart, beside
from sim.report.network import plot_cascade
from sim.report.page import UNTITLED, page
from sim.report.ring import plot_network
from sim.report.text import amount, exact
from sim.report.waterfall import loss_waterfall
from sim.scenario.build import build
from sim.scenario.load import load

AWKWARD = [
    "Ελληνική τράπεζα, Банк России",
    "中国银行",
    "بنك مصر",
    "$x_{1}$ <b>&\x00\u202e",
    "a very long name of a bank " * 30,
    "W" * 500,
    "",
    "=1+1",
]


def texts(figure: Figure) -> list[Text]:
    """Every text that is drawn."""
    FigureCanvasAgg(figure).draw()
    ticks = [axis for ax in figure.axes for axis in (ax.xaxis, ax.yaxis)]
    drawn = {id(t.label1) for axis in ticks if axis.axes.axison for t in axis._update_ticks()}
    owned = {id(t.label1) for axis in ticks for t in (*axis.get_major_ticks(), *axis.get_minor_ticks())}
    found = [text for text in figure.findobj(Text) if text.get_text().strip() and text.get_visible()]
    return [text for text in found if id(text) not in owned or id(text) in drawn]


def corners(text: Text) -> np.ndarray:
    """Corners of a text as drawn, turned with it: float64[4, 2], pixels."""
    turn = text.get_rotation()
    if not turn % 90.0:
        return text.get_window_extent().corners()[[0, 1, 3, 2]]
    text.set_rotation(0.0)
    box = text.get_window_extent().corners()[[0, 1, 3, 2]]
    text.set_rotation(turn)
    at = text.get_transform().transform(text.get_position())
    c, s = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    return (box - at) @ np.array([[c, s], [-s, c]]) + at


def overlap(one: np.ndarray, other: np.ndarray, spare: float = 1.4) -> bool:
    """Whether two rectangles overlap by more than a little (separating axes)."""
    for shape in (one, other):
        for k in range(2):
            axis = shape[k + 1] - shape[k]
            length = float(np.hypot(*axis))
            if length < 1e-9:
                return False
            a, b = one @ axis / length, other @ axis / length
            if min(a.max(), b.max()) - max(a.min(), b.min()) <= spare:
                return False
    return True


def clashes(figure: Figure) -> list[str]:
    """Texts on one another or beyond the canvas."""
    shapes = [(text.get_text(), corners(text)) for text in texts(figure)]
    wide, high = figure.bbox.x1, figure.bbox.y1
    found = [
        f"outside: {name!r}"
        for name, shape in shapes
        if shape.min() < -0.5 or shape[:, 0].max() > wide + 0.5 or shape[:, 1].max() > high + 0.5
    ]
    return found + [
        f"{name!r} on {other!r}"
        for (name, shape), (other, that) in itertools.combinations(shapes, 2)
        if overlap(shape, that)
    ]


def contents(figure: Figure) -> str:
    return "\n".join(text.get_text() for text in texts(figure))


def sheet(size: tuple[float, float] = (9.0, 4.0)) -> tuple[Figure, object]:
    figure, (ax,) = page(("Title", "Subtitle"), "Note", size, margins=UNTITLED)
    return figure, ax


def network(n: int, density: float = 0.2) -> sparse.csr_array:
    rng = np.random.default_rng(n)
    matrix = rng.pareto(1.5, (n, n)) * (rng.random((n, n)) < density)
    np.fill_diagonal(matrix, 0.0)
    return sparse.csr_array(matrix)


def ids(n: int) -> list[str]:
    return [f"B{k:04d}" for k in range(n)]


def cascaded(n: int, waves: int, names: list[str] | None = None) -> Figure:
    rng = np.random.default_rng(n + waves)
    figure, ax = sheet()
    wave = rng.integers(0, waves + 1, n) if waves else np.zeros(n, dtype=np.int64)
    if waves and n:
        wave[0] = 1
    named = names or ids(n)
    plot_cascade(ax, network(n), wave, Circles(named, rng.pareto(1.2, n), unit="EUR million"), lost=rng.random(n))
    return figure


def circled(n: int, names: list[str] | None = None) -> Figure:
    figure, ax = sheet((6.6, 6.0))
    plot_network(ax, network(n), Circles(names or ids(n), np.random.default_rng(1).pareto(1.2, n), unit="EUR million"))
    return figure


def scattered(n: int, names: list[str] | None = None) -> Figure:
    rng = np.random.default_rng(n)
    figure, ax = sheet((6.6, 4.4))
    circles = Circles(names or ids(n), rng.pareto(1.2, n), unit="EUR million")
    impact_vulnerability(ax, rng.pareto(2.0, n) / 50.0, rng.random(n) ** 3, circles)
    return figure


def fallen(steps: list[str], bearers: list[str], losses: np.ndarray) -> Figure:
    figure, ax = sheet((8.0, 3.6))
    loss_waterfall(ax, losses, steps, bearers, unit="EUR million", label="Mean loss")
    return figure


def booked(*tables: pd.DataFrame, names: tuple[str, ...] = ("Before", "After")) -> Figure:
    figure, ax = sheet((9.8, 3.9))
    balance_sheets(ax, list(zip(names, tables, strict=False)), unit="EUR million")
    return figure


def books(equity: float, items: int = 3, prefix: str = "Item") -> pd.DataFrame:
    assets = [("assets", f"{prefix} {k}", 1000.0 / 3.0**k) for k in range(items)]
    total = sum(row[2] for row in assets)
    debts = [("liabilities", "Deposits", 0.7 * (total - equity)), ("liabilities", "Debt", 0.3 * (total - equity))]
    return pd.DataFrame([*assets, *debts, ("liabilities", "Equity", equity)], columns=["side", "item", "amount"])


def _calm() -> Figure:
    figure, ax = sheet()
    plot_cascade(ax, network(5), np.zeros(5), Circles(ids(5)))
    return figure


def _alike() -> Figure:
    figure, ax = sheet()
    impact_vulnerability(ax, np.full(10, 0.9), np.full(10, 1.0), Circles(ids(10)))
    return figure


EMPTY = pd.DataFrame({"side": [], "item": [], "amount": []})

CASES: dict[str, Callable[[], Figure]] = {
    **{f"cascade of {n}, {waves} waves": lambda n=n, waves=waves: cascaded(n, waves)
       for n, waves in ((0, 0), (1, 1), (2, 1), (10, 3), (10, 0), (48, 5), (100, 4), (100, 30), (1000, 6))},
    "cascade of awkward names": lambda: cascaded(len(AWKWARD), 3, AWKWARD),
    "cascade without anyone hurt": _calm,
    **{f"network of {n}": lambda n=n: circled(n) for n in (0, 1, 2, 10, 48, 100, 1000)},
    "network of awkward names": lambda: circled(len(AWKWARD), AWKWARD),
    **{f"impact of {n}": lambda n=n: scattered(n) for n in (0, 1, 10, 48, 100, 10_000)},
    "impact of awkward names": lambda: scattered(len(AWKWARD), AWKWARD),
    "impact, all alike": _alike,
    "waterfall, empty": lambda: fallen([], [], np.empty((0, 0))),
    "waterfall, one": lambda: fallen(["first"], ["banks"], np.array([[3.0]])),
    "waterfall, zeros": lambda: fallen(["first", "second"], ["banks", "others"], np.zeros((2, 2))),
    "waterfall, relief": lambda: fallen(["a", "b", "c"], ["x", "y"], np.array([[5.0, 1.0], [-2.0, 3.0], [-1.0, -1.0]])),
    "waterfall, gain": lambda: fallen(["a", "b"], ["x", "y"], np.array([[-5.0, -1.0], [2.0, -3.0]])),
    "waterfall, many": lambda: fallen([f"channel number {k}" for k in range(8)], [f"bearer {k}" for k in range(6)],
                                      np.abs(np.random.default_rng(0).normal(size=(8, 6)))),
    "waterfall, slivers": lambda: fallen(["a"], ["x", "y", "z"], np.array([[1e5, 1.0, 1e-3]])),
    "waterfall, awkward names": lambda: fallen(AWKWARD[:5], AWKWARD[:5], np.eye(5)),
    "balance, none": booked,
    "balance, empty": lambda: booked(EMPTY, EMPTY),
    "balance, wound up": lambda: booked(books(100.0), EMPTY),
    "balance, before and after": lambda: booked(books(100.0), books(20.0)),
    "balance, insolvent": lambda: booked(books(100.0), books(-50.0)),
    "balance, many items": lambda: booked(books(100.0, 14), books(5.0, 14)),
    "balance, awkward names": lambda: booked(*(books(9.0, 4, name) for name in AWKWARD[1:3]),
                                             names=tuple(AWKWARD[4:6])),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_every_case_is_drawn_without_overlap_and_with_units(case: str) -> None:
    figure = CASES[case]()
    assert clashes(figure) == []
    for ax in figure.axes:
        assert ax.get_xlabel()
        assert ax.get_ylabel() or case.startswith("network") or "cascade" in case


@pytest.mark.parametrize("case", ["cascade of 48, 5 waves", "network of 48", "impact of 48", "waterfall, relief",
                                  "balance, insolvent"])  # fmt: skip
def test_the_same_figure_has_the_same_bytes(case: str, tmp_path: Path) -> None:
    first = style.save(CASES[case](), tmp_path / "first.svg").read_bytes()
    assert first == style.save(CASES[case](), tmp_path / "second.svg").read_bytes()


def test_every_axis_tells_its_unit() -> None:
    labels = {name: (CASES[name]().axes[0]) for name in ("cascade of 48, 5 waves", "network of 48", "impact of 48")}
    assert labels["cascade of 48, 5 waves"].get_xlabel() == "Wave of failure, 1: by the shock itself, rounds"
    assert "EUR" in labels["cascade of 48, 5 waves"].get_ylabel()
    assert labels["network of 48"].get_xlabel().count("EUR") == 2
    assert labels["impact of 48"].get_xlabel().split("\n")[0].endswith(", %")
    assert labels["impact of 48"].get_ylabel().endswith(", %")
    assert CASES["waterfall, one"]().axes[0].get_ylabel() == "Mean loss, EUR million"
    assert CASES["balance, insolvent"]().axes[0].get_ylabel() == "Book value, EUR million"


def test_a_cascade_names_who_failed_and_who_had_claims_on_them() -> None:
    exposures = np.array([[0, 4, 0, 0], [0, 0, 3, 0], [0, 0, 0, 0], [0, 0, 1, 0.0]])
    figure, ax = sheet()
    plot_cascade(ax, exposures, [0, 2, 1, 0], Circles(["a", "b", "c", "d"]), lost=[0.8, 1.0, 1.0, 0.0])
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["1", "2", "survive"]
    assert "a \u221280%" in contents(figure)
    assert "\nd" not in contents(figure)  # neither failed nor lost anything
    assert len(ax.patches) == 2  # b had a claim on c, a on b; d is not shown
    widths = sorted(patch.get_linewidth() for patch in ax.patches)
    assert widths == pytest.approx([0.4 + 2.6 * 0.75, 3.0])


def test_a_waterfall_adds_up() -> None:
    losses = np.array([[5.0, 1.0], [-2.0, 3.0]])
    figure = fallen(["first", "then"], ["x", "y"], losses)
    bars = [(bar.get_y(), bar.get_height()) for bar in figure.axes[0].patches]
    assert bars == [(0.0, 5.0), (5.0, 1.0), (6.0, 3.0), (9.0, -2.0), (0.0, 3.0), (3.0, 4.0)]
    shown = contents(figure)
    for text in ("+1", "7", "x: 43%", "y: 57%"):
        assert text in shown
    assert "x: 43%" in contents(fallen(["first", "then"], ["x", "y"], -losses))


def test_both_bars_of_a_balance_sheet_are_as_high_even_without_equity() -> None:
    for table in (books(100.0), books(-50.0)):
        bars = booked(table).axes[0].patches
        ends: dict[float, float] = {}
        for bar in bars:
            ends[bar.get_x()] = max(ends.get(bar.get_x(), 0.0), bar.get_y() + bar.get_height())
        first, second = ends.values()
        assert first == pytest.approx(second, rel=1e-12)
    assert "Shortfall of equity: 50" in contents(booked(books(-50.0)))
    assert "nothing left" in contents(booked(books(100.0), EMPTY))


def test_fills_differ_in_grey() -> None:
    """Neighbours of a stack differ by a tenth of the way from black to white, or by a hatch."""

    def grey(colour: str) -> float:
        return float(np.dot(to_rgb(colour), (0.299, 0.587, 0.114)))

    for one, other in itertools.pairwise(waterfall.FILLS):
        assert abs(grey(one[0]) - grey(other[0])) > 0.1 or one[1] != other[1]
    for shades in (balance.ASSETS, balance.DEBTS):
        levels = [grey(shade) for shade in shades]
        assert levels == sorted(levels)
        assert min(np.diff(levels[:4])) > 0.07


def test_places_and_numbers() -> None:
    assert apart([1.0, 1.0, 9.0], 2.0, 10.0) == [1.0, 3.0, 9.0]
    assert apart([9.5, 9.6], 2.0, 10.0) == [8.0, 10.0]
    assert apart([0.0], [4.0], 10.0, 2.0) == [2.0]
    boxes = beside(np.array([[50.0, 50.0], [50.0, 50.0]]), np.array([3.0, 3.0]), ["one", "two"], (100.0, 100.0), 8.0)
    assert boxes[0][2] <= boxes[1][0] or boxes[1][2] <= boxes[0][0]
    assert radii(np.array([4.0, 1.0, 0.0])).tolist() == [9.0, 4.5, 1.6]
    assert (amount(2_132_000.0, "EUR million"), amount(60.0, "units")) == ("EUR 2,132 bn", "60 units")
    assert (exact(60.0), exact(7.174)) == ("60", "7.17")


def test_bad_input_is_named() -> None:
    ax = Figure().subplots()
    with pytest.raises(InputError, match=r"size\[1\] is -1"):
        plot_network(ax, np.zeros((2, 2)), Circles(["a", "b"], [1.0, -1.0]))
    with pytest.raises(InputError, match="got 1, allowed"):
        plot_cascade(ax, np.zeros((2, 2)), [0, 0], Circles(["a"]))
    with pytest.raises(InputError, match="got 1, allowed"):
        impact_vulnerability(ax, [0.1, 0.2], [0.1], Circles(["a"]))
    with pytest.raises(InputError, match=r"\(1, 2\)"):
        loss_waterfall(ax, [[1.0]], ["a"], ["x", "y"], unit="EUR", label="Loss")
    with pytest.raises(InputError, match="not finite"):
        loss_waterfall(ax, [[np.nan]], ["a"], ["x"], unit="EUR", label="Loss")
    with pytest.raises(InputError, match="side"):
        balance_sheets(ax, [("x", pd.DataFrame({"side": ["left"], "item": ["a"], "amount": [1.0]}))], unit="EUR")


# of results


@pytest.fixture(scope="module")
def ring() -> Result:
    return run("ring_of_ten", draws=1, seed=1)


@pytest.fixture(scope="module")
def failures() -> Result:
    return run("eu48_single_failures", draws=12, seed=7)


@pytest.fixture(scope="module")
def bonds() -> Result:
    return run("eu48_sovereign", draws=24, seed=7)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["ring", "failures", "bonds"])
def test_every_kind_of_every_scenario(kind: str, name: str, request: pytest.FixtureRequest) -> None:
    figure = plot(request.getfixturevalue(name), kind)
    assert clashes(figure) == []


def repeated(result: Result, draws: int, status: str = "ok") -> Result:
    """The draws of a result again and again, a little apart."""
    part, rng = result.read(), np.random.default_rng(3)
    rows = np.arange(draws) % part.draws
    noise = rng.uniform(0.9, 1.1, (draws, 1)) if status == "ok" else np.full((draws, 1), np.nan)
    tables = [{name: values[rows] * noise for name, values in each.items()} for each in (part.metrics, part.final)]
    made = Part(0, tables[0], (status,) * draws, ("",) * draws, tables[1], part.agents)
    manifest = {**result.manifest, "draws": draws, "failed": draws if status == "failed" else 0}
    return Result(manifest, lambda: made, result.scenario_yaml)


@pytest.mark.parametrize("kind", ["standard", "distribution", "fan", "exceedance", "waterfall"])
@pytest.mark.parametrize(("draws", "status"), [(1, "ok"), (10_000, "ok"), (3, "failed")])
def test_any_number_of_draws(kind: str, draws: int, status: str, bonds: Result, failures: Result) -> None:
    for result in (bonds, failures):
        figure = plot(repeated(result, draws, status), kind)
        assert clashes(figure) == []
        assert "[" in contents(figure) or draws < 10_000 or kind not in ("standard", "distribution")


def test_without_a_draw_there_is_no_cascade(bonds: Result) -> None:
    for kind in ("cascade", "balance"):
        with pytest.raises(UsageError, match="every draw failed"):
            plot(repeated(bonds, 3, "failed"), kind)
    with pytest.raises(UsageError, match="not played by the rules"):
        plot(repeated(bonds, 3), "cascade")


def test_overlap_and_cropping_are_seen() -> None:
    figure, ax = sheet()
    ax.text(0.5, 0.5, "one")
    ax.text(0.5, 0.5, "two", rotation=30.0, rotation_mode="anchor")
    ax.text(1.1, 0.1, "cropped by the edge")
    assert len(clashes(figure)) == 2


def test_unknown_names_list_what_there_is(ring: Result) -> None:
    with pytest.raises(UnknownNameError, match=r"'cascad'.*did you mean 'cascade'"):
        plot(ring, "cascad")
    with pytest.raises(UnknownNameError, match="did you mean 'defaults'"):
        plot(ring, "distribution", metric="default")
    with pytest.raises(UnknownNameError, match="option of plot fan 'metrik'; did you mean 'metric'"):
        plot(ring, "fan", metrik="defaults")
    with pytest.raises(UnknownNameError, match="'B1'"):
        plot(ring, "balance", agent="B1")
    with pytest.raises(UsageError, match="from 0 to 0"):
        plot(ring, "cascade", draw=3)
    with pytest.raises(UsageError, match="not both"):
        plot(ring, "waterfall", draw=0, worst=0.1)
    system = build(load("ring_of_ten"), seed=1)
    with pytest.raises(UnknownNameError, match="did you mean 'network'"):
        system.plot("netwrk")
    assert "B03: 100" in contents(system.plot(agent="B03"))


def test_waves_of_the_ring_are_those_by_hand(ring: Result) -> None:
    played = replay(ring, 0)
    wave = dict(zip(played.system.ids, played.wave.tolist(), strict=True))
    assert {name: when for name, when in wave.items() if when} == {"B01": 1, "B10": 2}


def test_a_replayed_draw_is_the_draw(bonds: Result) -> None:
    worst = int(np.argmax(bonds.metrics["defaults"][:, -1]))
    played = replay(bonds, worst)
    assert np.count_nonzero(played.wave) == bonds.metrics["defaults"][worst, -1] > 0


def test_losses_by_bearer_add_up(ring: Result, failures: Result, bonds: Result) -> None:
    for result in (ring, failures, bonds):
        table = losses_by_bearer(result, np.ones(result.draws, dtype=np.bool_))
        assert float(table.to_numpy().sum()) == pytest.approx(result.metrics["system_loss"][:, -1].mean(), rel=1e-12)
    by_hand = losses_by_bearer(ring, np.ones(1, dtype=np.bool_))
    # B01 loses its 5 of equity at once; B10 loses its 5 through its claim on B01
    assert by_hand.loc["first round", "banks that fail"] == 5.0
    assert by_hand.loc["claims on each other", "banks that fail"] == pytest.approx(5.0, abs=1e-9)
    creditors = ring.metrics["creditor_loss"][0, -1]
    assert by_hand.loc["creditors of failed banks", "creditors of failed banks"] == pytest.approx(creditors)


def test_tables_are_found_or_asked_for(tmp_path: Path, ring: Result) -> None:
    place = tmp_path / "out"
    run("ring_of_ten", draws=1, seed=1, out=place)
    assert len(plot(open_result(place), "cascade").axes) == 1
    other = load("ring_of_ten").override({"shocks.0.size": 0.4})
    with pytest.raises(UsageError, match="is not that of the result"):
        plot(ring, "cascade", scenario=other)
    assert len(plot(run(other, draws=1, seed=1), "cascade", scenario=other).axes) == 1


SCRIPT = """
import sys
from sim.experiments.monte_carlo import run
from sim.experiments.plots import plot
from sim.report.style import save
result = run("ring_of_ten", draws=1, seed=1)
for kind in ("cascade", "waterfall", "impact", "balance", "network"):
    save(plot(result, kind), f"{sys.argv[1]}/{kind}.svg")
"""


def test_bytes_are_the_same_in_every_process(tmp_path: Path) -> None:
    root, found = Path(__file__).parents[2], []
    for attempt in ("1", "2"):
        folder = tmp_path / attempt
        folder.mkdir()
        env = {**os.environ, "PYTHONPATH": str(root), "PYTHONHASHSEED": attempt}
        subprocess.run([sys.executable, "-c", SCRIPT, str(folder)], cwd=root, env=env, check=True)
        found.append({path.name: path.read_bytes() for path in sorted(folder.iterdir())})
    assert found[0] == found[1]
    assert len(found[0]) == 5
