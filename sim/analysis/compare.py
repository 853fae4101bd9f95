"""Comparison of scenarios draw by draw: what one changes against the other, with intervals."""

from __future__ import annotations

import html
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.analysis.paired import Alike, Difference, difference, tail_difference
from sim.analysis.parts import pairing, split
from sim.arrays import Float, Int
from sim.channels import CHANNELS
from sim.errors import SimError, UnknownNameError, UsageError, shown
from sim.experiments.monte_carlo import run
from sim.experiments.opening import open_result
from sim.experiments.part import FAILED
from sim.experiments.result import Result
from sim.metrics.bearers import BEARERS
from sim.scenario.load import load

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from sim.scenario.schema import Scenario

    Run = Scenario | Result | str | Path

TAILS = ("p50", "p95", "VaR99", "ES99")
COLUMNS = ("run", "metric", "statistic", "unit", "base", "value", "difference", "se", "low", "high", "draws")


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """Differences between runs; each run against the first.

    Parameters
    ----------
    results : mapping of str to Result
        At least two; the first is the base.
    confidence : float
        Of every interval.
    """

    results: Mapping[str, Result]
    confidence: float = 0.95

    @property
    def base(self) -> str:
        """Name of the run that the others are compared with."""
        return next(iter(self.results))

    @cached_property
    def paired(self) -> dict[str, bool]:
        """Whether a run shares its luck with the base, draw by draw; without that, intervals are wider."""
        first = self.results[self.base]
        return {
            name: result.seed == first.seed and result.sampler == first.sampler
            for name, result in self.results.items()
            if name != self.base
        }

    @cached_property
    def metrics(self) -> tuple[str, ...]:
        """Metrics that all runs have in the same unit, in the order of the base."""
        units = [{name: unit for name, (unit, _) in each.info.items()} for each in self.results.values()]
        return tuple(name for name, unit in units[0].items() if all(each.get(name) == unit for each in units))

    @cached_property
    def _last(self) -> dict[str, pd.DataFrame]:
        """Of every run, its metrics after the last step by draw; failed draws left out."""
        chosen = ", ".join(f'"{name}"' for name in self.metrics)
        query = f"select draw, {chosen} from draws where step = (select max(step) from draws) order by draw"  # noqa: S608
        return {
            name: result.sql(query).set_index("draw") if result.count(FAILED) < result.draws else _nothing(self.metrics)
            for name, result in self.results.items()
        }

    def _both(self, name: str, metric: str) -> tuple[Float, Float, Int]:
        """Values of a metric in the base and in another run, and the draws; pairs are of those valid in both."""
        first, second = self._last[self.base][metric], self._last[name][metric]
        if not self.paired[name]:
            return first.to_numpy(), second.to_numpy(), np.empty(0, dtype=np.int64)
        draws = first.index.intersection(second.index).sort_values()
        return first.loc[draws].to_numpy(), second.loc[draws].to_numpy(), draws.to_numpy(dtype=np.int64)

    @cached_property
    def _rows(self) -> list[dict[str, Any]]:
        first = self.results[self.base]
        mirrored = first.sampler == "antithetic"
        rows = []
        for name, paired in self.paired.items():
            for metric in self.metrics:
                a, b, draws = self._both(name, metric)
                unit = self.results[self.base].info[metric][0]
                nested = first.networks == self.results[name].networks > 1
                alike = Alike(draws, first.networks) if paired and (mirrored or nested) else None
                found = [("mean", difference(a, b, paired=paired, alike=alike, confidence=self.confidence))]
                found += [
                    (which, tail_difference(a, b, which, paired=paired, alike=alike, confidence=self.confidence))
                    for which in TAILS
                ]
                rows += [self._row(name, metric, (statistic, unit), each) for statistic, each in found]
        return rows

    def _row(self, name: str, metric: str, what: tuple[str, str], found: Difference) -> dict[str, Any]:
        values = (name, metric, *what, found.base, found.value, found.difference, found.se, found.low, found.high)
        return dict(zip(COLUMNS, (*values, found.draws), strict=True))

    def summary(self, statistic: str | None = "mean") -> pd.DataFrame:
        """Return the differences with their intervals.

        Parameters
        ----------
        statistic : str or None
            ``"mean"``, ``"p50"``, ``"p95"``, ``"VaR99"`` or ``"ES99"``; None returns all of them.

        Returns
        -------
        DataFrame
            One row a run, metric and statistic: ``unit, base, value, difference, se, low, high, draws``. An interval
            is NaN where there are too few draws.

        Raises
        ------
        UnknownNameError
            If there is no such statistic.
        """
        import pandas as pd

        known = ("mean", *TAILS)
        if statistic is not None and statistic not in known:
            raise UnknownNameError("statistic", statistic, known)
        table = pd.DataFrame(self._rows, columns=list(COLUMNS))
        table = table if statistic is None else table[table["statistic"] == statistic].drop(columns="statistic")
        table = table.reset_index(drop=True)
        table.attrs["notes"] = list(self.notes)
        return table

    def by_channel(self, metric: str = "contagion_loss") -> pd.DataFrame:
        """Return which channels a difference came through, as far as the runs report losses by channel.

        Parameters
        ----------
        metric : str
            The loss that is split; its own row comes first.

        Returns
        -------
        DataFrame
            Rows of `summary` for `metric` and for ``<channel>_loss`` of every channel reported, with ``share``, the
            part of the difference of `metric`. Channels lose before limited liability, so shares need not add up to 1.

        Raises
        ------
        UnknownNameError
            If the runs do not all report `metric`.
        """
        if metric not in self.metrics:
            raise UnknownNameError("metric", metric, self.metrics)
        parts = [f"{name}_loss" for name in sorted(CHANNELS.names())]
        return split(self.summary(), [metric, *parts], [metric])

    def by_bearer(self) -> pd.DataFrame:
        """Return who bears a difference in the end.

        Returns
        -------
        DataFrame
            Rows of `summary` for the losses of each bearer (``financial_loss, public_loss, real_loss, outside_loss``)
            and, where reported, for ``deadweight_loss, provisions, unrealised_loss``, with ``share``, the part of the
            difference of all bearers together.

        Raises
        ------
        UsageError
            If the runs do not all report the losses of all bearers.
        """
        bearers = [f"{name}_loss" for name in BEARERS]
        if lacking := [name for name in bearers if name not in self.metrics]:
            raise UsageError(f"by_bearer needs runs that report {', '.join(bearers)}; missing: {', '.join(lacking)}")
        return split(self.summary(), [*bearers, "deadweight_loss", "provisions", "unrealised_loss"], bearers)

    def pairing(self) -> pd.DataFrame:
        r"""Return what sharing luck is worth: the variance of the paired difference over that of an unpaired one.

        .. math:: \mathrm{Var}(b - a) / (\mathrm{Var}(a) + \mathrm{Var}(b))

        Returns
        -------
        DataFrame
            ``run, metric, se, se_unpaired, variance_ratio`` and ``draws_saved``, how many times as many draws unpaired
            runs would need for the same error. NaN where nothing varies; no row for a run with luck of its own.
        """
        names = [name for name, paired in self.paired.items() if paired]
        return pairing({(name, metric): self._both(name, metric)[:2] for name in names for metric in self.metrics})

    def to_pandas(self) -> pd.DataFrame:
        """Return the differences draw by draw, of runs that share their luck with the base.

        Returns
        -------
        DataFrame
            ``run, draw`` and one column a metric: value minus that of the base, in draws valid in both.
        """
        import pandas as pd

        tables = []
        for name in (each for each, paired in self.paired.items() if paired):
            columns: dict[str, Any] = {}
            for metric in self.metrics:
                a, b, draws = self._both(name, metric)
                columns |= {"run": name, "draw": draws} | {metric: b - a}
            tables.append(pd.DataFrame(columns))
        return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=["run", "draw", *self.metrics])

    def plot(self, statistic: str = "mean") -> Figure:
        """Return the figure: every metric's difference with its interval.

        Parameters
        ----------
        statistic : str
            As in `summary`.

        Returns
        -------
        Figure
            Belongs to no window.
        """
        from sim.report.comparison import comparison_figure

        table = self.summary(statistic)
        labels = {name: self.results[self.base].info[name][1] for name in self.metrics}
        title = f"Compared with {self.base}: {', '.join(self.paired)}"
        return comparison_figure(table, labels, title, f"{statistic}; {self.told}")

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know about the intervals."""
        first = self.results[self.base]
        told = [
            f"{name}: seed or sampler is not that of {self.base}; draws are not paired and intervals are wider"
            for name, paired in self.paired.items()
            if not paired
        ]
        odd = [name for name in first.info if name not in self.metrics]
        told += [f"not compared, since a run lacks it or has it in another unit: {', '.join(odd)}"] if odd else []
        for name, paired in self.paired.items():
            other = self.results[name]
            if paired and other.draws != first.draws:
                told.append(f"{name}: the first {min(other.draws, first.draws):,} draws are compared")
            left_out = first.manifest["failed"] + other.manifest["failed"]
            told += [f"{name}: draws that failed in either run are left out"] if left_out else []
        if nested := [name for name, each in self.results.items() if each.networks > 1]:
            alike = all(self.paired.values()) and len({each.networks for each in self.results.values()}) == 1
            over = "draws are spread over the same networks; intervals are those over networks"
            loose = "draws are spread over networks that not all runs share; intervals are too narrow if these matter"
            told.append(f"{', '.join(nested)}: {over if alike else loose}")
        if first.sampler == "sobol":
            told.append("sampler sobol: intervals are those of independent draws, as a rule too wide")
        return tuple(told)

    @property
    def told(self) -> str:
        """How the comparison was made, in one line."""
        first = self.results[self.base]
        how = "the same luck" if all(self.paired.values()) else "different luck"
        return f"{first.draws:,} draws, seed {first.seed}, {how}, {100 * self.confidence:g} % intervals"

    def __repr__(self) -> str:
        return f"<Comparison of {', '.join(self.results)}: {self.told}>"

    def _repr_html_(self) -> str:
        table = self.summary()[["run", "metric", "unit", "base", "value", "difference", "low", "high"]]
        lines = [f"<b>{html.escape(f'Compared with {self.base}')}</b>"]
        lines.append(table.to_html(index=False, float_format=lambda value: f"{value:,.4g}"))
        lines += [f"<div>{html.escape(text)}</div>" for text in self.notes]
        return "<div>" + "".join(lines) + f"<small>{html.escape(self.told)}</small></div>"


def _nothing(metrics: Sequence[str]) -> pd.DataFrame:
    """What a run without a valid draw has."""
    import pandas as pd

    return pd.DataFrame({name: np.empty(0) for name in metrics}, index=pd.Index([], dtype=np.int64, name="draw"))


def compare(
    runs: Mapping[str, Any],
    *,
    draws: int | None = None,
    seed: int | None = None,
    out: str | Path | None = None,
    confidence: float = 0.95,
    **options: Any,
) -> Comparison:
    """Compare scenarios with the same luck.

    Draw k is the same luck in every scenario, so the interval of a difference is that of the differences draw by draw;
    where the scenarios are alike it is many times narrower than from runs with luck of their own.

    Parameters
    ----------
    runs : mapping of str to Scenario, Result, str or Path
        Names and what they stand for: a scenario, a finished run or its folder. The first is the base.
    draws : int, optional
        Of the scenarios; by default the smallest number that a scenario or a finished run has.
    seed : int, optional
        Of the scenarios; by default that of the finished runs, else that of the scenarios, else a random one.
    out : str or Path, optional
        Folder: every scenario in a result folder of its name below it.
    confidence : float
        Of the intervals.
    **options : object
        Further options of `sim.run`, such as ``workers``, ``progress`` or ``allow_uncertified``.

    Returns
    -------
    Comparison
        Differences from the first run.

    Raises
    ------
    UsageError
        If there is nothing to compare, or an option is wrong.
    InputError
        If a scenario is wrong.

    Examples
    --------
    >>> from sim.analysis.compare import compare
    >>> from sim.scenario.load import load
    >>> ring = load("ring_of_ten")
    >>> found = compare({"half": ring, "all": ring.override({"shocks.0.size": 1.0})}, draws=2)
    >>> found.summary().set_index("metric").loc["defaults", ["base", "value", "difference"]].tolist()
    [2.0, 3.0, 1.0]
    """
    if not hasattr(runs, "items") or len(runs) < 2:
        raise UsageError(f"compare needs at least two named runs, got {shown(runs)}")
    if not 0.5 <= confidence < 1.0:
        raise UsageError(f"confidence must be at least 0.5 and below 1, got {confidence!r}")
    given = {str(name): _opened(each) for name, each in runs.items()}
    finished = [each for each in given.values() if isinstance(each, Result)]
    scenarios = {name: each for name, each in given.items() if not isinstance(each, Result)}
    if scenarios:
        luck = _shared(seed, finished, [each.monte_carlo.seed for each in scenarios.values()])
        counts = [each.draws for each in finished] or [each.monte_carlo.draws for each in scenarios.values()]
        number = min(counts) if draws is None else draws
        for name, scenario in scenarios.items():
            if scenario.monte_carlo.until is not None:
                raise UsageError(
                    f"run {name!r}: monte_carlo.until ends each run on its own; set it to null and give the number of "
                    "draws, which are compared one by one, or compare finished runs"
                )
            place = None if out is None else Path(out) / _folder(name)
            given[name] = _run(name, scenario, draws=number, seed=luck, out=place, **options)
    results = {name: each for name, each in given.items() if isinstance(each, Result)}
    found = Comparison(results, confidence)
    if not found.metrics:
        raise UsageError("the runs have no metric of one unit in common")
    return found


def _run(name: str, scenario: Scenario, **options: Any) -> Result:
    """One run; its error names it."""
    try:
        return run(scenario, **options)
    except SimError as error:
        error.add_note(f"in run {name!r}")
        raise


def _folder(name: str) -> str:
    """A name as a folder; free text must not choose where files go."""
    plain = "".join(char if char.isalnum() or char in "-_" else "_" for char in name)[:60].strip("_")
    if plain != name:
        raise UsageError(f"with out, names become folders; use letters, digits, - and _ instead of {shown(name)}")
    return plain


def _opened(given: Run) -> Scenario | Result:
    """A scenario or a result, from whatever names it."""
    if isinstance(given, str | Path):
        path = Path(given)
        return open_result(path) if (path / "manifest.json").is_file() else load(given)
    return given


def _shared(seed: int | None, finished: Sequence[Result], own: Sequence[int | None]) -> int:
    """The seed of the scenarios to be run."""
    if seed is not None:
        return seed
    known = [each.seed for each in finished] or [each for each in own if each is not None]
    return known[0] if known else secrets.randbits(63)
