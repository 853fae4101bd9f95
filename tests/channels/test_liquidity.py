"""The liquidity channel by hand: runs, hoarding, defence, settlement, the lender of last resort."""

from __future__ import annotations

from unittest import mock

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sim.channels import withdrawals
from sim.channels.withdrawals import SEGMENTS
from sim.contagion import funding_run
from sim.errors import InputError
from sim.ledger.balance import layer_face, layer_owed, summed
from sim.simulation import Simulation
from tests.channels.liquidity import CLEARING, banks_of, row, run_of
from tests.systems import mixed_system, scenario_of

PANIC = -1000.0
"""A rumour after which everybody runs who can: the running fraction is 1."""

PLAIN = {"cash": 150.0, "loans": 750.0, "deposits_insured": 300.0, "deposits_uninsured": 400.0, "gov": 100.0,
         "deposits_wholesale": 200.0}  # fmt: skip
NOTHING = {"hazard": 0.0}


def segments(**hazards: float) -> dict[str, object]:
    """Return depositors of whom only those named run, to other banks alone."""
    return {name: {"hazard": hazards.get(name, 0.0)} for name in ("insured", "uninsured", "wholesale")} | {
        "to_funds": 0.0,
        "to_cash": 0.0,
    }


def only(depositors: dict[str, object], **more: object) -> dict[str, object]:
    """Return settings in which banks pay from reserves alone."""
    return {"depositors": depositors, "defence": ["reserves"], **more}


def two_banks(**changes: float) -> dict[str, dict[str, float]]:
    return {"A": PLAIN | changes, "B": PLAIN}


# -- withdrawals -----------------------------------------------------------------------------------------------------


def test_a_quarter_of_the_deposits_leaves_in_a_day():
    # 1 - exp(-0.2877) = 0.25 of 400; the other bank gets the deposits, and the reserves with them
    play = run_of(banks_of(two_banks()), liquidity=only(segments(uninsured=0.2877)))
    play.state.rumour[0] = PANIC
    play.step()
    gone = 400.0 * (1.0 - np.exp(-0.2877))
    assert_allclose(gone, 100.0, rtol=1e-4)
    assert_allclose(play.state.deposits_uninsured[:2, 0], [400.0 - gone, 400.0 + gone], rtol=1e-12)
    assert_allclose(play.state.cash[:2, 0].sum(), 300.0, rtol=1e-12)
    assert_allclose(play.state.withdrawn[:2, 0], [gone, 0.0], rtol=1e-12)
    assert_allclose(play.state.deposits_insured[:2, 0], 300.0)
    assert_allclose(play.state.loss[:, :2], 0.0, atol=1e-12)


def test_outflow_follows_belief_and_adoption():
    # equity 100 of 1000: zeta = 7; a rumour of -8 and a gain of 0.8 leave m = 0.6; beta = 25, kappa = 0.5:
    # x = Phi(5 (0.5 - 0.6)), x(0) = Phi(5 (0.5 - 7)) = 0; phi = 1 + 0.5 * 4 = 3
    from scipy.stats import norm

    system = banks_of(two_banks(adoption=0.5))
    play = run_of(system, liquidity=only(segments(uninsured=0.05)))
    play.state.rumour[0] = -8.0
    play.step()
    assert_allclose(play.state.belief[:2, 0], [0.6, 7.0], rtol=1e-12)
    gone = 400.0 * (1.0 - np.exp(-0.05 * 3.0 * norm.cdf(-0.5)))
    assert_allclose(play.state.withdrawn[0, 0], gone, rtol=1e-12)


def test_thresholds_of_the_global_game_are_those_of_the_algorithm():
    # m = 0.1, lambda = 0.5, gamma = 0.1: f = 1.4444; m = 0.3: 1.4286; at m >= 0.9 nobody runs from a solvent bank
    from sim.channels.beliefs import Learning
    from sim.channels.withdrawals import Depositors, thresholds

    rows = {
        name: PLAIN | {"cash": cash, "loans": 900.0 - cash} for name, cash in (("A", 60.0), ("B", 180.0), ("C", 570.0))
    }
    rules = Depositors(thresholds="global-game", fire_sale_premium=0.5, withdrawal_threshold=0.1)
    found = thresholds(banks_of(rows), rules, Learning())
    f = np.array([1.0 + 0.5 * 0.8 / 0.9, 1.0 + 0.5 * 0.6 / 0.7, 1.0])
    assert_allclose(f[:2], [1.4444444, 1.4285714], rtol=1e-7)
    assert_allclose(found["uninsured"], 97.0 * (1.0 - 1.0 / f), rtol=1e-12)
    assert_allclose(found["wholesale"], found["uninsured"])
    assert_allclose(found["insured"], -1.0)
    # a bank whose return is at f times that of the failure line has a leverage of the threshold above it
    debt = 900.0
    for k in range(2):
        at_line = debt / (1000.0 * (1.0 - 0.03))
        leverage = 1.0 - debt / (1000.0 * at_line * f[k])
        assert_allclose(100.0 * (leverage - 0.03), found["uninsured"][k], rtol=1e-12)


def test_insured_depositors_alone_take_little():
    # at most 1 - exp(-0.004 T) in T days, however bad the news
    play = run_of(banks_of(two_banks()), liquidity=only(segments(insured=0.004)))
    play.state.rumour[0] = PANIC
    for _ in range(30):
        play.step()
    assert_allclose(play.state.withdrawn[0, 0], 300.0 * (1.0 - np.exp(-0.004 * 30)), rtol=1e-9)
    assert play.state.ordered_to_fail[0, 0] == 0.0


