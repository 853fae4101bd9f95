"""The ramp: a technology is taken up quarter by quarter, and every quarter is put through the same stress test."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.analysis.adoption import WORDS, Known
from sim.analysis.frontier import Frontier, frontier
from sim.analysis.pareto import resampled, weighted
from sim.arrays import Float
from sim.errors import UsageError, shown
from sim.scenario.adoption import Adoption, Benefits
from sim.scenario.load import load
from sim.scenario.quarters import stress_test
from sim.scenario.ramp import DIALS, Quarters, quarters_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from sim.scenario.schema import Scenario

__all__ = ["DIALS", "Ramp", "ramp"]


@dataclass(frozen=True, eq=False, repr=False)
class Ramp:
    """What technology brings and what it risks, quarter by quarter.

    Parameters
    ----------
    frontier : Frontier
        The stress tests, one a quarter, all on the same luck.
    adoption : float64[n_quarters], 1
        Of those quarters.
    benefits : dict of str to float64[n_quarters]
        ``coverage`` (1), ``sme_credit`` (currency), ``cost_of_service`` and ``lending_rate`` (1 a year): a vector that
        is never added up.
    """

    frontier: Frontier
    adoption: Float
    benefits: dict[str, Float]

    @property
    def quarters(self) -> tuple[str, ...]:
        """Names of the quarters, ascending; those whose test failed are left out and named in `notes`."""
        return self.frontier.policies

    @property
    def radius(self) -> Float:
        """Spectral radius of the static map in each quarter, float64[n_quarters], 1; NaN where there is none."""
        return self.frontier.radius

    def summary(self) -> pd.DataFrame:
        """Return one row a quarter.

        Returns
        -------
        DataFrame
            ``quarter, adoption, coverage, sme_credit, cost_of_service, lending_rate``, which are known without a run;
            ``mean, mean_low, mean_high`` and ``risk, risk_low, risk_high``: mean and statistic of the losses with their
            percentile intervals; ``step, step_low, step_high``: what the statistic grew by since the quarter before, on
            the same luck; ``radius``.
        """
        import pandas as pd

        found = self.frontier.summary()
        table = {"quarter": self.quarters, "adoption": self.adoption, **self.benefits, **self.means()}
        table |= {name: found[name] for name in ("risk", "risk_low", "risk_high")}
        return pd.DataFrame(table | self.steps() | {"radius": self.radius})

    def means(self) -> dict[str, Float]:
        """Return the mean loss by quarter.

        Returns
        -------
        dict of str to float64[n_quarters]
            ``mean``, and its percentile interval ``mean_low, mean_high`` over the samples that the statistic has.
        """
        tests = self.frontier
        counts = np.ones((1, tests.units.size))
        mean = np.array([weighted(values, counts, "mean")[0] for values in tests.losses])
        again = resampled(tests.units, tests.times, tests.sweep.seed)
        many = [np.stack([weighted(values, drawn, "mean") for values in tests.losses]) for drawn in again]
        low, high = np.percentile(np.concatenate(many, axis=1), self._ends, axis=1)
        return {"mean": mean, "mean_low": low, "mean_high": high}

    @property
    def _ends(self) -> list[float]:
        """Both ends of an interval, in percent of the samples."""
        return [50.0 * (1.0 - self.frontier.confidence), 50.0 * (1.0 + self.frontier.confidence)]

    def steps(self) -> dict[str, Float]:
        """Return what the risk grows by from quarter to quarter.

        Returns
        -------
        dict of str to float64[n_quarters]
            ``step``, and its percentile interval ``step_low, step_high``; NaN in the first quarter. Samples drawn again
            are the same in all quarters, so what is common to them blurs no difference.
        """
        risk, many = self.frontier.risks
        low, high = np.percentile(np.diff(many, axis=0), self._ends, axis=1)
        none = np.full(1, np.nan)
        found = {"step": np.diff(risk), "step_low": low, "step_high": high}
        return {name: np.concatenate([none, values]) for name, values in found.items()}

    @property
    def crossings(self) -> tuple[str, ...]:
        """Quarters in which the spectral radius is on another side of 1 than in the quarter before."""
        grows = self.radius >= 1.0
        known = ~np.isnan(self.radius)
        turns = (grows[1:] != grows[:-1]) & known[1:] & known[:-1]
        return tuple(self.quarters[k + 1] for k in np.flatnonzero(turns))

    def plot(self) -> Figure:
        """Return the figure: benefits against the first quarter, risk with its band, and the spectral radius.

        Returns
        -------
        Figure
            Belongs to no window.
        """
        from sim.report.ramp import ramp_figure

        found = self.frontier
        unit, loss = found.sweep.info[found.risk]
        title = f"{found.sweep.facts['title'] or found.sweep.name}"
        return ramp_figure(self.summary(), WORDS, (f"{found.statistic}: {loss}", unit), title, self.told)

    @property
    def told(self) -> str:
        """How the ramp was made, in one line."""
        return f"{self.quarters[0]} to {self.quarters[-1]}, {self.frontier.told.replace('policies', 'quarters')}"

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know about the numbers."""
        said = self.frontier.notes
        known = self.radius[~np.isnan(self.radius)]
        if known.size and not self.crossings:
            side = "at least" if known[0] >= 1.0 else "below"
            told = f"the spectral radius is {side} 1 in all quarters, {known.min():.4g} to {known.max():.4g}"
            said = (*said, told)
        return said

    def __repr__(self) -> str:
        return f"<Ramp of {self.frontier.sweep.name}: {self.told}>"

    def _repr_html_(self) -> str:
        table = self.summary().to_html(index=False, na_rep="", float_format=lambda value: f"{value:,.4g}")
        notes = "".join(f"<div>{html.escape(text)}</div>" for text in self.notes)
        head = f"{self.frontier.sweep.facts['title']}: adoption, benefits, {self.frontier.statistic} of the stress test"
        return f"<div><b>{html.escape(head)}</b>{table}{notes}<small>{html.escape(self.told)}</small></div>"


