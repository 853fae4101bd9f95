"""Attribution of a loss to channels: exact Shapley values over all coalitions of channels, on the same luck."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.analysis.paired import Alike, Difference, difference
from sim.analysis.shapley import interactions, lanes_of, shapley
from sim.arrays import Float, Int
from sim.errors import UsageError
from sim.experiments.monte_carlo import run
from sim.experiments.part import FAILED
from sim.experiments.result import Result
from sim.scenario.load import load
from sim.simulation import Block, Simulation

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from sim.scenario.schema import Scenario
    from sim.system import System

CHANNELS = ("credit", "liquidity", "market", "operational", "compliance", "reputation")
"""Channels of the program, in the order of the table; those that do not act are given 0."""

MOST = 10
"""Channels that may act: 1024 coalitions."""

LANES = 128
"""Most lanes of a block: coalitions times draws."""

VALUE = "value"


@dataclass(frozen=True)
class Coalitions:
    """Plays every draw once for every set of channels, as lanes of one block.

    Parameters
    ----------
    channels : tuple of str
        Those that act; bit k of a coalition's number says whether channel k is on.
    metric : str
        Read after the last step.
    """

    channels: tuple[str, ...]
    metric: str

    def __call__(self, scenario: Scenario, system: System, draws: Int, seed: int) -> Block:
        """Play a block of draws.

        Parameters
        ----------
        scenario : Scenario
            What to play.
        system : System
            Before the shock.
        draws : int64[n_draws]
            Which draws.
        seed : int
            Of all random numbers; all coalitions of a draw share them.

        Returns
        -------
        Block
            The metric of the coalition of all channels, and that of every coalition under the name ``value``.
        """
        on = lanes_of(len(self.channels), MOST)
        many = on.shape[1]
        switches = {name: np.tile(on[k], draws.size) for k, name in enumerate(self.channels)}
        played = Simulation(system, scenario, np.repeat(draws, many), seed, switches=switches).play()
        worth = played.metrics[self.metric][-1].reshape(draws.size, many)
        all_on = {name: values[:, many - 1 :: many] for name, values in played.metrics.items()}
        status = np.array(played.status).reshape(draws.size, many)
        reason = np.array(played.reason, dtype=object).reshape(draws.size, many)
        worst = [int(np.argmax(row != "ok")) for row in status]
        return Block(
            draws,
            all_on,
            tuple(self.name_of(k) for k in range(many)),
            {VALUE: np.ascontiguousarray(worth.T)},
            [str(row[k]) for row, k in zip(status, worst, strict=True)],
            [f"{self.name_of(k)}: {row[k]}" if row[k] else "" for row, k in zip(reason, worst, strict=True)],
            played.rounds.reshape(draws.size, many).sum(axis=1),
            played.residual.reshape(draws.size, many).max(axis=1),
            played.gaps,
        )

    def name_of(self, coalition: int) -> str:
        """Return a coalition's name.

        Parameters
        ----------
        coalition : int
            Its number.

        Returns
        -------
        str
            Such as ``"credit+market"``, or ``"none"``.
        """
        return "+".join(name for k, name in enumerate(self.channels) if coalition >> k & 1) or "none"


@dataclass(frozen=True, eq=False, repr=False)
class Attribution:
    """What each channel adds to a loss, and what pairs of them add together.

    Parameters
    ----------
    result : Result
        The run; its metric is that with all channels on.
    metric : str
        What was attributed.
    acting : tuple of str
        Channels that were switched.
    coalitions : float64[n_draws, 2**n_acting], unit of the metric
        The metric after the last step by draw and coalition: bit k of the column says whether channel k was on.
    draws : int64[n_draws]
        Those that did not fail.
    confidence : float
        Of every interval.
    """

    result: Result
    metric: str
    acting: tuple[str, ...]
    coalitions: Float
    draws: Int
    confidence: float = 0.95
    unit: str = field(init=False, default="")

    def __post_init__(self) -> None:
        object.__setattr__(self, "unit", self.result.info[self.metric][0])

    @property
    def channels(self) -> tuple[str, ...]:
        """All channels of the table: those of the program, then those of plug-ins that acted."""
        return (*CHANNELS, *(name for name in self.acting if name not in CHANNELS))

    @cached_property
    def by_draw(self) -> Float:
        """Shapley values, ``float64[n_channels, n_draws]``, in the order of `channels`; 0 where one did not act."""
        found = np.zeros((len(self.channels), self.draws.size))
        for name, values in zip(self.acting, shapley(self.coalitions.T), strict=True):
            found[self.channels.index(name)] = values
        return found

    @cached_property
    def pairs_by_draw(self) -> Float:
        """Interaction indices, ``float64[n_channels, n_channels, n_draws]``; 0 where one of a pair did not act."""
        many = len(self.channels)
        found, indices = np.zeros((many, many, self.draws.size)), interactions(self.coalitions.T)
        rows = [self.channels.index(name) for name in self.acting]
        for k, a in enumerate(rows):
            for m, b in enumerate(rows):
                found[a, b] = indices[k, m]
        return found

    @property
    def gap(self) -> float:
        """Largest relative gap of a draw between the sum of the values and what all channels together add, 1."""
        added = self.coalitions[:, -1] - self.coalitions[:, 0]
        size = np.maximum(np.abs(self.coalitions).max(axis=1), 1e-300)
        return float((np.abs(self.by_draw.sum(axis=0) - added) / size).max()) if self.draws.size else 0.0

    def _mean(self, values: Float) -> Difference:
        nested, mirrored = self.result.networks > 1, self.result.sampler == "antithetic"
        alike = Alike(self.draws, self.result.networks) if nested or mirrored else None
        return difference(np.zeros_like(values), values, paired=True, alike=alike, confidence=self.confidence)

    def summary(self) -> pd.DataFrame:
        """Return what each channel adds.

        Returns
        -------
        DataFrame
            One row a channel, ``value`` its Shapley value with ``se, low, high`` over draws, ``share`` of what all
            channels add, ``alone`` what it adds to the events when no other channel acts, and ``last`` what it adds to
            all others. The first row is what the events do alone, the last what all channels do together.
        """
        import pandas as pd

        alone, together = self.coalitions[:, 0], self.coalitions[:, -1]
        added = float(together.mean() - alone.mean())
        rows = [self._row("events", alone, np.nan, np.nan, np.nan)]
        for name, values in zip(self.channels, self.by_draw, strict=True):
            bit = 1 << self.acting.index(name) if name in self.acting else 0
            first = float((self.coalitions[:, bit] - alone).mean())
            last = float((together - self.coalitions[:, -1 - bit]).mean())
            rows.append(self._row(name, values, float(values.mean()) / added if added else np.nan, first, last))
        rows.append(self._row("total", together, np.nan, np.nan, np.nan))
        return pd.DataFrame(rows)

    def _row(self, name: str, values: Float, share: float, alone: float, last: float) -> dict[str, Any]:
        found = self._mean(values)
        row = {"channel": name, "unit": self.unit, "value": found.value, "se": found.se}
        return row | {"low": found.low, "high": found.high, "share": share, "alone": alone, "last": last}

    def interactions(self) -> pd.DataFrame:
        """Return what pairs of channels add together beyond what each of them adds.

        Returns
        -------
        DataFrame
            ``a, b, unit, value, se, low, high``, the Shapley interaction index: positive where two channels amplify
            each other, negative where one takes what the other would have taken. Only channels that acted are there.
        """
        import pandas as pd

        rows = []
        for a, b in combinations([name for name in self.channels if name in self.acting], 2):
            found = self._mean(self.pairs_by_draw[self.channels.index(a), self.channels.index(b)])
            row = {"a": a, "b": b, "unit": self.unit, "value": found.value, "se": found.se}
            rows.append(row | {"low": found.low, "high": found.high})
        return pd.DataFrame(rows, columns=["a", "b", "unit", "value", "se", "low", "high"])

    def to_pandas(self) -> pd.DataFrame:
        """Return the metric draw by draw under every coalition.

        Returns
        -------
        DataFrame
            One row a draw, one column a coalition, named by the channels that were on.
        """
        import pandas as pd

        names = Coalitions(self.acting, self.metric)
        columns = [names.name_of(k) for k in range(self.coalitions.shape[1])]
        return pd.DataFrame(self.coalitions, columns=columns, index=pd.Index(self.draws, name="draw"))

    def plot(self) -> Figure:
        """Return the figure: from the loss of the events to the total, channel by channel, and the pairs beside it.

        Returns
        -------
        Figure
            Belongs to no window.
        """
        from sim.report.attribution import attribution_figure

        meaning = self.result.info[self.metric][1]
        title = f"{self.result.title or self.result.name}: which channel adds what"
        return attribution_figure(self.summary(), self.interactions(), (meaning, self.unit), title, self.told)

    @property
    def told(self) -> str:
        """How the attribution was made, in one line."""
        many, n = self.coalitions.shape[1], self.draws.size
        luck = f"{n:,} draw{'s' * (n != 1)} of {many} coalition{'s' * (many != 1)} on the same luck"
        return f"{self.metric}: {luck}, seed {self.result.seed}, {100 * self.confidence:g} % intervals"

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know about the numbers."""
        idle = [name for name in self.channels if name not in self.acting]
        told = [f"not in the scenario, so 0: {', '.join(idle)}"] if idle else []
        failed = int(self.result.manifest["failed"])
        told += [f"{failed} of {self.result.draws} draws failed and are left out"] if failed else []
        return (*told, *(str(each) for each in self.result.notes if "sampler" in str(each)))

    def __repr__(self) -> str:
        return f"<Attribution of {self.result.name}: {self.told}>"

    def _repr_html_(self) -> str:
        lines = [f"<b>{html.escape(self.result.title or self.result.name)}</b>"]
        tables = (self.summary(), self.interactions())
        lines += [each.to_html(index=False, na_rep="", float_format=lambda value: f"{value:,.4g}") for each in tables]
        lines += [f"<div>{html.escape(text)}</div>" for text in self.notes]
        return "<div>" + "".join(lines) + f"<small>{html.escape(self.told)}</small></div>"


