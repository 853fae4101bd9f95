"""The errors of an early warning and how early it comes: by hand from steps, and from a run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import sim
from sim.analysis.early_warning import NEVER, WarningErrors, _first, _heard
from sim.errors import InputError, UsageError

RULE: dict[str, Any] = {"kind": "early_warning", "trigger": {"observed": "price_decline", "above": 0.1}}


def watched(**changes: Any) -> sim.Scenario:
    given = {"policies": [RULE], "horizon.steps": 8, "metrics": ["price_decline", "defaults"]}
    return sim.load("eu48_sovereign").override(given | changes)


def test_what_counts_as_warned_missed_false_and_quiet_by_hand() -> None:
    # six draws of five steps; the event in the fourth step of the first four
    event = np.array([3, 3, 3, 3, NEVER, NEVER])
    out = np.zeros((5, 6), dtype=bool)
    out[1:, 0] = True  # two days before
    out[3:, 1] = True  # on the day itself, too late
    out[0, 2] = True  # three days before, and over at once
    out[4, 4] = True  # a false alarm
    heard = _heard(out, event, 1.0, 1.0, None)
    assert heard.tolist() == [1, NEVER, 0, NEVER, 4, NEVER]
    assert _heard(out, event, 1.0, 1.0, 2.0).tolist() == [1, NEVER, NEVER, NEVER, 4, NEVER]  # too early is no warning
    assert _heard(out, event, 1.0, 0.0, None).tolist() == [1, 3, 0, NEVER, 4, NEVER]
    assert _heard(out, event, 0.25, 0.5, None).tolist() == [1, NEVER, 0, NEVER, 4, NEVER]  # steps of six hours
    found = WarningErrors(event, heard, 1.0, 0.95, "", None)  # type: ignore[arg-type]
    assert found.counts == {"warned": 2, "missed": 2, "false_alarm": 1, "quiet": 1}
    assert found.false_negative_rate.value == 0.5
    assert found.false_positive_rate.value == 0.5
    # lead times of 2 and 3 days: mean 2.5, standard error 0.5
    assert_allclose(found.lead_time, (2.5, 2.5 - 1.959964 * 0.5, 2.5 + 1.959964 * 0.5), rtol=1e-6)
    low, high = found.false_negative_rate[1:]
    z = 1.959964  # Wilson for 2 of 4
    half = z * np.sqrt(0.25 / 4 + z * z / 64) / (1 + z * z / 4)
    assert_allclose((low, high), (0.5 - half, 0.5 + half), rtol=1e-6)
    assert _first(np.zeros((3, 1), dtype=bool)).tolist() == [NEVER]


def test_the_errors_are_those_of_the_draws_of_a_run() -> None:
    found = sim.early_warning(watched(), "defaults", draws=48, seed=7, workers=1)
    table = sim.run(watched(), draws=48, seed=7, workers=1).to_pandas().sort_values(["step", "draw"])
    fall, failed = (table[name].to_numpy().reshape(8, 48) for name in ("price_decline", "defaults"))
    warned = np.zeros((8, 48), dtype=bool)
    warned[1:] = fall[:-1] > 0.1  # seen a day later
    counts = {"warned": 0, "missed": 0, "false_alarm": 0, "quiet": 0}
    leads = []
    for draw in range(48):
        days = np.flatnonzero(failed[:, draw] > 0.0)
        alarms = np.flatnonzero(warned[:, draw])
        if days.size:
            early = alarms[alarms < days[0]]
            counts["warned" if early.size else "missed"] += 1
            leads += [float(days[0] - early[0])] if early.size else []
        else:
            counts["false_alarm" if alarms.size else "quiet"] += 1
    assert found.counts == counts
    assert min(counts["warned"], counts["false_alarm"], counts["quiet"]) > 0
    assert_allclose(found.lead_time.value, np.mean(leads))
    assert found.to_pandas()["measure"].tolist() == ["false_positive_rate", "false_negative_rate", "lead_time"]
    assert "false positives" in repr(found)
    assert "defaults above 0" in found._repr_html_()


def test_a_higher_line_has_fewer_false_alarms_and_misses_more() -> None:
    curve = [
        sim.early_warning(watched(**{"policies.0.trigger.above": line}), draws=48, seed=7, workers=1)
        for line in (0.05, 0.1, 0.15)
    ]
    false = [each.false_positive_rate.value for each in curve]
    missed = [each.false_negative_rate.value for each in curve]
    assert false[0] > false[1] > false[2]
    assert missed[0] <= missed[1] < missed[2]


def test_a_rule_is_judged_by_what_would_have_happened() -> None:
    plain = sim.early_warning(watched(), draws=24, seed=7, workers=1)
    halt = {"kind": "temporal", "between": "M_M", "path": "sales", "permeability": 0.0}
    acting = watched(policies=[RULE | {"starts": ["walls.0"]}], walls=[halt])
    found = sim.early_warning(acting, draws=24, seed=7, workers=1)
    assert_array_equal(found.event, plain.event)
    assert_array_equal(found.warning, plain.warning)
    # though the wall, put up, changes what happens
    lost = [sim.run(each, draws=24, seed=7, workers=1).to_pandas()["defaults"].sum() for each in (watched(), acting)]
    assert lost[0] != lost[1]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"lead": -1.0}, "lead = -1.0 must be at least 0"),
        ({"lead": 3.0, "within": 1.0}, "within = 1.0 not below it"),
        ({"above": 1.0, "below": 2.0}, "give one of above and below"),
        ({"confidence": 1.0}, "confidence must be at least 0.5 and below 1"),
    ],
)
def test_bad_options_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        sim.early_warning(watched(), draws=2, **options)


def test_a_scenario_needs_one_warning_and_an_event_that_is_known() -> None:
    with pytest.raises(UsageError, match="needs a scenario with one policy of kind early_warning, got 0"):
        sim.early_warning("ring_of_ten")
    with pytest.raises(InputError, match="did you mean 'defaults'"):
        sim.early_warning(watched(), "default")