def ramp(  # noqa: PLR0913 - the path, what it brings and turns, how risk is measured, and the options of a run
    scenario: Scenario | str | Path = "digital_ramp",
    dials: Mapping[str, tuple[float, float]] | None = None,
    *,
    adoption: Adoption | None = None,
    benefits: Benefits | None = None,
    first: str | None = None,
    quarters: int | None = None,
    risk: str = "system_loss",
    statistic: str = "ES99",
    draws: int | None = None,
    seed: int | None = None,
    **options: Any,
) -> Ramp:
    r"""Take a technology up quarter by quarter and put every quarter through the same stress test.

    Adoption :math:`a_t` follows `Adoption.path`. It drives both sides: the benefits :math:`B(a_t)` of `Benefits`, and
    keys of the scenario, each turned from its value at no adoption to that at full adoption,

    .. math:: x_k(a_t) = x_k(0) + a_t \, [x_k(1) - x_k(0)].

    Every quarter has balance sheets of its own, built with its keys, and the same events on the same luck; no loss is
    carried over to the next quarter.

    Parameters
    ----------
    scenario : Scenario, str or Path
        One with ``mode: ramp``, whose block ``ramp`` says all that is not given here; or any other, as the stress test.
        By default the shipped ``digital_ramp``.
    dials : mapping of str to (float, float), optional
        Dotted key -> value at adoption 0 and at adoption 1, in place of those of the block; without a block by default
        `DIALS`, for systems generated as ``cn100`` is.
    adoption : Adoption, optional
        How the technology is taken up; without a block by default from 0.35 to 0.75 in 16 quarters.
    benefits : Benefits, optional
        What it brings; without a block by default the anchors of `Benefits`, with a demand of 1.
    first : str, optional
        First quarter; without a block by default 2022Q1.
    quarters : int, optional
        How many, at least 2; without a block by default 16.
    risk : str
        Metric, after the last step of the stress test.
    statistic : str
        Of the risk: ``"mean"``, or ``"VaR"`` or ``"ES"`` with a level, such as ``"ES99"``.
    draws : int, optional
        Of every quarter; by default the scenario's.
    seed : int, optional
        By default the scenario's, else a random one.
    **options : object
        Further options of `sim.frontier` (``samples``, ``confidence``, ``selling``) and `sim.sweep`; with ``out=`` a
        folder, a second call goes on where the first one stopped.

    Returns
    -------
    Ramp
        Benefits, risk with its interval, and spectral radius by quarter; the figure.

    Raises
    ------
    UsageError
        If an option is wrong or there are fewer than two quarters.
    InputError
        If a dial names a key or a value that is not allowed, or there is no such metric.

    References
    ----------
    Pierri and Timmer (2021) for screening; Wiersema, Kleinnijenhuis, Wetzer and Farmer (2023) for the spectral radius
    as a mark of instability.

    Examples
    --------
    >>> from sim.analysis.ramp import ramp
    >>> found = ramp("ring_of_ten", {"shocks.0.size": (0.1, 0.6)}, quarters=2, statistic="mean", draws=1, seed=1)
    >>> found.summary()[["quarter", "adoption"]].round(4).values.tolist()
    [['2022Q1', 0.35], ['2022Q2', 0.3956]]
    """
    chosen = load(scenario) if isinstance(scenario, str | Path) else scenario
    given = {"dials": dials, "adoption": adoption, "benefits": benefits, "first": first}
    block = _block(chosen).model_copy(update={key: each for key, each in given.items() if each is not None})
    many = len(_block(chosen).names) if quarters is None else quarters
    block = block.model_copy(update={"last": _last(block.first, many)})
    path, names = block.path(chosen.shocks), block.names
    brings = block.benefits.at(path)
    wanted = Known(WORDS["coverage"], "1", dict(zip(names, brings["coverage"].tolist(), strict=True)))
    found = frontier(
        stress_test(chosen),
        block.policies(chosen.shocks),
        benefit=wanted,
        risk=risk,
        statistic=statistic,
        draws=draws,
        seed=seed,
        **options,
    )
    kept = [names.index(name) for name in found.policies]
    found = replace(found, paths=(chosen.name,) * len(found.policies))
    return Ramp(found, path[kept], {name: values[kept] for name, values in brings.items()})


def _block(scenario: Scenario) -> Quarters:
    """What the scenario says of its quarters; the defaults where it is no ramp."""
    return scenario.ramp or Quarters()


def _last(first: str, quarters: int) -> str:
    """The last of so many quarters."""
    given: object = quarters
    if isinstance(given, bool) or not isinstance(given, int) or quarters < 2:
        raise UsageError(f"quarters must be a whole number, at least 2, got {shown(given)}")
    return quarters_of(first, quarters)[-1]
