"""How shocks spread between financial institutions.

Public names are imported when they are first used, so that ``import sim`` costs next to nothing.

Examples
--------
>>> import sim
>>> sim.load("ring_of_ten").name
'ring_of_ten'
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sim.analysis.attribution import Attribution, attribute
    from sim.analysis.compare import Comparison, compare
    from sim.analysis.cross_contagion import CrossContagion, cross_contagion
    from sim.analysis.early_warning import WarningErrors, early_warning
    from sim.analysis.frontier import Frontier, frontier
    from sim.analysis.ramp import Ramp, ramp
    from sim.analysis.walls import WallValue, wall_value
    from sim.channels.base import Channel
    from sim.errors import (
        AuditError,
        ConvergenceError,
        FailedDrawsError,
        InputError,
        NotFiniteError,
        PluginError,
        Problem,
        SimError,
        StoreError,
        UnknownNameError,
        UsageError,
    )
    from sim.experiments.monte_carlo import resume, run
    from sim.experiments.opening import open_result as open
    from sim.experiments.result import Result
    from sim.experiments.sweep import open_sweep, sweep
    from sim.experiments.sweep_reopen import resume_sweep
    from sim.experiments.swept import Sweep
    from sim.model import Bank, ContagionModel, Fund, Platform, TechFirm
    from sim.networks.layer import Layer
    from sim.policies.base import Policy
    from sim.scenario.build import build
    from sim.scenario.load import load
    from sim.scenario.schema import Scenario
    from sim.shocks.base import Shock
    from sim.system import System
    from sim.walls.base import Wall

__version__ = "0.1.0"

_PLACES = {
    "attribute": "sim.analysis.attribution:attribute",
    "build": "sim.scenario.build:build",
    "resume": "sim.experiments.monte_carlo:resume",
    "resume_sweep": "sim.experiments.sweep_reopen:resume_sweep",
    "compare": "sim.analysis.compare:compare",
    "cross_contagion": "sim.analysis.cross_contagion:cross_contagion",
    "early_warning": "sim.analysis.early_warning:early_warning",
    "frontier": "sim.analysis.frontier:frontier",
    "load": "sim.scenario.load:load",
    "open": "sim.experiments.opening:open_result",
    "open_sweep": "sim.experiments.sweep:open_sweep",
    "ramp": "sim.analysis.ramp:ramp",
    "run": "sim.experiments.monte_carlo:run",
    "sweep": "sim.experiments.sweep:sweep",
    "wall_value": "sim.analysis.walls:wall_value",
    "Attribution": "sim.analysis.attribution:Attribution",
    "Bank": "sim.model:Bank",
    "Channel": "sim.channels.base:Channel",
    "Comparison": "sim.analysis.compare:Comparison",
    "ContagionModel": "sim.model:ContagionModel",
    "CrossContagion": "sim.analysis.cross_contagion:CrossContagion",
    "Frontier": "sim.analysis.frontier:Frontier",
    "Fund": "sim.model:Fund",
    "Layer": "sim.networks.layer:Layer",
    "Platform": "sim.model:Platform",
    "Policy": "sim.policies.base:Policy",
    "Ramp": "sim.analysis.ramp:Ramp",
    "Result": "sim.experiments.result:Result",
    "Scenario": "sim.scenario.schema:Scenario",
    "Shock": "sim.shocks.base:Shock",
    "Sweep": "sim.experiments.swept:Sweep",
    "System": "sim.system:System",
    "TechFirm": "sim.model:TechFirm",
    "Wall": "sim.walls.base:Wall",
    "WallValue": "sim.analysis.walls:WallValue",
    "WarningErrors": "sim.analysis.early_warning:WarningErrors",
    "AuditError": "sim.errors:AuditError",
    "ConvergenceError": "sim.errors:ConvergenceError",
    "FailedDrawsError": "sim.errors:FailedDrawsError",
    "InputError": "sim.errors:InputError",
    "NotFiniteError": "sim.errors:NotFiniteError",
    "PluginError": "sim.errors:PluginError",
    "Problem": "sim.errors:Problem",
    "SimError": "sim.errors:SimError",
    "StoreError": "sim.errors:StoreError",
    "UnknownNameError": "sim.errors:UnknownNameError",
    "UsageError": "sim.errors:UsageError",
}
# Folders that users reach as attributes: `sim.contagion.clear(...)` after a bare `import sim`.
_FOLDERS = (
    *("channels", "contagion", "errors", "metrics", "networks", "policies", "report", "shocks", "valuations", "walls"),
)

__all__ = [  # noqa: RUF022  (verbs, nouns, errors)
    "attribute",
    "build",
    "compare",
    "cross_contagion",
    "early_warning",
    "frontier",
    "load",
    "open",
    "open_sweep",
    "ramp",
    "resume",
    "resume_sweep",
    "run",
    "sweep",
    "wall_value",
    "Attribution",
    "Bank",
    "Channel",
    "Comparison",
    "ContagionModel",
    "CrossContagion",
    "Frontier",
    "Fund",
    "Layer",
    "Platform",
    "Policy",
    "Ramp",
    "Result",
    "Scenario",
    "Shock",
    "Sweep",
    "System",
    "TechFirm",
    "Wall",
    "WallValue",
    "WarningErrors",
    "AuditError",
    "ConvergenceError",
    "FailedDrawsError",
    "InputError",
    "NotFiniteError",
    "PluginError",
    "Problem",
    "SimError",
    "StoreError",
    "UnknownNameError",
    "UsageError",
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        module, _, attribute = _PLACES[name].partition(":")
        value = getattr(import_module(module), attribute)
        globals()[name] = value
        return value
    if name in _FOLDERS:
        return import_module(f"sim.{name}")
    raise AttributeError(f"module 'sim' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*__all__, *_FOLDERS})