def test_without_trust_in_the_insurance_insured_depositors_run_like_the_others():
    trust = run_of(banks_of(two_banks()), liquidity=only(segments(insured=0.0, uninsured=0.1)))
    none = segments(insured=0.0, uninsured=0.1) | {"insurance_credibility": 0.0}
    distrust = run_of(banks_of(two_banks()), liquidity=only(none))
    for play in (trust, distrust):
        play.state.rumour[0] = PANIC
        play.step()
    assert trust.state.deposits_insured[0, 0] == 300.0
    assert_allclose(distrust.state.deposits_insured[0, 0], 300.0 * np.exp(-0.1), rtol=1e-12)


def test_a_bank_that_is_down_pays_nobody_and_the_run_comes_afterwards():
    play = run_of(banks_of(two_banks()), liquidity=only(segments(uninsured=0.1)))
    play.state.rumour[0], play.state.service[0] = PANIC, 0.0
    play.step()
    assert play.state.withdrawn[0, 0] == 0.0
    play.state.rumour[0], play.state.service[0] = 0.0, 1.0
    play.step()
    assert play.state.withdrawn[0, 0] > 30.0


def test_a_gate_caps_what_leaves_in_a_day():
    rules = segments(uninsured=0.5) | {"most": 0.02}
    play = run_of(banks_of(two_banks()), liquidity=only(rules))
    play.state.rumour[0] = PANIC
    play.step()
    assert_allclose(play.state.withdrawn[0, 0], 8.0, rtol=1e-12)


def test_money_flees_to_banks_believed_in_by_their_assets():
    # B has 1000, C 2000 of assets, D is shunned itself: a third and two thirds of what is left after a tenth in cash
    rows = {"A": PLAIN, "B": PLAIN, "C": {name: 2 * value for name, value in PLAIN.items()}, "D": PLAIN}
    rules = segments(uninsured=0.2, wholesale=0.3) | {"to_cash": 0.1, "to_funds": 0.2}
    play = run_of(banks_of(rows), liquidity=only(rules))
    play.state.rumour[0], play.state.rumour[3] = PANIC, -0.7
    play.step()
    state, gone = play.state, 400.0 * (1 - np.exp(-0.2))
    assert state.belief0[3, 0] - state.belief[3, 0] > 0.5
    # no fund to go to
    assert_allclose(state.deposits_uninsured[1:4, 0] - [400, 800, 400], [0.3 * gone, 0.6 * gone, 0.0], atol=1e-9)
    assert_allclose(state.cash[state.row("households"), 0], 0.1 * gone, rtol=1e-12)
    fled = 200.0 * (1 - np.exp(-0.3))
    assert_allclose(state.deposits_wholesale[1:3, 0] - [200, 400], [0.3 * fled, 0.6 * fled], rtol=1e-9)
    assert_allclose(state.cash[state.row("outside"), 0], 0.1 * fled, rtol=1e-12)


def test_where_there_is_no_refuge_money_stays_in_cash():
    play = run_of(banks_of(two_banks()), liquidity=only(segments(uninsured=0.1)))
    play.state.rumour[:2] = PANIC
    play.step()
    gone = 400.0 * (1 - np.exp(-0.1))
    assert_allclose(play.state.deposits_uninsured[:2, 0], 400.0 - gone, rtol=1e-12)
    assert_allclose(play.state.cash[play.state.row("households"), 0], 2 * gone, rtol=1e-12)


def test_information_sharing_cuts_both_ways():
    # more precise news of a false rumour: more leaves while it lasts, less once it is over
    found = {}
    for sharing in (0.0, 1.0):
        learning = {"information_sharing": sharing, "precision": 0.5}
        play = run_of(banks_of(two_banks()), liquidity=only(segments(uninsured=0.1), learning=learning))
        play.state.rumour[0] = -8.0
        play.step()
        first = play.state.withdrawn[0, 0]
        play.state.rumour[0] = 0.0
        for _ in range(10):
            play.step()
        found[sharing] = first, play.state.withdrawn[0, 0] - first
    assert found[1.0][0] > found[0.0][0]
    # and where everybody believes the worst already, the truth calms
    calmed = []
    for sharing in (0.0, 1.0):
        learning = {"information_sharing": sharing, "precision": 0.05}
        play = run_of(banks_of(two_banks()), liquidity=only(segments(uninsured=0.05), learning=learning))
        play.state.belief[0] = 0.0
        for _ in range(10):
            play.step()
        calmed.append(play.state.withdrawn[0, 0])
    assert calmed[1] < 0.7 * calmed[0]


# -- overnight lending -----------------------------------------------------------------------------------------------


def chain(hoarding: float = 1.0, **reserves: float):
    """Three banks in a chain of overnight loans, reserves so many above the minimum of 5 % of deposits."""
    rows = {}
    for name, above in reserves.items():
        rows[name] = {"cash": 50.0 + above, "loans": 1100.0, "deposits_insured": 1000.0}
    rules = {"hoarding": hoarding, "coverage_minimum": 0.0, "coverage_buffer": 0.0, "reserve_minimum": 0.05}
    return rows, rules


