"""What walls are worth: effectiveness, net value after cost and backfire rate, always together, draw by draw."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sim.analysis.compare import Comparison, compare
from sim.analysis.paired import Alike, difference
from sim.arrays import Float, Int
from sim.errors import UsageError
from sim.report.text import number
from sim.scenario.load import load

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from sim.experiments.result import Result
    from sim.scenario.schema import Scenario

OPEN, WALLED = "open", "walled"
NOTED = ("wall_absorbed", "wall_levied", "wall_cost")
SAME = 1e-9
"""Part of the loss without walls by which a loss must be higher to count as backfire: less is rounding."""


class Estimate(NamedTuple):
    """A number with its interval.

    Parameters
    ----------
    value : float
        The estimate; NaN where it is not defined.
    low, high : float
        Ends of the interval; NaN where there are too few draws.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True, eq=False, repr=False)
class WallValue:
    r"""What walls change, on the same luck.

    Losses :math:`L` count what the walls' own funds paid (less what banks paid into them, which is among their losses),
    so a loss that is only moved is no gain:

    .. math::
        WE = 1 - \frac{\bar L(\Omega)}{\bar L(1)}, \qquad NB = \bar L(1) - \bar L(\Omega) - \bar c, \qquad
        BF = \frac{1}{n} \sum_k 1\{L_k(\Omega) > L_k(1)\}

    Parameters
    ----------
    effectiveness : Estimate
        WE, 1; NaN where nothing is lost without walls.
    net_value : Estimate
        NB, currency, after the running cost of the walls.
    backfire_rate : Estimate
        BF, 1.
    loss : str
        Metric that is counted as loss.
    draws : int
        Pairs.
    comparison : Comparison
        The runs themselves.
    """

    effectiveness: Estimate
    net_value: Estimate
    backfire_rate: Estimate
    loss: str
    draws: int
    comparison: Comparison

    def to_pandas(self) -> pd.DataFrame:
        """Return the three numbers as a table.

        Returns
        -------
        DataFrame
            ``measure, unit, value, low, high``; one row each, never one alone.
        """
        import pandas as pd

        unit = self.comparison.results[OPEN].info[self.loss][0]
        rows = [
            ("effectiveness", "1", *self.effectiveness),
            ("net_value", unit, *self.net_value),
            ("backfire_rate", "1", *self.backfire_rate),
        ]
        return pd.DataFrame(rows, columns=["measure", "unit", "value", "low", "high"])

    @property
    def losses(self) -> pd.DataFrame:
        """The loss of every draw, ``draw, open, walled``, currency; ``walled`` counts what the walls' funds paid."""
        import pandas as pd

        paired = _paired(self.comparison, self.loss)
        return pd.DataFrame({"draw": paired.draws, OPEN: paired.before, WALLED: paired.behind})

    def plot(self) -> Figure:
        """Return the figure: the loss of every draw behind the walls against its loss without.

        Returns
        -------
        Figure
            Belongs to no window.
        """
        from sim.report.walls import wall_figure

        losses, result = self.losses, self.comparison.results[WALLED]
        unit, meaning = result.info[self.loss]
        numbers = f"Effectiveness {_said(self.effectiveness)}, net value {_said(self.net_value)} {unit}, "
        numbers += f"backfire rate {_said(self.backfire_rate)}. {self.told}"
        before, behind = losses[OPEN].to_numpy(), losses[WALLED].to_numpy()
        return wall_figure(before, behind, (meaning, unit), result.title or result.name, numbers)

    @property
    def told(self) -> str:
        """How the numbers were made, in one line."""
        part = f"{self.loss} and what walls paid, after the last step"
        return f"{part}; {self.draws:,} pairs of draws, {100 * self.comparison.confidence:g} % intervals"

    def __repr__(self) -> str:
        measures = (self.effectiveness, self.net_value, self.backfire_rate)
        numbers = [f"{each.value:.4g} [{each.low:.4g}, {each.high:.4g}]" for each in measures]
        return "<WallValue: effectiveness {}, net value {}, backfire rate {}; {}>".format(*numbers, self.told)

    def _repr_html_(self) -> str:
        table: str = self.to_pandas().to_html(index=False, float_format=lambda value: f"{value:,.4g}")
        return f"<div>{table}<small>{html.escape(self.told)}</small></div>"


