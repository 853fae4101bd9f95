"""Draws the figures of README and pages into docs/gallery; run as ``python docs/gallery.py``, same bytes every time."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from matplotlib.figure import Figure

import sim
from sim.channels import CHANNELS, PHASES
from sim.experiments.plots import plot
from sim.report.balance import balance_figure
from sim.report.phases import phases_figure
from sim.report.style import save

FOLDER = Path(__file__).parent / "gallery"
DRAWS, SEED = 1_000, 7
ROUNDING = 1e-9
ORDER = ("operational", "reputation", "liquidity", "market", "credit", "compliance")
TYPES = {"bank": "A large bank", "tech_firm": "A cloud provider", "platform": "A platform", "fund": "Its fund"}


def figures() -> Iterator[tuple[str, Figure]]:
    """Yield name and figure."""
    bonds = sim.run("eu48_sovereign", draws=DRAWS, seed=SEED, record="agents")
    yield "losses", plot(bonds, "standard")
    yield "waterfall", plot(bonds, "waterfall", worst=0.05)
    failures = sim.run("eu48_single_failures", draws=48, seed=SEED)
    yield "cascade", plot(failures, "cascade")
    yield "impact", plot(failures, "impact")
    acts = {name: [phase for phase in PHASES if phase in CHANNELS[name].phases] for name in ORDER}
    yield "phases", phases_figure("The order of a step", PHASES, acts)
    yield "balance_sheets", _sheets()
    yield "attribution", sim.attribute("combined_stress", draws=16, seed=SEED).plot()
    yield "frontier", _rules()
    yield "ramp", sim.ramp(statistic="ES95", draws=200, seed=SEED).plot()


def _rules() -> Figure:
    """Credit against loss under five rules for the own share of platforms."""
    rule = {"kind": "rule_change", "target": "platforms", "own_share": 0.3, "notice": 1.0, "transition": 5.0, "at": 1}
    stress = {"kind": "borrower_stress", "pools": "platforms", "pd_multiplier": 4.0, "factor": {"normal": {}}, "at": 10}
    scenario = sim.load("colending_stress").override({"shocks": [rule, stress], "horizon.steps": 12})
    shares = {f"{100 * share:g} %": {"shocks.0.own_share": share} for share in (0.3, 0.35, 0.4, 0.45, 0.5)}
    found = sim.frontier(scenario, shares, benefit="sme_credit", statistic="ES90", draws=200, seed=SEED)
    return found.plot()


def _sheets() -> Figure:
    """The largest agent of each type of cn100."""
    system = sim.build("cn100", seed=SEED)
    agents, sheets = system.agents, []
    for kind, name in TYPES.items():
        largest = agents[agents["type"] == kind]["total_assets"].idxmax()
        sheet = system.balance_sheet(str(largest))
        sheet["amount"] *= 100.0 / agents.loc[largest, "total_assets"]
        sheet = sheet[sheet["amount"].abs() > ROUNDING]
        sheets.append((name, sheet))
    heads = ("Balance sheets of cn100", "The largest agent of each type before any event")
    return balance_figure(heads, "Generated: no agent stands for a real one.", sheets, unit="% of total assets")


def main() -> None:
    """Write every figure as SVG."""
    FOLDER.mkdir(exist_ok=True)
    for name, figure in figures():
        path = save(figure, FOLDER / f"{name}.svg")
        sys.stdout.write(f"docs/gallery/{path.name}\n")


if __name__ == "__main__":
    main()
