"""The figures of a result, by name; each is chosen from what the result has, or says what it lacks."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.arrays import Bool, Float
from sim.errors import UnknownNameError, UsageError
from sim.experiments.bearers import FIRST, TOTAL, losses_by_bearer
from sim.experiments.part import FAILED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from sim.experiments.result import Result
    from sim.scenario.schema import Scenario
    from sim.system import System

KINDS: dict[str, str] = {
    "standard": "losses, defaults and the course of the loss on one page",
    "distribution": "one metric over draws, with value-at-risk and expected shortfall (metric=, level=)",
    "fan": "one metric over the steps, with the bands that hold 50, 90 and 98 % of draws (metric=)",
    "exceedance": "how probable a larger loss is, after the first round and after contagion (metric=)",
    "waterfall": "the loss from the first round to the total, by channel and bearer (draw= or worst=)",
    "cascade": "who failed when and who had claims on them, in one draw (draw=)",
    "balance": "the balance sheet of an agent before and after one draw (agent=, draw=)",
    "impact": "whose default hurts the others against who is hurt by theirs, agent by agent (method=)",
    "network": "claims between banks before the shock, on the network of one draw (draw=)",
}
"""Figures of a result; `plot` draws them."""

COUNTS = ("defaults",)
"""Metrics of unit 1 that are numbers of agents and no shares."""


def plot(result: Result, kind: str = "standard", **options: Any) -> Figure:
    """Draw a figure of a result.

    Parameters
    ----------
    result : Result
        Of any run.
    kind : str
        One of `KINDS`.
    **options
        What that kind takes, such as ``metric="defaults"`` or ``draw=3``; ``scenario=`` for kinds that look into the
        system, where a result in memory does not know its tables.

    Returns
    -------
    Figure
        Belongs to no window.

    Raises
    ------
    UnknownNameError
        If there is no such kind, option, metric or agent; with the nearest.
    UsageError
        If the result does not hold what the figure needs; says what would.

    Examples
    --------
    >>> from sim.experiments.monte_carlo import run
    >>> figure = plot(run("ring_of_ten", draws=1, seed=1), "cascade")
    >>> [text.get_text() for text in figure.axes[0].get_xticklabels()]
    ['1', '2', 'survive']
    """
    if kind not in KINDS:
        raise UnknownNameError("plot", kind, KINDS)
    draw = _DRAWN[kind]
    known = [name for name in inspect.signature(draw).parameters if name != "result"]
    for name in options:
        if name not in known:
            raise UnknownNameError(f"option of plot {kind}", name, known)
    return draw(result, **options)


def _standard(result: Result) -> Figure:
    from sim.report.standard import standard_figure

    shown, of = result.shown()
    failed, uncertified, imputed = (result.manifest[name] for name in ("failed", "uncertified", "imputed"))
    played = result.draws - failed
    told = [f"{played:,} draw{'' if played == 1 else 's'}, seed {result.seed}"]
    told += [f"{failed:,} failed"] if failed else []
    told += [f"the first {of:,} shown"] if of < result.draws else []
    told += [f"{uncertified:,} not certified"] if uncertified else []
    told += [f"{len(imputed):,} input cells imputed"] if imputed else []
    return standard_figure(shown, result.info, result.title, ", ".join(told))


def _distribution(result: Result, metric: str = TOTAL, level: float = 0.99) -> Figure:
    from sim.report.distribution import default_counts, loss_distribution

    values, unit, label = _last(result, metric)
    figure, (ax,) = _page(result, ONE, _CUT if metric in COUNTS else _BRACKETS)
    if metric in COUNTS:
        default_counts(ax, values, label=label)
    else:
        loss_distribution(ax, values, unit=unit, label=label, var_level=level)
    ax.set_title("", loc="left")
    return figure


def _fan(result: Result, metric: str = TOTAL) -> Figure:
    from sim.report.fan import fan

    _known(result, metric)
    unit, label = _said(result, metric)
    values = result.metrics[metric][_good(result)]
    figure, (ax,) = _page(result, ONE, "Bands: 50%, 90% and 98% of draws at each step.")
    fan(ax, np.arange(1, values.shape[1] + 1), values, unit, label, f"Step, {_steps(_step_of(result))}")
    ax.set_title("", loc="left")
    return figure


def _exceedance(result: Result, metric: str = TOTAL) -> Figure:
    from sim.report.exceedance import first_and_total

    values, unit, label = _last(result, metric)
    paired = metric == TOTAL and FIRST in result.info
    first = _last(result, FIRST)[0] if paired else np.empty(0)
    figure, (ax,) = _page(result, ONE, "Shaded area: what contagion adds to the first round." if paired else "")
    first_and_total(ax, first, values, unit=unit, label=label)
    ax.set_title("", loc="left")
    return figure


def _waterfall(result: Result, draw: int | None = None, worst: float | None = None) -> Figure:
    from sim.report.waterfall import loss_waterfall

    if draw is not None and worst is not None:
        raise UsageError("waterfall takes draw= or worst=, not both")
    _known(result, TOTAL)
    chosen, which = _chosen(result, draw, worst)
    found = losses_by_bearer(result, chosen)
    figure, (ax,) = _page(result, WIDE_ONE, _WATERFALL_NOTE if result.agents else _SHORT_NOTE, which)
    label = ("Loss" if chosen.sum() == 1 else "Mean loss") + ", after the last step"
    loss_waterfall(ax, found, list(found.index), list(found.columns), unit=result.info[TOTAL][0], label=label)
    return figure


def _cascade(result: Result, draw: int | None = None, scenario: Scenario | None = None) -> Figure:
    from sim.experiments.replayed import replay
    from sim.ledger.balance import total_assets
    from sim.report.circles import Circles
    from sim.report.network import plot_cascade

    draw = _telling(result) if draw is None else draw
    played = replay(result, draw, scenario)
    system, banks = played.system, played.system.types["banks"]
    n = banks.stop - banks.start
    static = played.scenario.mode == "static"
    label = ("Step in which a bank fails", _steps(played.scenario.horizon.step))
    if static:
        label = ("Round of losses in which a bank fails, 1: by the shock itself", "rounds")
    size = total_assets(system.state(1, ("shock",)))[banks, 0]
    matrix = system.layers["interbank"].to_scipy()[banks, banks] if "interbank" in system.layers else np.zeros((n, n))
    wave = played.wave[banks]
    note = "Lines: the largest claims of each bank on banks that failed before it. Orange: the first to fail. "
    note += "White: survivors, with the equity they lost."
    figure, (ax,) = _page(result, _tall(n, wave), note, f"Draw {draw}: {int((wave > 0).sum())} of {n} banks fail")
    circles = Circles(system.banks, size, unit=system.currency)
    plot_cascade(ax, matrix, wave, circles, lost=played.lost[banks], label=label)
    return figure


def _balance(
    result: Result, agent: str | None = None, draw: int | None = None, scenario: Scenario | None = None
) -> Figure:
    import pandas as pd

    from sim.experiments.replayed import replay
    from sim.ledger.sheet import sheet
    from sim.report.balance import EQUITY, balance_figure

    draw = _telling(result) if draw is None else draw
    played = replay(result, draw, scenario)
    system = played.system
    banks = system.types["banks"]
    if agent is None:
        agent = system.banks[int(np.argmax(played.lost[banks]))]
    if agent not in system.banks:
        raise UnknownNameError("bank", agent, system.banks)
    row, names = system.ids.index(agent), ["side", "item", "amount"]
    sheets = [
        ("Before", pd.DataFrame(sheet(system.state(1, ("shock",)), row, 0, system.assets), columns=names)),
        (f"After step {played.scenario.horizon.steps}",
         pd.DataFrame(sheet(played.state, row, 0, system.assets), columns=names)),
    ]  # fmt: skip
    fell = " and failed" if played.wave[row] > 0 else ""
    said = f"Draw {draw}: {agent} lost {100.0 * played.lost[row]:.0f}% of its equity{fell}"
    is_below = any(
        item == EQUITY and amount < 0.0
        for _, table in sheets
        for item, amount in zip(table["item"], table["amount"], strict=True)
    )
    note = "Hatched: equity below zero, drawn on the side of assets." if is_below else ""
    return balance_figure(_heads(result, said), note, sheets, unit=system.currency)


def _impact(result: Result, method: str = "debtrank", scenario: Scenario | None = None) -> Figure:
    from sim.experiments.replayed import scenario_of
    from sim.scenario.build import build

    chosen = scenario_of(result, scenario)
    return impact_figure(build(chosen, seed=result.seed), result.name, method=method)


def impact_figure(system: System, name: str = "", *, method: str = "debtrank", layer: str = "interbank") -> Figure:
    """Draw whose default hurts the others against who is hurt by theirs, one circle a bank.

    Parameters
    ----------
    system : System
        Before any shock.
    name : str
        Of the scenario, for the subtitle.
    method : str
        ``"debtrank"`` (losses are passed on before default) or ``"cascade"`` (only at default).
    layer : str
        Name of the layer of claims.

    Returns
    -------
    Figure
        Belongs to no window.

    Raises
    ------
    UnknownNameError
        If there is no such layer or method.

    Notes
    -----
    It stands here and not in `System.plot`, because a system knows nothing of contagion.
    """
    from sim.contagion.importance import single_defaults
    from sim.ledger.balance import total_assets
    from sim.report.circles import Circles
    from sim.report.importance import impact_vulnerability
    from sim.report.page import UNTITLED, page

    banks = system.types["banks"]
    claims = system.layer(layer).to_scipy()[banks, banks]
    equity = np.maximum(0.0, system.equity0[banks])
    found = single_defaults(claims, equity, method=method, allow_uncertified=True)
    bad = int((np.asarray(found.status) != "certified").sum())
    how = f"{name}: " if name else ""
    how += f"each bank fails once; {method} on the layer {layer}, nothing recovered"
    how += f"; {bad} not certified" if bad else ""
    size = total_assets(system.state(1, ("shock",)))[banks, 0]
    heads = (f"Impact and vulnerability of {len(system.banks)} banks", how)
    figure, (ax,) = page(heads, _imputed(system.layer(layer).imputed), (6.6, 4.4), margins=UNTITLED)
    circles = Circles(system.banks, size, unit=system.currency)
    impact_vulnerability(ax, found.impact, found.vulnerability, circles)
    return figure


def _network(result: Result, draw: int = 0, scenario: Scenario | None = None) -> Figure:
    from sim.experiments.replayed import scenario_of
    from sim.scenario.build import build

    if not 0 <= draw < result.draws:
        raise UsageError(f"draw must be from 0 to {result.draws - 1}, got {draw}")
    chosen = scenario_of(result, scenario)
    return build(chosen, seed=result.seed, network=draw % result.networks).plot("network")


_DRAWN: Mapping[str, Callable[..., Figure]] = {
    "standard": _standard,
    "distribution": _distribution,
    "fan": _fan,
    "exceedance": _exceedance,
    "waterfall": _waterfall,
    "cascade": _cascade,
    "balance": _balance,
    "impact": _impact,
    "network": _network,
}

ONE, WIDE_ONE = (6.6, 3.4), (8.0, 3.6)
"""Inches: one panel, a wide one."""

_BRACKETS = "Brackets and shaded strips: 95% confidence intervals. Darker bars: draws beyond VaR."
_CUT = "A cut bar is higher than drawn; its height is written beside it."
_WATERFALL_NOTE = (
    "Bank by bank, up to the equity it had, in the order of the bars; what is lost beyond it is borne by creditors."
)
_SHORT_NOTE = "Channels count before limited liability; record: agents gives the exact split, bank by bank."


def _tall(n: int, wave: Any) -> tuple[float, float]:
    """Size of the panel of a cascade: as wide and high as what it holds."""
    waves, most = np.unique(wave[wave > 0], return_counts=True)
    rows = max(int(most.max(initial=0)), min(14, n - int(most.sum())))
    return min(11.4, 3.6 + 1.15 * (len(waves) + 1)), min(6.2, max(1.5, 0.21 * rows))


def _step_of(result: Result) -> str:
    """Length of a step, as the scenario says it."""
    from ruamel.yaml import YAML

    said = YAML(typ="safe", pure=True).load(result.scenario_yaml) or {}
    return str(said.get("horizon", {}).get("step", "1d"))


def _steps(step: str) -> str:
    """Unit of a step."""
    return "business days" if step == "1d" else f"steps of {step}"


def _imputed(is_imputed: bool) -> str:
    return "Imputed: the claims were reconstructed, not observed." if is_imputed else ""


def _page(result: Result, size: tuple[float, float], note: str, which: str = "") -> tuple[Figure, list[Axes]]:
    """A page under the title of the result, that says how it was made."""
    from sim.report.page import UNTITLED, page

    return page(_heads(result, which), note, size, margins=UNTITLED)


def _heads(result: Result, which: str) -> tuple[str, str]:
    """The title of the result, and how it was made."""
    facts = result.manifest
    good = result.draws - facts["failed"]
    told = [f"{good:,} draw{'s' * (good != 1)}, seed {result.seed}"]
    told += [f"{facts['failed']:,} failed"] if facts["failed"] else []
    told += [f"{facts['uncertified']:,} not certified"] if facts["uncertified"] else []
    told += [f"{len(facts['imputed']):,} input cells imputed"] if facts["imputed"] else []
    said = ", ".join(told)
    return result.title, f"{which}. {said}" if which else said


def _known(result: Result, metric: str) -> None:
    if metric not in result.info:
        raise UnknownNameError("metric", metric, result.info)


def _said(result: Result, metric: str) -> tuple[str, str]:
    """Unit and label of a metric."""
    unit, description = result.info[metric]
    return "number" if metric in COUNTS else unit, description or metric


def _good(result: Result) -> Bool:
    """Draws that did not fail."""
    return np.array([status != FAILED for status in result.status], dtype=np.bool_)


def _last(result: Result, metric: str) -> tuple[Float, str, str]:
    """Values after the last step, unit and label of a metric."""
    _known(result, metric)
    values = result.metrics[metric]
    return values[_good(result), -1], *_said(result, metric)


def _chosen(result: Result, draw: int | None, worst: float | None) -> tuple[Bool, str]:
    """Which draws a waterfall is of, and in words."""
    good = _good(result)
    if draw is not None:
        if not 0 <= draw < result.draws or not good[draw]:
            raise UsageError(f"draw must be from 0 to {result.draws - 1} and none that failed, got {draw}")
        return np.arange(result.draws) == draw, f"Draw {draw}"
    if worst is None:
        return good, "Mean of all draws" if good.sum() > 1 else ""
    if not 0.0 < worst <= 1.0:
        raise UsageError(f"worst must be a share of draws above 0 and at most 1, got {worst!r}")
    losses = np.where(good, result.metrics[TOTAL][:, -1], -np.inf)
    many = min(int(good.sum()), max(1, round(worst * int(good.sum()))))
    chosen = np.zeros(result.draws, dtype=np.bool_)
    chosen[np.argsort(-losses, kind="stable")[:many]] = True
    return chosen & good, f"Mean of the worst {many:,} of {int(good.sum()):,} draws"


def _telling(result: Result) -> int:
    """The draw that has most to show: most defaults, then the largest loss."""
    good = _good(result)
    if not good.any():
        raise UsageError("every draw failed; there is none to show")
    score = [
        np.where(good, result.metrics[name][:, -1], -np.inf) for name in (TOTAL, "defaults") if name in result.info
    ]
    return int(np.lexsort(score)[-1]) if score else int(np.argmax(good))
