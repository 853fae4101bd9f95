"""Draws what each scenario on cn100 shows into docs/scenarios: ``python docs/signatures.py``, same bytes every time."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import panels
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import sim
from sim.arrays import Float
from sim.report import style
from sim.report.sweep import COLOURS
from sim.report.text import number, tick

FOLDER = Path(__file__).parent / "scenarios"
SEED, DRAWS, MANY = 7, 64, 2_048
NETWORKS = (7, 11, 23)
"""Seeds of the networks where more than one is shown."""

BAND = "Bands: 90% of draws; where none is seen, all draws are alike."
LARGE, SMALL = slice(0, 6), slice(18, 100)
"""Rows of the large banks, and of the city and rural ones."""


def run(name: str, changes: Mapping[str, Any] | None = None, draws: int = DRAWS, seed: int = SEED) -> sim.Result:
    """Play a scenario that differs in some keys."""
    return sim.run(sim.load(name).override(dict(changes or {})), draws=draws, seed=seed)


def last(result: sim.Result, metric: str) -> float:
    """Mean over draws after the last step."""
    return float(result.metrics[metric][:, -1].mean())


def sheet(name: str, title: str, note: str, *, draws: int = DRAWS, seeds: str = str(SEED)) -> tuple[Figure, list[Axes]]:
    """Return a page with two panels."""
    return panels.sheet(name, title, note, draws=draws, seeds=seeds)


def cloud_outage() -> Figure:
    """Service falls and comes back; payments wait; hardly any equity is lost."""
    found = run("cloud_outage", {"metrics": ["service_availability", "backlog", "system_loss"]})
    figure, (left, right) = sheet("cloud_outage", "An outage costs time, hardly any equity", BAND)
    values, unit = found.metrics, found.info["backlog"][0]
    panels.lines(
        left,
        "The largest cloud is down for two days",
        {"service": values["service_availability"]},
        ("Service that banks give", "1"),
    )
    panels.lines(
        right,
        "What waits, and what is lost",
        {"payments waiting": values["backlog"], "equity lost": values["system_loss"]},
        ("All banks", unit),
    )
    return figure


def colending_stress() -> Figure:
    """Small banks lose the larger part of their equity; a stake of the platform lowers the loss."""
    lost, total = {}, {}
    for share in (0.02, 0.3):
        changes = {"system.agents.platforms.own_share": share, "record": "agents"}
        found = run("colending_stress", changes | {"shocks.0.screening_effect": 0.15})
        blind = run("colending_stress", changes | {"shocks.0.screening_effect": 0.0})
        fallen = (found.final["equity0"] - found.final["equity"]).mean(axis=0)
        own = found.final["equity0"][0]
        name = f"platform keeps {share:.0%}"
        lost[name] = [float(fallen[rows].sum() / own[rows].sum()) for rows in (LARGE, SMALL)]
        total[name] = [last(blind, "system_loss"), last(found, "system_loss")]
    figure, (left, right) = sheet(
        "colending_stress",
        "Pools hurt small banks; a stake of the platform helps",
        "The platform bears its share first. With a larger one it also screens better.",
    )
    panels.bars(
        left, "Equity lost, by size of the bank", lost, ("large", "city and rural"), ("Share of own equity", "1")
    )
    panels.bars(
        right,
        "Equity lost, by what the stake does",
        total,
        ("waterfall only", "and screening"),
        ("All banks", found.info["system_loss"][0]),
    )
    return figure


def fund_run() -> Figure:
    """A gate holds money back; fear of it advances the run."""
    rules: dict[str, dict[str, Any]] = {
        "open": {},
        "fear of the gate": {"gates": True, "gate_anticipation": 0.3},
        "gate": {"gates": True},
    }
    names = ["redemptions", "market_loss", "system_loss", "first_round_loss"]
    runs = {name: run("fund_run", {"channels.liquidity.funds": rule, "metrics": names}) for name, rule in rules.items()}
    unit = runs["open"].info["redemptions"][0]
    figure, (left, right) = sheet("fund_run", "A gate holds money back, and fear of it brings some forward", BAND)
    panels.lines(
        left,
        "Money that left the funds so far",
        {name: each.metrics["redemptions"] for name, each in runs.items()},
        ("Fund shares redeemed", unit),
    )
    parts = {"in all": "system_loss", "by fire sales": "market_loss", "first round": "first_round_loss"}
    panels.bars(
        right,
        "What banks lose: certificates are sold",
        {name: [last(each, m) for m in parts.values()] for name, each in runs.items()},
        tuple(parts),
        ("All banks", unit),
    )
    return figure


def data_penalty() -> Figure:
    """The fine is paid once, the suspension takes credit from those who have no other."""
    found = run(
        "data_penalty", {"metrics": ["sme_credit", "fines", "compliance_loss", "reputation_loss", "system_loss"]}
    )
    credit = found.metrics["sme_credit"]
    figure, (left, right) = sheet("data_penalty", "A penalty withholds credit from the underserved", BAND)
    panels.lines(
        left,
        "Suspended from day 5",
        {"credit": credit / credit[:, :1]},
        ("Credit to underserved borrowers, of day 1", "1"),
    )
    losses = {"compliance": "compliance_loss", "reputation": "reputation_loss"}
    panels.lines(
        right,
        "What banks lose by it",
        {name: found.metrics[metric] for name, metric in losses.items()},
        ("All banks, through", found.info["fines"][0]),
    )
    return figure


def tech_equity_crash() -> Figure:
    """Lenders recover less, nobody is near a limit; where all target leverage, contagion grows with price impact."""
    names = {"metrics": ["first_round_loss", "credit_loss", "market_loss", "system_loss"]}
    targeting = {"channels.market.rule": "leverage-targeting"}
    impacts = (0.0, 0.01, 0.02, 0.03)
    parts: dict[str, list[float]] = {"first round": [], "pledged loans": [], "fire sales": []}
    plain = run("tech_equity_crash", names)
    runs = [run("tech_equity_crash", names | targeting | {"system.assets.price_impact": each}) for each in impacts[1:]]
    for each in (plain, *runs):
        parts["first round"].append(last(each, "first_round_loss"))
        parts["pledged loans"].append(last(each, "credit_loss"))
        parts["fire sales"].append(last(each, "market_loss"))
    figure, (left, right) = sheet(
        "tech_equity_crash",
        "Shares fall on who holds them and who lends against them; sales hang on price impact",
        "Right: all banks sell back to the leverage they started with, after the same fall.",
    )
    unit = plain.info["system_loss"][0]
    panels.bars(
        left,
        "As shipped: nobody is near its limit",
        {"mean loss": [parts[name][0] for name in parts]},
        tuple(parts),
        ("All banks", unit),
    )
    ratio = [after / first for first, after in zip(parts["first round"][1:], parts["fire sales"][1:], strict=True)]
    panels.bars(
        right,
        "If everybody targets leverage",
        {"ratio": ratio},
        tuple(f"impact {each:.0%}" for each in impacts[1:]),
        ("Fire sales, multiple of the first round", ""),
    )
    return figure


def cyber_attack() -> Figure:
    """Sharing what is known shortens the attack."""
    names = {"metrics": ["service_availability", "lost_service"]}
    alone = run("cyber_attack", names)
    shared = run("cyber_attack", names | {"shocks.0.information_sharing": 1.0})
    figure, (left, right) = sheet(
        "cyber_attack",
        "Sharing what is known shortens an attack",
        "Band: 90% of draws. Right: draw by draw, with the same luck in both worlds.",
    )
    panels.lines(
        left,
        "As shipped: each bank for itself",
        {"service": alone.metrics["service_availability"]},
        ("Service that banks give", "1"),
    )
    saved = np.sort((alone.metrics["lost_service"] - shared.metrics["lost_service"])[:, -1])
    with style.language():
        style.dressed(
            right, "What sharing saves", "Draws, least saved first", ("Days of full service, all banks", "days")
        )
        right.axhline(0.0, color=style.QUIET, linewidth=0.6)
        right.plot(np.arange(1, saved.size + 1), saved, "o", markersize=2.5, color=style.TAIL)
        mean = float(saved.mean())
        right.axhline(mean, color=style.MARK, linewidth=1.2, linestyle=panels.DASHES[1])
        right.annotate(
            f"mean {number(mean)}",
            (1, mean),
            (0.0, 3.0),
            textcoords="offset points",
            color=style.MARK,
            fontweight="bold",
            va="bottom",
            bbox=style.PAPER,
        )
    return figure


def stake_rule() -> Figure:
    """Credit falls before losses do, and earlier where the rule is known."""
    terms = {
        "no rule": {"shocks.0.own_share": 0.02},
        "220 days": {"channels.compliance.published": 0.0},
        "announced": {},
        "20 days": {"shocks.0.transition": 20.0},
    }
    names = {"metrics": ["sme_credit", "system_loss"], "horizon.steps": 63}
    runs = {name: run("stake_rule", changes | names) for name, changes in terms.items()}
    credit = {name: each.metrics["sme_credit"] for name, each in runs.items()}
    worst = {name: np.sort(each.metrics["system_loss"][:, -1])[-3:] for name, each in runs.items()}
    figure, (left, right) = sheet(
        "stake_rule",
        "A rule takes credit at once and losses later",
        "In force from day 21, met within the days named (announced: 220, and half of it before; so too 20).",
    )
    panels.lines(
        left,
        "Until borrowers default on day 61",
        {name: values[:, :60] / values[:, :1] for name, values in credit.items()},
        ("Credit to underserved borrowers, of day 1", "1"),
    )
    panels.bars(
        right,
        "Loss in the worst 5% of draws",
        {"mean of the worst": [float(each.mean()) for each in worst.values()]},
        tuple(terms),
        ("All banks", runs["no rule"].info["system_loss"][0]),
    )
    return figure


def digital_ramp() -> Figure:
    """Coverage rises and so does the tail, without a kink; small stress grows as much in all quarters."""
    found = sim.ramp("digital_ramp", statistic="ES95", draws=100, seed=SEED)
    table, unit = found.summary(), found.frontier.sweep.info["system_loss"][0]
    figure, (left, right) = sheet(
        "digital_ramp",
        "Adoption brings credit and costs in the tail, without a kink",
        "Band: 90% of samples drawn again. The spectral radius is 1.109 in all quarters.",
        draws=100,
    )
    coverage = {"coverage": np.tile(table["coverage"], (2, 1))}
    panels.lines(
        left, "What adoption brings", coverage, ("Underserved borrowers with credit", "1"), zero=False, over="Quarter"
    )
    _costs(right, "What the stress test costs", {"": table}, unit)
    return figure


def sandbox() -> Figure:
    """At the same coverage less is lost; at the same date fewer have credit."""
    worlds = {"sandbox": {}, "at once": {"ramp.sandbox": None, "ramp.adoption.uncertainty": 0.0}}
    ramps = {
        name: sim.ramp(sim.load("sandbox").override(changes), statistic="ES95", draws=100, seed=SEED)
        for name, changes in worlds.items()
    }
    tables = {name: each.summary() for name, each in ramps.items()}
    figure, (left, right) = sheet(
        "sandbox",
        "A sandbox takes time and takes risk away",
        "Band: 90% of samples drawn again. Twenty products with adverse rates from Beta(1, 15) a month.",
        draws=100,
    )
    coverage = {name: np.tile(table["coverage"], (2, 1)) for name, table in tables.items()}
    panels.lines(
        left, "The price: time", coverage, ("Underserved borrowers with credit", "1"), zero=False, over="Quarter"
    )
    unit = ramps["sandbox"].frontier.sweep.info["system_loss"][0]
    _costs(right, "The gain: less lost at the same coverage", tables, unit)
    return figure


def _costs(ax: Axes, title: str, tables: Mapping[str, Any], unit: str) -> None:
    """Expected shortfall against coverage, one line a world."""
    with style.language():
        style.dressed(ax, title, "Underserved borrowers with credit, %", ("Expected shortfall (95%), all banks", unit))
        for k, (name, table) in enumerate(tables.items()):
            x, colour = 100.0 * table["coverage"].to_numpy(), COLOURS[k]
            ax.fill_between(x, table["risk_low"], table["risk_high"], color=colour, alpha=0.14, linewidth=0.0)
            ax.plot(x, table["risk"], color=colour, linewidth=1.6, linestyle=panels.DASHES[k])
            at = (x[-1], float(table["risk"].iloc[-1]))
            turns = k > 0
            ax.annotate(name, at, (-4.0, 6.0) if turns else (4.0, -4.0), textcoords="offset points", color=colour,
                        ha="right" if turns else "left", va="bottom" if turns else "top",
                        fontweight="bold")  # fmt: skip
        ax.yaxis.set_major_formatter(lambda value, _: tick(value))


def combined_stress() -> Figure:
    """The whole costs about what its parts cost."""
    short = {"horizon.steps": 20, "metrics": ["system_loss", "contagion_loss"]}
    shocks = sim.load("combined_stress").shocks
    plain = [{"kind": shock.name} | shock.model_dump(mode="json", exclude_none=True) for shock in shocks]
    added, together = {name: [] for name in short["metrics"]}, {name: [] for name in short["metrics"]}
    for seed in NETWORKS:
        whole = run("combined_stress", short, draws=8, seed=seed)
        alone = [run("combined_stress", short | {"shocks": [shock]}, draws=8, seed=seed) for shock in plain]
        for name in short["metrics"]:
            together[name].append(last(whole, name))
            added[name].append(sum(last(each, name) for each in alone))
    figure, axes = sheet(
        "combined_stress",
        "Together they cost about what they cost one by one",
        "Expected was a whole that costs clearly more. At the defaults nobody fails.",
        draws=8,
        seeds="7, 11 and 23",
    )
    unit, seeds = whole.info["system_loss"][0], tuple(f"seed {seed}" for seed in NETWORKS)
    for ax, name, title in zip(axes, short["metrics"], ("The whole loss", "What contagion adds to it"), strict=True):
        panels.bars(
            ax, title, {"one by one, added": added[name], "together": together[name]}, seeds, ("All banks", unit)
        )
    return figure


def rumour_run() -> Figure:
    """Nothing has happened to the bank, and yet it costs."""
    names = {"metrics": ["system_loss", "first_round_loss", "withdrawals"]}
    runs = {
        "refuted after 3 days": run("rumour_run", names),
        "refuted at once": run("rumour_run", names | {"shocks.0.refuted_after": 0.0}),
    }
    figure, (left, right) = sheet("rumour_run", "A rumour costs something though nothing happened", BAND)
    unit = runs["refuted at once"].info["system_loss"][0]
    panels.lines(
        left,
        "Who believes it leaves",
        {name: each.metrics["withdrawals"] for name, each in runs.items()},
        ("Deposits withdrawn so far", unit),
    )
    panels.lines(
        right,
        "The loss; the first round is zero",
        {name: each.metrics["system_loss"] for name, each in runs.items()},
        ("Equity lost", unit),
    )
    return figure


def interbank_freeze() -> Figure:
    """Liquid banks do not freeze."""
    found = run("interbank_freeze", {"metrics": ["system_loss", "hoarding", "overnight_lending", "lcr_min"]})
    figure, (left, right) = sheet(
        "interbank_freeze",
        "Banks that are liquid do not freeze",
        "Expected was a freeze. Banks of cn100 start far above the line and owe no repo.",
    )
    panels.lines(
        left,
        "What is lent overnight",
        {"overnight lending": found.metrics["overnight_lending"], "banks that hoard": found.metrics["hoarding"]},
        ("Of the start; of all banks", "1"),
    )
    _coverage(right)
    return figure


def _coverage(ax: Axes) -> None:
    """The coverage ratio that each bank starts with, and below which it hoards."""
    model = sim.ContagionModel("interbank_freeze", seed=SEED)
    ratios = np.sort([bank.liquidity_coverage for bank in model.agents_by_type[sim.Bank]])
    with style.language():
        style.dressed(
            ax, "Why: liquidity before the event", "Banks, least liquid first", ("Liquidity coverage ratio", "%")
        )
        ax.plot(np.arange(1, ratios.size + 1), 100.0 * ratios, "o", markersize=2.5, color=style.TAIL)
        line = 105.0
        ax.axhline(line, color=style.MARK, linewidth=1.2, linestyle=panels.DASHES[1])
        ax.annotate(
            "hoards below 105%",
            (ratios.size, line),
            (0.0, -4.0),
            textcoords="offset points",
            ha="right",
            va="top",
            color=style.MARK,
            fontweight="bold",
        )
        ax.set_ylim(bottom=0.0)


def model_monoculture() -> Figure:
    """At equal means the tail grows with the weight of the common model."""
    tails = {}
    for weight in (0.05, 0.25):
        changes = {"shocks.0.model_correlation": weight, "metrics": ["deadweight_loss"], "horizon.steps": 1}
        lost = run("model_monoculture", changes, draws=MANY).metrics["deadweight_loss"][:, -1]
        tails[f"weight {weight}"] = np.sort(lost) / lost.mean()
    figure, (left, right) = sheet(
        "model_monoculture",
        "One scoring model for all fattens the tail",
        "Losses in units of their own mean, so that only the shape differs.",
        draws=MANY,
    )
    _exceeded(left, tails)
    worst = {name: [float(each[-n:].mean()) for n in (MANY // 20, MANY // 100)] for name, each in tails.items()}
    panels.bars(right, "Mean of the worst draws", worst, ("worst 5%", "worst 1%"), ("Multiple of the mean loss", ""))
    return figure


def _exceeded(ax: Axes, tails: Mapping[str, Float]) -> None:
    """How often a multiple of the mean is exceeded."""
    with style.language():
        style.dressed(ax, "How often more is lost", "Loss, multiple of its mean", "Share of draws that lose more, %")
        for k, (name, values) in enumerate(tails.items()):
            share = 100.0 * (values.size - np.arange(values.size)) / values.size
            ax.plot(values, share, color=COLOURS[k], linewidth=1.6, linestyle=panels.DASHES[k], label=name)
        ax.set_yscale("log")
        ax.set_ylim(0.1, 110.0)
        ax.minorticks_off()
        ax.yaxis.set_major_formatter(lambda value, _: tick(value))
        ax.legend(frameon=False, fontsize=style.SMALL, loc="upper right", handlelength=3.0)


FIGURES: tuple[Callable[[], Figure], ...] = (
    cloud_outage,
    cyber_attack,
    colending_stress,
    model_monoculture,
    data_penalty,
    fund_run,
    rumour_run,
    interbank_freeze,
    tech_equity_crash,
    stake_rule,
    digital_ramp,
    sandbox,
    combined_stress,
)


def figures() -> Iterator[tuple[str, Figure]]:
    """Yield name and figure."""
    for draw in FIGURES:
        yield draw.__name__, draw()


def main() -> None:
    """Write every figure as SVG."""
    FOLDER.mkdir(exist_ok=True)
    for name, figure in figures():
        path = style.save(figure, FOLDER / f"{name}.svg")
        sys.stdout.write(f"docs/scenarios/{path.name}\n")


if __name__ == "__main__":
    main()
