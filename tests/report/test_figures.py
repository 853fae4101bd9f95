"""Figures at their edges: empty, one draw, zeros, heavy tails, one step, awkward text; no overlap; stable bytes."""

from __future__ import annotations

import hashlib
import itertools
import math
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from sim.errors import InputError, StoreError
from sim.experiments.statistics import expected_shortfall, quantile, quantile_interval
from sim.report import style
from sim.report.distribution import Tail, default_counts, loss_distribution, tail
from sim.report.exceedance import first_and_total
from sim.report.fan import fan
from sim.report.standard import standard_figure
from sim.report.text import number, printable, scale, width, wrapped

INFO = {
    "system_loss": ("EUR million", "Equity lost by all banks"),
    "first_round_loss": ("EUR million", "Equity lost in the first round"),
    "defaults": ("1", "Banks in default"),
}
TITLE = "Sovereign repricing and fire sales: losses of 48 banks"
SUBTITLE = "eu48_sovereign, 10,000 draws, seed 7. Imputed: 48 rows of interbank exposures, 112 cells of holdings."


def sample(n: int, steps: int, sigma: float = 0.45) -> dict[str, np.ndarray]:
    """Skewed losses of order 1e5 EUR million that build up over steps, and default counts from 0 to 48."""
    rng = np.random.default_rng(7)
    final = 1.1e5 * rng.lognormal(0.0, sigma, n)
    path = 1.0 - np.exp(-np.arange(1, steps + 1) / 6.0 * rng.uniform(0.6, 1.4, (n, 1)))
    losses = final[:, None] * (path if steps > 1 else 1.0)
    counts = np.minimum(48, rng.poisson(np.clip((final - 9e4) / 1.2e4, 0.0, None)))
    defaults = np.repeat(counts[:, None].astype(np.float64), steps, axis=1)
    return {"system_loss": losses, "first_round_loss": 0.6 * losses, "defaults": defaults}


def constant(value: float, n: int, steps: int) -> dict[str, np.ndarray]:
    return {name: np.full((n, steps), value) for name in INFO}


def saturated() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    losses = 3e5 - rng.exponential(2e4, (10_000, 1)) * np.ones((1, 20))
    return {"system_loss": losses, "defaults": 48.0 - rng.poisson(0.5, (10_000, 1)) * np.ones((1, 20))}


def rare() -> dict[str, np.ndarray]:
    found = sample(10_000, 20)
    return {**found, "defaults": np.where(found["defaults"] > 8.0, found["defaults"] - 8.0, 0.0)}


CASES = {
    "10,000 draws": lambda: sample(10_000, 20),
    "heavy tail": lambda: sample(10_000, 20, sigma=2.5),
    "static": lambda: sample(10_000, 1),
    "static heavy tail": lambda: sample(10_000, 1, sigma=2.5),
    "rare defaults": rare,
    "saturated": saturated,
    "sixty draws": lambda: sample(60, 20),
    "one draw": lambda: sample(1, 20),
    "one draw, static": lambda: sample(1, 1),
    "two steps": lambda: sample(300, 2),
    "zeros": lambda: constant(0.0, 10_000, 20),
    "zeros, static": lambda: constant(0.0, 500, 1),
    "all equal": lambda: constant(47.0, 10_000, 20),
    "all gain": lambda: {"system_loss": -sample(1000, 20)["system_loss"]},
    "empty": lambda: constant(0.0, 0, 20),
    "empty, static": lambda: constant(0.0, 0, 1),
    "no metrics": dict,
    "without first round": lambda: {"system_loss": sample(1000, 1)["system_loss"]},
}


def texts(figure: Figure) -> list[Text]:
    """Every text that would be drawn."""
    FigureCanvasAgg(figure).draw()
    # Tick labels beyond the limits of their axis exist, but are not drawn.
    ticks = [axis for ax in figure.axes for axis in (ax.xaxis, ax.yaxis)]
    drawn = {id(t.label1) for axis in ticks for t in axis._update_ticks()}
    owned = {id(t.label1) for axis in ticks for t in (*axis.get_major_ticks(), *axis.get_minor_ticks())}
    found = [text for text in figure.findobj(Text) if text.get_text().strip() and text.get_visible()]
    return [text for text in found if id(text) not in owned or id(text) in drawn]


def contents(figure: Figure) -> str:
    return "\n".join(text.get_text() for text in texts(figure))


