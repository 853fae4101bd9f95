"""How good an early warning is: how often false, how often missing, how early."""

from __future__ import annotations

import html
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.analysis.walls import Estimate, share
from sim.arrays import Bool, Float, Int
from sim.errors import UsageError
from sim.experiments.monte_carlo import run
from sim.metrics import METRICS
from sim.policies.warning import EarlyWarning
from sim.scenario.load import load

if TYPE_CHECKING:
    import pandas as pd

    from sim.experiments.result import Result
    from sim.scenario.schema import Scenario

NEVER = -1
"""Step of what never happens."""


@dataclass(frozen=True, eq=False, repr=False)
class WarningErrors:
    r"""The errors of an early warning over draws, and how early it comes.

    .. math::
        FPR = \frac{FP}{FP + TN}, \qquad FNR = \frac{FN}{FN + TP}, \qquad \ell = (T_{event} - T_{warning}) \Delta t

    A draw with the event is warned (TP) if a warning was out at least `lead` and at most `within` before it, and missed
    (FN) otherwise. One without the event is a false alarm (FP) if there was any warning, and quiet (TN) otherwise.

    Parameters
    ----------
    event, warning : int64[n_draws]
        Step of the event, and of the first warning that counts for it (of the first of all where there is no event);
        -1: never.
    days : float
        Length of a step, days.
    confidence : float
        Of the intervals.
    what : str
        The event in words.
    result : Result
        The run.
    """

    event: Int
    warning: Int
    days: float
    confidence: float
    what: str
    result: Result

    @property
    def counts(self) -> dict[str, int]:
        """Draws that were warned, missed, false alarms and quiet ones."""
        happens, warned = self.event != NEVER, self.warning != NEVER
        cases = {"warned": happens & warned, "missed": happens & ~warned}
        cases |= {"false_alarm": ~happens & warned, "quiet": ~happens & ~warned}
        return {name: int(np.count_nonzero(draws)) for name, draws in cases.items()}

    @property
    def false_positive_rate(self) -> Estimate:
        """Share of the draws without the event in which there was a warning, with Wilson's interval."""
        counts = self.counts
        return share(counts["false_alarm"], counts["false_alarm"] + counts["quiet"], self.confidence)

    @property
    def false_negative_rate(self) -> Estimate:
        """Share of the draws with the event in which there was none in time, with Wilson's interval."""
        counts = self.counts
        return share(counts["missed"], counts["missed"] + counts["warned"], self.confidence)

    @property
    def lead_time(self) -> Estimate:
        """Mean time from the warning to the event in the draws that were warned, days."""
        good = (self.event != NEVER) & (self.warning != NEVER)
        lead = (self.event - self.warning)[good] * self.days
        if not lead.size:
            return Estimate(np.nan, np.nan, np.nan)
        mean = float(lead.mean())
        if lead.size < 2:
            return Estimate(mean, np.nan, np.nan)
        half = NormalDist().inv_cdf(0.5 + 0.5 * self.confidence) * float(lead.std(ddof=1)) / float(np.sqrt(lead.size))
        return Estimate(mean, mean - half, mean + half)

    def to_pandas(self) -> pd.DataFrame:
        """Return the errors as a table.

        Returns
        -------
        DataFrame
            ``measure, unit, value, low, high``; one row each, never one alone.
        """
        import pandas as pd

        rows = [
            ("false_positive_rate", "1", *self.false_positive_rate),
            ("false_negative_rate", "1", *self.false_negative_rate),
            ("lead_time", "days", *self.lead_time),
        ]
        return pd.DataFrame(rows, columns=["measure", "unit", "value", "low", "high"])

    @property
    def told(self) -> str:
        """How the numbers were made, in one line."""
        counts = ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in self.counts.items())
        return f"event: {self.what}; draws: {counts}; {100 * self.confidence:g} % intervals"

    def __repr__(self) -> str:
        measures = (self.false_positive_rate, self.false_negative_rate, self.lead_time)
        numbers = [f"{each.value:.4g} [{each.low:.4g}, {each.high:.4g}]" for each in measures]
        return "<WarningErrors: false positives {}, false negatives {}, lead {} days; {}>".format(*numbers, self.told)

    def _repr_html_(self) -> str:
        table: str = self.to_pandas().to_html(index=False, float_format=lambda value: f"{value:,.4g}")
        return f"<div>{table}<small>{html.escape(self.told)}</small></div>"


