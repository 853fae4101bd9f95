"""Draws what each kind of wall does into docs/walls: ``python docs/wall_figures.py``, same bytes every time."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import panels
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

import sim
from sim.analysis.paired import difference
from sim.analysis.walls import SAME, share
from sim.arrays import Float
from sim.report import style
from sim.report.page import Margins, page
from sim.report.sweep import COLOURS
from sim.report.text import number, scale, tick
from sim.simulation import Simulation
from sim.walls import LETTERS
from sim.walls.matrix import STANDARD

FOLDER = Path(__file__).parent / "walls"
SEED, FAILURES, NETWORKS = 7, 48, 8
OPEN: dict[str, Any] = {"wall": {}, "walls": []}
FRAME: dict[str, Any] = {"framealpha": 1.0, "edgecolor": "white", "fancybox": False}
"""Of legends: they stand on lines."""

SEVERE = 0.05
"""Loss on loans, 1: about three times that of combined_stress."""

Paths = dict[str, Float]
Middle = tuple[Float, Float, Float]
"""A line and its band: float64[n_points] each."""

_BUILT: dict[tuple[str, int], sim.System] = {}


def sheet(how: str, title: str, note: str) -> tuple[Figure, list[Axes]]:
    """Return a page with two panels."""
    return page((title, how), note, panels.SIZE, 2, panels.AROUND)


def last(result: sim.Result, *metrics: str) -> Float:
    """Sum of metrics after the last step, float64[n_draws]."""
    return np.asarray(sum(result.metrics[name][:, -1] for name in metrics))


def on_networks(name: str, changes: Mapping[str, Any], base: str = "cn100") -> Paths:
    """Play one draw on each of several networks; float64[n_networks, n_steps] by metric."""
    scenario, found = sim.load(name).override(dict(changes)), []
    for seed in range(1, NETWORKS + 1):
        if (base, seed) not in _BUILT:
            _BUILT[base, seed] = sim.build(base, seed=seed)
        block = Simulation(_BUILT[base, seed], scenario, np.zeros(1, dtype=np.int64), seed).play()
        found.append(block.metrics)
    return {metric: np.stack([each[metric][:, 0] for each in found]) for metric in found[0]}


def against(base: Float, others: Sequence[Float], around: float = 0.0) -> Middle:
    """Means of paired differences from a base with their 95 % intervals, moved to stand around a number."""
    found = [difference(base, each, paired=True) for each in others]
    return tuple(around + np.array([getattr(each, part) for each in found]) for part in ("difference", "low", "high"))  # type: ignore[return-value]


def curves(ax: Axes, x: Sequence[float], lines: Mapping[str, Middle], heads: tuple[str, Any, tuple[str, str]]) -> None:
    """Draw lines in their bands against a parameter, each with its name at its end."""
    title, xlabel, (what, unit) = heads
    with style.language():
        scaling = scale(unit, max(float(np.nanmax(np.abs(np.stack(each)))) for each in lines.values()))
        style.dressed(ax, title, xlabel, (what, scaling.unit))
        for k, parts in enumerate(lines.values()):
            middle, low, high = (np.where(np.isfinite(each), each, parts[0]) * scaling.factor for each in parts)
            ax.fill_between(x, low, high, color=COLOURS[k], alpha=0.2, linewidth=0)
            ax.plot(x, middle, color=COLOURS[k], linewidth=1.6, linestyle=panels.DASHES[k], marker="o", markersize=2.5)
        ax.yaxis.set_major_formatter(lambda value, _: tick(value))
        ax.xaxis.set_major_formatter(lambda value, _: tick(value))
        if len(lines) > 1:
            ax.legend(
                [ax.lines[k] for k in range(len(lines))],
                list(lines),
                fontsize=style.SMALL,
                handlelength=3.0,
                **FRAME,
            )


def absorbing() -> Figure:
    """Nothing spreads while the fund lasts; what is missing comes back several times."""
    base = sim.load("guarantee_fund")

    def played(wall: Mapping[str, Any]) -> sim.Result:
        return sim.run(base.override({"wall": dict(wall)}), draws=FAILURES, seed=SEED)

    sizes = (0, 5, 10, 15, 20, 30, 40, 50, 60, 80, 100)
    free, endless = played({}), played({"C_C": {"kind": "absorbing"}})
    walled = [played({"C_C": {"kind": "absorbing", "capacity": 1000.0 * size}}) for size in sizes]
    unit = free.info["contagion_loss"][0]
    figure, (left, right) = sheet(
        f"guarantee_fund: {FAILURES} draws, each fails another bank; seed {SEED}",
        "A fund stops contagion, as long as it lasts",
        "Bands: 95% intervals of paired differences from no fund, over the 48 failures.",
    )
    _cliff(left, last(endless, "wall_absorbed"), last(free, "contagion_loss"), last(walled[5], "contagion_loss"))
    nothing = last(free, "contagion_loss")
    spread = [last(each, "contagion_loss") for each in walled]
    both = [last(each, "contagion_loss", "wall_absorbed") for each in walled]
    lines = {
        "spread, and paid by the fund": against(nothing, both, float(nothing.mean())),
        "spread": against(nothing, spread, float(nothing.mean())),
    }
    curves(right, sizes, lines, ("Mean loss by the size of the fund", ("Fund", "EUR bn"), ("Lost", unit)))
    right.set_ylim(bottom=0.0)
    return figure


def _cliff(ax: Axes, needed: Float, free: Float, walled: Float) -> None:
    """One point a failure: what its creditors lose, and what then spreads, without fund and behind one."""
    with style.language():
        style.dressed(
            ax,
            "What spreads after each of 48 failures",
            ("First loss of the creditors", "EUR bn"),
            ("Spread", "EUR bn"),
        )
        ax.plot(
            needed / 1e3, free / 1e3, "o", markersize=3.5, markerfacecolor="none", color=style.QUIET, label="no fund"
        )
        ax.plot(needed / 1e3, walled / 1e3, "o", markersize=3.5, color=style.MARK, label="fund of EUR 30 bn")
        ax.axvline(30.0, ymax=0.78, color=style.MARK, linewidth=1.0, linestyle=panels.DASHES[1])
        ax.set_ylim(bottom=-0.03 * ax.get_ylim()[1])
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_formatter(lambda value, _: tick(value))
        ax.legend(fontsize=style.SMALL, loc="upper left", **FRAME)


def structural() -> Figure:
    """A limit saves much in few draws and costs a little in most."""
    clearing = {"valuation": "rogers-veraart", "alpha": 0.8, "beta": 0.8}
    losses = {"kind": "asset_loss", "target": "banks", "size": {"beta": {"a": 1.5, "b": 30.0, "scale": 0.6}}}
    base = sim.load("eu48_sovereign").override(
        {"channels.credit": clearing, "channels.market.enabled": False, "shocks": [losses]}
    )
    limits, draws = (0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3), 400
    walls = [base.override({"wall.C_C": {"kind": "structural", "cap": limit}}) for limit in limits]
    free, *walled = (last(sim.run(each, draws=draws, seed=SEED), "system_loss") for each in (base, *walls))
    figure, (left, right) = sheet(
        f"eu48, random losses on loans (mean 2.9%), clearing that costs a fifth; {draws} draws, seed {SEED}",
        "A limit on exposures saves much in few draws and costs a little in most",
        "Bands: 95% intervals, of paired differences (left) and of a share (right).",
    )
    told, shown = ("Limit on claims on one bank", "% of equity"), [100 * limit for limit in limits]
    change = {"mean": against(free, walled), "median": _median(free, walled)}
    curves(left, shown, change, ("What the limit changes", told, ("Loss behind it, less that without", "EUR million")))
    left.axhline(0.0, color=style.QUIET, linewidth=0.6)
    often = {"backfire": _worse(free, walled)}
    curves(right, shown, often, ("How often it backfires", told, ("Draws that lose more behind it", "1")))
    right.set_ylim(0.0, 100.0)
    return figure


def _median(base: Float, others: Sequence[Float]) -> Middle:
    """Medians of differences, without a band."""
    middle = np.array([float(np.median(each - base)) for each in others])
    return middle, middle, middle


def _worse(base: Float, others: Sequence[Float]) -> Middle:
    """Shares of draws that lose more, with their intervals."""
    found = [share(int((each > base + SAME * base.mean()).sum()), base.size, 0.95) for each in others]
    return tuple(np.array([each[k] for each in found]) for k in range(3))  # type: ignore[return-value]


def temporal() -> Figure:
    """Who sees the gate coming leaves before it."""
    rules: dict[str, dict[str, Any]] = {
        "no gate": OPEN,
        "seen coming": {},
        "surprise": {"wall.L_L.anticipation": 0.0},
    }
    steps = {"horizon.steps": 10, "metrics": ["redemptions"]}
    found = {name: on_networks("announced_gate", rule | steps)["redemptions"] for name, rule in rules.items()}
    figure, (left, right) = sheet(
        f"announced_gate: one draw on each of {NETWORKS} networks, seeds 1 to {NETWORKS}",
        "A gate that is seen coming advances the run",
        "Bands: 90% of networks (left), 95% intervals of paired differences (right). No band: all alike.",
    )
    panels.lines(left, "Fund shares redeemed so far", found, ("All funds", "CNY bn"))
    days = np.arange(1, 11)
    free = found["no gate"]
    ahead = {name: against_days(free, found[name]) for name in ("seen coming", "surprise")}
    curves(
        right,
        list(days),
        ahead,
        ("Against the same run without a gate", "Day", ("Redeemed more than without", "CNY bn")),
    )
    right.axhline(0.0, color=style.QUIET, linewidth=0.6)
    style.whole_ticks(right, 1, 10)
    return figure


def against_days(base: Float, other: Float) -> Middle:
    """Paired differences day by day; both float64[n_networks, n_steps]."""
    found = [difference(base[:, day], other[:, day], paired=True) for day in range(base.shape[1])]
    return tuple(np.array([getattr(each, part) for each in found]) for part in ("difference", "low", "high"))  # type: ignore[return-value]


def substitution() -> Figure:
    """The same mandate helps or harms, by what overload does."""
    figure, axes = sheet(
        f"multi_cloud and multi_cloud_congestion: one draw on each of {NETWORKS} networks, seeds 1 to {NETWORKS}",
        "Whether all should move hangs on what overload does",
        "Bands: 90% of networks. The largest cloud is down on days 3 and 4; the others have 30% of room.",
    )
    titles = {
        "multi_cloud": "Overloaded clouds work at capacity",
        "multi_cloud_congestion": "Overload destroys service",
    }
    low = 1.0
    for ax, (name, title) in zip(axes, titles.items(), strict=True):
        steps = {"horizon.steps": 8, "metrics": ["service_availability"]}
        paths = {
            said: on_networks(name, rule | steps, "multi_cloud")["service_availability"]
            for said, rule in (("45% can move", OPEN), ("all can move", {}))
        }
        panels.lines(ax, title, paths, ("Service that banks give", "1"), zero=False)
        low = min(low, *(float(np.quantile(each, 0.05, axis=0).min()) for each in paths.values()))
    for ax in axes:
        ax.set_ylim(100.0 * low - 2.0, 101.0)
        for text in ax.texts:
            text.remove()
        ax.legend(
            ax.lines,
            ["45% can move", "all can move"],
            fontsize=style.SMALL,
            loc="lower right",
            handlelength=3.0,
            **FRAME,
        )
        ax.set_xlim(1, 8)
    return figure


def informational() -> Figure:
    """Less is withdrawn, and yet the loss grows."""
    weights = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    names = {"metrics": ["withdrawals", "system_loss"]}
    runs = [on_networks("rumour_run", names | {"wall.R_L.permeability": weight}) for weight in weights]
    figure, (left, right) = sheet(
        f"rumour_run behind R_L: one draw on each of {NETWORKS} networks, seeds 1 to {NETWORKS}",
        "Depositors who believe less stay, and banks lose no less",
        "Bands: 95% intervals of paired differences from weight 1.",
    )
    heads = {
        "withdrawals": (
            "Left in twenty days",
            ("Weight of the rumour", "1 = no wall"),
            ("Deposits withdrawn", "CNY bn"),
        ),
        "system_loss": ("What banks lose", ("Weight of the rumour", "1 = no wall"), ("Equity lost", "CNY bn")),
    }
    for ax, (metric, told) in zip((left, right), heads.items(), strict=True):
        values = [each[metric][:, -1] for each in runs]
        curves(ax, weights, {metric: against(values[-1], values, float(values[-1].mean()))}, told)
        ax.set_ylim(bottom=0.0)
    return figure


def matrix() -> Figure:
    """What closing each cell alone changes in a severe combined stress."""
    metrics = ["contagion_loss", "wall_absorbed", "wall_levied"]
    base = {"horizon.steps": 12, "shocks.0.size": SEVERE, "metrics": metrics}

    def lost(changes: Mapping[str, Any]) -> Float:
        found = on_networks("risk_wall_open", base | dict(changes))
        return np.asarray((found["contagion_loss"] + found["wall_absorbed"] - found["wall_levied"])[:, -1])

    free = lost({})
    found = {pair: difference(free, lost({f"wall.{pair}": 0.0}), paired=True) for pair in STANDARD}
    heads = (
        "Which wall matters in the combined stress",
        f"risk_wall_open, 5% of loans lost, 12 days, one cell closed; one draw on each of networks 1 to {NETWORKS}",
    )
    note = (
        "Change of what contagion costs, % of it, with what walls paid. Bold: the 95% paired interval excludes zero. "
    )
    note += "Blank: no wall can stand there."
    figure, (ax,) = page(heads, note, (5.6, 3.0), 1, Margins(left=1.1, above=0.42, below=0.3))
    _cells(ax, found, float(free.mean()))
    return figure


def _cells(ax: Axes, found: Mapping[str, Any], whole: float) -> None:
    letters = list(LETTERS)
    with style.language():
        for pair, each in found.items():
            source, target = pair.split("_")
            row, column = letters.index(source), letters.index(target)
            part = 100.0 * each.difference / whole
            sure = bool(each.low > 0.0 or each.high < 0.0)
            depth = min(1.0, abs(part) / 25.0) * 0.75
            colour = style.TAIL if part < 0.0 else style.MARK
            ax.add_patch(Rectangle((column, row), 1, 1, facecolor=colour, alpha=depth, linewidth=0))
            said = f"{'+' if part > 0.05 else ''}{number(part, 1)}" if abs(part) >= 0.05 else "0"
            ax.text(column + 0.5, row + 0.5, said, ha="center", va="center", fontweight="bold" if sure else "normal")
        ax.set_xlim(-0.01, len(letters) + 0.01)
        ax.set_ylim(len(letters) + 0.01, -0.01)
        ax.set_xticks(np.arange(len(letters)) + 0.5, [LETTERS[each] for each in letters])
        ax.set_yticks(np.arange(len(letters)) + 0.5, [f"{LETTERS[each]} to" for each in letters])
        ax.xaxis.tick_top()
        ax.tick_params(length=0)
        for edge in range(len(letters) + 1):
            ax.axhline(edge, color=style.RULE, linewidth=0.5)
            ax.axvline(edge, color=style.RULE, linewidth=0.5)
        for spine in ax.spines.values():
            spine.set_visible(False)


FIGURES: tuple[Callable[[], Figure], ...] = (absorbing, structural, temporal, substitution, informational, matrix)


def figures() -> Iterator[tuple[str, Figure]]:
    """Yield name and figure."""
    for draw in FIGURES:
        yield draw.__name__, draw()
    yield "value", sim.wall_value("guarantee_fund", draws=FAILURES, seed=SEED).plot()


def main() -> None:
    """Write every figure as SVG."""
    FOLDER.mkdir(exist_ok=True)
    for name, figure in figures():
        path = style.save(figure, FOLDER / f"{name}.svg")
        sys.stdout.write(f"docs/walls/{path.name}\n")


if __name__ == "__main__":
    main()