def test_hoarding_is_the_funding_run_of_gai_haldane_and_kapadia():
    # A short bank calls all it lends overnight; a borrower whose reserves do not cover it does the same. The waves and
    # the banks are those of the algorithm with liquid assets = reserves above the minimum.
    rng = np.random.default_rng(4)
    hoarding_somewhere = 0
    for trial in range(12):
        names = [f"B{k}" for k in range(6)]
        liquid = rng.uniform(3.0, 7.0, 6)  # so that nobody starts near its minimum
        rows, rules = chain(**dict(zip(names, liquid, strict=True)))
        matrix = rng.uniform(1.0, 6.0, (6, 6)) * (rng.random((6, 6)) < 0.4)
        np.fill_diagonal(matrix, 0.0)
        edges = [(names[i], names[j], matrix[i, j]) for i, j in zip(*np.nonzero(matrix), strict=True)]
        system = banks_of(rows, edges)
        play = run_of(system, liquidity={"rollover": rules, "depositors": segments(), "defence": ["reserves"]})
        # bank 0 loses reserves to the government: an outflow of 7
        short = 7.0
        paid, got = np.zeros_like(play.state.cash), np.zeros_like(play.state.cash)
        paid[0], got[play.state.row("government")] = short, short
        play.ledger.pay(paid, got, "shock")
        wave = np.zeros(6, dtype=int)
        for number in range(1, 8):
            play.step()
            new = (play.state.hoarding[:6, 0] > 0.0) & (wave == 0)
            wave[new] = number
        shock = np.zeros(6)
        shock[0] = short
        # the loss leaves the minimum share where it is: 5 % of deposits of 1000
        known = funding_run(matrix, liquid, shock=shock)
        assert wave.tolist() == known.wave.tolist(), trial
        hoarding_somewhere += int((known.wave > 1).any())
    assert hoarding_somewhere >= 3


@pytest.mark.parametrize(("liquid", "hoards"), [(3.9, True), (4.1, False)])
def test_a_bank_with_a_single_lender_hoards_iff_it_cannot_cover_what_is_called(liquid, hoards):
    # the lender calls 4
    rows, rules = chain(A=-1.0, B=liquid)
    rows["A"]["cash"] = 60.0
    play = run_of(
        banks_of(rows, [("A", "B", 4.0)]),
        liquidity={"rollover": rules, "depositors": segments(), "defence": ["reserves"]},
    )
    paid, got = np.zeros_like(play.state.cash), np.zeros_like(play.state.cash)
    paid[0], got[play.state.row("government")] = 20.0, 20.0
    play.ledger.pay(paid, got, "shock")
    play.step()
    play.step()
    assert bool(play.state.hoarding[1, 0]) is hoards
    assert_allclose(layer_face(play.state, play.state.layers["overnight"])[0, 0], 0.0, atol=1e-12)


def test_hoarding_half_and_fear_of_the_borrower_multiply():
    # A keeps 1 - 0.5, claims on C are worth 0.7: rho = 0.5 * 0.7 for A on C, 0.5 for A on B, 0.7 for B on C
    rows, rules = chain(0.5, A=30.0, B=30.0, C=60.0)
    system = banks_of(rows, [("A", "B", 10.0), ("A", "C", 20.0), ("B", "C", 30.0)])
    play = run_of(system, liquidity={"rollover": rules, "depositors": segments()})
    state, overnight = play.state, play.state.layers["overnight"]
    paid, got = np.zeros_like(state.cash), np.zeros_like(state.cash)
    paid[0], got[state.row("government")] = 40.0, 40.0
    play.ledger.pay(paid, got, "shock")
    worth = state.worth.copy()
    worth[2] = 0.7
    play.ledger.revalue_worth(worth, "shock")
    before = state.cash[:3, 0].copy()
    play.step()
    assert state.hoarding[:3, 0].tolist() == [1.0, 0.0, 0.0]
    assert_allclose(layer_face(state, overnight)[:3, 0], [5.0 + 7.0, 21.0, 0.0], rtol=1e-12)
    assert_allclose(layer_owed(state, overnight)[:3, 0], [0.0, 5.0, 28.0], rtol=1e-12)
    assert_allclose(state.cash[:3, 0] - before, [18.0, 9.0 - 5.0, -22.0], rtol=1e-12)


def test_called_claims_on_a_bank_that_cannot_pay_rank_with_all_others():
    # A and B lent 60 each to C, and A 40 to D. A hoards and calls everything. C has 20 and cannot pay 60: it is closed,
    # nothing of it is paid, and A and B lose alike. D repays what A called from it.
    rows, rules = chain(1.0, A=0.0, B=60.0, C=0.0, D=60.0)
    rows["C"] |= {"cash": 20.0, "deposits_insured": 100.0, "loans": 220.0}
    system = banks_of(rows, [("A", "C", 60.0), ("B", "C", 60.0), ("A", "D", 40.0)])
    liquidity = {"rollover": rules, "depositors": segments(), "defence": ["reserves"]}
    play = run_of(system, liquidity=liquidity, credit=CLEARING | {"resolution_steps": 1})
    paid, got = np.zeros_like(play.state.cash), np.zeros_like(play.state.cash)
    paid[0], got[play.state.row("government")] = 10.0, 10.0
    play.ledger.pay(paid, got, "shock")
    play.step()
    state = play.state
    assert state.is_defaulted[:4, 0].tolist() == [0.0, 0.0, 1.0, 0.0]
    credit = state.sources.index("credit")
    lost = state.loss[credit, :2, 0]
    # C has 240 of assets against 100 senior and 120 overnight: everybody is paid, in the end
    assert_allclose(lost, 0.0, atol=1e-9)
    assert_allclose(layer_owed(state, state.layers["overnight"])[3, 0], 0.0, atol=1e-12)
    assert_allclose(state.cash[3, 0], 50.0 + 60.0 - 40.0, rtol=1e-12)
    # with half of C's loans gone A and B lose the same
    worse = run_of(
        system,
        1,
        shocks=[{"kind": "asset_loss", "target": "C", "size": 0.3}, {"kind": "asset_loss", "target": "A", "size": 0.0}],
        liquidity=liquidity | {"rollover": rules},
        credit=CLEARING | {"resolution_steps": 1},
    )
    assert worse.state.is_defaulted[2, 0] == 1.0
    lost = worse.state.loss[worse.state.sources.index("credit"), :2, 0]
    assert lost[0] > 1.0
    assert_allclose(lost[0], lost[1], rtol=1e-9)


