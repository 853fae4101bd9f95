"""The points of a frontier: quarters as policies, what came out under each, and its spectral radius."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.analysis.adoption import WORDS, Known
from sim.analysis.cross_contagion import cross_contagion
from sim.arrays import Float, Int
from sim.errors import UsageError, shown
from sim.experiments.part import FAILED
from sim.experiments.swept import DONE, Sweep
from sim.scenario.quarters import stress_test

if TYPE_CHECKING:
    from sim.scenario.schema import Scenario


def quarters_under(
    scenario: Scenario, policies: Mapping[str, Mapping[str, Any]] | None, benefit: str | Known | None
) -> tuple[Scenario, dict[str, dict[str, Any]], str | Known, dict[str, str]]:
    """Return the quarters of a ramp under every policy, as policies of its stress test.

    Parameters
    ----------
    scenario : Scenario
        A ramp.
    policies : mapping of str to mapping, or None
        Name -> dotted key -> value; None for the ramp as it is.
    benefit : str, Known or None
        None for the coverage of the underserved.

    Returns
    -------
    tuple of Scenario, dict, str or Known, and dict
        The stress test; such as ``"open 2022Q1"`` -> dotted key -> value; the benefit; the policy that each is of.

    Raises
    ------
    UsageError
        If a policy takes the quarters away.
    """
    found: dict[str, dict[str, Any]] = {}
    coverage: dict[str, float] = {}
    paths: dict[str, str] = {}
    for name, changes in ({"": {}} if policies is None else policies).items():
        changed = scenario.override(changes)
        if changed.ramp is None:
            raise UsageError(f"policy {shown(name)}: takes the quarters of the ramp away")
        own = {key: value for key, value in changes.items() if key.partition(".")[0] != "ramp"}
        brings = changed.ramp.benefits.at(changed.ramp.path(changed.shocks))["coverage"]
        for (quarter, keys), value in zip(changed.ramp.policies(changed.shocks).items(), brings.tolist(), strict=True):
            label = f"{name} {quarter}".strip()
            found[label], coverage[label], paths[label] = own | keys, value, name
    brought = Known(WORDS["coverage"], "1", coverage) if benefit is None else benefit
    return stress_test(scenario), found, brought, paths


def points(found: Sweep, benefit: str | Known, risk: str) -> tuple[tuple[str, ...], Float, Float, Int]:
    """Return what came out under every policy.

    Parameters
    ----------
    found : Sweep
        The runs.
    benefit : str or Known
        Metric, or what is known without a run.
    risk : str
        Metric.

    Returns
    -------
    tuple of tuple of str, float64[n_policies, n_draws] twice, int64[n_draws]
        Names, benefit and loss by policy and draw, and the draws that are valid under every policy.

    Raises
    ------
    UsageError
        If there is no such draw.
    """
    rows = [(k, row) for k, row in enumerate(found.facts["rows"]) if row["status"] == DONE]
    runs = [found.result(k) for k, _ in rows]
    good = np.logical_and.reduce([[status != FAILED for status in run.status] for run in runs])
    if not good.any():
        raise UsageError("no draw came out under every policy; there is nothing to weigh")
    names = tuple(str(row["policy"]) for _, row in rows)
    losses = np.stack([run.metrics[risk][good, -1] for run in runs])
    if isinstance(benefit, Known):
        gains = np.array([[float(benefit.values[name])] for name in names]) * np.ones(losses.shape[1])
    else:
        gains = np.stack([run.metrics[benefit][good, -1] for run in runs])
    return names, gains, losses, np.flatnonzero(good)


def units(scenario: Scenario, draws: Int) -> Int:
    """Return which draws are drawn again together: those on one network, or mirrored pairs.

    Parameters
    ----------
    scenario : Scenario
        How draws belong together.
    draws : int64[n_draws]
        Which they are.

    Returns
    -------
    int64[n_draws]
        The same number for draws that belong together.
    """
    networks = scenario.monte_carlo.networks
    if networks > 1:
        return np.asarray(draws % networks)
    return draws // 2 if scenario.monte_carlo.sampler == "antithetic" else draws


def radius_of(scenario: Scenario, seed: int, selling: str | None) -> float:
    """Return the spectral radius under a policy, on the first network.

    Parameters
    ----------
    scenario : Scenario
        Under the policy.
    seed : int
        Of the network.
    selling : str or None
        As `sim.cross_contagion` takes it.

    Returns
    -------
    float, 1
        NaN where no channel has a static map.
    """
    if not {"credit", "market"} & set(scenario.active):
        return float("nan")
    return cross_contagion(scenario, seed=seed, selling=selling).radius