def attribute(
    scenario: Scenario | str | Path,
    *,
    draws: int | None = None,
    seed: int | None = None,
    metric: str = "system_loss",
    confidence: float = 0.95,
    **options: Any,
) -> Attribution:
    r"""Attribute a loss to the channels, whatever the order in which they are switched on.

    Every draw is played once for every set S of the scenario's channels, with the same luck: the events always strike,
    the channels outside S post nothing. With v(S) the metric after the last step, channel a is given

    .. math::
        \phi_a = \sum_{S \not\ni a} \frac{|S|! \, (n - |S| - 1)!}{n!} \, [v(S \cup a) - v(S)], \qquad
        \sum_a \phi_a = v(\text{all}) - v(\text{none})

    and every pair of channels its interaction index, see `sim.analysis.shapley.interactions`. Six channels are 64
    coalitions, lanes of one block, so that a draw costs 64 ordinary ones; channels that the scenario lacks cost
    nothing and are given 0.

    Parameters
    ----------
    scenario : Scenario, str or Path
        Loaded, a path, or the name of a shipped one.
    draws : int, optional
        By default the scenario's.
    seed : int, optional
        By default the scenario's, else a random one.
    metric : str
        Which one, after the last step.
    confidence : float
        Of the intervals.
    **options : object
        Further options of `sim.run`: ``workers``, ``progress``, ``time_limit``, ``allow_uncertified``.

    Returns
    -------
    Attribution
        Values with standard errors over draws.

    Raises
    ------
    UsageError
        If an option is out of range, or more than ten channels act.
    InputError
        If the scenario is wrong, or there is no such metric.
    ConvergenceError
        If some coalition of a draw is not certified and that was not allowed.

    References
    ----------
    Shapley (1953); Grabisch and Roubens (1999); Staum, Feng and Liu (2016) for components of systemic risk.

    Examples
    --------
    >>> from sim.analysis.attribution import attribute
    >>> found = attribute("ring_of_ten", draws=2)
    >>> found.summary().set_index("channel").loc[["events", "credit", "market", "total"], "value"].tolist()
    [5.0, 15.0, 0.0, 20.0]
    """
    if not 0.5 <= confidence < 1.0:
        raise UsageError(f"confidence must be at least 0.5 and below 1, got {confidence!r}")
    for name in ("out", "player", "model", "record", "block", "cluster"):
        if name in options:
            raise UsageError(f"attribute does not take {name}; it plays every coalition itself and keeps no folder")
    chosen = load(scenario) if isinstance(scenario, str | Path) else scenario
    chosen = chosen.override({"metrics": [metric], "record": "agents", "trace": None, "monte_carlo.until": None})
    acting = _ordered(chosen.channels)
    width = max(1, LANES // lanes_of(len(acting), MOST).shape[1])
    result = run(chosen, draws=draws, seed=seed, block=width, player=Coalitions(acting, metric), **options)
    good = np.array([status != FAILED for status in result.status])
    return Attribution(result, metric, acting, result.final[VALUE][good], np.flatnonzero(good), confidence)


def _ordered(channels: Mapping[str, Any]) -> tuple[str, ...]:
    """Channels that act, in the order of the table."""
    acting = [name for name, each in channels.items() if each.enabled]
    return tuple(sorted(acting, key=lambda name: CHANNELS.index(name) if name in CHANNELS else len(CHANNELS)))