# -- defence ---------------------------------------------------------------------------------------------------------

POOR = {"cash": 60.0, "loans": 640.0, "deposits_uninsured": 900.0, "gov": 200.0, "corp": 100.0}


def asked(play: Simulation, amount: float, name: str = "A") -> None:
    """Play one step in which depositors ask a bank for so much."""

    def ask(step, rules, open_):
        for segment in SEGMENTS:
            step.state.columns[f"asked_{segment}"][:] = 0.0
        step.state.asked_uninsured[row(play, name)] = amount

    with mock.patch.object(withdrawals, "ask", ask):
        play.step()


def poor(order: list[str], **settings: object) -> Simulation:
    """A poor bank with 60 of reserves (45 its minimum), 20 lent overnight, 300 of securities; a rich one."""
    rows = {"A": POOR, "B": PLAIN | {"cash": 500.0, "loans": 400.0}}
    system = banks_of(rows, [("A", "B", 20.0)])
    rules = {"coverage_minimum": 0.0, "coverage_buffer": 0.0, "reserve_minimum": 0.05, "hoarding": 0.0}
    depositors = segments() | {"to_cash": 1.0}
    liquidity = {"depositors": depositors, "defence": order, "rollover": rules, **settings}
    return run_of(system, liquidity=liquidity, market={"leverage_limit": 1000.0, "leverage_target": 900.0})


def test_the_pecking_order_is_followed():
    # 40 asked: the minimum is 5 % of the 860 left, so 17 of reserves, 20 of overnight claims, 3 of repo
    play = poor(["reserves", "overnight", "repo", "sale", "lender-of-last-resort"])
    asked(play, 40.0)
    state = play.state
    assert_allclose(state.cash[0, 0], 43.0, rtol=1e-12)
    assert_allclose(layer_face(state, state.layers["overnight"])[0, 0], 0.0, atol=1e-12)
    assert_allclose(state.repo[0, 0], 3.0, rtol=1e-12)
    # collateral: 200 at 2 % and 100 at 4 % haircut
    assert_allclose(state.pledged[0, 0], 3.0 / (196.0 + 96.0), rtol=1e-12)
    assert state.lolr[0, 0] == 0.0
    assert (state.units[0, :, 0] == [200.0, 100.0]).all()


def test_securities_are_sold_in_the_market_of_the_same_step():
    play = poor(["reserves", "sale"])
    asked(play, 40.0)
    state = play.state
    # 23 wanted of 300 in securities, at prices that hardly move
    assert_allclose(state.units[0, :, 0], [200.0 * (1 - 23 / 300), 100.0 * (1 - 23 / 300)], rtol=1e-12)
    assert_allclose(state.cash[0, 0], 43.0, rtol=1e-5)
    assert_allclose(layer_face(state, state.layers["overnight"])[0, 0], 20.0)


def test_what_is_pledged_is_not_sold_and_not_pledged_twice():
    play = poor(["repo", "sale"])
    asked(play, 292.0 + 35.0)
    state = play.state
    # repo takes all 292 that the securities raise; nothing is left to sell, and 35 come from reserves
    assert_allclose(state.repo[0, 0], 292.0, rtol=1e-12)
    assert_allclose(state.pledged[0, 0], 1.0, rtol=1e-12)
    assert (state.units[0, :, 0] == [200.0, 100.0]).all()
    assert_allclose(state.cash[0, 0], 25.0, rtol=1e-12)
    # the lender of last resort takes loans only: 0.8 * 640
    play = poor(["repo", "lender-of-last-resort"])
    asked(play, 292.0 + 60.0 + 0.8 * 640.0 - 1.0)
    assert play.state.ordered_to_fail[0, 0] == 0.0
    assert_allclose(play.state.lolr[0, 0], 511.0, rtol=1e-9)
    play = poor(["repo", "lender-of-last-resort"])
    asked(play, 292.0 + 60.0 + 0.8 * 640.0 + 1.0)
    assert play.state.ordered_to_fail[0, 0] == 1.0
    assert play.state.lolr[0, 0] == 0.0