def early_warning(  # noqa: PLR0913 - the event, what counts as in time, and the options of a run
    scenario: Scenario | str | Path,
    event: str = "defaults",
    *,
    above: float | None = None,
    below: float | None = None,
    lead: float = 1.0,
    within: float | None = None,
    confidence: float = 0.95,
    **options: Any,
) -> WarningErrors:
    """Play a scenario, and tell how often its early warning is false, how often it is missing, and how early it comes.

    What the warning starts is not started, so that the rule is judged by what would have happened: a crisis that a
    warning averts would look like a false alarm.

    Parameters
    ----------
    scenario : Scenario, str or Path
        With one policy of kind ``early_warning``; loaded, a path, or the name of a shipped one.
    event : str
        Metric of the event, such as ``"defaults"``, true and not as an authority sees it.
    above, below : float, optional
        The event has happened after the first step in which the metric is above, or below, this; by default above 0.
    lead : float
        Least time before the event at which a warning is of use, days.
    within : float, optional
        Longest time before the event at which a warning still counts for it, days; by default without bound.
    confidence : float
        Of the intervals.
    **options : object
        Further options of `sim.run`, such as ``draws``, ``seed``, ``workers`` or ``progress``.

    Returns
    -------
    WarningErrors
        Both error rates and the lead time with intervals; repeat with other thresholds for the whole curve.

    Raises
    ------
    UsageError
        If the scenario has not just one early warning, or an option is wrong.

    References
    ----------
    Kaminsky, Lizondo and Reinhart (1998), IMF Staff Papers 45(1).

    Examples
    --------
    >>> import sim
    >>> rule = {"kind": "early_warning", "trigger": {"observed": "price_decline", "above": 0.1}}
    >>> watched = sim.load("eu48_sovereign").override({"policies": [rule], "horizon.steps": 8})
    >>> sim.early_warning(watched, "defaults", draws=16, seed=7).counts
    {'warned': 1, 'missed': 1, 'false_alarm': 5, 'quiet': 9}
    """
    chosen = load(scenario) if isinstance(scenario, str | Path) else scenario
    rules = [place for place, policy in enumerate(chosen.policies) if isinstance(policy, EarlyWarning)]
    if len(rules) != 1:
        raise UsageError(f"early_warning needs a scenario with one policy of kind early_warning, got {len(rules)}")
    if above is not None and below is not None:
        raise UsageError("early_warning: give one of above and below")
    if lead < 0.0 or (within is not None and within < lead):
        raise UsageError(f"early_warning: lead = {lead!r} must be at least 0, and within = {within!r} not below it")
    if not 0.5 <= confidence < 1.0:
        raise UsageError(f"confidence must be at least 0.5 and below 1, got {confidence!r}")
    _ = METRICS[event]
    metrics = list(dict.fromkeys(["warned", event]))
    chosen = chosen.override({f"policies.{rules[0]}.acts": False, "metrics": metrics, "monte_carlo.until": None})
    found = run(chosen, **options)
    out, value = _by_step(found, metrics)
    days, line = chosen.horizon.days, above or 0.0
    when = _first(value > line if below is None else value < below)
    said = f"{event} above {line:g}" if below is None else f"{event} below {below:g}"
    return WarningErrors(when, _heard(out > 0.0, when, days, lead, within), days, confidence, said, found)


def _by_step(result: Result, metrics: list[str]) -> tuple[Float, Float]:
    """The first and the last metric after every step, float64[n_steps, n_draws], draws that failed left out."""
    table = result.to_pandas()
    bad = table.loc[table[metrics].isna().any(axis=1), "draw"]
    table = table[~table["draw"].isin(bad)].sort_values(["step", "draw"])
    shape = (table["step"].nunique(), table["draw"].nunique())
    first, last = (table[name].to_numpy(dtype=np.float64).reshape(shape) for name in (metrics[0], metrics[-1]))
    return first, last


def _first(happens: Bool) -> Int:
    """The first row that is true, int64[n_draws]; -1 where none is."""
    return np.where(happens.any(axis=0), np.argmax(happens, axis=0), NEVER)


def _heard(out: Bool, event: Int, days: float, lead: float, within: float | None) -> Int:
    """The first warning that counts: before an event not too late and not too early, without an event any."""
    before = (event[None, :] - np.arange(out.shape[0])[:, None]) * days
    near = (before >= lead - 1e-9) & (before <= np.inf if within is None else before <= within + 1e-9)
    return _first(out & np.where(event == NEVER, np.ones_like(out), near))