def clashes(figure: Figure) -> list[str]:
    """Pairs of texts that overlap by more than a point both ways, and texts that leave the figure."""
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts(figure)]
    page = figure.bbox
    found = [
        f"outside: {name}" for name, box in boxes if box.x0 < 0 or box.y0 < 0 or box.x1 > page.x1 or box.y1 > page.y1
    ]
    for (name, box), (other, that) in itertools.combinations(boxes, 2):
        across = min(box.x1, that.x1) - max(box.x0, that.x0)
        up = min(box.y1, that.y1) - max(box.y0, that.y0)
        if across > 1.4 and up > 1.4:
            found.append(f"{name!r} on {other!r}")
    return found


@pytest.mark.parametrize("case", CASES)
def test_every_case_is_drawn_without_overlap(case: str, tmp_path: Path) -> None:
    figure = standard_figure(CASES[case](), INFO, TITLE, SUBTITLE)
    assert len(figure.axes) == 3
    assert figure.get_size_inches()[0] == 12.0
    assert clashes(figure) == []
    assert style.save(figure, tmp_path / "figure.png").stat().st_size > 10_000
    assert style.save(figure, tmp_path / "figure.svg").read_bytes().startswith(b"<?xml")


def test_axes_are_labelled_with_units() -> None:
    figure = standard_figure(sample(10_000, 20), INFO, TITLE, SUBTITLE)
    labels = [(ax.get_xlabel().split("\n")[0], ax.get_ylabel()) for ax in figure.axes]
    assert labels == [
        ("Equity lost by all banks, EUR bn", "Share of draws, %"),
        ("Banks in default", "Share of draws, %"),
        ("Step (business days)", "Equity lost by all banks, EUR bn"),
    ]
    assert TITLE in contents(figure)
    assert SUBTITLE in contents(figure)


def test_a_cut_label_keeps_its_unit() -> None:
    info = {"system_loss": ("EUR million", "Equity lost by all banks of the euro area " * 10)}
    figure = standard_figure(sample(100, 20), info, TITLE, SUBTITLE)
    assert figure.axes[0].get_xlabel().endswith("…, EUR bn")
    assert figure.axes[2].get_ylabel().endswith("…, EUR bn")
    assert clashes(figure) == []


def test_var_and_es_are_marked_where_they_are() -> None:
    metrics = sample(10_000, 20)
    risk = tail(metrics["system_loss"][:, -1])
    figure = standard_figure(metrics, INFO, TITLE, SUBTITLE)
    shown = contents(figure)
    assert f"VaR 99%: {risk.var / 1e3:.0f}" in shown
    assert f"[{risk.var_lo / 1e3:.0f}, {risk.var_hi / 1e3:.0f}]" in shown
    assert f"ES 99%: {risk.es / 1e3:.0f}" in shown
    assert f"[{risk.es_lo / 1e3:.0f}, {risk.es_hi / 1e3:.0f}]" in shown
    lines = sorted(float(line.get_xdata()[0]) for line in figure.axes[0].lines)
    np.testing.assert_allclose(lines, [risk.var / 1e3, risk.es / 1e3])


def test_given_estimates_are_shown_instead_of_own() -> None:
    given = Tail(2.0e5, 1.9e5, 2.1e5, 2.5e5, 2.4e5, 2.6e5)
    shown = contents(standard_figure(sample(10_000, 20), INFO, TITLE, SUBTITLE, tails=given))
    for text in ("VaR 99%: 200", "[190, 210]", "ES 99%: 250", "[240, 260]"):
        assert text in shown


def test_histogram_and_the_note_below_it_count_every_draw() -> None:
    losses = np.concatenate([np.linspace(0.0, 1e5, 9_999), [5e6]])
    ax = loss_distribution(Figure().subplots(), losses, unit="EUR million", label="Loss")
    heights = sum(bar.get_height() for bar in ax.patches if bar.get_width() > 0 and bar.get_alpha() is None)
    assert heights == pytest.approx(99.99)
    assert "not shown: 1 draw at 5,000" in ax.get_xlabel()


def test_default_counts_add_up_and_a_cut_bar_is_written_out() -> None:
    counts = np.array([0] * 95 + [1, 1, 2, 3, 7])
    ax = default_counts(Figure().subplots(), counts)
    shown = [text.get_text() for text in ax.texts]
    assert "no default: 95.0%" in shown
    assert ax.get_ylim()[1] < 10.0
    assert [bar.get_height() for bar in ax.patches][1:8] == pytest.approx([2.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0])


def test_static_run_names_both_curves_at_one_percent() -> None:
    metrics = sample(10_000, 1)
    figure = standard_figure(metrics, INFO, TITLE, SUBTITLE)
    var = tail(metrics["system_loss"][:, 0]).var
    shown = contents(figure)
    assert f"total\n{var / 1e3:.0f}" in shown
    assert f"first round\n{0.6 * var / 1e3:.0f}" in shown
    assert figure.axes[2].get_yscale() == "log"