def test_of_securities_half_pledged_the_free_half_is_for_sale():
    # government bonds alone are taken, at 2 %: 98 of repo are half of 196, so half of everything is pledged;
    # 40 asked less 17 of reserves are 23 of the 150 that are free
    rows = {"A": POOR | {"deposits_uninsured": 800.0, "other_liabilities": 100.0}, "B": PLAIN}
    settings = {
        "repo": {"start": 0.98, "haircuts": {"GOV": 0.02}},
        "depositors": segments() | {"to_cash": 1.0},
        "rollover": {"coverage_minimum": 0.0, "coverage_buffer": 0.0, "reserve_minimum": 0.05},
        "defence": ["reserves", "sale"],
    }
    market = {"leverage_limit": 1000.0, "leverage_target": 900.0}
    play = run_of(banks_of(rows), liquidity=settings, market=market)
    assert_allclose(play.state.pledged[0, 0], 0.5, rtol=1e-12)
    asked(play, 40.0)
    wanted = 40.0 - (60.0 - 0.05 * 760.0)
    assert_allclose(play.state.units[0, :, 0], [200.0 - 100 * wanted / 150, 100.0 - 50 * wanted / 150], rtol=1e-12)
    # a bank without equity sells what is free, and the rest stays pledged
    loss = [{"kind": "asset_loss", "target": "A", "size": 0.2}]
    broke = run_of(banks_of(rows), 1, shocks=loss, liquidity=settings, market=market)
    assert_allclose(broke.state.units[0, :, 0], [100.0, 50.0], rtol=1e-9)


def test_a_margin_call_is_not_paid_twice_when_a_seller_has_retired_its_repo():
    # A loses 50 of 100, sells all that is free to bring its leverage down, and so retires its repo of 50; 28 were due
    rows = {"A": POOR | {"deposits_uninsured": 800.0, "other_liabilities": 100.0}, "B": PLAIN}
    settings = {"repo": {"start": 0.5}, "depositors": segments(), "defence": ["reserves"]}
    shocks = [
        {"kind": "asset_loss", "target": "A", "size": 50.0 / 640.0},
        {"kind": "haircut_rise", "size": 0.9, "target": "A"},
    ]
    market = {"leverage_limit": 12.0, "leverage_target": 11.0, "grandfather": False}
    play = run_of(banks_of(rows), 1, shocks=shocks, liquidity=settings, market=market)
    assert_allclose(play.state.margin_due[0, 0], 50.0 - 200 * 0.08 - 100 * 0.06, rtol=1e-9)
    assert_allclose(play.state.repo[0, 0], 0.0, atol=1e-9)
    assert_allclose(play.state.cash[0, 0], 60.0, rtol=1e-9)


def test_what_a_borrower_is_called_for_it_looks_for_in_the_same_step():
    # A is asked for 50: 17.5 of reserves, and 32.5 of the 40 that it has lent to B; B has 2.5 to spare and borrows the
    # rest against securities
    rows = {
        "A": POOR | {"loans": 620.0, "gov": 0.0, "corp": 0.0},
        "B": POOR | {"cash": 47.5, "deposits_uninsured": 900.0},
    }
    system = banks_of(rows, [("A", "B", 40.0)])
    rules = {"coverage_minimum": 0.0, "coverage_buffer": 0.0, "reserve_minimum": 0.05, "hoarding": 0.0}
    depositors = segments() | {"to_cash": 1.0}
    order = ["reserves", "overnight", "repo"]
    play = run_of(system, liquidity={"depositors": depositors, "defence": order, "rollover": rules})
    asked(play, 50.0)
    called = 50.0 - (60.0 - 0.05 * 850.0)
    assert_allclose(layer_owed(play.state, play.state.layers["overnight"])[1, 0], 40.0 - called, rtol=1e-12)
    assert_allclose(play.state.repo[:2, 0], [0.0, called - 2.5], rtol=1e-9)
    assert_allclose(play.state.cash[:2, 0], [42.5, 45.0], rtol=1e-9)
    # if B is asked for 2.5 itself, nothing is left of what it had to spare
    play = run_of(system, liquidity={"depositors": depositors, "defence": order, "rollover": rules})

    def ask(step, rules, open_):
        step.state.asked_uninsured[:2] = [[50.0], [2.5]]

    with mock.patch.object(withdrawals, "ask", ask):
        play.step()
    # the minimum falls by 5 % of the 2.5
    assert_allclose(play.state.repo[1, 0], called - 0.05 * 2.5, rtol=1e-9)


def test_what_was_to_be_sold_is_forgotten_the_next_day():
    rows = {"A": POOR, "B": PLAIN}
    rules = {"coverage_minimum": 0.0, "coverage_buffer": 0.0, "reserve_minimum": 0.05, "hoarding": 0.0}
    settings = {"depositors": segments() | {"to_cash": 1.0}, "defence": ["reserves", "sale"], "rollover": rules}
    play = run_of(banks_of(rows), liquidity=settings)
    for amount in (30.0, 30.0):
        asked(play, amount)
    assert_allclose(play.state.cash_wanted[0, 0], 30.0 - 0.0 * 60.0 - max(0.0, 30.0 - 0.05 * 840.0), rtol=1e-9)
    asked(play, 0.0)
    assert play.state.cash_wanted[0, 0] == 0.0


def test_what_the_lender_of_last_resort_has_lent_is_not_lent_again():
    # 0.8 * (640 + 300) = 752 of collateral; 700 on the first day, so 52 are left
    for second, fails in ((51.0, 0.0), (53.0, 1.0)):
        play = poor(["lender-of-last-resort"], lender={"penalty": 0.0})
        asked(play, 760.0)
        assert_allclose(play.state.lolr[0, 0], 700.0, rtol=1e-9)
        # loans cover 512 of it, and 188 / 0.8 of securities the rest
        assert_allclose(play.state.pledged[0, 0], 188.0 / 0.8 / 300.0, rtol=1e-9)
        asked(play, second)
        assert play.state.ordered_to_fail[0, 0] == fails


