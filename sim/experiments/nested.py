r"""Draws nested in networks: how much of the variance of a metric lies within a network and how much between networks.

A draw's outcome on network r is :math:`y_{rj} = \mu + b_r + e_{rj}`: what the network does to the mean, and the luck of
the draw on it. By the law of total variance

.. math:: \mathrm{Var}(y) = \mathrm{E}[\mathrm{Var}(y \mid network)] + \mathrm{Var}(\mathrm{E}[y \mid network])
    = \sigma_w^2 + \sigma_b^2

Draws on one network are alike, so the error of a mean over all draws is that of a mean over networks: more draws do not
take it below :math:`\sigma_b / \sqrt K`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from sim.arrays import Float
from sim.experiments.statistics import CONFIDENCE, LEVEL, Parts, Ranked, quantile_ranks, summarise_parts
from sim.experiments.streaming import Moments, Tree

COLUMNS = ("networks", "var_within", "var_between", "share_between")
"""What a summary says besides, where draws are spread over several networks."""


@dataclass(frozen=True)
class Split:
    """Variance within and between networks.

    Parameters
    ----------
    networks : int
        With at least one draw.
    within, between : float
        Unbiased estimates of both variances, unit of the metric squared. The second is negative where networks differ
        less than the luck of their draws would make them differ; NaN where there are too few draws or networks.
    """

    networks: int
    within: float
    between: float

    @property
    def share(self) -> float:
        """Part of the variance that lies between networks, 0 to 1; a negative estimate counts as 0."""
        between = max(0.0, self.between) if not math.isnan(self.between) else math.nan
        total = self.within + between
        return between / total if total > 0.0 else math.nan


def split(groups: Sequence[Moments]) -> Split:
    r"""Split the variance of a sample that comes in groups: one-way random-effects analysis of variance.

    With :math:`n_r` values of mean :math:`\bar y_r` in group r of R, n in all and of mean :math:`\bar y`,

    .. math::
        MSW = \frac{\sum_r \sum_j (y_{rj} - \bar y_r)^2}{n - R}, \qquad
        MSB = \frac{\sum_r n_r (\bar y_r - \bar y)^2}{R - 1}, \qquad
        n_0 = \frac{n - \sum_r n_r^2 / n}{R - 1}

    .. math:: \hat\sigma_w^2 = MSW, \qquad \hat\sigma_b^2 = (MSB - MSW) / n_0

    Both are unbiased whatever the distribution, and whatever the sizes of the groups.

    Parameters
    ----------
    groups : sequence of Moments
        One a group; empty ones count for nothing.

    Returns
    -------
    Split
        Unit of the sample squared.

    References
    ----------
    Searle, Casella and McCulloch (1992), Variance Components, section 3.6.
    """
    found = [each for each in groups if each.n]
    n, many = sum(each.n for each in found), len(found)
    if not n:
        return Split(0, math.nan, math.nan)
    power = max(each.power for each in found)  # of two, so that no square leaves the range
    same = [each.at(power) for each in found]
    mean = math.fsum(each.n * each.centre for each in same) / n
    inside = math.fsum(each.square for each in same)
    apart = math.fsum(each.n * (each.centre - mean) ** 2 for each in same)
    if n == many:
        return Split(many, math.nan, math.nan)
    within = inside / (n - many)
    between = math.nan
    if many > 1:
        usual = (n - math.fsum(each.n**2 for each in same) / n) / (many - 1)
        between = (apart / (many - 1) - within) / usual
    return Split(many, math.ldexp(within, 2 * power), math.ldexp(between, 2 * power))


def error(groups: Sequence[Moments]) -> float:
    r"""Return the standard error of the mean of a sample that comes in independent groups of values that are alike.

    .. math:: se^2 = \frac{R}{R - 1} \sum_r \left(\frac{n_r}{n}\right)^2 (\bar y_r - \bar y)^2

    Parameters
    ----------
    groups : sequence of Moments
        One a group; empty ones count for nothing.

    Returns
    -------
    float
        Unit of the sample; NaN below two groups.

    References
    ----------
    Cochran (1977), Sampling Techniques, 3rd ed., section 9A.2, for samples of whole clusters.
    """
    found = [each for each in groups if each.n]
    n, many = sum(each.n for each in found), len(found)
    if many < 2:
        return math.nan
    power = max(each.power for each in found)
    same = [each.at(power) for each in found]
    mean = math.fsum(each.n * each.centre for each in same) / n
    square = math.fsum((each.n / n * (each.centre - mean)) ** 2 for each in same) * many / (many - 1)
    return math.ldexp(math.sqrt(square), power)


def ranks(n: int, level: float, spread: float, networks: int) -> tuple[int, int] | None:
    r"""Return the ranks of the order statistics that enclose a quantile of draws nested in networks.

    The ranks of a sample of independent draws that would tell as much,

    .. math:: n^* = \min\left(n, \frac{p (1 - p)}{se^2}\right) \left(\frac{z}{t_{R - 1}}\right)^2

    stretched to the n draws there are. `se` is the error over networks of the share of draws at or below the quantile.

    Parameters
    ----------
    n : int
        Draws.
    level : float
        In (0, 1).
    spread : float
        Error over networks of the share of draws at or below the quantile.
    networks : int
        How many.

    Returns
    -------
    tuple of int or None
        Lower and upper rank, counted from 1; None when there are too few draws or networks.

    References
    ----------
    Korn and Graubard (1998), Survey Methodology 24(2), 193-201, for the effective size; Woodruff (1952), J. American
    Statistical Association 47(260), 635-646, for quantiles.
    """
    from scipy.special import ndtri, stdtrit

    if networks < 2 or not math.isfinite(spread):
        return None
    tail = 0.5 + CONFIDENCE / 2.0
    alike = level * (1.0 - level) / (spread * spread) if spread > 0.0 else math.inf
    worth = min(float(n), alike) * (float(ndtri(tail)) / float(stdtrit(networks - 1, tail))) ** 2
    found = quantile_ranks(int(worth), level)
    if found is None:
        return None
    low, high = math.floor(found[0] * (n / int(worth))), math.ceil(found[1] * (n / int(worth)))
    return (low, high) if low >= 1 and high <= n else None


@dataclass
class _Groups:
    """What is known of one metric, network by network."""

    values: dict[int, Tree[Moments]] = field(default_factory=dict)
    excess: dict[int, Tree[Moments]] = field(default_factory=dict)
    below: dict[str, dict[int, int]] = field(default_factory=lambda: {"p95": {}, "p99": {}})

    def add(self, network: int, values: Float, at: Mapping[str, float]) -> None:
        """Take in a part: its values, how far they are beyond value-at-risk, how many are at or below quantiles."""
        beyond = np.maximum(values - at["p99"], 0.0) / (1.0 - LEVEL)
        for trees, found in ((self.values, values), (self.excess, beyond)):
            trees.setdefault(network, Tree(Moments.merged)).add(Moments.of(found))
        for name, counts in self.below.items():
            counts[network] = counts.get(network, 0) + int(np.count_nonzero(values <= at[name]))

    def totals(self, trees: Mapping[int, Tree[Moments]]) -> list[Moments]:
        """Moments of each network."""
        return [trees[network].total(Moments()) for network in sorted(trees)]


def summarise_nested(names: Sequence[str], parts: Parts, ranked: Ranked, networks: int) -> dict[str, dict[str, float]]:
    """Return the summaries of metrics whose draws are spread over networks.

    Parameters
    ----------
    names : sequence of str
        Metrics.
    parts : callable
        As for `sim.experiments.statistics.summarise_parts`, each part of one network; called three times.
    ranked : callable
        Order statistics, exact.
    networks : int
        Draw k belongs to network k modulo this.

    Returns
    -------
    dict of str to dict
        By metric what `summarise_parts` returns, with errors and intervals over networks, and `COLUMNS`.
    """
    found = summarise_parts(names, parts, ranked, pairs=False)
    groups = {name: _Groups() for name in names}
    for draws, values in parts():
        for name in names if draws.size else ():
            groups[name].add(int(draws[0]) % networks, values[name], found[name])
    return {name: found[name] | _over(name, found[name], groups[name], ranked) for name in names}


def _over(name: str, row: Mapping[str, float], groups: _Groups, ranked: Ranked) -> dict[str, float]:
    """Errors and intervals over networks, and the two variances."""
    from scipy.special import stdtrit

    each, n = groups.totals(groups.values), int(row["draws"])
    found = split(each)
    ends: dict[str, int] = {}
    for level, key in ((0.95, "p95"), (LEVEL, "p99")):
        counts = [groups.below[key][network] for network in sorted(groups.values)]
        spread = error([_share(count, group.n) for count, group in zip(counts, each, strict=True)])
        if (pair := ranks(n, level, spread, found.networks)) is not None:
            ends |= {f"{key}_lo": pair[0], f"{key}_hi": pair[1]}
    order = ranked(name, sorted(set(ends.values()))) if ends else {}
    at = {key: order[ends[key]] if key in ends else math.nan for key in ("p95_lo", "p95_hi", "p99_lo", "p99_hi")}
    tail = error(groups.totals(groups.excess))
    degrees = max(1, found.networks - 1)
    reach = float(stdtrit(degrees, 0.5 + CONFIDENCE / 2.0)) * tail if math.isfinite(at["p99_lo"]) else math.nan
    return {
        "se": error(each),
        "p95_lo": at["p95_lo"],
        "p95_hi": at["p95_hi"],
        "VaR99_lo": at["p99_lo"],
        "VaR99_hi": at["p99_hi"],
        "ES99_se": tail,
        "ES99_lo": row["ES99"] - reach,
        "ES99_hi": row["ES99"] + reach,
        **dict(zip(COLUMNS, (float(found.networks), found.within, found.between, found.share), strict=True)),
    }


def _share(count: int, n: int) -> Moments:
    """A share of n values as the mean of a group."""
    return Moments(n, count / n if n else 0.0)


def notes(networks: int, draws: int) -> tuple[str, ...]:
    """Return what a reader must know of a sample of draws nested in networks.

    Parameters
    ----------
    networks : int
        How many.
    draws : int
        Of the run.

    Returns
    -------
    tuple of str
        Lines.

    Examples
    --------
    >>> notes(1, 100)
    ()
    """
    if networks == 1:
        return ()
    spread = f"draws are spread over {networks:,} networks; errors and intervals are those over networks"
    told = [f"{spread}, left out where draws or networks are too few"]
    if draws <= networks:
        told.append("each network has one draw at most: the variance within a network takes more draws than networks")
    elif networks < 10:
        told.append(f"{networks} networks tell little about the variance between networks; 20 or more are better")
    return tuple(told)