def wall_value(
    scenario: Scenario | str, *, loss: str = "system_loss", draws: int | None = None, **options: Any
) -> WallValue:
    """Compare a scenario with the same one whose walls are all open.

    Parameters
    ----------
    scenario : Scenario or str
        With at least one wall; loaded, or its name.
    loss : str
        Metric in currency that is counted as loss, after the last step.
    draws : int, optional
        Pairs; by default as many as the scenario says.
    **options : object
        Further options of `sim.compare`, such as ``seed``, ``confidence`` or ``progress``.

    Returns
    -------
    WallValue
        Effectiveness, net value and backfire rate with their intervals.

    Raises
    ------
    UsageError
        If the scenario has no wall.
    InputError
        If there is no such metric.

    Examples
    --------
    >>> from sim.analysis.walls import wall_value
    >>> found = wall_value("guarantee_fund", draws=4, seed=7)
    >>> found.to_pandas()["measure"].tolist()
    ['effectiveness', 'net_value', 'backfire_rate']
    """
    walled = load(scenario)
    if not walled.standing:
        raise UsageError("there is no wall in the scenario, or all are open: nothing to compare")
    wanted = list(dict.fromkeys([*walled.metrics, loss, *NOTED]))
    walled = walled.override({"metrics": wanted})
    plain = walled.override({"wall": {}, "walls": []} | _unheard(walled))
    made = compare({OPEN: plain, WALLED: walled}, draws=draws, **options)
    return _valued(made, loss)


def _unheard(scenario: Scenario) -> dict[str, Any]:
    """Warnings that start policies alone, where there is no wall left that they could start."""
    told = {f"policies.{k}.starts": getattr(each, "starts", ()) for k, each in enumerate(scenario.policies)}
    return {key: [what for what in starts if not what.startswith("wall")] for key, starts in told.items() if starts}


class _Paired(NamedTuple):
    """Draws that neither run has lost, and what they lose; `behind` counts what the walls' funds paid."""

    draws: Int
    before: Float
    behind: Float
    cost: Float


def _paired(made: Comparison, loss: str) -> _Paired:
    """Bring the draws of both runs side by side."""
    columns = (loss, *NOTED)
    (at, before), (there, behind) = (_last(made.results[name], columns) for name in (OPEN, WALLED))
    both, first, second = np.intersect1d(at, there, return_indices=True)
    lost, paid, levied, cost = (values[second] for values in behind)
    # what banks have paid into the funds is among their losses already
    return _Paired(both, before[0][first], lost + paid - levied, cost)


def _said(estimate: Estimate) -> str:
    """A number with its interval, for readers."""
    return "{} [{}, {}]".format(*(number(each) if math.isfinite(each) else "undefined" for each in estimate))


def _valued(made: Comparison, loss: str) -> WallValue:
    """The three numbers of two runs on the same luck."""
    both, a, b, cost = _paired(made, loss)
    result = made.results[OPEN]
    alike = Alike(both, result.networks) if result.sampler == "antithetic" or result.networks > 1 else None
    nothing = np.zeros_like(a)
    mean = float(a.mean()) if a.size else math.nan
    scale = float(np.abs(a).mean()) if a.size else math.nan
    worse = b > a + SAME * scale
    gain = difference(nothing, a - b - cost, paired=True, alike=alike, confidence=made.confidence)
    effect = Estimate(math.nan, math.nan, math.nan)
    if mean > 0.0:
        ratio = float(b.mean()) / mean
        # the error of a ratio is that of what is left of it draw by draw
        rest = difference(nothing, b - ratio * a, paired=True, alike=alike, confidence=made.confidence)
        effect = Estimate(1.0 - ratio, 1.0 - ratio - rest.high / mean, 1.0 - ratio - rest.low / mean)
    backfire = share(int(worse.sum()), a.size, made.confidence)
    return WallValue(effect, Estimate(gain.difference, gain.low, gain.high), backfire, loss, int(a.size), made)


def _last(result: Result, metrics: Sequence[str]) -> tuple[Int, list[Float]]:
    """Draws that did not fail, and metrics after their last step."""
    table = result.to_pandas()
    table = table[table["step"] == table["step"].max()].dropna(subset=list(metrics)).sort_values("draw")
    return table["draw"].to_numpy(dtype=np.int64), [table[name].to_numpy(dtype=np.float64) for name in metrics]


def share(count: int, n: int, confidence: float) -> Estimate:
    """Return a share of draws with the interval of Wilson (1927), which holds at 0 and 1 too.

    Parameters
    ----------
    count, n : int
        Draws that count, and all of them.
    confidence : float
        Of the interval.

    Returns
    -------
    Estimate
        NaN without draws.
    """
    if n == 0:
        return Estimate(math.nan, math.nan, math.nan)
    z = NormalDist().inv_cdf(0.5 + 0.5 * confidence)
    part, width = count / n, z * z / n
    middle = (part + 0.5 * width) / (1.0 + width)
    half = z * math.sqrt(part * (1.0 - part) / n + 0.25 * width / n) / (1.0 + width)
    low, high = middle - half if count else 0.0, middle + half if count < n else 1.0
    return Estimate(part, low, high)
