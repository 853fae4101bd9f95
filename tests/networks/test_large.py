"""Networks without a matrix of all pairs: the same links, every total met, and thousands of banks in little memory."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sim.networks import fitness, large
from sim.networks.base import Margins, made, pair_uniforms
from sim.networks.fitness import parameter, probabilities, products
from sim.networks.generators import GENERATORS
from sim.networks.layer import Layer
from sim.networks.weights import missed
from sim.scenario.build import build
from sim.scenario.load import load
from sim.streams import Draws


def margins(n: int, seed: int = 1, sd: float = 1.5) -> Margins:
    rng = np.random.default_rng(seed)
    lent, owed = rng.lognormal(0.0, sd, n), rng.lognormal(0.0, sd, n)
    owed *= lent.sum() / owed.sum()
    return Margins(tuple(f"b{k:04d}" for k in range(n)), lent, owed, lent + owed)


def large_layer(given: Margins, density: float, network: int = 0) -> Layer:
    return fitness.Fitness(density=density)._large("interbank", given, Draws(7, [network]), "networks.interbank")


@pytest.mark.parametrize("density", [0.02, 0.12, 0.6])
def test_the_parameter_is_that_of_the_matrix(density):
    given = margins(60)
    total = given.assets.sum()
    z = parameter(given.assets / total, given.liabilities / total, density)
    x = products(given)
    assert_allclose(z * x / (1.0 + z * x), probabilities(x, density), rtol=1e-9)


def test_the_links_are_those_of_the_matrix():
    given = margins(80, sd=0.7)
    chances = probabilities(products(given), 0.3)
    wanted = pair_uniforms(Draws(7, [2]), "networks.interbank/links", given.ids) < chances
    found = large_layer(given, 0.3, network=2)
    assert "added" not in found.note
    assert ((found.to_scipy().toarray() > 0.0) == wanted).all()


@pytest.mark.parametrize("density", [0.004, 0.01, 0.05])
def test_every_total_is_met_on_few_links(density):
    given = margins(600, sd=2.0)
    found = large_layer(given, density)
    assert missed(found.to_scipy(), given.assets, given.liabilities) < 1e-9
    # links added over those drawn: a small part
    drawn = density * 600 * 599
    assert found.n_edges == pytest.approx(drawn, abs=0.1 * drawn + 600)


def test_what_scaling_does_not_reach_is_placed(monkeypatch):
    monkeypatch.setattr(large, "ROUNDS", 3)
    given = margins(80)
    found = large_layer(given, 0.3)
    assert missed(found.to_scipy(), given.assets, given.liabilities) < 1e-9
    assert (found.to_scipy().diagonal() == 0.0).all()


def test_a_bank_that_is_left_on_both_sides_trades_with_others():
    # b0 lacks and wants 2; the link b1 -> b2 of 3 gives way by 2
    links = large.Links(np.array([1]), np.array([2]), np.array([3.0]))
    large._place(links, np.array([2.0, 3.0, 0.0]), np.array([2.0, 0.0, 3.0]), ("b0", "b1", "b2"))
    assert list(zip(links.lenders, links.debtors, links.weights, strict=True)) == [
        (1, 2, 1.0),
        (0, 2, 2.0),
        (1, 0, 2.0),
    ]


def test_a_bank_that_needs_another_counterparty_gets_the_largest():
    # b0 lends 9 and is linked to b1 alone, which borrows 4: the rest must go elsewhere, first to the largest borrower
    given = Margins(
        ("b0", "b1", "b2", "b3"), np.array([9.0, 1.0, 1.0, 1.0]), np.array([0.0, 4.0, 7.0, 1.0]), np.ones(4)
    )
    links = np.zeros((4, 4))
    links[[0, 1, 2, 3], [1, 2, 3, 2]] = 1.0
    found = large.drawn_by_row(
        "x", given.ids, (given.assets, given.liabilities), lambda row: links[row], Draws(0, [0]), "s"
    )
    claims = found.to_scipy().toarray()
    assert claims[0, 2] > 0.0
    assert_allclose(claims.sum(axis=1), given.assets, rtol=1e-9)
    assert_allclose(claims.sum(axis=0), given.liabilities, rtol=1e-9)
    assert found.note.startswith(f"{found.n_edges} links, {found.n_edges - 4} of them added because the 4 drawn")


def test_a_lone_link_is_the_one_nearest_to_being_drawn():
    given = margins(30, sd=0.7)
    found = large_layer(given, 1e-6)
    luck = pair_uniforms(Draws(7, [0]), "networks.interbank/links", given.ids)
    nearest = np.argmin(luck / np.maximum(probabilities(products(given), 1e-6), 1e-9) + 1e9 * np.eye(30), axis=1)
    assert (found.to_scipy().toarray()[np.arange(30), nearest] > 0.0).all()


def test_a_network_of_thousands_takes_no_matrix_of_pairs():
    n = 3_000
    given = margins(n)
    tracemalloc.start()
    found = made(GENERATORS["fitness"](density=15 / n), "interbank", given, Draws(7, [0]))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.n_edges == pytest.approx(15 * n, rel=0.05)
    assert peak < 0.5 * 8 * n * n  # half of one float64 matrix


def test_a_thousand_banks_in_a_scenario():
    changes = {
        "system.agents.banks.large": 12,
        "system.agents.banks.joint_stock": 40,
        "system.agents.banks.city_rural": 948,
        "system.layers.interbank.density": 0.0075,
        "system.layers.overnight.density": 0.0075,
        "system.layers.payments.density": 0.015,
        "system.layers.pools.funders": 300,
    }
    system = build(load("cn100").override(changes))
    assert len(system.banks) == 1_000
    assert max(system.check().values()) < 1e-12
    # between 2 x 7,500 claims and 15,000 payments; a fifth more at most where links had to be added
    assert 7_000 < system.layer("interbank").n_edges < 9_000
    assert 13_500 < system.layer("payments").n_edges < 16_500
