"""Whether a scenario can be played on a system: targets, assets and parameters that only the two together show."""

from __future__ import annotations

from sim.errors import InputError, Problem
from sim.policies import problems as policies_problems
from sim.scenario.schema import Scenario
from sim.system import System
from sim.walls import problems as walls_problems


def refuse(scenario: Scenario, system: System) -> None:
    """Raise what makes a scenario unplayable on a system.

    Parameters
    ----------
    scenario : Scenario
        Checked against the schema.
    system : System
        What it is to be played on.

    Raises
    ------
    InputError
        All problems at once.
    """
    problems: list[Problem] = []
    for name, channel in scenario.active.items():
        if scenario.mode == "static" and not channel.isotone:
            text = (
                f"channels.{name}: has no monotone form, so static mode cannot promise a fixed point; use mode: dynamic"
            )
            problems.append(Problem(text, key=f"channels.{name}"))
        problems.extend(channel.problems(scenario.mode, system))
    for position, shock in enumerate(scenario.shocks):
        problems.extend(shock.problems(system, f"shocks.{position}"))
    problems.extend(walls_problems(scenario.standing, scenario.active, scenario.mode, system))
    problems.extend(policies_problems(scenario.enacted, scenario.active, scenario.mode, system))
    if problems:
        raise InputError([scenario.placed(problem) for problem in problems])
