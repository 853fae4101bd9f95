"""A slice of the campaign: random systems against the references in every run of the tests."""

from __future__ import annotations

import numpy as np
import pytest

from tests.campaign import reference
from tests.campaign.checks import compare
from tests.campaign.run import Tally
from tests.campaign.systems import FAMILIES, draw

EACH = 25
"""Systems of a family."""


@pytest.mark.parametrize("family", FAMILIES)
def test_the_package_agrees_with_the_references(family):
    tally = Tally()
    for seed in range(EACH):
        # families of costly references keep to small systems here; the campaign has them all
        system = draw(seed, family, n=None if seed % 4 == 0 else 2 + seed % 9)
        tally.add(seed, family, compare(system))
    assert not tally.failures, tally.table()
    assert all(worst <= 1e-9 for worst in tally.worst.values())


@pytest.mark.parametrize("family", FAMILIES)
def test_the_two_number_systems_of_the_reference_agree(family):
    for seed in range(6):
        system = draw(seed, family, n=2 + seed)
        args = (system.exposures, system.left, system.liabilities, system.alpha, system.beta)
        rounded, rational = reference.clearing(*args), reference.clearing(*args, numbers=reference.exact)
        if rational.margin > 1e-15:
            assert (rounded.wave == rational.wave).all()
            assert np.abs(rounded.recovery - rational.recovery).max() <= 1e-14


def test_the_reference_finds_the_textbook_answers():
    # three banks, debts 4, 3, 2 in a ring, outside debts 17, 18, 8, assets 20, 20, 10 less a tenth: equity -1, 17/21, 2
    claims = np.array([[0, 0, 2], [4, 0, 0], [0, 3, 0]])
    made = reference.clearing(claims, [18, 18, 9], [17, 18, 8], numbers=reference.exact)
    assert made.payments.tolist() == [20.0, 21.0, 10.0]
    assert made.equity.tolist() == [-1.0, 17 / 21, 2.0]
    first = reference.clearing_senior(claims, [18, 18, 9], [17, 18, 8])
    assert np.abs(first.equity - [-1.0, 0.0, 2.0]).max() <= 1e-15
    # a cycle of three, leverage one half, shock one half to the first: 4/7, 1/7, 2/7
    leverage = np.array([[0, 0.5, 0], [0, 0, 0.5], [0.5, 0, 0]])
    stress = reference.debtrank_linear(leverage, [0.5, 0, 0], numbers=reference.exact)
    assert stress.tolist() == [4 / 7, 1 / 7, 2 / 7]
    # uniform leverage .8 amplifies five times, 2 times .8 wipes out
    ring = np.roll(np.eye(4), 1, axis=1)
    assert np.abs(reference.debtrank_linear(0.8 * ring, np.full(4, 0.1)) - 0.5).max() <= 1e-15
    assert reference.debtrank_linear(1.6 * ring, np.full(4, 0.1)).tolist() == [1.0] * 4
    # a system without any outside money pays in full, whoever looks
    assert reference.clearing(ring, np.zeros(4), np.zeros(4), default_at_zero=True).recovery.tolist() == [1.0] * 4


def test_leaning_moves_the_edge_and_nothing_else():
    # agent 0 is left with nothing, on the edge; its creditor 2 would lose 1 of 2
    ring = np.roll(np.eye(3), 1, axis=1)
    for part, fallen in ((0.0, 0), (-1e-12, 1), (1e-12, 0)):
        got = reference.furfine(ring, [1.0, 1.0, 2.0], [1.0, 0, 0], lean=lambda _, part=part: np.full(3, part))
        assert got.is_defaulted.sum() == fallen
        assert got.margin == 0.0
        assert got.equity.tolist() == ([0.0, 1.0, 1.0] if fallen else [0.0, 1.0, 2.0])
