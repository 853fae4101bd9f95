"""The laws of the ledger on a system of banks, firms, a platform, a fund and a pool, with credit and market."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sim.ledger.balance import net_worth, summed
from sim.metrics import measure
from sim.metrics.bearers import BEARERS, waterfall
from sim.networks.layer import Layer
from sim.simulation import Simulation
from tests.systems import mixed_system, relabelled, scaled, scenario_of


def _fragile():
    """Return the mixed system with a platform that owes more, and has fewer shares outstanding."""
    base = mixed_system()
    platform, outside = base.ids.index("P0"), base.ids.index("outside")
    start, holdings = {name: values.copy() for name, values in base.start.items()}, base.holdings.copy()
    start["other_liabilities"][platform] += 25.0
    holdings[platform, 2] += 25.0
    holdings[outside, 2] -= 25.0
    return replace(base, start=start, holdings=holdings)


SYSTEM = _fragile()
VALUATIONS = ("eisenberg-noe", "rogers-veraart", "furfine", "linear-debtrank")
MODES = [(mode, valuation) for mode in ("static", "dynamic") for valuation in VALUATIONS]
SHOCKS = [
    {"kind": "borrower_stress", "loans": "banks", "factor": {"student": {"df": 3}}, "correlation": 0.3},
    {"kind": "borrower_stress", "pools": "platforms", "pd_multiplier": 12.0, "loss_given_default": 1.0,
     "model_error": {"normal": {}}, "model_correlation": 0.3},
    {"kind": "asset_loss", "size": {"beta": {"a": 0.4, "b": 6.0, "scale": 0.4}}},
    {"kind": "price_fall", "falls": {"CORP": {"uniform": {"low": 0.0, "high": 0.2}}, "TECHEQ": 0.1}},
    {"kind": "agent_failure", "target": "tech_firms[each]", "size": {"uniform": {"low": 0.0, "high": 0.9}}},
]  # fmt: skip


def scenario(system, mode, valuation, **changes):
    market = {
        "leverage_limit": 14.0,
        "leverage_target": 12.0,
        "impact": "cont-schaanning",
        "settle": "new" if mode == "static" else "mid",
    }
    credit = {
        "valuation": valuation,
        "ranking": "by-rank",
        "resolution_steps": 3,
        "deposit_insurance": True,
        "payout_delay": 2.0,
    }
    if valuation == "rogers-veraart":
        credit |= {"alpha": 0.8, "beta": 0.9, "costs": "illiquid"}
    parts = {
        "mode": mode,
        "horizon": {"steps": 1 if mode == "static" else 6},
        "shocks": SHOCKS,
        "channels": {"market": market, "credit": credit},
    }
    return scenario_of(system, **(parts | changes))


def played(system, mode, valuation, draws=24, **changes):
    """Return the simulation after its last step."""
    play = Simulation(system, scenario(system, mode, valuation, **changes), np.arange(draws), 5)
    play.block_ = play.play()
    return play


@pytest.mark.parametrize(("mode", "valuation"), MODES)
def test_every_sort_of_agent_fails_and_the_books_close(mode, valuation):
    play = played(SYSTEM, mode, valuation)
    failed = play.state.is_defaulted[:, :24].sum(axis=1)
    assert failed[:4].sum() > 5
    assert valuation == "linear-debtrank" or failed[:4].min() < 24
    assert (failed[4:6] == 12).all()
    assert failed[6] > 0
    assert failed[7:].sum() == 0.0  # a fund has no equity to lose
    assert max(play.gaps.values()) < 1e-12
    assert set(play.block_.status) == {"ok"}


@pytest.mark.parametrize(("mode", "valuation"), MODES)
def test_no_event_no_change_for_250_steps(mode, valuation):
    steps = {"steps": 1 if mode == "static" else 250}
    what = scenario(SYSTEM, mode, valuation, shocks=(), horizon=steps)
    play = Simulation(SYSTEM, what, np.arange(2), 1)
    start = {name: values.copy() for name, values in play.state.columns.items()}
    units = play.state.units.copy()
    for _ in range(steps["steps"]):
        play.step()
    for name, values in play.state.columns.items():
        assert (values == start[name]).all(), name
    assert (play.state.units == units).all()
    assert (play.state.price == 1.0).all()
    assert not play.state.loss.any()


@pytest.mark.parametrize(("mode", "valuation"), MODES)
def test_every_lane_is_the_single_run_bit_for_bit(mode, valuation):
    together = played(SYSTEM, mode, valuation, draws=6)
    for draw in range(6):
        what = scenario(SYSTEM, mode, valuation)
        alone = Simulation(SYSTEM, what, np.array([draw]), 5)
        alone.play()
        for name, values in alone.state.columns.items():
            assert (values[:, 0] == together.state.columns[name][:, draw]).all(), name
        assert (alone.state.loss[..., 0] == together.state.loss[..., draw]).all()
        assert (alone.state.units[..., 0] == together.state.units[..., draw]).all()


@pytest.mark.parametrize(("mode", "valuation"), MODES)
def test_relabelling_agents_relabels_results(mode, valuation):
    order = np.arange(len(SYSTEM.ids))
    order[:6] = [2, 0, 3, 1, 5, 4]
    # which firm `each` names goes by its place: take both
    shocks = [*SHOCKS[:-1], SHOCKS[-1] | {"target": "tech_firms"}]
    one = played(SYSTEM, mode, valuation, shocks=shocks).state
    two = played(relabelled(SYSTEM, order), mode, valuation, shocks=shocks).state
    for name, values in one.columns.items():
        assert_allclose(two.columns[name], values[order], rtol=1e-9, atol=1e-9 * SYSTEM.scale, err_msg=name)
    assert_allclose(two.loss, one.loss[:, order], rtol=1e-9, atol=1e-9 * SYSTEM.scale)


@pytest.mark.parametrize(("mode", "valuation"), MODES)
def test_another_unit_of_money_scales_money_and_nothing_else(mode, valuation):
    names = ["system_loss", "deadweight_loss", "insurer_loss", "household_loss", "sme_credit", "public_loss"]
    plain = ["defaults", "tech_firm_defaults", "platform_defaults", "defaulted_firm_assets", "credit_supply_loss"]
    plays = {}
    for factor in (1.0, 1024.0, 1000.0):
        system = scaled(SYSTEM, factor)
        play = played(system, mode, valuation)
        plays[factor] = play, measure(names + plain, system, play.state)
    small, found = plays[1.0]
    for factor, (play, other) in plays.items():
        exact = factor == 1024.0
        for name in names:
            assert_allclose(other[name], found[name] * factor, rtol=1e-9, atol=1e-9 * factor * SYSTEM.scale)
        for name in plain:
            assert_allclose(other[name], found[name], rtol=1e-12, atol=1e-12)
        if exact:
            assert (play.state.loss == small.state.loss * factor).all()


@pytest.mark.parametrize(("mode", "valuation"), MODES)
def test_splitting_a_claim_changes_nothing(mode, valuation):
    layers = dict(SYSTEM.layers)
    for name in ("interbank", "accounts", "lending"):
        layer = layers[name]
        half = layer.csr._replace(weights=layer.csr.weights * 0.5)
        layers[name], layers[f"{name}_again"] = replace(layer, csr=half), Layer(f"{name}_again", layer.ids, half)
    one, two = (played(system, mode, valuation).state for system in (SYSTEM, replace(SYSTEM, layers=layers)))
    assert_allclose(two.loss, one.loss, rtol=1e-9, atol=1e-9 * SYSTEM.scale)
    assert (two.is_defaulted == one.is_defaulted).all()


def unlinked(name):
    """Return the mixed system in which one bank has neither claims nor debts to others, nor securities."""
    row = SYSTEM.ids.index(name)
    layers = {}
    for key, layer in SYSTEM.layers.items():
        matrix = layer.to_scipy().tolil()
        matrix[row, :] = 0.0
        matrix[:, row] = 0.0
        layers[key] = Layer.from_matrix(key, layer.ids, matrix.tocsr(), layer.unit)
    holdings = SYSTEM.holdings.copy()
    holdings[SYSTEM.ids.index("outside")] += holdings[row]
    holdings[row] = 0.0
    found = replace(SYSTEM, layers=layers, holdings=holdings)
    start = {key: values.copy() for key, values in SYSTEM.start.items()}
    more = SYSTEM.equity0[row] - found.equity0[row]  # its equity stays: more loans instead
    for key, where in (("loans", row), ("real_assets", SYSTEM.ids.index("borrowers"))):
        start[key][where] += more
    return replace(found, start=start), row


@pytest.mark.parametrize(("mode", "valuation"), MODES)
def test_an_agent_without_links_loses_its_own_shock_and_no_more(mode, valuation):
    system, row = unlinked("B3")
    shocks = [{"kind": "asset_loss", "target": bank, "size": 0.2} for bank in ("B0", "B1", "B2")]
    shocks.append({"kind": "asset_loss", "target": "B3", "size": 0.02})
    state = played(system, mode, valuation, shocks=shocks).state
    assert state.is_defaulted[0].all()
    assert not state.is_defaulted[row].any()
    assert_allclose(state.loss[0, row], 0.02 * system.start["loans"][row], rtol=1e-12)
    assert not state.loss[1:, row].any()


@pytest.mark.parametrize("valuation", VALUATIONS)
def test_merging_two_identical_banks_without_links_changes_no_loss(valuation):
    from tests.systems import system_of

    shocks = [{"kind": "asset_loss", "size": 0.2}]
    losses = []
    for banks in ([100.0, 100.0], [200.0]):
        loans, other = np.array(banks), 0.9 * np.array(banks)
        system = system_of(np.zeros((loans.size, loans.size)), loans, other)
        play = played(system, "dynamic", valuation, shocks=shocks)
        losses.append([*measure(["system_loss", "deadweight_loss", "outside_loss"], system, play.state).values()])
    assert_allclose(losses[0], losses[1], rtol=1e-12)


@pytest.mark.parametrize(("mode", "valuation"), MODES)
def test_the_waterfall_adds_up(mode, valuation):
    play = played(SYSTEM, mode, valuation)
    state = play.state
    names = ["deadweight_loss", "provisions", "unrealised_loss", *(f"{name}_loss" for name in BEARERS)]
    found = measure(names, SYSTEM, state)
    borne = sum(found[f"{name}_loss"] for name in BEARERS)
    closing = found["deadweight_loss"] + found["provisions"] - found["unrealised_loss"]
    assert_allclose(borne, closing, atol=1e-9 * SYSTEM.scale)
    # by cause, the same; and the losses posted are the falls of net worth
    by_cause = waterfall(state)
    assert set(by_cause) == {"shock", "market", "credit"}
    for name in BEARERS:
        assert_allclose(sum(row[name] for row in by_cause.values()), found[f"{name}_loss"], atol=1e-9)
    falls = state.equity0 - net_worth(state)
    sink = state.row("deadweight")
    assert_allclose(summed(falls) - falls[sink], borne, atol=1e-9 * SYSTEM.scale)
    # what only moves is nobody's loss in all: the event destroys what borrowers lose; credit and market its costs
    gone = found["deadweight_loss"]
    real = SYSTEM.start["real_assets"].sum() - state.real_assets.sum(axis=0)
    assert_allclose(gone, real + net_worth(state)[sink], atol=1e-9 * SYSTEM.scale)
    assert (gone > 0.0).all()
    if valuation == "rogers-veraart":
        assert (net_worth(state)[sink] > 0.0).any()


def test_a_pure_fire_sale_is_a_transfer():
    # no default, no shock to fundamentals: B0 wants cash, sells, and every price effect is somebody's gain
    what = scenario(SYSTEM, "dynamic", "eisenberg-noe", shocks=())
    play = Simulation(SYSTEM, what, np.arange(2), 5)
    play.state.cash_wanted[0] = 80.0
    before = net_worth(play.state)
    play.step()
    assert (play.state.price[:3] < 1.0).all()
    assert not play.state.is_defaulted.any()
    found = measure(["deadweight_loss", "provisions", "unrealised_loss"], SYSTEM, play.state)
    assert_allclose(found["deadweight_loss"], 0.0, atol=1e-12)
    assert_allclose(summed(before - net_worth(play.state)), -found["unrealised_loss"], atol=1e-9)
    assert (found["unrealised_loss"] != 0.0).all()


@pytest.mark.parametrize("valuation", ["eisenberg-noe", "linear-debtrank"])
def test_a_channel_switched_off_posts_nothing_in_its_lanes(valuation):
    draws = np.repeat(np.arange(12), 2)
    switches = {"credit": np.tile([1.0, 0.0], 12)}
    play = Simulation(SYSTEM, scenario(SYSTEM, "dynamic", valuation), draws, 5, switches=switches)
    play.play()
    lost = np.abs(play.state.loss[play.state.sources.index("credit"), :, :24])
    assert not lost[:, 1::2].any()
    assert (lost[:, ::2].max(axis=0) > 0.0).any()
    assert (play.state.alive[:, 1:24:2] == 1.0).all()


def test_provisions_fall_on_every_layer_alike():
    # linear DebtRank: B0 loses half its equity; claims on it are marked down by half wherever they stand
    what = scenario(
        SYSTEM,
        "dynamic",
        "linear-debtrank",
        horizon={"steps": 1},
        shocks=[{"kind": "asset_loss", "target": "B0", "base": "equity", "size": 0.5}],
        channels={"credit": {"valuation": "linear-debtrank"}},
    )
    play = Simulation(SYSTEM, what, np.arange(2), 5)
    play.step()
    credit = play.state.loss[1, :8, 0]
    rows = dict(zip(SYSTEM.ids, credit, strict=False))
    # interbank 15 and 10, overnight 9, accounts 20 and 30
    assert_allclose([rows[k] for k in ("B2", "B3", "B1", "T0", "F0")], [7.5, 5.0, 4.5, 10.0, 15.0], rtol=1e-12)
    assert rows["T1"] == rows["P0"] == 0.0


@pytest.mark.parametrize("valuation", VALUATIONS)
@pytest.mark.parametrize("seed", range(4))
def test_a_larger_shock_never_costs_less_in_static_mode(valuation, seed):
    rng = np.random.default_rng(seed)
    worst = rng.uniform(0.0, 0.25, 4) ** 1.5, rng.uniform(0.0, 20.0), rng.uniform(0.0, 0.6, 2)
    losses = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        loans, pool, falls = (share * part for part in worst)
        shocks = [{"kind": "asset_loss", "target": f"B{k}", "size": size} for k, size in enumerate(loans)]
        shocks.append(
            {"kind": "borrower_stress", "pools": "P0", "pd_multiplier": 1.0 + pool, "loss_given_default": 1.0}
        )
        shocks.append({"kind": "price_fall", "falls": {"CORP": 0.3 * falls[0], "TECHEQ": falls[1]}})
        play = played(SYSTEM, "static", valuation, draws=1, shocks=shocks)
        found = measure(["system_loss", "deadweight_loss", "defaults", "insurer_loss"], SYSTEM, play.state)
        losses.append([float(values[0]) for values in found.values()])
    assert (np.diff(np.array(losses), axis=0) >= -1e-8).all()
    assert losses[-1][0] > 10.0


@pytest.mark.parametrize("valuation", VALUATIONS)
@pytest.mark.parametrize("seed", range(4))
def test_a_larger_buffer_never_costs_more_in_static_mode(valuation, seed):
    # credit alone: limits of the market channel are grandfathered, so they move with the buffer
    rng = np.random.default_rng(seed)
    shocks = [{"kind": "asset_loss", "target": f"B{k}", "size": size} for k, size in enumerate(rng.uniform(0, 0.3, 4))]
    shocks.append({"kind": "borrower_stress", "pools": "P0", "pd_multiplier": 15.0, "loss_given_default": 1.0})
    credit = scenario(SYSTEM, "static", valuation).channels["credit"].model_dump()
    more = rng.uniform(0.0, 1.0, len(SYSTEM.ids)) * SYSTEM.start["other_liabilities"]
    losses = []
    for share in (0.0, 0.3, 0.6, 0.9):
        start = SYSTEM.start | {"other_liabilities": SYSTEM.start["other_liabilities"] - share * more}
        system = replace(SYSTEM, start=start)
        play = played(system, "static", valuation, draws=1, shocks=shocks, channels={"credit": credit})
        # not what equity bears, more of it bears more; nor costs of failing, which are shares of what there was
        names = ["defaults", "creditor_loss", "insurer_loss", "provisions"]
        losses.append([float(values[0]) for values in measure(names, system, play.state).values()])
    assert (np.diff(np.array(losses), axis=0) <= 1e-8).all()
    assert losses[0][0] + losses[0][1] + losses[0][3] > 0.0
