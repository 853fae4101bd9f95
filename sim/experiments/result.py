"""What came out of a run: tables, summaries with intervals, the standard figure, provenance."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.arrays import Float, Int
from sim.errors import Problem
from sim.experiments import nested
from sim.experiments.cuts import weave
from sim.experiments.labelled import dataset
from sim.experiments.odd import odd
from sim.experiments.part import FAILED, OK, UNCERTIFIED, Columns, Part, columns, final_columns
from sim.experiments.reading import paths_of, read_parts
from sim.experiments.sql import Tables, select
from sim.experiments.statistics import notes
from sim.experiments.store import Store
from sim.experiments.summary import frame
from sim.experiments.until import told

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from matplotlib.figure import Figure

    from sim.scenario.schema import Scenario

PROVENANCE = (
    *("name", "title", "mode", "record", "run_key", "scenario_sha256", "answer_sha256"),
    *("seed", "draws", "failed", "uncertified", "engine", "versions"),
)

PLOTTED = 20_000
"""Draws that a figure of a longer run shows; longer runs are never held in memory as a whole to summarise them."""

SAMPLER_NOTES = {
    "antithetic": "sampler antithetic: standard errors are those of pairs; quantile intervals hold for any dependence",
    "sobol": "sampler sobol: errors and intervals are those of independent draws, as a rule too wide",
}


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
    traces : dict of int to dict
        Postings of named draws (``record: trace``), where there is no folder; see `trace`.
    """

    manifest: Mapping[str, Any]
    read: Callable[[], Part]
    scenario_yaml: str = ""
    folder: Path | None = None
    traces: Mapping[int, Columns] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "manifest", MappingProxyType(copy.deepcopy(dict(self.manifest))))

    @cached_property
    def _part(self) -> Part:
        part = self.read()
        for values in (*part.metrics.values(), *part.final.values()):
            values.setflags(write=False)
        return part

    @cached_property
    def _files(self) -> list[Path]:
        """The parts' files where they are to be asked rather than read as a whole; else none."""
        if self.folder is None or "_part" in vars(self) or self.draws <= PLOTTED:
            return []
        paths = paths_of(self.folder, self.manifest, "draws")
        return paths if all(path.is_file() for path in paths) else []

    def _tables(self) -> Tables:
        """The tables a query sees."""
        kept = self.manifest["record"] == "agents"
        if self.folder is None or not self._files:
            return {"draws": columns(self._part)} | ({"agents": final_columns(self._part)} if kept else {})
        # a part whose draws all failed has none
        found = [path for path in paths_of(self.folder, self.manifest, "agents") if path.is_file()]
        return {"draws": self._files} | ({"agents": found} if kept and found else {})

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
    def networks(self) -> int:
        """Networks that the draws are spread over."""
        return int(self.manifest.get("networks", 1))

    @property
    def network(self) -> Int:
        """The network of each draw, ``int64[n_draws]``: draw k plays on network k modulo `networks`."""
        return np.arange(self.draws, dtype=np.int64) % self.networks

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
        more = ("until", *(["networks"] if self.networks > 1 else []))
        return {name: copy.deepcopy(self.manifest[name]) for name in (*PROVENANCE, *more) if name in self.manifest}

    @cached_property
    def sampler(self) -> str:
        """How draws belong together: ``"philox"``, ``"antithetic"`` or ``"sobol"``."""
        # the text is our own canonical form; to parse all of it takes longer than to summarise a small run
        said = re.search(r"^  sampler: (\w+)$", self.scenario_yaml, re.MULTILINE)
        return said[1] if said else "philox"

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
        ended = self.manifest.get("until")
        if ended and not ended["reached"]:
            found.append(Problem(self.ended, key="monte_carlo.until"))
        return tuple(found)

    @property
    def ended(self) -> str:
        """Why the run has this many draws, where that was left to the interval of a mean (``until``); else empty."""
        facts = self.manifest.get("until")
        return told(facts, self.draws, self.info[facts["metric"]][0]) if facts else ""

    @property
    def notes(self) -> tuple[str, ...]:
        """Why the run ended, why the summary lacks intervals, one line a level; what the sampler does to them."""
        found = [self.ended] if self.ended else []
        valid, pairs, far = self.draws - self.manifest["failed"], self.sampler == "antithetic", self.networks
        found += notes(valid, pairs=pairs) if far == 1 else nested.notes(far, self.draws)
        return (*found, SAMPLER_NOTES[self.sampler]) if self.sampler in SAMPLER_NOTES else tuple(found)

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
        counted = {FAILED: int(self.manifest["failed"]), UNCERTIFIED: int(self.manifest["uncertified"])}
        return counted.get(status, self.draws - sum(counted.values()) if status == OK else 0)

    def shown(self) -> tuple[dict[str, Float], int]:
        """Return what a figure shows: the draws that did not fail, of the first ones of a long run.

        Returns
        -------
        tuple
            ``float64[n_draws, n_steps]`` by metric, and of how many draws, failed ones included.
        """
        if self.folder is not None and self._files:
            part = weave(read_parts(Store.of(self.folder, self.manifest), PLOTTED, agents=False))
        else:
            part = self._part
        kept = np.array([status != FAILED for status in part.status])
        return {name: values[kept] for name, values in part.metrics.items()}, part.draws

    def summary(self) -> pd.DataFrame:
        """Return the distribution of every metric after the last step, failed draws left out.

        Returns
        -------
        DataFrame
            One row a metric: ``unit, draws, mean, std, se``, quantiles, value-at-risk and expected shortfall at 99 %
            with 95 % intervals (``_lo``, ``_hi``): order statistics for quantiles, influence function for the
            shortfall. An interval is NaN where there are too few draws; ``attrs["notes"]`` says how many it takes.
            Memory does not grow with the draws of a result folder. With several networks, errors and intervals are
            those over networks, and the columns of `sim.experiments.nested` split the variance.
        """
        return frame(self, self._files or self._part)

    def trace(self, draw: int, scenario: Scenario | None = None) -> pd.DataFrame:
        """Return who lost what in one draw, step by step, through which channel, to whom.

        Parameters
        ----------
        draw : int
            Which; it is played again unless the run has kept it (``record: trace``).
        scenario : Scenario, optional
            Needed where the result is only in memory and its tables are not the shipped ones.

        Returns
        -------
        DataFrame
            One row a line of the ledger; see `sim.experiments.trace.trace`.
        """
        from sim.experiments.trace import trace

        return trace(self, draw, scenario)

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
        return dataset(self._part, self.info, self.provenance)

    def plot(self, kind: str = "standard", **options: Any) -> Figure:
        """Return a figure: by default the distribution of the loss, defaults, and how it came about.

        Parameters
        ----------
        kind : str
            One of `sim.experiments.plots.KINDS`.
        **options
            As `sim.experiments.plots.plot` takes them.

        Returns
        -------
        Figure
            Belongs to no window.
        """
        from sim.experiments.plots import plot

        return plot(self, kind, **options)

    @property
    def failed_draws(self) -> pd.DataFrame:
        """Draws that failed or are not certified: ``draw, status, reason, command`` (what plays them again)."""
        return odd(self, self._tables)

    def sql(self, query: str) -> pd.DataFrame:
        """Return what a query finds in the draws, read where they lie; it cannot read anything else, nor write.

        Parameters
        ----------
        query : str
            One ``select`` from ``draws`` (``draw, step``, metrics, ``status, reason``; a failed draw is one row with
            step -1) or, with ``record: agents``, from ``agents`` (``draw, agent`` and the final columns).

        Returns
        -------
        DataFrame
            The answer.

        Raises
        ------
        UsageError
            If it is no single ``select``, or asks for what is not there.

        Examples
        --------
        >>> from sim.experiments.monte_carlo import run
        >>> run("ring_of_ten", draws=2, seed=1).sql("select draw, defaults from draws")["defaults"].tolist()
        [2.0, 2.0]
        """
        return select(self._tables(), self.draws, query)

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
        from sim.experiments.saving import save

        return save(self, self._part, Path(folder))

    def __repr__(self) -> str:
        return f"<Result {self.name}: {self.draws} draws, seed {self.seed}, answer {self.answer_sha256[:12]}>"

    def report(self, path: str | Path) -> Path:
        """Write one HTML file with figures, tables and provenance that needs no network.

        Parameters
        ----------
        path : str or Path
            Such as ``"report.html"``.

        Returns
        -------
        Path
            The file.
        """
        from sim.experiments.reporting import report

        return report(self, path)

    def _repr_html_(self) -> str:
        from sim.experiments.card import card

        return card(self)
