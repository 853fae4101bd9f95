"""What came out of a sweep: one run a point and policy, all of them as tables, axes and figures."""

from __future__ import annotations

import copy
import html
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sim.arrays import Float
from sim.errors import InputError, UnknownNameError, UsageError
from sim.experiments.laws import law
from sim.experiments.nested import COLUMNS as SPLIT
from sim.experiments.opening import open_result
from sim.experiments.result import Result
from sim.experiments.statistics import COLUMNS
from sim.experiments.sweep_plots import STATISTICS

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from matplotlib.figure import Figure

DONE, LOOSE, FAILED, MISSING = "ok", "not-certified", "failed", "missing"
"""Of a point: all draws in order; some not certified and that was not allowed; nothing came out; not played yet."""


class Salib(NamedTuple):
    """What SALib's analyses take: ``analyze(problem, X, Y)`` or ``analyze(problem, Y)``.

    Parameters
    ----------
    problem : dict
        ``num_vars, names, bounds, dists``.
    X : float64[n_points, n_keys]
        Values of the keys; a value that is no number counts as its place in the list it was chosen from.
    Y : float64[n_points]
        The statistic of the metric; NaN for a point that failed.
    """

    problem: dict[str, Any]
    X: Float
    Y: Float


@dataclass(frozen=True, eq=False, repr=False)
class Sweep:
    """What came out of a sweep; nothing in it can be changed.

    Parameters
    ----------
    facts : mapping
        Scenario, design, seed, and one row a run.
    folder : Path or None
        Where the runs lie, if they do.
    held : mapping of str to Result
        Runs kept in memory, by their place in the folder that there is not.
    scenario_yaml : str
        What was swept, complete with all defaults.
    """

    facts: Mapping[str, Any]
    folder: Path | None = None
    held: Mapping[str, Result] = field(default_factory=dict)
    scenario_yaml: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "facts", MappingProxyType(copy.deepcopy(dict(self.facts))))

    @property
    def name(self) -> str:
        """Name of the scenario."""
        return str(self.facts["name"])

    @property
    def keys(self) -> tuple[str, ...]:
        """Dotted keys swept over."""
        return tuple(self.facts["keys"])

    @property
    def policies(self) -> tuple[str, ...]:
        """Names of the policies; empty when none were given."""
        return tuple(self.facts["policies"])

    @property
    def seed(self) -> int:
        """Seed of all runs, and so of luck that they share."""
        return int(self.facts["seed"])

    @property
    def answer_sha256(self) -> str:
        """The one number that identifies all answers."""
        return str(self.facts["answer_sha256"])

    @property
    def points(self) -> pd.DataFrame:
        """One row a run: ``point, policy``, keys, ``status, reason, draws, failed, uncertified, answer_sha256``."""
        import pandas as pd

        rows = []
        for row in self.facts["rows"]:
            said = {name: row[name] for name in ("status", "reason", "draws", "failed", "uncertified", "answer_sha256")}
            rows.append({**self._place(row), **said, "folder": row["folder"]})
        return pd.DataFrame(rows).rename_axis(index="run")

    @property
    def failed_points(self) -> pd.DataFrame:
        """Rows of `points` that did not end in order, or in which draws failed."""
        table = self.points
        return table[(table["status"] != DONE) | (table["failed"] > 0)]

    def _place(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Where a run stands in the design."""
        place: dict[str, Any] = {"point": row["point"]}
        if self.policies:
            place["policy"] = row["policy"]
        return place | {key: _cell(row["values"].get(key)) for key in self.keys}

    def result(self, run: int) -> Result:
        """Return one run.

        Parameters
        ----------
        run : int
            Its row in `points`.

        Returns
        -------
        Result
            All its draws.

        Raises
        ------
        UsageError
            If there is no such run, or nothing came out of it.
        StoreError
            If its folder is damaged.
        """
        rows = self.facts["rows"]
        if not 0 <= run < len(rows):
            raise UsageError(f"there is no run {run}; there are {len(rows)} (0 to {len(rows) - 1})")
        row = rows[run]
        if row["status"] == FAILED:
            raise UsageError(f"nothing came out of run {run}: {row['reason']}")
        if row["folder"] in self.held:
            return self.held[row["folder"]]
        if self.folder is None:
            raise UsageError(f"run {run} is not kept")
        return open_result(self.folder / row["folder"])

    def _runs(self) -> Iterator[tuple[Mapping[str, Any], Result | None]]:
        """Every row with its run; none for a point that failed or is not certified."""
        for number, row in enumerate(self.facts["rows"]):
            yield row, self.result(number) if row["status"] == DONE else None

    @property
    def info(self) -> dict[str, tuple[str, str]]:
        """Unit and description of each metric."""
        return {each["name"]: (each["unit"], each["description"]) for each in self.facts["metrics"]}

    @cached_property
    def _summaries(self) -> list[pd.DataFrame | None]:
        return [None if run is None else run.summary() for _, run in self._runs()]

    def _named(self, metrics: str | Sequence[str] | None) -> list[str]:
        """Metrics asked for, checked; all by default."""
        wanted = list(self.info) if metrics is None else [metrics] if isinstance(metrics, str) else list(metrics)
        for name in wanted:
            if name not in self.info:
                raise UnknownNameError("metric", name, self.info)
        return wanted

    def summary(self, metrics: str | Sequence[str] | None = None) -> pd.DataFrame:
        """Return the distribution of metrics at every point.

        Parameters
        ----------
        metrics : str or sequence of str, optional
            By default all.

        Returns
        -------
        DataFrame
            One row a run and metric: ``point, policy``, keys, ``status, metric`` and the columns of `Result.summary`;
            NaN where the run failed or is not certified.

        Raises
        ------
        UnknownNameError
            With the nearest metric.
        """
        import pandas as pd

        rows = []
        for row, table in zip(self.facts["rows"], self._summaries, strict=True):
            place = self._place(row) | {"status": row["status"]}
            for name in self._named(metrics):
                found: dict[Any, Any] = table.loc[name].to_dict() if table is not None and name in table.index else {}
                rows.append({**place, "metric": name, "unit": self.info[name][0], **found})
        more = SPLIT if any(table is not None and SPLIT[0] in table for table in self._summaries) else ()
        columns = [*self._place(self.facts["rows"][0]), "status", "metric", "unit", *COLUMNS, *more]
        return pd.DataFrame(rows, columns=columns)

    def to_pandas(self) -> pd.DataFrame:
        """Return the long table of all draws of all runs; they must fit into memory.

        Returns
        -------
        DataFrame
            ``point, policy``, keys, then the columns of `Result.to_pandas`.
        """
        import pandas as pd

        tables = []
        for row, run in self._runs():
            if run is not None:
                table = run.to_pandas()
                for position, (name, value) in enumerate(self._place(row).items()):
                    table.insert(position, name, pd.Series([value] * len(table), dtype=None if table.empty else object))
                tables.append(table.infer_objects())
        return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()

    def to_xarray(self) -> xr.Dataset:
        """Return the summaries with labelled axes.

        Returns
        -------
        Dataset
            Metrics over the keys of a grid (else over ``point``, with the keys as its coordinates), ``policy`` where
            there are any, and ``statistic``; units and descriptions as attributes.
        """
        from sim.experiments.labelled import swept

        values = {name: self._statistics(name) for name in self.info}
        return swept(self.facts, values, STATISTICS)

    def _statistics(self, metric: str) -> Float:
        """``float64[n_runs, n_statistics]`` of one metric, NaN where there is none."""
        table = self.summary(metric)
        return np.asarray(table[list(STATISTICS)], dtype=np.float64)

    def to_salib(self, metric: str = "system_loss", statistic: str = "mean", policy: str | None = None) -> Salib:
        """Return the design and its outcome for SALib's analyses.

        Parameters
        ----------
        metric : str
            Name.
        statistic : str
            Column of `summary`, such as ``"mean"`` or ``"ES99"``.
        policy : str, optional
            Which one; needed where there are several.

        Returns
        -------
        Salib
            For ``SALib.analyze.sobol`` sweep with ``sample="saltelli:N"`` and pass ``calc_second_order=False``; the
            analyses for given data (``delta``, ``rbd_fast``, ``pawn``) take any random sample.

        Raises
        ------
        UnknownNameError
            If there is no such metric, statistic or policy.
        UsageError
            If nothing was swept over, or a policy must be chosen.
        """
        if not self.keys:
            raise UsageError("to_salib needs keys that were swept over")
        if statistic not in STATISTICS:
            raise UnknownNameError("statistic", statistic, STATISTICS)
        if len(self.policies) > 1 and policy is None:
            raise UsageError(f"to_salib takes one policy; pass policy= one of {', '.join(self.policies)}")
        if policy is not None and policy not in self.policies:
            raise UnknownNameError("policy", policy, self.policies)
        (name,) = self._named(metric)
        chosen = [k for k, row in enumerate(self.facts["rows"]) if policy is None or row["policy"] == policy]
        values = [[self.facts["rows"][k]["values"].get(key) for key in self.keys] for k in chosen]
        columns = [_numbers([row[place] for row in values]) for place in range(len(self.keys))]
        laws = [_salib(self.facts["axes"][key], key, columns[place]) for place, key in enumerate(self.keys)]
        problem = {"num_vars": len(self.keys), "names": list(self.keys), "bounds": [each[1] for each in laws]}
        problem |= {"dists": [each[0] for each in laws], "outputs": [f"{statistic} of {name}"]}
        outcome = self._statistics(name)[chosen, STATISTICS.index(statistic)]
        return Salib(problem, np.column_stack(columns), outcome)

    def plot(self, metric: str = "system_loss", statistic: str = "mean") -> Figure:
        """Return the figure of one statistic: a line over one key, a map of two, else a panel for every key.

        Parameters
        ----------
        metric : str
            Name.
        statistic : str
            Column of `summary`.

        Returns
        -------
        Figure
            Belongs to no window.

        Raises
        ------
        UnknownNameError
            If there is no such metric or statistic.
        """
        from sim.experiments.sweep_plots import plot

        (name,) = self._named(metric)
        return plot(self, name, statistic)

    def report(self, path: str | Path) -> Path:
        """Write the sweep as one HTML file that needs no other file and makes no request.

        Parameters
        ----------
        path : str or Path
            Ends in ``.html`` or ``.htm``; a file of that name is replaced.

        Returns
        -------
        Path
            What was written.

        Raises
        ------
        InputError
            If the ending is another one.
        StoreError
            If the file cannot be written, or a run is damaged.
        """
        from sim.experiments.sweep_reporting import report

        return report(self, path)

    @property
    def told(self) -> str:
        """One line on how the sweep was made."""
        rows = self.facts["rows"]
        points = len({row["point"] for row in rows})
        told = [f"{points:,} point{'s' * (points != 1)} ({self.facts['sample']})"] if self.keys else []
        told += [f"{len(self.policies)} polic{'ies' if len(self.policies) != 1 else 'y'}"] if self.policies else []
        draws = sorted({row["draws"] for row in rows if row["draws"]})
        told += [f"{draws[0]:,}{'' if len(draws) == 1 else f' to {draws[-1]:,}'} draws each"] if draws else []
        bad = sum(1 for row in rows if row["status"] != DONE)
        told += [f"seed {self.seed}"] + ([f"{bad:,} runs without a result"] if bad else [])
        return ", ".join(told)

    def __repr__(self) -> str:
        return f"<Sweep {self.name}: {self.told}>"

    def _repr_html_(self) -> str:
        known = list(self.info)
        table = self.summary(known[:1]).drop(columns=["status", "metric", "unit", "draws"], errors="ignore")
        left_out = {*COLUMNS, *SPLIT} - {"mean", "se", "p95", "VaR99", "ES99"}
        kept = [name for name in table.columns if name not in left_out]
        lines = [f"<b>{html.escape(str(self.facts['title']))}</b>"]
        lines += [f"<div>{html.escape(' '.join([*known[:1], self.info[known[0]][0]]))}</div>"] if known else []
        lines.append(table[kept].to_html(index=False, max_rows=30, float_format=lambda value: f"{value:,.4g}"))
        bad = self.failed_points
        lines += [
            f"<div>run {number}: {html.escape(row['reason'] or row['status'])}</div>" for number, row in bad.iterrows()
        ][:10]
        return "<div>" + "".join(lines) + f"<small>{html.escape(self.told)}</small></div>"


def _cell(value: Any) -> Any:
    """A value as a table may hold it."""
    return value if value is None or isinstance(value, str | int | float) else str(value)


def _numbers(values: Sequence[Any]) -> Float:
    """Values as numbers; others by their place among those that occur."""
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return np.array(values, dtype=np.float64)
    order = list(dict.fromkeys(map(repr, values)))
    return np.array([order.index(repr(value)) for value in values], dtype=np.float64)


def _salib(axis: Any, key: str, values: Float) -> tuple[str, list[float]]:
    """Name and bounds of a distribution; a list of values counts as uniform between the smallest and the largest."""
    if isinstance(axis, Mapping):
        return law(key, axis).salib()
    low, high = float(values.min()), float(values.max())
    if not low < high:
        raise InputError(f"{key}: has one value only; there is nothing to analyse")
    return "unif", [low, high]