def test_fan_edges_are_quantiles_and_bands_without_width_are_not_named() -> None:
    values = sample(10_000, 20)["system_loss"]
    ax = fan(Figure().subplots(), np.arange(20), values, "EUR million", "Loss")
    np.testing.assert_allclose(ax.lines[0].get_ydata(), np.median(values, axis=0) / 1e3)
    assert [text.get_text() for text in ax.texts] == ["median", "50%", "90%", "98%"]
    lone = fan(Figure().subplots(), np.arange(20), values[:1], "EUR million", "Loss")
    assert [text.get_text() for text in lone.texts] == ["all draws"]


def test_values_that_are_not_finite_are_counted_and_left_out() -> None:
    losses = np.array([1.0, 2.0, np.nan, 3.0, np.inf])
    ax = loss_distribution(Figure().subplots(), losses, unit="EUR million", label="Loss")
    assert "left out: 2 not finite" in ax.get_xlabel()
    paths = np.array([[1.0, np.nan], [np.nan, np.nan]])
    assert fan(Figure().subplots(), [1, 2], paths, "EUR", "Loss").lines[0].get_xdata().tolist() == [1.0]
    assert contents(standard_figure({"loss": np.full((3, 2), np.nan)}, {}, "t", "s")).count("no draws") == 2


NAMES = [
    "Ελληνικές τράπεζες, Банк России, Société Générale, Česká spořitelna",
    "中国银行与日本銀行の損失",
    "بنك مصر ובנק ישראל",
    "ธนาคาร बैंक 🏦 \U0001f4a5",
    "$x_{1}$ and $broken, 100 % of \\frac & <script>alert(1)</script>",
    "zero\x00width\u200b\u202e and \ud800 lone, tab\tand\nbreak",
    "W" * 4_000,
    "a very long name of a scenario " * 60,
    "",
]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_any_text_is_drawn_without_a_warning(name: str, tmp_path: Path) -> None:
    info = {key: (unit, name) for key, (unit, _) in INFO.items()}
    for steps in (1, 20):
        figure = standard_figure(sample(200, steps), info, name, name)
        assert clashes(figure) == []
    style.save(figure, tmp_path / "figure.svg")


def test_text_without_a_glyph_is_escaped_and_the_rest_kept() -> None:
    assert printable("Bank \U0001f4a5\ue000\x07") == "Bank \\U0001f4a5\\ue000\\u0007"
    assert printable("Crédit Αθήνα Банк\n€ 5") == "Crédit Αθήνα Банк € 5"


@pytest.mark.parametrize("points", [5.0, 40.0, 200.0])
def test_wrapped_lines_fit(points: float) -> None:
    lines = wrapped("Equity lost by all banks of the euro area " * 5 + "x" * 100, points, 8.0, lines=4).split("\n")
    assert len(lines) == 4
    assert lines[-1].endswith("…")
    assert all(width(line, 8.0) <= points for line in lines if len(line) > 2)
    assert wrapped("fits", 200.0, 8.0) == "fits"


@pytest.mark.parametrize(
    ("unit", "peak", "shown", "factor"),
    [
        ("EUR million", 3e5, "EUR bn", 1e-3),
        ("EUR million", 2e8, "EUR tn", 1e-6),
        ("EUR million", 800.0, "EUR million", 1.0),
        ("EUR million", 0.4, "EUR thousand", 1e3),
        ("EUR million", 0.0, "EUR million", 1.0),
        ("EUR million", math.inf, "EUR million", 1.0),
        ("EUR", 5e10, "EUR bn", 1e-9),
        ("USD mn", 5e5, "USD bn", 1e-3),
        ("currency", 5e5, "thousand currency units", 1e-3),
        ("1", 0.3, "%", 100.0),
        ("banks", 5e5, "banks", 1.0),
        ("", 5.0, "", 1.0),
    ],
)
def test_units_are_readable(unit: str, peak: float, shown: str, factor: float) -> None:
    found = scale(unit, peak)
    assert found.unit == shown
    assert found.factor == pytest.approx(factor)


def test_numbers_have_three_digits() -> None:
    written = [number(value) for value in (0.0, 312.4, 31.24, 0.03124, 5312.0, -2.5)]
    assert written == ["0", "312", "31.2", "0.0312", "5,312", "\u22122.50"]


