"""One system against the references: what is compared, in which norm, and what counts as a knife-edge.

Norms: money (equity, payments, loss) relative to the balance-sheet size of the agent, all it holds and owes after the
shock; recoveries, values and stress absolute, being parts of one; defaults and waves exactly. Everything has to agree
to `NEAR`.

A system in which some agent comes within `EDGE` of its size of the edge of default while its default is decided is a
knife-edge. It is compared like all others; where it differs, the reference is run once more with the edge moved by
`EDGE` of each agent's size towards the side the package took in each wave, and that answer has to agree. Where every
number on the way is exact in binary floating point (`Drawn.decided`, and all cascades of dyadic amounts) a tie gets no
such second try.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from sim.contagion.cascade import cascade
from sim.contagion.clear import clear
from sim.contagion.debtrank import debtrank
from sim.contagion.revalue import revalue
from sim.errors import ConvergenceError
from tests.campaign import reference
from tests.campaign.systems import Drawn

NEAR = 1e-9
EDGE = 1e-12
EXACT_UP_TO = 8
"""Agents up to which the reference calculates in fractions."""
EXANTE_UP_TO = 8
"""Agents up to which ex-ante valuations are compared: their reference iterates."""
BESIDE = Path(__file__).resolve().parents[2].parent / "shared" / "oracles.py"
"""A second set of independent solutions, used where it lies beside the repository."""

Numbers = dict[str, Any]


@dataclass(frozen=True)
class Finding:
    """One comparison: its worst error, and what went wrong if something did."""

    check: str
    worst: float
    knife: bool = False
    problem: str = ""


@cache
def oracles() -> Any:
    """Return the second set of solutions, None where there is none."""
    if not BESIDE.is_file():
        return None
    spec = importlib.util.spec_from_file_location("shared_oracles", BESIDE)
    if spec is None or spec.loader is None:
        return None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def numbers_for(system: Drawn) -> Any:
    """Return the number system of the reference: fractions for small systems."""
    return reference.exact if system.n <= EXACT_UP_TO else reference.extended


def differ(found: Numbers, wanted: Numbers, size: Any) -> tuple[float, str]:
    """Return the worst error, and what differs by more than allowed."""
    unit = np.where(size > 0, size, 1.0)
    worst, problem = 0.0, ""
    for name, values in wanted.items():
        got = np.asarray(found[name])
        if got.shape != np.shape(values):
            return np.inf, f"{name} has shape {got.shape}"
        if name in ("is_defaulted", "wave"):
            where = np.flatnonzero(got != values)
            if where.size:
                problem = problem or f"{name}[{where[0]}] is {got[where[0]]}, not {values[where[0]]}"
            continue
        error = np.abs(got - values) / (unit if name in ("equity", "payments", "loss") else 1.0)
        error = np.where(np.isfinite(got), error, np.inf)
        k = int(np.argmax(error)) if error.size else 0
        worst = max(worst, float(error.max(initial=0.0)))
        if error.size and not error[k] <= NEAR:
            problem = problem or f"{name}[{k}] is {got[k]:.17g}, not {values[k]:.17g}"
    return worst, problem


def edged(
    check: str,
    found: Numbers,
    wanted: Callable[[reference.Lean | None], tuple[Numbers, float]],
    size: Any,
    decided: bool,
) -> Finding:
    """Compare with a reference that knows how close the calls were."""
    numbers, margin = wanted(None)
    worst, problem = differ(found, numbers, size)
    knife = margin <= EDGE
    if problem and knife and not decided:
        wave, fallen = found.get("wave"), np.asarray(found["is_defaulted"])
        numbers, _ = wanted(lambda now: np.where(fallen if wave is None else wave == now, -EDGE, EDGE))
        worst, problem = differ(found, numbers, size)
    return Finding(check, worst, knife, problem)


def clearing(system: Drawn) -> Iterator[Finding]:
    """Compare the greatest clearing vectors."""
    x = system
    debt = x.exposures.sum(axis=0) + x.liabilities
    for check, alpha, beta in (("eisenberg-noe", 1.0, 1.0), ("rogers-veraart", x.alpha, x.beta)):
        got = clear(x.exposures, x.left, x.liabilities, alpha=alpha, beta=beta, default_at_zero=x.default_at_zero)
        found = {name: getattr(got, name) for name in ("equity", "payments", "is_defaulted", "wave")}
        # what a unit of debt is worth where there is none is a convention
        found["recovery"] = np.where(debt > 0, got.recovery, 1.0)
        if got.status != "certified":
            yield Finding(check, np.inf, problem=f"status is {got.status}")

        def wanted(lean: reference.Lean | None, alpha: float = alpha, beta: float = beta) -> tuple[Numbers, float]:
            made = reference.clearing(
                x.exposures, x.left, x.liabilities, alpha, beta,
                default_at_zero=x.default_at_zero, lean=lean, numbers=numbers_for(x),
            )  # fmt: skip
            numbers = {name: getattr(made, name) for name in ("recovery", "equity", "payments", "is_defaulted", "wave")}
            return numbers, made.margin

        yield edged(check, found, wanted, x.size, x.decided)
        beside = oracles()
        if beside is not None and wanted(None)[1] > EDGE:
            if alpha == beta == 1.0:
                payments, _ = beside.en_fictitious_default(x.exposures.T, x.left, x.liabilities)
            else:
                payments, _ = beside.rv_greatest_clearing(x.exposures.T, x.left, alpha, beta, x.liabilities)
            yield Finding(f"{check}, oracle", *_plain(found, {"payments": payments}, x.size))


def senior(system: Drawn) -> Iterator[Finding]:
    """Compare clearing with outside debt before interbank debt."""
    x = system
    if x.family in ("closed rings", "slow rings", "near ties", *_DYADIC):
        return  # the reference iterates: it needs outside money everywhere, and no tie
    got = clear(x.exposures, x.left, x.liabilities, alpha=x.alpha, beta=x.beta, seniority="external-senior")
    made = reference.clearing_senior(x.exposures, x.left, x.liabilities, x.alpha, x.beta)
    owed = x.exposures.sum(axis=0)
    found = {name: getattr(got, name) for name in ("equity", "payments", "is_defaulted")}
    found["recovery"] = np.where(owed > 0, got.recovery, 1.0)
    wanted = {name: getattr(made, name) for name in ("equity", "payments", "is_defaulted", "recovery")}
    yield Finding("external-senior", *_plain(found, wanted, x.size))


def cascading(system: Drawn) -> Iterator[Finding]:
    """Compare default cascades, by a shock and by decree."""
    x = system
    got = cascade(x.exposures, x.equity, x.shock, recovery_rate=x.recovery, default_at_zero=x.default_at_zero)
    found = {name: getattr(got, name) for name in ("equity", "loss", "is_defaulted", "wave")}

    def wanted(lean: reference.Lean | None) -> tuple[Numbers, float]:
        made = reference.furfine(
            x.exposures, x.equity, x.shock, x.recovery,
            default_at_zero=x.default_at_zero, lean=lean, size=x.size, numbers=numbers_for(x),
        )  # fmt: skip
        loss = x.equity - made.equity
        return {"equity": made.equity, "loss": loss, "is_defaulted": made.is_defaulted, "wave": made.wave}, made.margin

    yield edged("cascade", found, wanted, x.size, x.dyadic)
    beside = oracles()
    if beside is not None and wanted(None)[1] > EDGE:
        first = x.equity - x.shock
        who, equity, _ = beside.furfine_cascade(x.exposures, first, x.recovery, default_at_zero=x.default_at_zero)
        numbers = {"equity": equity, "is_defaulted": np.isin(np.arange(x.n), who)}
        yield Finding("cascade, oracle", *_plain(found, numbers, x.size))


def leverages(system: Drawn, least: float = 1e-9) -> tuple[Drawn, Any, Any] | None:
    """Return a system without agents that start with hardly any equity, its equity and its relative shock."""
    x = system
    kept = np.flatnonzero(x.equity > least * x.size)
    if kept.size < 2:
        return None
    part = Drawn(
        x.family, x.seed, x.exposures[np.ix_(kept, kept)], x.assets[kept], x.liabilities[kept], x.shock[kept],
        x.alpha, x.beta, x.recovery, x.default_at_zero, x.dyadic, x.decided,
    )  # fmt: skip
    equity = x.equity[kept]
    return part, equity, np.minimum(1.0, part.shock / equity)


def stressing(system: Drawn) -> Iterator[Finding]:
    """Compare the three DebtRanks."""
    made = leverages(system)
    if made is None:
        return
    x, equity, shock = made
    leverage = (1.0 - x.recovery) * x.exposures / equity[:, None]
    weights = equity / equity.sum()
    for variant in ("linear", "single-hit", "nonlinear"):
        alpha = 1.5 if variant == "nonlinear" else 0.0
        got = debtrank(x.exposures, equity, shock, variant=variant, alpha=alpha, recovery_rate=x.recovery)
        if variant == "linear":
            stress = reference.debtrank_linear(leverage, shock, numbers=numbers_for(x))
        elif variant == "single-hit":
            stress = reference.debtrank_single_hit(leverage, shock)
        else:
            stress = reference.debtrank_nonlinear(leverage, shock, alpha, rounds=20_000)
        if got.status != "certified":
            yield Finding(f"debtrank {variant}", np.inf, problem=f"status is {got.status}")
        total = float(((stress - shock) * weights).sum())
        found = {"stress": got.stress, "debtrank": np.array([got.debtrank])}
        yield Finding(f"debtrank {variant}", *_plain(found, {"stress": stress, "debtrank": np.array([total])}, x.size))
        if variant == "linear" and oracles() is not None and x.family != "slow rings":
            stress = oracles().debtrank_2015(leverage, shock, max_iter=20_000)
            yield Finding("debtrank linear, oracle", *_plain(found, {"stress": stress}, x.size))


def valuing(system: Drawn) -> Iterator[Finding]:
    """Compare valuations of a network: those that clear, those that jump, those that fall with every loss."""
    x = system
    for valuation, alpha, beta in (("eisenberg-noe", 1.0, 1.0), ("rogers-veraart", x.alpha, x.beta)):
        cleared = clear(x.exposures, x.left, x.liabilities, alpha=alpha, beta=beta)
        got = revalue(x.exposures, x.left, x.liabilities, valuation=valuation, alpha=alpha, beta=beta)
        numbers = {"equity": cleared.equity, "value": cleared.recovery, "is_defaulted": cleared.is_defaulted}
        found = {name: getattr(got, name) for name in numbers}
        yield Finding(f"revalue {valuation}", *_plain(found, numbers, x.size))
    made = leverages(system, 1e-4)
    if made is None:
        return
    part, equity, _ = made
    claims, owed = part.exposures.sum(axis=1), part.exposures.sum(axis=0)
    assets = equity - claims + owed + part.liabilities
    yield from _jumping(part, assets)
    yield from _falling(part, assets)
    if part.n <= EXANTE_UP_TO and not part.dyadic:
        yield from _exante(part)


def _jumping(x: Drawn, assets: Any) -> Iterator[Finding]:
    got = revalue(
        x.exposures, assets - x.shock, x.liabilities, valuation="furfine", recovery_rate=x.recovery,
        default_at_zero=x.default_at_zero,
    )  # fmt: skip
    real = numbers_for(x)
    a = real(x.exposures)
    first = real(assets - x.shock) - real(x.liabilities) + a.sum(axis=1) - a.sum(axis=0)
    size = np.abs(assets) + x.size

    def wanted(lean: reference.Lean | None) -> tuple[Numbers, float]:
        made = reference.furfine(
            x.exposures, first, np.zeros(x.n), x.recovery,
            default_at_zero=x.default_at_zero, lean=lean, size=size, numbers=lambda v: v if v is first else real(v),
        )  # fmt: skip
        return {"equity": made.equity, "is_defaulted": made.is_defaulted}, made.margin

    found = {"equity": got.equity, "is_defaulted": got.is_defaulted}
    yield edged("revalue furfine", found, wanted, size, x.dyadic)


def _falling(x: Drawn, assets: Any) -> Iterator[Finding]:
    # Equity before the shock comes from assets before it: where leverage amplifies without end, a rounding error in
    # an equity given beside them would be a shock, and would ruin agents that no shock can reach.
    try:
        got = revalue(
            x.exposures, assets - x.shock, x.liabilities, valuation="linear-debtrank", recovery_rate=x.recovery,
            external_assets0=assets, default_at_zero=x.default_at_zero,
        )  # fmt: skip
    except ConvergenceError:
        yield Finding("revalue linear, refused", 0.0)
        return
    a = reference.extended(x.exposures)
    first = reference.extended(assets - x.shock) - reference.extended(x.liabilities) + a.sum(axis=1) - a.sum(axis=0)
    gone = reference.extended(assets) - reference.extended(assets - x.shock)
    start = first + gone
    lost, rest = np.minimum(1.0, gone / start), 1.0 - reference.extended(x.recovery)
    stress = reference.debtrank_linear(rest * a / start[:, None], lost)
    numbers = {"equity": reference.plain(first - rest * (a * stress).sum(axis=1)), "value": 1.0 - float(rest) * stress}
    found = {"equity": got.equity, "value": got.value}
    yield Finding("revalue linear", *_plain(found, numbers, np.abs(assets) + x.size))


def _exante(x: Drawn) -> Iterator[Finding]:
    volatility = 0.02 + 0.3 * (np.arange(x.n) % 5) / 4.0
    assets = x.left + 1e-3 * x.size
    debt = x.exposures.sum(axis=0) + x.liabilities
    if not (debt > 0).all():
        return
    values: dict[str, Callable[[int, float], float]] = {
        "exante-merton": lambda j, e: reference.merton(e, assets[j], debt[j], x.recovery, volatility[j]),
        "exante-black-cox": lambda j, e: reference.black_cox(e, assets[j], x.recovery, volatility[j]),
    }
    for valuation, value in values.items():
        try:
            got = revalue(
                x.exposures, assets, x.liabilities, valuation=valuation, volatility=volatility, recovery_rate=x.recovery
            )
        except ConvergenceError:
            yield Finding(f"revalue {valuation}, refused", 0.0)
            continue
        equity = reference.revalued(x.exposures, assets, x.liabilities, value, rounds=2000)
        numbers = {"equity": equity, "value": np.array([value(j, equity[j]) for j in range(x.n)])}
        found = {"equity": got.equity, "value": got.value}
        yield Finding(f"revalue {valuation}", *_plain(found, numbers, x.size))


def _plain(found: Numbers, wanted: Numbers, size: Any) -> tuple[float, bool, str]:
    worst, problem = differ(found, wanted, size)
    return worst, False, problem


_DYADIC = ("zero-equity", "exact ties", "ties in rings")
EVERY = (clearing, senior, cascading, stressing, valuing)


def compare(system: Drawn) -> list[Finding]:
    """Return all comparisons of one system; an error of the package is a finding too."""
    found: list[Finding] = []
    for check in EVERY:
        try:
            found.extend(check(system))
        except Exception as error:  # noqa: BLE001 (whatever the package raises on a valid system is a failure)
            found.append(Finding(check.__name__, np.inf, problem=f"{type(error).__name__}: {error}"))
    return found