def test_securities_at_the_central_bank_do_not_cover_repo():
    # half of the 292 are in repo; 600 from the central bank take 88 / 0.8 = 110 of 300 in securities. Haircuts rise by
    # 30 points: what is left covers (200 * 0.68 + 100 * 0.66) * (1 - 110 / 300)
    rows = {"A": POOR | {"deposits_uninsured": 800.0, "other_liabilities": 100.0, "cash": 110.0}, "B": PLAIN}
    settings = {
        "repo": {"start": 1.0},
        "depositors": segments() | {"to_cash": 1.0},
        "rollover": {"coverage_minimum": 0.0, "coverage_buffer": 0.0, "reserve_minimum": 0.05, "hoarding": 0.0},
        "lender": {"penalty": 0.0},
        "defence": ["lender-of-last-resort"],
    }
    play = run_of(banks_of(rows), liquidity=settings)
    assert_allclose(play.state.repo[0, 0], 100.0, rtol=1e-12)
    asked(play, 110.0 + 600.0)
    assert_allclose(play.state.lolr[0, 0], 600.0, rtol=1e-9)
    assert_allclose(play.state.pledged[0, 0], 100.0 / 292.0 + 110.0 / 300.0, rtol=1e-9)
    play.state.haircut_rise[0] = 0.3
    asked(play, 0.0)
    covers = (200 * 0.68 + 100 * 0.66) * (1 - 110.0 / 300.0)
    assert covers > 100.0
    play.state.haircut_rise[0] = 0.5
    asked(play, 0.0)
    covers = (200 * 0.48 + 100 * 0.46) * (1 - 110.0 / 300.0)
    assert_allclose(play.state.margin_due[0, 0], 100.0 - covers, rtol=1e-9)
    assert play.state.ordered_to_fail[0, 0] == 1.0


def test_a_margin_call_is_due_the_same_day():
    # A is asked for x: 60 of reserves less 5 % of the 900 - x left, and 292 of repo against everything
    play = poor(["reserves", "repo"])
    asked(play, (60.0 - 45.0 + 292.0) / 0.95)
    assert_allclose(play.state.repo[0, 0], 292.0, rtol=1e-12)
    # haircuts rise by 5 points: 200 * 0.93 + 100 * 0.91 = 277, so 15 are due
    play.state.haircut_rise[0] = 0.05
    before = play.state.cash[0, 0]
    asked(play, 0.0)
    assert_allclose(play.state.repo[0, 0], 277.0, rtol=1e-12)
    assert_allclose(before - play.state.cash[0, 0], 15.0, rtol=1e-12)
    # prices fall by 5 %: the value falls, and haircuts rise by 0.2 * 0.05
    play.state.haircut_rise[0] = 0.0
    play.ledger.revalue_price(np.full_like(play.state.price, 0.95), "shock")
    worth = 190.0 * (1 - 0.02 - 0.01) + 95.0 * (1 - 0.04 - 0.01)
    before = play.state.cash[0, 0]
    asked(play, 0.0)
    assert_allclose(before - play.state.cash[0, 0], 277.0 - worth, rtol=1e-9)
    assert_allclose(play.state.repo[0, 0], worth, rtol=1e-12)


def test_repo_before_any_event_is_a_part_of_other_debt():
    # half of 100 of other debt; collateral raises 292
    rows = {"A": POOR | {"deposits_uninsured": 800.0, "other_liabilities": 100.0}, "B": PLAIN}
    settings = {"repo": {"start": 0.5}, "depositors": segments() | {"to_cash": 1.0}, "defence": ["reserves"]}
    # everybody is below the minimum from the start, and hoards only below 0.95 of its own start
    play = run_of(banks_of(rows), liquidity=settings | {"rollover": {"coverage_minimum": 9.0}})
    state = play.state
    assert_allclose([state.repo[0, 0], state.other_liabilities[0, 0]], [50.0, 50.0], rtol=1e-12)
    assert_allclose(state.pledged[0, 0], 50.0 / 292.0, rtol=1e-12)
    assert (state.loss == 0.0).all()
    start = {name: values.copy() for name, values in state.columns.items()}
    for _ in range(20):
        play.step()
    for name, values in state.columns.items():
        assert (values == start[name]).all(), name
    # there are not more pledged bonds than bonds; nothing is paid back below that start
    much = run_of(banks_of(rows), 2, liquidity=settings | {"repo": {"start": 1.0, "haircuts": {"GOV": 0.75}}})
    assert_allclose(much.state.repo[0, 0], 50.0, rtol=1e-12)
    # haircuts of 30 points more leave 200 * 0.68 + 100 * 0.66 = 202 of 292
    full = rows | {"A": rows["A"] | {"deposits_uninsured": 500.0, "other_liabilities": 400.0}}
    frozen = run_of(banks_of(full), liquidity=settings | {"repo": {"start": 1.0}})
    assert_allclose(frozen.state.repo[0, 0], 292.0, rtol=1e-12)
    frozen.state.haircut_rise[0] = 0.3
    asked(frozen, 0.0)
    assert frozen.state.ordered_to_fail[0, 0] == 1.0
    saved = run_of(banks_of(full), liquidity=settings | {"repo": {"start": 1.0}, "defence": ["lender-of-last-resort"]})
    saved.state.haircut_rise[0] = 0.3
    asked(saved, 0.0)
    assert saved.state.ordered_to_fail[0, 0] == 0.0
    assert_allclose([saved.state.repo[0, 0], saved.state.lolr[0, 0]], [202.0, 30.0], rtol=1e-9)


