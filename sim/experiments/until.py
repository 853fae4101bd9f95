"""Runs that end when a mean is known well enough: looked at after every complete part, in draw order.

Where a run ends is a function of its draws alone; workers, block width, executors and interruptions change nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.arrays import Bool, Float
from sim.experiments.part import FAILED, PART, UNCERTIFIED, Part
from sim.experiments.streaming import Shape, Tree

if TYPE_CHECKING:
    from sim.scenario.monte_carlo import Until

SKEWED = 25.0
"""Draws that a mean needs for every unit of squared skewness before its normal interval is believed."""


def half_width(n: Any, std: Any, level: float) -> Any:
    r"""Return the half-width of the normal interval of a mean, :math:`z s / \sqrt n`.

    Parameters
    ----------
    n : float or float64[n_samples]
        Independent values.
    std : float or float64[n_samples]
        Their standard deviation.
    level : float
        Confidence, 1.

    Returns
    -------
    float or float64[n_samples]
        In the unit of `std`.
    """
    from scipy.special import ndtri

    return float(ndtri(0.5 + level / 2.0)) * std / np.sqrt(n)


def enough(n: Any, mean: Any, std: Any, skewness: Any, until: Until) -> Bool:
    r"""Decide whether samples tell their means well enough.

    .. math:: z s / \sqrt n \le ci \, |m| \quad \text{(or } \le ci \text{)}, \qquad s > 0, \qquad n \ge 25 \, G_1^2

    The last condition keeps a run going while few draws carry the mean: of equal losses among zeros it asks for about
    25, whatever the number of zeros. No sample whose values are all equal is ever enough.

    Parameters
    ----------
    n : float or float64[n_samples]
        Independent values.
    mean, std, skewness : float or float64[n_samples]
        Theirs.
    until : Until
        What was asked for.

    Returns
    -------
    bool[n_samples]
        True where the run may end.

    References
    ----------
    Chow and Robbins (1965), Annals of Mathematical Statistics 36(2), 457-462; Glynn and Whitt (1992), Annals of Applied
    Probability 2(1), 180-198; for the third condition Cochran (1977), Sampling Techniques, 3rd ed., p. 42.
    """
    wanted = until.ci * np.abs(mean) if until.scale == "relative" else until.ci
    narrow = (half_width(n, std, until.level) <= wanted) & (np.asarray(std) > 0.0)
    return np.asarray(narrow & (n >= SKEWED * np.square(skewness)))


@dataclass(frozen=True)
class Look:
    """What a run knew at a check point.

    Parameters
    ----------
    draws : int
        So far, failed ones included.
    n : int
        Independent values among them: draws, or pairs of mirrored draws; failed ones left out.
    mean, half_width, skewness : float
        Of the metric; NaN where there is none.
    enough : bool
        Whether the run may end here.
    """

    draws: int
    n: int
    mean: float
    half_width: float
    skewness: float
    enough: bool


class Watch:
    """Looks at a run part by part, in draw order, until it has enough draws.

    Parameters
    ----------
    until : Until
        What was asked for.
    draws : int
        Most draws.
    pairs : bool
        Whether draws 2k and 2k + 1 mirror each other; the mean of a pair is one independent value then.
    """

    def __init__(self, until: Until, draws: int, *, pairs: bool) -> None:
        self.until, self.most, self.pairs = until, draws, pairs
        self.failed = self.uncertified = self.seen = 0
        self.last: Look | None = None
        self._waiting: dict[int, tuple[Shape, int, int, int]] = {}
        self._tree: Tree[Shape] = Tree(Shape.merged)

    @classmethod
    def of(cls, scenario: Any, draws: int) -> Watch | None:
        """Return who looks at a run of a scenario.

        Parameters
        ----------
        scenario : Scenario
            What is played.
        draws : int
            Most draws.

        Returns
        -------
        Watch or None
            None where the number of draws is fixed.
        """
        counts = scenario.monte_carlo
        return None if counts.until is None else cls(counts.until, draws, pairs=counts.sampler == "antithetic")

    @property
    def asked(self) -> dict[str, Any]:
        """What the run was asked for, as its manifest says it."""
        return asked(self.until, self.most)

    @property
    def stop(self) -> int | None:
        """How many draws are enough; None while that is not known."""
        return self.last.draws if self.last is not None and self.last.enough else None

    def take(self, part: Part) -> None:
        """Take in a complete part; what comes before its time waits.

        Parameters
        ----------
        part : Part
            Of 1,000 draws, or the last one.
        """
        shape = Shape.of(independent(part, self.until.metric, pairs=self.pairs))
        self._waiting[part.first] = (shape, part.draws, part.count(FAILED), part.count(UNCERTIFIED))
        while self.stop is None and (found := self._waiting.pop(self.seen, None)) is not None:
            shape, draws, failed, uncertified = found
            self._tree.add(shape)
            self.seen += draws
            self.failed, self.uncertified = self.failed + failed, self.uncertified + uncertified
            self.last = self._look()

    def _look(self) -> Look:
        whole = self._tree.total(Shape())
        n, mean, std, skewness = whole.moments.n, whole.moments.mean, whole.moments.std, whole.skewness
        width = float(half_width(n, std, self.until.level)) if n > 1 else math.nan
        good = n > 1 and bool(enough(n, mean, std, skewness, self.until))
        return Look(self.seen, n, mean, width, skewness, good)

    @property
    def width(self) -> float:
        """Half-width of the interval at the last look, in what `ci` counts in; NaN before the first."""
        return math.nan if self.last is None else scaled(self.last.mean, self.last.half_width, self.until.scale)

    @property
    def expected(self) -> int:
        """How many draws the run will take, as far as can be told."""
        if self.stop is not None:
            return self.stop
        ratio = self.width / self.until.ci
        wanted = self.seen * ratio * ratio if math.isfinite(ratio) else math.inf
        return (
            min(self.most, max(self.seen + PART, PART * math.ceil(wanted / PART))) if wanted < self.most else self.most
        )

    def facts(self) -> dict[str, Any]:
        """Return what the manifest says of it.

        Returns
        -------
        dict
            What was asked for, the most draws, and what was found when the run ended.
        """
        found = (
            {} if self.last is None else {name: getattr(self.last, name) for name in ("mean", "half_width", "skewness")}
        )
        numbers = {name: value if math.isfinite(value) else None for name, value in found.items()}
        return self.asked | {"reached": self.stop is not None, **numbers}


def independent(part: Part, metric: str, *, pairs: bool) -> Float:
    """Return the independent values of a metric after the last step.

    Parameters
    ----------
    part : Part
        Its draws; failed ones are left out.
    metric : str
        Name.
    pairs : bool
        Whether draws 2k and 2k + 1 count as one, by their mean; by the other one where one failed.

    Returns
    -------
    float64[n_values]
        In draw order.
    """
    table = part.metrics[metric]
    last = table[:, -1] if table.shape[1] else np.full(part.draws, np.nan)
    lost = np.array([status == FAILED for status in part.status], dtype=np.bool_)
    if not pairs:
        return np.ascontiguousarray(last[~lost])
    owner = (part.first + np.flatnonzero(~lost)) // 2
    values = last[~lost]
    starts = np.flatnonzero(np.r_[True, np.diff(owner) != 0]) if owner.size else owner
    sums, sizes = np.add.reduceat(values, starts) if owner.size else values, np.diff(np.r_[starts, owner.size])
    return np.asarray(sums / sizes, dtype=np.float64)


def asked(until: Until, draws: int) -> dict[str, Any]:
    """Return what a run was asked for, as its manifest says it.

    Parameters
    ----------
    until : Until
        Of the scenario.
    draws : int
        Most draws.

    Returns
    -------
    dict
        Plain data.
    """
    return {**until.model_dump(mode="json"), "most": draws}


def most(manifest: Mapping[str, Any]) -> int:
    """Return how many draws a run may take.

    Parameters
    ----------
    manifest : mapping
        Of the run, complete or not.

    Returns
    -------
    int
        Its draws, unless it may end before them.
    """
    return int((manifest.get("until") or {}).get("most", manifest["draws"]))


def is_of(manifest: Mapping[str, Any], scenario: Any, draws: int) -> bool:
    """Return whether a run was asked for the draws that a scenario asks for.

    Parameters
    ----------
    manifest : mapping
        Of the run.
    scenario : Scenario
        With or without ``until``.
    draws : int
        How many, or at most.

    Returns
    -------
    bool
        Whether both end at the same draw.
    """
    until, held = scenario.monte_carlo.until, manifest.get("until")
    if until is None or held is None:
        return until is None and held is None and bool(manifest["draws"] == draws)
    wanted = asked(until, draws)
    return {name: held.get(name) for name in wanted} == wanted


def scaled(mean: float, width: float, scale: str) -> float:
    """Return the half-width of an interval in what ``ci`` counts in.

    Parameters
    ----------
    mean, width : float
        Of the metric.
    scale : str
        ``"relative"`` or ``"absolute"``.

    Returns
    -------
    float
        A share of the mean, or as it is; NaN where the mean is zero and a share was asked for.
    """
    if scale == "absolute":
        return width
    return width / abs(mean) if mean != 0.0 else math.nan


def told(facts: Mapping[str, Any], draws: int, unit: str = "") -> str:
    """Say why a run ended.

    Parameters
    ----------
    facts : mapping
        From the manifest.
    draws : int
        How many the run has.
    unit : str
        Of the metric.

    Returns
    -------
    str
        One sentence without its full stop.
    """
    mean, width = (math.nan if facts.get(name) is None else facts[name] for name in ("mean", "half_width"))
    found, metric = scaled(mean, width, facts["scale"]), facts["metric"]
    what = f"the {100 * facts['level']:g} % interval of the mean {metric}"
    goal, reached = (worded(each, facts["scale"], unit) for each in (facts["ci"], found))
    if facts["reached"]:
        return f"stopped at {draws:,} of at most {facts['most']:,} draws: {what} is {reached} ({goal} asked)"
    if width == 0.0:
        why = f"{metric} is the same in all of them, which tells nothing about its error"
    elif math.isnan(found):
        why = f"{what} has no width to compare with {goal}"
    elif found > facts["ci"]:
        why = f"{what} is still {reached} ({goal} asked)"
    else:
        wanted = math.ceil(SKEWED * (facts.get("skewness") or 0.0) ** 2)
        why = f"too few of them carry the mean {metric} for its interval to be believed; it takes about {wanted:,}"
    return f"not stopped before the most draws ({facts['most']:,}): {why}"


def worded(width: float, scale: str, unit: str = "") -> str:
    """Return a half-width as a reader would say it.

    Parameters
    ----------
    width : float
        In what ``ci`` counts in.
    scale : str
        ``"relative"`` or ``"absolute"``.
    unit : str
        Of the metric.

    Returns
    -------
    str
        Such as ``+-0.98 %``.
    """
    return f"+-{100 * width:.3g} %" if scale == "relative" else f"+-{width:.4g} {unit if unit != '1' else ''}".rstrip()
