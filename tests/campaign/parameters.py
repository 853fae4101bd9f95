"""The signatures of the scenarios with every parameter 25 % lower and higher: which hold, which do not.

``python -m tests.campaign.parameters [--by 0.25] [--seed 7] [--only TEST] [--list]``

Every number among the parameters of the channels and the shocks of a scenario is changed alone, and the test of the
scenario's signature (tests/test_signatures.py) is run with it. A value that the field does not allow is brought to the
end of its range, and left out where that is where it was. Nothing is tuned on what comes out: it is reported.

A table as CSV on standard output; about an hour on one core.
"""

from __future__ import annotations

import argparse
import csv
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from unittest import mock

from pydantic import BaseModel

import sim
from sim.errors import InputError
from sim.scenario.schema import Scenario
from tests import test_signatures as signatures

SCENARIOS: dict[Callable[[int], None], str] = {
    signatures.test_an_outage_costs_little_equity_and_piles_up_payments: "cloud_outage",
    signatures.test_pools_hurt_small_banks_and_less_where_the_platform_has_a_stake: "colending_stress",
    signatures.test_a_gate_holds_money_back_and_fear_of_it_advances_the_run: "fund_run",
    signatures.test_a_penalty_travels_on_and_withholds_credit_from_the_underserved: "data_penalty",
    signatures.test_shares_fall_on_holders_and_amplification_grows_with_price_impact: "tech_equity_crash",
    signatures.test_sharing_what_is_known_shortens_an_attack: "cyber_attack",
    signatures.test_together_they_cost_about_what_they_cost_one_by_one: "combined_stress",
    signatures.test_a_rumour_costs_something_though_nothing_happened: "rumour_run",
    signatures.test_liquid_banks_do_not_freeze: "interbank_freeze",
    signatures.test_one_model_for_all_fattens_the_tail: "model_monoculture",
    signatures.test_a_rule_takes_credit_before_it_takes_losses: "stake_rule",
    signatures.test_adoption_fattens_the_tail_without_a_kink: "digital_ramp",
    signatures.test_a_sandbox_costs_time_and_shifts_the_frontier: "sandbox",
}


class Change(NamedTuple):
    """One parameter, and what it becomes."""

    key: str
    was: float
    value: float


def numbers(place: str, model: BaseModel) -> Iterator[tuple[str, float, BaseModel, str]]:
    """Yield every number among the parameters of a plug-in: key, value, whose field it is, and its name there."""
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            yield from numbers(f"{place}.{name}", value)
        elif isinstance(value, float) and value != 0.0:
            yield f"{place}.{name}", value, model, name


def allowed(model: BaseModel, name: str, value: float) -> float:
    """Return the value, brought to the end of the field's range where it lies beyond."""
    for rule in type(model).model_fields[name].metadata:
        value = max(value, getattr(rule, "ge", value))
        value = min(value, getattr(rule, "le", value))
    return value


def changes(scenario: Scenario, by: float) -> list[Change]:
    """Return every change of one parameter that the scenario allows."""
    plugins: dict[str, BaseModel] = {f"channels.{name}": channel for name, channel in scenario.active.items()}
    plugins |= {f"shocks.{place}": shock for place, shock in enumerate(scenario.shocks)}
    found = []
    for place, plugin in plugins.items():
        for key, was, model, name in numbers(place, plugin):
            for value in (allowed(model, name, was * (1.0 + sign * by)) for sign in (-1.0, 1.0)):
                if value == was:
                    continue
                try:
                    scenario.override({key: value})
                except InputError:
                    continue
                found.append(Change(key, was, value))
    return found


def verdict(test: Callable[[int], None], name: str, change: Change, seed: int) -> str:
    """Return whether the signature holds with one parameter changed."""
    load = sim.load

    def changed(asked: Any) -> Scenario:
        scenario = load(asked)
        return scenario.override({change.key: change.value}) if asked == name else scenario

    with mock.patch.object(sim, "load", changed):
        try:
            test(seed)
        except AssertionError as error:
            return f"fails: {traceback.extract_tb(error.__traceback__)[-1].line}"
        except InputError as error:
            return "not allowed: " + str(error).splitlines()[0]
    return "holds"


def main() -> int:
    """Run the study as asked on the command line."""
    parser = argparse.ArgumentParser(description="Test the scenarios' signatures with every parameter changed.")
    parser.add_argument("--by", type=float, default=0.25)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--only", help="scenarios whose name contains this")
    parser.add_argument("--list", action="store_true", help="show the changes and stop")
    given = parser.parse_args()
    out = csv.writer(sys.stdout)
    for test, name in SCENARIOS.items():
        if given.only and given.only not in name:
            continue
        for change in changes(sim.load(name), given.by):
            found = "" if given.list else verdict(test, name, change, given.seed)
            out.writerow((name, change.key, change.was, change.value, found))
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
