"""Defaults of borrowers given common factors: published quantiles, what is booked where, how it spreads over days."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from pydantic import ValidationError
from scipy import stats

from sim.errors import InputError
from sim.ledger.balance import net_worth
from sim.shocks.borrower_stress import BorrowerStress
from sim.shocks.factors import Factor, default_given
from sim.simulation import Simulation
from sim.streams import Draws
from tests.systems import mixed_system, scenario_of

SYSTEM = mixed_system()
P0 = SYSTEM.ids.index("P0")
TARGETS = {"loans": "banks", "pools": "platforms"}


def played(steps=1, draws=2, system=SYSTEM, days="1d", seed=1, **shock):
    """Return the simulation after a borrower stress and nothing else; its losses are those of the event."""
    scenario = scenario_of(
        system,
        mode="dynamic",
        horizon={"steps": steps, "step": days},
        shocks=[{"kind": "borrower_stress", **shock}],
        channels={},
    )
    play = Simulation(system, scenario, np.arange(draws), seed=seed)
    for _ in range(steps):
        play.step()
    return play


def shares(play):
    """Return the shares lost of loans and of the pool, by lane."""
    loans = play.state.loans[:4].sum(axis=0) / SYSTEM.start["loans"].sum()
    return 1.0 - loans, 1.0 - play.state.price[3]


@pytest.mark.parametrize(("level", "conditional"), [(0.95, 0.0510), (0.99, 0.0887), (0.999, 0.1520)])
def test_probability_of_default_at_quantiles_of_the_factor(level, conditional):
    z = np.full((1, 2), stats.norm.ppf(level))
    given = default_given(np.full((1, 2), 0.016), [(0.15, z)])
    assert_allclose(given, conditional, atol=5e-5)
    # the event books the excess over 1.6 %, a loss of 45 %, in loans that banks hold and borrowers' real assets
    play = played(loans="banks", factor={"quantile": level})
    assert_allclose(shares(play)[0], 0.45 * (given[0, 0] - 0.016), rtol=1e-12)
    assert_allclose(play.state.loss[0, :4, 0], 0.45 * (given[0, 0] - 0.016) * SYSTEM.start["loans"][:4], rtol=1e-12)
    borrowers = play.state.row("borrowers")
    assert_allclose(net_worth(play.state)[borrowers], 0.0, atol=1e-9)
    assert_allclose(SYSTEM.start["real_assets"][borrowers] - play.state.real_assets[borrowers],
                    play.state.loss[0, :4].sum(axis=0), rtol=1e-12)  # fmt: skip
    assert (play.state.price == 1.0).all()


def test_an_ensemble_reproduces_the_quantiles():
    # 4,000 draws: the standard error of a quantile is sqrt(q (1 - q) / n) / density
    play = played(draws=4000, loans="banks", factor={"normal": {}}, loss_given_default=1.0)
    given = shares(play)[0][:4000] + 0.016
    for level, conditional in ((0.95, 0.0510), (0.99, 0.0887)):
        rank = np.sort(given)[[int(4000 * (level - 3 * np.sqrt(level * (1 - level) / 4000))),
                               min(3999, int(4000 * (level + 3 * np.sqrt(level * (1 - level) / 4000))))]]  # fmt: skip
        assert rank[0] < conditional < rank[1]
    # where the factor is good nothing is booked
    assert_allclose((given == 0.016).mean(), stats.norm.cdf(
        (stats.norm.ppf(0.016) * np.sqrt(0.85) - stats.norm.ppf(0.016)) / np.sqrt(0.15)), atol=0.025)  # fmt: skip


def test_factors_that_are_not_given_are_averaged_over():
    chance = np.full((1, 1), 0.03)
    grid = stats.norm.ppf((np.arange(20_000) + 0.5) / 20_000)[None, :]
    over = default_given(np.full((1, grid.size), 0.03), [(0.15, grid), (0.05, np.full_like(grid, 1.2))]).mean()
    assert_allclose(default_given(chance, [(0.05, np.full((1, 1), 1.2))]), over, rtol=1e-4)
    assert default_given(chance, []) is chance


def test_a_multiplier_alone_is_the_excess_of_the_mean():
    # four times 1.6 %: 3 * 1.6 % * 0.6 of loans; the pool's 3.2 % are expected at an own share of 0.30
    lost, pool = shares(played(pd_multiplier=4.0, loss_given_default=0.6, **TARGETS))
    assert_allclose(lost, 3 * 0.016 * 0.6, rtol=1e-12)
    assert_allclose(pool, 3 * 0.032 * 0.6, rtol=1e-12)
    play = played(pools="platforms", pd_multiplier=4.0, loss_given_default=0.6)
    gone = 100 * 3 * 0.032 * 0.6
    underserved = play.state.row("underserved")
    assert_allclose(SYSTEM.start["real_assets"][underserved] - play.state.real_assets[underserved], gone, rtol=1e-12)
    assert_allclose(net_worth(play.state)[underserved], 0.0, atol=1e-9)
    assert_allclose(play.state.loss[0, P0], 0.3 * gone, rtol=1e-12)
    assert (play.state.loans[:4, 0] == SYSTEM.start["loans"][:4]).all()


@pytest.mark.parametrize("own", [0.02, 0.15, 0.30, 0.60])
def test_a_platform_with_little_at_stake_screens_less(own):
    holdings = SYSTEM.holdings.copy()
    holdings[P0, 3] = 100 * own
    holdings[1:4, 3] *= (1 - own) / 0.7
    system = replace(SYSTEM, holdings=holdings)
    pool = shares(played(system=system, pools="platforms", pd_multiplier=2.0, loss_given_default=1.0))[1]
    assert_allclose(pool, 0.032 * (1 + 0.15 * max(0.0, 1 - own / 0.30)), rtol=1e-12)


def two_platforms():
    """The mixed system with its pool split in two, of one platform each: T1 becomes a platform for it."""
    types = SYSTEM.types | {"tech_firms": slice(4, 5), "platforms": slice(5, 7)}
    holdings = np.insert(SYSTEM.holdings, 4, SYSTEM.holdings[:, 3] / 2, axis=1)
    holdings[:, 3] /= 2
    t1 = SYSTEM.ids.index("T1")
    holdings[t1, 4], holdings[P0, 4] = holdings[P0, 4], 0.0
    extra = {
        name: np.insert(getattr(SYSTEM, name), 4, getattr(SYSTEM, name)[3]) for name in ("depth", "floor", "traded")
    }
    return replace(
        SYSTEM,
        types=types,
        assets=(*SYSTEM.assets[:4], "T1", *SYSTEM.assets[4:]),
        classes=(*SYSTEM.classes[:4], "POOL", *SYSTEM.classes[4:]),
        holdings=holdings,
        fair_value=np.insert(SYSTEM.fair_value, 4, 1.0, axis=1),
        shares=np.insert(SYSTEM.shares, 4, False),
        issuers=(*SYSTEM.issuers[:4], SYSTEM.issuers[3], *SYSTEM.issuers[4:]),
        **extra,
    )


def test_model_errors_are_each_platforms_own_or_common_to_all():
    system = two_platforms()
    error = {"pools": "platforms", "model_error": {"normal": {}}, "model_correlation": 0.25, "draws": 200}
    own, common = (played(system=system, monoculture=flag, **error).state.price[3:5, :200] for flag in (False, True))
    assert (common[0] == common[1]).all()
    assert 0.0 < np.mean(own[0] == own[1]) < 0.6  # both without loss
    assert abs(np.corrcoef(own)[0, 1]) < 0.25
    # a tail fatter at an equal mean: both pools lose much together
    assert np.quantile((1 - common).sum(axis=0), 0.98) > 1.2 * np.quantile((1 - own).sum(axis=0), 0.98)


def test_an_error_of_one_platform_leaves_the_others_alone():
    system = two_platforms()
    play = played(
        system=system,
        pools="platforms",
        pd_multiplier=4.0,
        model_error=2.5,
        model_error_of="P0",
        loss_given_default=1.0,
    )
    p0, t1 = 1.0 - play.state.price[3, 0], 1.0 - play.state.price[4, 0]
    assert_allclose(t1, 3 * 0.032, rtol=1e-12)
    barrier = stats.norm.ppf(0.128) + np.sqrt(0.05) * 2.5
    assert_allclose(p0, stats.norm.cdf(barrier / np.sqrt(0.95)) - 0.032, rtol=1e-12)


@pytest.mark.parametrize(("days", "steps"), [("1d", 10), ("1w", 2)])
def test_defaults_of_a_year_come_day_by_day(days, steps):
    # after ten days: 0.6 * (0.984^(10/250) - 0.936^(10/250)), whatever the length of a step
    expected = 0.6 * (0.984 ** (10 / 250) - 0.936 ** (10 / 250))
    play = played(steps, days=days, loans="banks", pd_multiplier=4.0, loss_given_default=0.6, spread=True)
    assert_allclose(shares(play)[0], expected, rtol=1e-9)


def test_after_a_year_the_defaults_spread_are_those_at_once():
    parts = {"pd_multiplier": 4.0, "factor": 1.0, **TARGETS}
    spread, once = shares(played(60, days="1w", at=5, spread=True, **parts)), shares(played(**parts))
    assert_allclose(spread, once, rtol=1e-9)


def test_targets_choose_banks_and_draws():
    play = played(loans="banks[each]", factor=2.0, draws=4)
    hit = play.state.loss[0, :4, :4] > 0.0
    assert (hit == np.eye(4, dtype=bool)).all()


def test_luck_is_addressed_and_shared_between_loans_and_pools():
    factor = Factor(normal={})
    one, two = (factor.draw(Draws(3, np.arange(n)), "shocks.0/factor", ["common"], 1) for n in (5, 9))
    assert (one[0] == two[0, :5]).all()
    loans, pool = shares(played(draws=50, factor={"normal": {}}, pool_default_probability=0.016, **TARGETS))
    assert_allclose(loans, pool, rtol=1e-9)


def test_student_factors_have_unit_variance_and_fat_tails():
    drawn = Factor(student={"df": 5}).draw(Draws(1, np.arange(20_000)), "x", ["common"], 1)[0]
    assert_allclose(drawn.std(), 1.0, atol=0.05)
    assert np.quantile(drawn, 0.999) > 3.5
    assert_allclose(np.quantile(drawn, 0.9), stats.t.ppf(0.9, 5) * np.sqrt(3 / 5), atol=0.04)


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({}, "nobody is hit"),
        ({"loans": "banks", "correlation": 0.6, "model_correlation": 0.5}, "must be below 1"),
        ({"loans": "banks", "factor": {"normal": {}, "quantile": 0.5}}, "exactly one of"),
        ({"loans": "banks", "loss_given_default": 1.5}, "less than or equal to 1"),
    ],
)
def test_what_cannot_be_is_refused(parts, said):
    with pytest.raises(ValidationError, match=said):
        BorrowerStress(**parts)


def test_unknown_targets_are_named_with_the_nearest():
    with pytest.raises(InputError, match=r"shocks\.0\.loans: .*bank.*banks"):
        played(loans="bank")
    with pytest.raises(InputError, match=r"shocks\.0\.pools: 'T0' names no platform with a pool"):
        played(pools="T0")


def test_a_failing_firm_loses_real_assets_and_a_bank_loans():
    shocks = [{"kind": "agent_failure", "target": name, "size": 0.5} for name in ("T0", "B2")]
    play = Simulation(SYSTEM, scenario_of(SYSTEM, mode="dynamic", shocks=shocks, channels={}), np.arange(2), seed=1)
    play.step()
    t0, b2 = SYSTEM.ids.index("T0"), SYSTEM.ids.index("B2")
    # half of an equity of 40 (own shares apart), half of 28
    assert_allclose([play.state.real_assets[t0, 0], play.state.loans[b2, 0]], [40.0, 166.0])
    assert (play.state.ordered_to_fail[[t0, b2]] == 1.0).all()
    shocks = [{"kind": "agent_failure", "target": "P0"}]
    play = Simulation(SYSTEM, scenario_of(SYSTEM, mode="dynamic", shocks=shocks, channels={}), np.arange(2), seed=1)
    with pytest.raises(InputError, match=r"shocks\.0: the loss of P0 \(49\) is above its real assets \(30\)"):
        play.step()
    what = scenario_of(SYSTEM, shocks=[{"kind": "asset_loss", "target": "T0", "size": 0.5}], channels={})
    with pytest.raises(InputError, match=r"shocks\.0\.target: 'T0' names no bank"):
        Simulation(SYSTEM, what, np.arange(2), seed=1)
