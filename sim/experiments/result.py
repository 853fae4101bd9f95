"""What came out of a run: tables, summaries with intervals, the standard figure, provenance."""

from __future__ import annotations

import copy
import html
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.arrays import Float, Int
from sim.errors import Problem, StoreError
from sim.experiments.disk import only_writer
from sim.experiments.part import FAILED, OK, PART, Part, columns, draw_numbers, join
from sim.experiments.statistics import COLUMNS, notes, summarise
from sim.experiments.store import SCENARIO, Store, answer_of, read_manifest, read_parts

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from matplotlib.figure import Figure

PROVENANCE = (
    *("name", "title", "mode", "record", "run_key", "scenario_sha256", "answer_sha256"),
    *("seed", "draws", "failed", "uncertified", "engine", "versions"),
)


@dataclass(frozen=True, eq=False, repr=False)
class Result:
    """What came out of a run; nothing in it can be changed.

    Parameters
    ----------
    manifest : dict
        What the run was; see `sim.experiments.provenance.FIELDS`.
    read : callable
        Returns all draws as one part; called once, when they are first needed.
    scenario_yaml : str
        The scenario, resolved and complete.
    folder : Path or None
        Result folder, if there is one.
    """

    manifest: Mapping[str, Any]
    read: Callable[[], Part]
    scenario_yaml: str = ""
    folder: Path | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "manifest", MappingProxyType(copy.deepcopy(dict(self.manifest))))

    @cached_property
    def _part(self) -> Part:
        part = self.read()
        for values in (*part.metrics.values(), *part.final.values()):
            values.setflags(write=False)
        return part

    @property
    def name(self) -> str:
        """Name of the scenario."""
        return str(self.manifest["name"])

    @property
    def title(self) -> str:
        """One line for headings."""
        return str(self.manifest["title"])

    @property
    def draws(self) -> int:
        """Number of draws, failed ones included."""
        return int(self.manifest["draws"])

    @property
    def steps(self) -> int:
        """Number of steps of each draw."""
        return self._part.steps

    @property
    def seed(self) -> int:
        """Seed of all random numbers."""
        return int(self.manifest["seed"])

    @property
    def answer_sha256(self) -> str:
        """The one number that identifies the answer."""
        return str(self.manifest["answer_sha256"])

    @property
    def provenance(self) -> dict[str, Any]:
        """Versions, seed, digests; a copy."""
        return {name: copy.deepcopy(self.manifest[name]) for name in PROVENANCE}

    @property
    def info(self) -> dict[str, tuple[str, str]]:
        """Unit and description of each metric."""
        return {each["name"]: (each["unit"], each["description"]) for each in self.manifest["metrics"]}

    @property
    def imputed(self) -> tuple[dict[str, Any], ...]:
        """Inputs that were not observed: ``table, row, cell, how``."""
        return tuple(copy.deepcopy(self.manifest["imputed"]))

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What a reader must know, failed draws included."""
        found = [Problem(**each) for each in self.manifest["warnings"]]
        for key, what in (("failed", "failed"), ("uncertified", "are not certified")):
            if self.manifest[key]:
                found.append(Problem(f"{self.manifest[key]} of {self.draws} draws {what}; see failed_draws"))
        return tuple(found)

    @property
    def notes(self) -> tuple[str, ...]:
        """Why the summary lacks intervals, one line a level."""
        return notes(self.draws - self.manifest["failed"])

    @property
    def status(self) -> tuple[str, ...]:
        """``"ok"``, ``"not-certified"`` or ``"failed"``, one a draw."""
        return self._part.status

    @property
    def metrics(self) -> dict[str, Float]:
        """``float64[n_draws, n_steps]`` by metric, read-only; NaN in the rows of failed draws."""
        return dict(self._part.metrics)

    @property
    def agents(self) -> tuple[str, ...]:
        """Agents of the final columns; empty unless ``record: agents``."""
        return self._part.agents

    @property
    def final(self) -> dict[str, Float]:
        """``float64[n_draws, n_agents]`` by column after the last step, read-only; only with ``record: agents``."""
        return dict(self._part.final)

    def count(self, status: str) -> int:
        """Return how many draws ended in a status.

        Parameters
        ----------
        status : str
            Such as ``"failed"``.

        Returns
        -------
        int
            Number of draws.
        """
        return self._part.count(status)

    def _valid(self) -> dict[str, Float]:
        """Metrics of the draws that did not fail."""
        kept = np.array([status != FAILED for status in self._part.status])
        return {name: values[kept] for name, values in self._part.metrics.items()}

    def summary(self) -> pd.DataFrame:
        """Return the distribution of every metric after the last step, failed draws left out.

        Returns
        -------
        DataFrame
            One row a metric: ``unit, draws, mean, std, se``, quantiles, value-at-risk and expected shortfall at 99 %
            with 95 % intervals (``_lo``, ``_hi``): order statistics for quantiles, influence function for the
            shortfall. An interval is NaN where there are too few draws; ``attrs["notes"]`` says how many it takes.
        """
        import pandas as pd

        rows = {}
        for name, values in self._valid().items():
            last = values[:, -1] if values.shape[1] else np.empty(0)
            found = summarise(last)
            rows[name] = {"unit": self.info[name][0], **found, "draws": int(found["draws"])}
        table = pd.DataFrame.from_dict(rows, orient="index", columns=["unit", *COLUMNS])
        table.index.name = "metric"
        table.attrs["notes"] = list(self.notes)
        return table

    def to_pandas(self) -> pd.DataFrame:
        """Return the long table: one row a draw and step, one row for a failed draw.

        Returns
        -------
        DataFrame
            ``draw, step`` (from 1; -1 for a failed draw), metrics (NaN for a failed draw), ``status, reason`` (None
            where there is nothing to say).
        """
        import pandas as pd

        table = dict(columns(self._part))
        table["reason"] = np.array([text or None for text in table["reason"]], dtype=object)
        return pd.DataFrame({name: values.copy() for name, values in table.items()})

    def to_xarray(self) -> xr.Dataset:
        """Return all numbers with labelled axes.

        Returns
        -------
        Dataset
            Metrics over ``draw`` and ``step``, final columns over ``draw`` and ``agent``, ``status`` over ``draw``;
            units and descriptions as attributes, provenance as those of the dataset.
        """
        import xarray as xr

        part = self._part
        values: dict[str, Any] = {"status": ("draw", np.array(part.status, dtype=str))}
        for name, metric in part.metrics.items():
            unit, description = self.info[name]
            values[name] = (("draw", "step"), metric.copy(), {"units": unit, "long_name": description})
        for name, column in part.final.items():
            label = f"final_{name}" if name in values else name
            values[label] = (("draw", "agent"), column.copy())
        places: dict[str, Any] = {"draw": draw_numbers(part), "step": np.arange(1, part.steps + 1)}
        if part.agents:
            places["agent"] = np.array(part.agents, dtype=str)
        said = self.provenance
        said["seed"] = str(said["seed"])  # may be wider than any integer of a file format
        said |= {f"version_{name}": number for name, number in said.pop("versions").items()}
        return xr.Dataset(values, places, said)

    def plot(self) -> Figure:
        """Return the standard figure: distribution of the loss, defaults, and how it came about.

        Returns
        -------
        Figure
            Belongs to no window.
        """
        from sim.report.standard import standard_figure

        counted = sum(1 for status in self._part.status if status != FAILED)
        told = [f"{counted:,} draws, seed {self.seed}"]
        told += [f"{self.draws - counted:,} failed"] if counted < self.draws else []
        told += [f"{self.manifest['uncertified']:,} not certified"] if self.manifest["uncertified"] else []
        told += [f"{len(self.manifest['imputed']):,} input cells imputed"] if self.manifest["imputed"] else []
        return standard_figure(self._valid(), self.info, self.title, ", ".join(told))

    @property
    def failed_draws(self) -> pd.DataFrame:
        """Draws that failed or are not certified: ``draw, status, reason, command`` (what plays them again)."""
        import pandas as pd

        bad = [k for k, status in enumerate(self._part.status) if status != OK]
        numbers: Int = draw_numbers(self._part)[bad]
        return pd.DataFrame(
            {
                "draw": numbers,
                "status": pd.Series([self._part.status[k] for k in bad], dtype=object),
                "reason": pd.Series([self._part.reason[k] for k in bad], dtype=object),
                "command": pd.Series(
                    [f"sim run {self.name} --seed {self.seed} --draws {k + 1}" for k in numbers.tolist()], dtype=object
                ),
            }
        )

    def save(self, folder: str | Path) -> Path:
        """Write a result folder that `open_result` opens and `run` goes on with.

        Parameters
        ----------
        folder : str or Path
            Need not exist.

        Returns
        -------
        Path
            The folder.

        Raises
        ------
        StoreError
            If it holds another run or cannot be written.
        """
        place = Path(folder)
        with only_writer(place):
            store = Store.prepare(place, self.manifest["run_key"])
            store.write_scenario(self.scenario_yaml)
            for first in range(0, self.draws, PART):
                store.write(_slice(self._part, first, min(first + PART, self.draws)))
            store.write_manifest(dict(self.manifest))
            store.log(f"saved: answer {self.answer_sha256}")
        return place

    def __repr__(self) -> str:
        return f"<Result {self.name}: {self.draws} draws, seed {self.seed}, answer {self.answer_sha256[:12]}>"

    def _repr_html_(self) -> str:
        table = self.summary()[["unit", "mean", "se", "p50", "p95", "VaR99", "VaR99_lo", "VaR99_hi", "ES99"]]
        lines = [f"<b>{html.escape(self.title)}</b>", table.to_html(float_format=lambda value: f"{value:,.4g}")]
        lines += [f"<div>{html.escape(text)}</div>" for text in (*map(str, self.warnings), *self.notes)]
        imputed = len(self.manifest["imputed"])
        lines += [f"<div>{imputed:,} input cells were not observed but imputed</div>"] if imputed else []
        told = f"{self.draws:,} draws, seed {self.seed}, answer {self.answer_sha256[:12]}"
        return "<div>" + "".join(lines) + f"<small>{told}</small></div>"


def _slice(part: Part, start: int, stop: int) -> Part:
    """Some of the draws of a part that begins at draw 0."""
    metrics = {name: values[start:stop] for name, values in part.metrics.items()}
    final = {name: values[start:stop] for name, values in part.final.items()}
    return Part(part.first + start, metrics, part.status[start:stop], part.reason[start:stop], final, part.agents)


def open_result(folder: str | Path) -> Result:
    """Open a result folder; every part is checked against its digest, and all of them against the answer's.

    Parameters
    ----------
    folder : str or Path
        What a run wrote.

    Returns
    -------
    Result
        With the same numbers, bit for bit.

    Raises
    ------
    StoreError
        If there is no complete result, or it is damaged; names the part.
    """
    place = Path(folder)
    manifest = read_manifest(place)
    store = Store(place, manifest["run_key"])
    stray = sum(1 for _ in store.part_files())  # refuses what must never be read
    if not manifest["complete"]:
        raise StoreError(f"{place}: interrupted with {stray} part(s) written; run into the folder again to finish it")
    agents = manifest["record"] == "agents"
    parts = list(read_parts(store, manifest["draws"], agents=agents))
    if answer_of(parts) != manifest["answer_sha256"]:
        raise StoreError(f"{place}: the parts do not give the answer_sha256 of the manifest; they are not of one run")
    names = tuple(each["name"] for each in manifest["metrics"])
    if any(tuple(part.metrics) != names for part in parts):
        raise StoreError(f"{place}: the parts hold other metrics than the manifest says")
    try:
        text = (place / SCENARIO).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"{place}: {SCENARIO} cannot be read") from error
    whole = join(parts)
    return Result(manifest, lambda: whole, text, place)