def test_repo_beyond_the_start_is_paid_back_when_reserves_allow():
    play = poor(["reserves", "repo"])
    # 60 of reserves less 5 % of the 800 left: 20, so 80 of repo
    asked(play, 100.0)
    assert_allclose(play.state.repo[0, 0], 80.0, rtol=1e-12)
    paid, got = np.zeros_like(play.state.cash), np.zeros_like(play.state.cash)
    paid[1], got[0] = 60.0, 60.0
    play.ledger.pay(paid, got, "shock")
    asked(play, 0.0)
    assert_allclose(play.state.cash[0, 0], 40.0, rtol=1e-9)
    assert_allclose(play.state.repo[0, 0], 80.0 - 60.0, rtol=1e-9)
    assert_allclose(play.state.pledged[0, 0], 20.0 / 292.0, rtol=1e-9)


def test_the_lender_of_last_resort_fills_the_gap_is_repaid_and_charges():
    play = poor(["reserves", "lender-of-last-resort"])
    asked(play, 100.0)
    assert_allclose([play.state.lolr[0, 0], play.state.cash[0, 0]], [40.0, 0.0], atol=1e-9)
    assert_allclose(play.state.lolr_peak[play.state.row("central_bank"), 0], 40.0, rtol=1e-9)
    asked(play, 0.0)
    # a day's interest of 1 % a year is added to the debt
    assert_allclose(play.state.lolr[0, 0], 40.0 * (1 + 0.01 / 250), rtol=1e-12)
    assert_allclose(play.state.loss[play.state.sources.index("liquidity"), 0, 0], 40.0 * 0.01 / 250, rtol=1e-9)
    paid, got = np.zeros_like(play.state.cash), np.zeros_like(play.state.cash)
    paid[1], got[0] = 200.0, 200.0
    play.ledger.pay(paid, got, "shock")
    asked(play, 0.0)
    assert play.state.lolr[0, 0] == 0.0
    assert_allclose(play.state.cash[0, 0], 200.0 - 40.0 * (1 + 0.01 / 250) ** 2, rtol=1e-9)
    assert_allclose(play.state.lolr_peak[play.state.row("central_bank"), 0], 40.0 * (1 + 0.01 / 250), rtol=1e-9)


def test_a_solvent_bank_with_full_collateral_never_fails_for_want_of_cash():
    # all assets are collateral at no haircut; everybody leaves within days
    rows = two_banks(cash=10.0, loans=890.0)
    liquidity = {
        "depositors": segments(insured=5.0, uninsured=5.0, wholesale=5.0),
        "lender": {"haircut": 0.0},
    }
    for available, fails in ((True, 0.0), (False, 1.0)):
        play = run_of(banks_of(rows), liquidity=liquidity | {"lender": {"haircut": 0.0, "available": available}})
        play.state.rumour[0] = PANIC
        for _ in range(20):
            play.step()
        assert play.state.ordered_to_fail[0, 0] == fails, available
    # without it the bank is closed on the first day and pays nothing
    assert_allclose(play.state.deposits_uninsured[0, 0], 400.0)
    assert_allclose(play.state.withdrawn[0, 0], 0.0)


def test_an_insolvent_bank_gets_nothing_unless_the_test_errs():
    rows = two_banks(cash=10.0, loans=890.0)
    lost = [{"kind": "asset_loss", "target": "A", "size": 0.13}]  # 115.7 of an equity of 100
    for error, expected in ((0.0, {1.0}), (0.05, {0.0, 1.0})):
        lender = {"haircut": 0.0, "test_error": error}
        liquidity = {"depositors": segments(uninsured=1.0), "lender": lender}
        play = run_of(banks_of(rows), 3, shocks=lost, lanes=64, liquidity=liquidity)
        assert set(play.state.ordered_to_fail[0].tolist()) == expected
    # the error is the bank's own in every draw, whoever else is in the block
    alone = run_of(banks_of(rows), 3, shocks=lost, lanes=5, liquidity=liquidity)
    assert (alone.state.ordered_to_fail[0, :5] == play.state.ordered_to_fail[0, :5]).all()


def test_who_owes_the_lender_of_last_resort_is_thought_less_of():
    found = []
    for stigma in (0.0, 2.0):
        play = poor(["reserves", "lender-of-last-resort"], lender={"stigma": stigma})
        asked(play, 100.0)
        asked(play, 0.0)
        found.append(play.state.belief[0, 0] - play.state.belief0[0, 0])
    assert found[0] == pytest.approx(0.0, abs=1e-3)
    # second day: variance 0.4, precision 4
    assert_allclose(found[1] - found[0], -2.0 * 0.4 / 0.65, rtol=1e-9)


def test_a_bank_closed_by_a_run_is_wound_up_in_the_same_step():
    # the channel plays before clearing in that phase
    rows = two_banks(cash=10.0, loans=890.0)
    liquidity = {"depositors": segments(uninsured=1.0), "lender": {"available": False}}
    play = run_of(banks_of(rows), liquidity=liquidity, credit=CLEARING)
    assert list(play.channels) == ["liquidity", "credit"]
    play.state.rumour[0] = PANIC
    play.step()
    assert play.state.is_defaulted[:2, 0].tolist() == [1.0, 0.0]
    assert play.state.alive[0, 0] == 0.0
    play.step()
    assert_allclose(play.state.withdrawn[0, 0], 0.0)


