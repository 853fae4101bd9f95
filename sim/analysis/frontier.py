"""The frontier of benefit against risk over policies that share their luck."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.analysis.adoption import Known
from sim.analysis.pareto import efficient, hypervolume, least_risk, level_of, resampled, weighted
from sim.analysis.points import points, quarters_under, radius_of, units
from sim.arrays import Float, Int
from sim.errors import UsageError, shown
from sim.experiments.sweep import sweep
from sim.experiments.swept import DONE, Sweep
from sim.scenario.load import load

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from sim.scenario.schema import Scenario

POINTS = 101
"""Benefits at which the band is read."""


@dataclass(frozen=True, eq=False, repr=False)
class Frontier:
    """Benefit against risk, one point a policy.

    Parameters
    ----------
    sweep : Sweep
        The runs.
    policies : tuple of str
        Those of which all draws came out.
    benefit : str or Known
        Metric after the last step, of which the mean counts; or what is known without a run.
    risk : str
        Metric, after the last step.
    statistic : str
        Of the risk.
    lower_is_better : bool
        Whether less of the benefit's metric is better, as with costs and rates.
    gains, losses : float64[n_policies, n_draws]
        Values of both metrics in the draws that are valid under every policy.
    units : int64[n_draws]
        The same number for draws that are drawn together.
    radius : float64[n_policies], 1
        Spectral radius of the static map under each policy; NaN where it was not asked for or there is none.
    times : int
        Samples drawn again.
    confidence : float
        Of bands and intervals.
    paths : tuple of str
        Which of several ramps each policy is a quarter of; empty where policies are not in any order.
    """

    sweep: Sweep
    policies: tuple[str, ...]
    benefit: str | Known
    risk: str
    statistic: str
    lower_is_better: bool
    gains: Float
    losses: Float
    units: Int
    radius: Float
    times: int = 500
    confidence: float = 0.9
    paths: tuple[str, ...] = ()

    @property
    def wanted(self) -> str:
        """The benefit in a word or a few: the name of its metric, or what is known."""
        return self.benefit if isinstance(self.benefit, str) else self.benefit.meaning

    @property
    def sign(self) -> float:
        """1, or -1 where less of the benefit's metric is better."""
        return -1.0 if self.lower_is_better else 1.0

    def _statistics(self, counts: Float) -> tuple[Float, Float]:
        """Mean benefit (the more the better) and risk, float64[n_policies, n_samples]."""
        good = np.stack([self.sign * weighted(values, counts, "mean") for values in self.gains])
        return good, np.stack([weighted(values, counts, self.statistic) for values in self.losses])

    @cached_property
    def _points(self) -> tuple[Float, Float]:
        good, bad = self._statistics(np.ones((1, self.units.size)))
        return good[:, 0], bad[:, 0]

    @cached_property
    def _samples(self) -> tuple[Float, Float]:
        found = [self._statistics(counts) for counts in resampled(self.units, self.times, self.sweep.seed)]
        return np.concatenate([each[0] for each in found], axis=1), np.concatenate([each[1] for each in found], axis=1)

    @property
    def risks(self) -> tuple[Float, Float]:
        """Risk of every policy, float64[n_policies], and in samples drawn again, float64[n_policies, n_samples]."""
        return self._points[1], self._samples[1]

    def summary(self) -> pd.DataFrame:
        """Return one row a policy.

        Returns
        -------
        DataFrame
            ``policy, benefit, benefit_low, benefit_high, risk, risk_low, risk_high`` with percentile intervals of the
            samples drawn again; ``efficient``: no other policy beats it in both; ``efficient_share``: in which part of
            the samples that holds; ``radius`` and ``stable`` of small stress.
        """
        import pandas as pd

        good, bad = self._points
        many_good, many_bad = self._samples
        ends = [50.0 * (1.0 - self.confidence), 50.0 * (1.0 + self.confidence)]
        low_good, high_good = np.percentile(self.sign * many_good, ends, axis=1)
        low_bad, high_bad = np.percentile(many_bad, ends, axis=1)
        return pd.DataFrame(
            {
                "policy": self.policies,
                "benefit": self.sign * good,
                "benefit_low": low_good,
                "benefit_high": high_good,
                "risk": bad,
                "risk_low": low_bad,
                "risk_high": high_bad,
                "efficient": efficient(good, bad),
                "efficient_share": efficient(many_good, many_bad).mean(axis=1),
                "radius": self.radius,
                "stable": np.where(np.isnan(self.radius), np.nan, self.radius < 1.0),
            }
        )

    def band(self, points: int = POINTS) -> pd.DataFrame:
        """Return the frontier as a line: the least risk at which each benefit can be had, with its band.

        Parameters
        ----------
        points : int
            Benefits, spread evenly over those of the efficient policies.

        Returns
        -------
        DataFrame
            ``benefit, risk, low, high``: percentiles over samples drawn again; infinite where too few of them offer as
            much.
        """
        import pandas as pd

        good, bad = self._points
        kept = good[efficient(good, bad)]
        wanted = np.linspace(kept.min(), kept.max(), points)
        many = [least_risk(g, b, wanted) for g, b in zip(self._samples[0].T, self._samples[1].T, strict=True)]
        ends = [0.5 * (1.0 - self.confidence), 0.5 * (1.0 + self.confidence)]
        ordered = np.sort(np.stack(many), axis=0)
        low, high = (ordered[round(end * (self.times - 1))] for end in ends)
        line = {"benefit": self.sign * wanted, "risk": least_risk(good, bad, wanted), "low": low, "high": high}
        return pd.DataFrame(line)

    def crossings(self) -> pd.DataFrame:
        """Return where, from policy to policy in the order of benefit, the spectral radius crosses 1.

        Returns
        -------
        DataFrame
            ``below, above``: neighbours with a radius below 1 and of 1 or more; ``benefit``: in between, where a
            straight line between both radii is 1.
        """
        import pandas as pd

        good = self._points[0]
        order = [k for k in np.argsort(good, kind="stable").tolist() if not np.isnan(self.radius[k])]
        paths = self.paths or ("",) * len(self.policies)
        along = [[k for k in order if paths[k] == path] for path in dict.fromkeys(paths)]
        rows = []
        for one, other in (pair for each in along for pair in pairwise(each)):
            first, second = self.radius[one] - 1.0, self.radius[other] - 1.0
            if (first < 0.0) != (second < 0.0):
                at = good[one] + (good[other] - good[one]) * first / (first - second)
                below, above = (one, other) if first < 0.0 else (other, one)
                row = {"below": self.policies[below], "above": self.policies[above], "benefit": self.sign * at}
                rows.append(row)
        return pd.DataFrame(rows, columns=["below", "above", "benefit"])

    def hypervolume(self, benefit: float, risk: float) -> float:
        """Return the area between the frontier and a point that is worse than every policy.

        Parameters
        ----------
        benefit, risk : float
            Of that point, units of the metrics.

        Returns
        -------
        float
            To compare two frontiers with one reference: the larger, the better.
        """
        good, bad = self._points
        return hypervolume(good, bad, (self.sign * benefit, risk))

    def plot(self) -> Figure:
        """Return the figure: every policy, the frontier with its band, and where the spectral radius crosses 1.

        Returns
        -------
        Figure
            Belongs to no window.
        """
        from sim.report.frontier import frontier_figure

        loss_unit, loss = self.sweep.info[self.risk]
        labels = (self._wanted(), (f"{self.statistic}: {loss}", loss_unit))
        title = f"{self.sweep.facts['title'] or self.sweep.name}: benefit against risk"
        band = self.band() if self.units.size > 1 else self.band().assign(low=np.nan, high=np.nan)
        table = self.summary().assign(path=self.paths) if self.paths else self.summary()
        return frontier_figure(table, band, self.crossings(), labels, title, self.told)

    def _wanted(self) -> tuple[str, str]:
        """What the benefit is, and its unit."""
        if isinstance(self.benefit, Known):
            return self.benefit.meaning, self.benefit.unit
        unit, meaning = self.sweep.info[self.benefit]
        return f"{meaning}, mean", unit

    @property
    def told(self) -> str:
        """How the frontier was made, in one line."""
        n, what = self.units.size, "quarters" if self.paths else "policies"
        said = f"{len(self.policies)} {what}, {n:,} draw{'s' * (n != 1)} each on the same luck, seed {self.sweep.seed}"
        return f"{said}, {100 * self.confidence:g} % bands of {self.times} samples drawn again"

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know about the numbers."""
        bad = self.sweep.points
        bad = bad[bad["status"] != DONE]
        told = [f"{row['policy']}: left out, {row['reason'] or row['status']}" for _, row in bad.iterrows()]
        kind, level = level_of(self.statistic)
        beyond = (1.0 - level) * self.units.size
        if kind != "mean" and beyond < 10.0:
            told.append(
                f"{self.statistic} rests on {beyond:.3g} of {self.units.size} draws; take more for narrow bands"
            )
        return tuple(told)

    def __repr__(self) -> str:
        return f"<Frontier of {self.sweep.name}: {self.told}>"

    def _repr_html_(self) -> str:
        table = self.summary().to_html(index=False, na_rep="", float_format=lambda value: f"{value:,.4g}")
        notes = "".join(f"<div>{html.escape(text)}</div>" for text in self.notes)
        head = f"{self._wanted()[0]} against {self.statistic} of {self.risk}"
        return f"<div><b>{html.escape(head)}</b>{table}{notes}<small>{html.escape(self.told)}</small></div>"


def frontier(  # noqa: PLR0913 - what is weighed, how it is measured, and the options of a run
    scenario: Scenario | str | Path,
    policies: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    benefit: str | Known | None = None,
    risk: str = "system_loss",
    statistic: str = "ES99",
    lower_is_better: bool = False,
    draws: int | None = None,
    seed: int | None = None,
    samples: int = 500,
    confidence: float = 0.9,
    selling: str | None = None,
    **options: Any,
) -> Frontier:
    r"""Weigh the benefit of policies against their risk: which of them no other beats, and how sure that is.

    Policy p has the benefit :math:`B_p = \mathrm{E}[b_p]` and the risk :math:`R_p = \mathrm{ES}_{99}[l_p]`. It is
    dominated if some q has :math:`B_q \ge B_p` and :math:`R_q \le R_p`, one of them strictly. All policies share their
    luck, and bands come from drawing the draws again, the same ones for all policies, so that what is common to them
    blurs no comparison.

    Parameters
    ----------
    scenario : Scenario, str or Path
        Loaded, a path, or the name of a shipped one.
    policies : mapping of str to mapping
        At least two: name -> dotted key -> value. Give ``{}`` to one for the scenario as it is. Of a ramp, every
        quarter under every policy is a point of its own, named such as ``"open 2022Q1"``; without policies its quarters
        alone.
    benefit : str or Known
        Metric after the last step, of which the mean counts; or a `sim.analysis.adoption.Known` with a value for every
        policy. Of a ramp by default the coverage of the underserved.
    risk : str
        Metric, after the last step.
    statistic : str
        Of the risk: ``"mean"``, or ``"VaR"`` or ``"ES"`` with a level, such as ``"ES99"``.
    lower_is_better : bool
        Whether less of the benefit's metric is better, as with costs and rates.
    draws : int, optional
        Of every policy; by default the scenario's.
    seed : int, optional
        By default the scenario's, else a random one.
    samples : int
        Samples drawn again, 100 to 100 000.
    confidence : float
        Of bands and intervals.
    selling : str, optional
        Passed on to `sim.cross_contagion`, which finds the spectral radius under each policy.
    **options : object
        Further options of `sim.sweep`, such as ``workers``, ``out``, ``progress`` or ``allow_uncertified``.

    Returns
    -------
    Frontier
        Points, bands, crossings and the figure.

    Raises
    ------
    UsageError
        If an option is wrong or there are fewer than two policies.
    InputError
        If a policy names a key or a value that is not allowed, or there is no such metric.

    References
    ----------
    Efron and Tibshirani (1993) for the bands; Zitzler and Thiele (1999) for the hypervolume.

    Examples
    --------
    >>> from sim.analysis.frontier import frontier
    >>> levels = {f"{size:g}": {"shocks.0.size": size} for size in (0.2, 0.5, 1.0)}
    >>> found = frontier("ring_of_ten", levels, benefit="defaulted_assets", lower_is_better=True, draws=2)
    >>> found.summary()["efficient"].tolist()
    [True, False, False]
    """
    chosen, path_of = load(scenario) if isinstance(scenario, str | Path) else scenario, dict[str, str]()
    if chosen.ramp is not None:
        chosen, policies, benefit, path_of = quarters_under(chosen, policies, benefit)
    if policies is None or not hasattr(policies, "items") or len(policies) < 2:
        raise UsageError(f"frontier needs at least two named policies, got {shown(policies)}")
    if benefit is None:
        raise UsageError("frontier needs a benefit: a metric, such as sme_credit")
    if not 0.5 <= confidence < 1.0:
        raise UsageError(f"confidence must be at least 0.5 and below 1, got {confidence!r}")
    if not 100 <= samples <= 100_000:
        raise UsageError(f"samples must be from 100 to 100000, got {samples!r}")
    if isinstance(benefit, Known) and (lacking := [name for name in policies if name not in benefit.values]):
        raise UsageError(f"benefit: has no value for {', '.join(lacking)}")
    level_of(statistic)
    metrics = [risk] if isinstance(benefit, Known) else list(dict.fromkeys([benefit, risk]))
    chosen = chosen.override({"metrics": metrics, "monte_carlo.until": None})
    found = sweep(chosen, policies=policies, draws=draws, seed=seed, **options)
    names, gains, losses, kept = points(found, benefit, risk)
    radius = [radius_of(chosen.override(dict(policies[name])), found.seed, selling) for name in names]
    return Frontier(
        found,
        names,
        benefit,
        risk,
        statistic,
        lower_is_better,
        gains,
        losses,
        units(chosen, kept),
        np.array(radius),
        samples,
        confidence,
        tuple(path_of[name] for name in names) if path_of else (),
    )
