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
from sim.scenario.load import load

if TYPE_CHECKING:
    import pandas as pd

    from sim.experiments.result import Result
    from sim.scenario.schema import Scenario

OPEN, WALLED = "open", "walled"
NOTED = ("wall_absorbed", "wall_cost")
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

    Losses :math:`L` count what the walls' own funds paid, so a loss that is only moved is no gain:

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
    plain = walled.override({"wall": {}, "walls": []})
    made = compare({OPEN: plain, WALLED: walled}, draws=draws, **options)
    return _valued(made, loss)


def _valued(made: Comparison, loss: str) -> WallValue:
    """The three numbers of two runs on the same luck."""
    columns = (loss, *NOTED)
    (at, before), (there, behind) = (_last(made.results[name], columns) for name in (OPEN, WALLED))
    both, first, second = np.intersect1d(at, there, return_indices=True)
    a = before[0][first]
    b, cost = behind[0][second] + behind[1][second], behind[2][second]
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
    backfire = _share(int(worse.sum()), a.size, made.confidence)
    return WallValue(effect, Estimate(gain.difference, gain.low, gain.high), backfire, loss, int(a.size), made)


def _last(result: Result, metrics: Sequence[str]) -> tuple[Int, list[Float]]:
    """Draws that did not fail, and metrics after their last step."""
    table = result.to_pandas()
    table = table[table["step"] == table["step"].max()].dropna(subset=list(metrics)).sort_values("draw")
    return table["draw"].to_numpy(dtype=np.int64), [table[name].to_numpy(dtype=np.float64) for name in metrics]


def _share(count: int, n: int, confidence: float) -> Estimate:
    """A share of draws with the interval of Wilson (1927), which holds at 0 and 1 too."""
    if n == 0:
        return Estimate(math.nan, math.nan, math.nan)
    z = NormalDist().inv_cdf(0.5 + 0.5 * confidence)
    share, width = count / n, z * z / n
    middle = (share + 0.5 * width) / (1.0 + width)
    half = z * math.sqrt(share * (1.0 - share) / n + 0.25 * width / n) / (1.0 + width)
    low, high = middle - half if count else 0.0, middle + half if count < n else 1.0
    return Estimate(share, low, high)