def test_one_closure_can_bring_about_another_in_the_same_step():
    # B counts on 50 from A, which A cannot pay
    rows = {
        "A": PLAIN | {"cash": 10.0, "loans": 940.0},
        "B": PLAIN | {"cash": 30.0, "loans": 870.0},
        "C": PLAIN | {"cash": 500.0, "loans": 400.0},
    }
    system = banks_of(rows, [("B", "A", 50.0)])
    rules = {"hoarding": 1.0, "coverage_minimum": 0.0, "coverage_buffer": 0.0, "reserve_minimum": 0.05}
    liquidity = {"depositors": segments(uninsured=0.2), "lender": {"available": False}, "rollover": rules}
    closed = {}
    for panic in ((0.0, PANIC), (PANIC, PANIC)):
        play = run_of(system, liquidity=liquidity | {"defence": ["overnight", "reserves"]})
        play.state.rumour[0], play.state.rumour[1] = panic
        play.step()
        closed[panic[0]] = play.state.ordered_to_fail[:3, 0].tolist()
    # 72.5 asked of B: 50 called from A and 30 of reserves are enough if A pays; A has 10 and pays nothing
    assert closed == {0.0: [1.0, 1.0, 0.0], PANIC: [1.0, 1.0, 0.0]}
    rich = banks_of(rows | {"A": PLAIN | {"cash": 100.0, "loans": 850.0}}, [("B", "A", 50.0)])
    play = run_of(rich, liquidity=liquidity | {"defence": ["overnight", "reserves"]})
    play.state.rumour[1] = PANIC
    play.step()
    assert play.state.ordered_to_fail[:3, 0].tolist() == [0.0, 0.0, 0.0]


# -- laws ------------------------------------------------------------------------------------------------------------

STRESS = [
    {"kind": "asset_loss", "size": {"uniform": {"low": 0.0, "high": 0.2}}},
    {"kind": "redemption", "size": {"uniform": {"low": 0.0, "high": 0.3}}, "days": 2, "price_fall": 0.003, "at": 2},
    {"kind": "haircut_rise", "size": 0.1, "at": 3},
]  # fmt: skip
CHANNELS = {
    "liquidity": {"rollover": {"hoarding": 0.7}, "funds": {"gates": True, "gate_anticipation": 0.1}},
    "credit": CLEARING | {"resolution_steps": 2},
    "market": {"leverage_limit": 20.0, "leverage_target": 18.0},
}


def stressed(lanes: int = 3, steps: int = 8, **changes: object) -> Simulation:
    """Four banks, firms and a fund under stress; some banks are run and closed."""
    system = changes.pop("system", None) or mixed_system()
    channels = changes.pop("channels", CHANNELS)
    parts = {"mode": "dynamic", "horizon": {"steps": steps}, "shocks": STRESS, "channels": channels, **changes}
    return Simulation(system, scenario_of(system, **parts), np.arange(lanes), seed=5)


def test_reserves_change_only_through_the_central_bank():
    play = stressed(8)
    state = play.state
    start = summed(state.cash)
    seen = set()
    for _ in range(8):
        play.step()
        made = summed(state.lolr) + summed(state.advances)
        interest = state.loss[state.sources.index("liquidity"), state.row("central_bank")]
        # interest is added to the debt: it is the central bank's gain, and nobody's reserves
        assert_allclose(summed(state.cash) - start, made + interest, atol=1e-9)
        seen |= set(np.flatnonzero(state.lolr.any(axis=1)).tolist())
    assert seen
    assert max(play.gaps.values()) < 1e-12
    assert state.withdrawn.max() > 10.0
    assert state.is_defaulted[:4].any()


def test_no_hazard_no_channel():
    # nobody runs, hoards or redeems: the same bits as without the channel
    off = {
        "depositors": {name: {"hazard": 0.0} for name in ("insured", "uninsured", "wholesale")},
        "rollover": {"hoarding": 0.0, "credit_sensitivity": 0.0},
        "funds": {"loss_hazard": 0.0, "news_hazard": 0.0},
    }
    rest = {name: CHANNELS[name] for name in ("credit", "market")}
    shocks = STRESS[:1]
    still = stressed(8, channels={"liquidity": off, **rest}, shocks=shocks)
    without = stressed(8, channels=rest, shocks=shocks)
    still.play()
    without.play()
    nothing = ("withdrawn", "hoarding", "repo", "lolr", "pledged", "redeemed")
    assert not any(still.state.columns[name].any() for name in nothing if name != "hoarding")
    for column in without.state.money:
        mine = still.state.columns[column.name]
        assert (mine[:7] == without.state.columns[column.name][:7]).all(), column.name
    assert (still.state.is_defaulted == without.state.is_defaulted).all()


def test_unknown_classes_and_impossible_parameters_are_refused():
    with pytest.raises(InputError, match=r"coverage.level_1: unknown class 'GVO'; did you mean 'GOV'"):
        run_of(banks_of(two_banks()), liquidity={"coverage": {"level_1": ["GVO"]}})
    with pytest.raises(InputError, match="defence names a way twice"):
        run_of(banks_of(two_banks()), liquidity={"defence": ["repo", "repo"]})
    with pytest.raises(InputError, match="add to more than 1"):
        run_of(banks_of(two_banks()), liquidity={"depositors": {"to_cash": 0.7, "to_funds": 0.7}})
    with pytest.raises(InputError, match="hazard"):
        run_of(banks_of(two_banks()), liquidity={"depositors": {"insured": {"hazard": -1.0}}})
    with pytest.raises(InputError, match="no monotone form"):
        Simulation(
            banks_of(two_banks()), scenario_of(banks_of(two_banks()), channels={"liquidity": {}}), np.arange(1), 1
        )
