"""The quarters of a ramp as scenarios: the stress test, one quarter of it, and what is wrong with any of them."""

from __future__ import annotations

from sim.errors import InputError, Problem, UsageError, nearest, shown
from sim.scenario.check import checked
from sim.scenario.override import override, put
from sim.scenario.schema import Scenario
from sim.shocks.innovation import Innovation

ALONE = {"mode": "dynamic", "ramp": None}
"""What makes a ramp its stress test."""


def stress_test(scenario: Scenario) -> Scenario:
    """Return what is played in every quarter, its keys as the file has them.

    Parameters
    ----------
    scenario : Scenario
        A ramp or not.

    Returns
    -------
    Scenario
        In time; the same one if it is no ramp.
    """
    return scenario if scenario.ramp is None else override(scenario, ALONE)


def refuse_ramp(scenario: Scenario) -> Scenario:
    """Return a scenario that is one run, not one in every quarter.

    Parameters
    ----------
    scenario : Scenario
        Checked.

    Returns
    -------
    Scenario
        The same.

    Raises
    ------
    InputError
        If it is a ramp; says what plays it.
    """
    if scenario.ramp is None:
        return scenario
    text = (
        f"mode: ramp is a run in every quarter: `sim ramp`, or sim.ramp in Python, plays {scenario.name}; one quarter "
    )
    text += f"of it is scenario.quarter({scenario.ramp.first!r})"
    raise InputError([scenario.placed(Problem(text, key="mode"))])


def quarter(scenario: Scenario, name: str) -> Scenario:
    """Return the stress test of one quarter.

    Parameters
    ----------
    scenario : Scenario
        A ramp.
    name : str
        Such as ``"2022Q1"``.

    Returns
    -------
    Scenario
        In time, with its keys as they are in that quarter.

    Raises
    ------
    UsageError
        If this is no ramp, or it has no such quarter.
    """
    if scenario.ramp is None:
        raise UsageError(f"{scenario.name} is no ramp (mode: {scenario.mode}); it has no quarters")
    names = scenario.ramp.names
    if name not in names:
        raise UsageError(f"no quarter {shown(name)}{nearest(str(name), names)} ({names[0]} to {names[-1]})")
    return override(scenario, ALONE | scenario.ramp.policies(scenario.shocks)[name])


def ramp_problems(scenario: Scenario) -> list[Problem]:
    """Return why a ramp cannot be played: a key that adoption turns is not there, or is turned too far.

    Parameters
    ----------
    scenario : Scenario
        Otherwise checked.

    Returns
    -------
    list of Problem
        Empty when all is well, and for scenarios that are no ramp.
    """
    block = scenario.ramp
    if scenario.mode != "ramp":
        text = f"ramp: goes with mode: ramp, got mode: {scenario.mode}; take it out, or set the mode"
        return [] if block is None else [Problem(text, key="ramp")]
    if block is None:
        return [Problem('mode: ramp needs a block "ramp", such as ramp: {first: 2022Q1, last: 2025Q4}', key="mode")]
    if block.sandbox is not None and not any(isinstance(shock, Innovation) for shock in scenario.shocks):
        text = "ramp.sandbox: nothing goes through it; give a shock of kind innovation, or take it out"
        return [Problem(text, key="ramp.sandbox")]
    try:
        policies = block.policies(scenario.shocks)
    except UsageError as error:
        return [Problem(f"ramp.adoption: {error}", key="ramp.adoption")]
    found: dict[str, Problem] = {}
    for name in (block.first, block.last):  # adoption goes one way, so what is in between is allowed as well
        data = scenario.plain()
        del data["ramp"]
        data["mode"] = "dynamic"
        wrong = [problem for key, value in policies[name].items() if (problem := put(data, key, value))]
        try:
            if not wrong:
                checked(data)
        except InputError as error:
            wrong = list(error.problems)
        for each in wrong:
            found.setdefault(each.message, Problem(f"ramp.dials, in {name}: {each.message}", key="ramp.dials"))
    return list(found.values())