def test_tail_ranks_coverage_and_small_samples() -> None:
    ordered = np.arange(1.0, 10_001.0)
    risk = tail(np.random.default_rng(0).permutation(ordered))
    assert risk[:3] == (9_900.0, 9_880.0, 9_920.0)
    assert risk.es == pytest.approx(np.mean(ordered[-100:]))
    assert all(math.isnan(value) for value in tail([]))
    one = tail([5.0])
    assert (one.var, one.es) == (5.0, 5.0)
    assert math.isnan(one.var_lo)
    assert math.isnan(one.es_hi)
    rng = np.random.default_rng(3)
    hits = [
        np.less_equal(r.var_lo, 4.60517) and r.var_hi >= 4.60517 for r in map(tail, rng.exponential(size=(400, 2_000)))
    ]
    assert np.mean(hits) > 0.92


def test_tail_agrees_with_the_summary_table() -> None:
    losses = np.sort(sample(10_000, 1)["system_loss"][:, 0])
    risk = tail(losses)
    assert (risk.var, risk.var_lo, risk.var_hi) == (quantile(losses, 0.99), *quantile_interval(losses, 0.99))
    shortfall, error = expected_shortfall(losses, 0.99)
    assert risk.es == pytest.approx(shortfall, rel=1e-12)
    assert risk.es_hi - risk.es == pytest.approx(1.959963984540054 * error, rel=1e-9)


def test_refusals_name_what_is_wrong(tmp_path: Path) -> None:
    ax = Figure().subplots()
    with pytest.raises(InputError, match="var_level"):
        loss_distribution(ax, [1.0], unit="EUR", label="Loss", var_level=1.0)
    with pytest.raises(InputError, match=r"\(n_draws, 3\)"):
        fan(ax, [1, 2, 3], np.zeros((4, 2)), "EUR", "Loss")
    with pytest.raises(InputError, match="metric loss"):
        standard_figure({"loss": np.zeros((2, 2, 2))}, {}, "t", "s")
    with pytest.raises(InputError, match="no metric 'gone'"):
        standard_figure(sample(3, 1), INFO, "t", "s", roles={"loss": "gone"})
    with pytest.raises(InputError, match=r"got \.gif"):
        style.save(Figure(), tmp_path / "figure.gif")
    with pytest.raises(StoreError, match=r"figure\.svg"):
        style.save(Figure(), tmp_path / "missing" / "figure.svg")


def test_first_round_may_be_absent() -> None:
    ax = first_and_total(Figure().subplots(), [], [1.0, 2.0, 3.0], unit="EUR million", label="Loss")
    assert [text.get_text() for text in ax.texts] == ["total\n3.00"]


def test_settings_of_the_user_are_left_alone_and_do_not_leak_in(tmp_path: Path) -> None:
    plain = style.save(standard_figure(sample(100, 5), INFO, TITLE, SUBTITLE), tmp_path / "plain.svg").read_bytes()
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "black", "font.family": ["serif"], "svg.hashsalt": "x"}):
        before = dict(mpl.rcParams)
        figure = standard_figure(sample(100, 5), INFO, TITLE, SUBTITLE)
        styled = style.save(figure, tmp_path / "styled.svg").read_bytes()
        assert dict(mpl.rcParams) == before
    assert styled == plain
    assert "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()


SCRIPT = """
import hashlib, pathlib, sys
import numpy as np
from sim.report.standard import standard_figure
from sim.report.style import save
rng = np.random.default_rng(5)
losses = rng.lognormal(11.5, 0.4, (2000, {steps}))
metrics = {{"system_loss": losses, "first_round_loss": losses / 2, "defaults": rng.poisson(3.0, losses.shape)}}
path = pathlib.Path(sys.argv[1])
save(standard_figure(metrics, {{"system_loss": ("EUR million", "Loss")}}, "Title", "Subtitle"), path)
assert "matplotlib.pyplot" not in sys.modules
print(hashlib.sha256(path.read_bytes()).hexdigest())
"""


@pytest.mark.parametrize("steps", [1, 20])
@pytest.mark.parametrize("kind", ["svg", "pdf", "png"])
def test_bytes_are_the_same_in_every_process(steps: int, kind: str, tmp_path: Path) -> None:
    digests = []
    for run in range(2):
        path = tmp_path / f"{run}.{kind}"
        command = [sys.executable, "-W", "error", "-c", SCRIPT.format(steps=steps), str(path)]
        root = Path(__file__).parents[2]
        done = subprocess.run(
            command,
            cwd=root,
            env={"PYTHONPATH": str(root), "PYTHONHASHSEED": str(run), "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        digests.append(done.stdout.strip())
        assert hashlib.sha256(path.read_bytes()).hexdigest() == digests[-1]
        assert str(tmp_path).encode() not in path.read_bytes()
    assert digests[0] == digests[1]
