"""Clearing vectors: hand calculations, exact rational arithmetic, both solvers, every convention."""

from __future__ import annotations

import importlib.util
import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import sparse

from sim.contagion import exact
from sim.contagion.clear import clear
from sim.errors import ConvergenceError, InputError, UnknownNameError
from sim.networks.layer import Layer

SHARED = Path(__file__).resolve().parents[2].parent / "shared"


@pytest.fixture(scope="module")
def oracles():
    if not (SHARED / "oracles.py").is_file():
        pytest.skip("no reference data: the optional folder 'shared' does not lie beside the repository")
    spec = importlib.util.spec_from_file_location("clearing_oracles", SHARED / "oracles.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def claims(n, *owed):
    """Return exposures from (debtor, creditor, amount)."""
    made = np.zeros((n, n))
    for debtor, creditor, amount in owed:
        made[creditor, debtor] = amount
    return made


def gauss(matrix, rhs):
    """Solve exactly in rationals."""
    n = len(rhs)
    rows = [[*matrix[i], rhs[i]] for i in range(n)]
    for k in range(n):
        at = next(i for i in range(k, n) if rows[i][k] != 0)
        rows[k], rows[at] = rows[at], rows[k]
        for i in range(n):
            if i != k and rows[i][k] != 0:
                share = rows[i][k] / rows[k][k]
                rows[i] = [a - share * b for a, b in zip(rows[i], rows[k], strict=True)]
    return [rows[k][n] / rows[k][k] for k in range(n)]


def rational(A, e, ext, alpha=1, beta=1):
    """Return recoveries, waves and equities of the fictitious default algorithm in exact arithmetic."""
    n = len(e)
    A = [[Fraction(float(v)) for v in row] for row in A]
    e, ext = [Fraction(float(v)) for v in e], [Fraction(float(v)) for v in ext]
    alpha, beta = Fraction(float(alpha)), Fraction(float(beta))
    owed = [sum(A[i][j] for i in range(n)) + ext[j] for j in range(n)]
    x, wave, level = [Fraction(1)] * n, [0] * n, 0
    while True:
        equity = [e[i] + sum(A[i][j] * x[j] for j in range(n)) - owed[i] for i in range(n)]
        fresh = [i for i in range(n) if not wave[i] and equity[i] < 0]
        if not fresh:
            return x, wave, equity, owed
        level += 1
        for i in fresh:
            wave[i] = level
        bad = [i for i in range(n) if wave[i]]
        matrix = [[(owed[i] if i == j else 0) - beta * A[i][j] for j in bad] for i in bad]
        rhs = [alpha * e[i] + beta * sum(A[i][j] for j in range(n) if not wave[j]) for i in bad]
        for i, value in zip(bad, gauss(matrix, rhs), strict=True):
            x[i] = value


def system(rng, decades=0.0, n=None):
    """Return exposures, external assets and debts of a random system: sparse or dense, some owe nothing."""
    n = int(rng.integers(2, 9)) if n is None else n
    A = (
        rng.random((n, n))
        * (rng.random((n, n)) < rng.choice([0.2, 0.5, 1.0]))
        * 10.0 ** rng.uniform(0, decades, (n, n))
    )
    np.fill_diagonal(A, 0.0)
    ext = A.sum(axis=0) * rng.uniform(0, 1.5, n) * (rng.random(n) < 0.7)
    e = np.maximum(A.sum(axis=0) + ext - A.sum(axis=1), 0.0) * rng.uniform(0.6, 1.3, n) * (rng.random(n) < 0.9)
    return A, e, ext


def iterated(A, e, ext, alpha=1.0, beta=1.0, senior=False, least=False, rounds=20_000):
    """Return recoveries by plain iteration from one end."""
    inside = A.sum(axis=0)
    own = alpha * np.maximum(e, 0) + np.minimum(e, 0) - (ext if senior else 0)
    debt = inside if senior else inside + ext
    x = np.where(debt > 0, 0.0 if least else 1.0, 1.0)
    for _ in range(rounds):
        a = A @ x
        short = np.clip((own + beta * a) / np.where(debt > 0, debt, 1.0), 0.0, 1.0)
        new = np.where((e + a - inside - ext < 0) & (debt > 0), short, 1.0)
        if (new == x).all():
            break
        x = new
    return x


def outflow(cleared, ext):
    """Return what the money identity says the external assets must be."""
    paid = cleared.external_recovery * ext + np.maximum(cleared.equity, 0.0)
    return (paid + cleared.bankruptcy_cost - cleared.unmet).sum(axis=0)


# ----------------------------------------------------------------------------------------------------- by hand


def test_three_banks_with_outside_debt():
    # 2 pays all of 3/2, so p0 = 1/2 + p1/3 + 1/2 and p1 = 5/8 + p0/5 + 1/2: p0 = 165/112, p1 = 159/112
    A = np.full((3, 3), 0.5) - 0.5 * np.eye(3)
    cleared = clear(A, [0.5, 0.625, 0.75], [1.5, 0.5, 0.5])
    assert_allclose(cleared.payments, [165 / 112, 159 / 112, 3 / 2], rtol=1e-15)
    assert cleared.wave.tolist() == [1, 2, 0]
    assert_allclose(cleared.equity[2], 1 / 56, rtol=1e-14)
    # shortfalls: 2.5 - 165/112 and 1.5 - 159/112
    assert_allclose(cleared.equity[:2], [-115 / 112, -9 / 112], rtol=1e-14)
    assert (cleared.status, cleared.rounds) == ("certified", 3)


@pytest.mark.parametrize(
    ("seniority", "equity", "recovery", "external"),
    [
        # 18 + 2 - 17 = 3 of 4 owed to bank 1, which then has 18 + 3 - 18 - 3 = 0: a tie, no default
        ("external-senior", [-1, 0, 2], [0.75, 1, 1], [1, 1, 1]),
        # 20 of 21; bank 1: 18 + 4 * 20/21 - 21 = 17/21
        ("pari-passu", [-1, 17 / 21, 2], [20 / 21, 1, 1], [20 / 21, 1, 1]),
    ],
)
def test_three_banks_by_seniority(seniority, equity, recovery, external):
    A = claims(3, (0, 1, 4), (1, 2, 3), (2, 0, 2))
    cleared = clear(A, [18, 18, 9], [17, 18, 8], seniority=seniority)
    assert_allclose(cleared.equity, equity, atol=1e-14)
    assert_allclose(cleared.recovery, recovery, rtol=1e-15)
    assert_allclose(cleared.external_recovery, external, rtol=1e-15)
    assert cleared.is_defaulted.tolist() == [True, False, False]
    assert_allclose(cleared.payments, [20, 21, 10], rtol=1e-15)


def test_senior_outsiders_who_are_not_paid_in_full():
    # 3 of 4 for outsiders and nothing for agent 1, who has 1 of the 2 it owes outside
    A = claims(2, (0, 1, 5))
    cleared = clear(A, [3, 1], [4, 2], seniority="external-senior")
    assert cleared.recovery.tolist() == [0.0, 1.0]
    assert cleared.external_recovery.tolist() == [0.75, 0.5]
    assert cleared.payments.tolist() == [3.0, 1.0]
    assert cleared.wave.tolist() == [1, 2]


def test_a_senior_estate_revived_by_another_failed_agent():
    # 0 has 1 - 2 of its own, is owed 10 by 1, which has 6 and pays 0.6; 0 then pays 1 - 2 + 6 = 5 of 8 to 2
    A = claims(3, (1, 0, 10), (0, 2, 8))
    cleared = clear(A, [1, 6, 0], [2, 0, 0], seniority="external-senior")
    assert_allclose(cleared.recovery, [5 / 8, 0.6, 1], rtol=1e-15)
    # with half of claims lost it is -1 + 3 = 2 of 8
    assert_allclose(clear(A, [1, 6, 0], [2, 0, 0], beta=0.5, seniority="external-senior").recovery[0], 0.25)


def test_bankruptcy_costs_jump_at_the_edge():
    A = claims(2, (0, 1, 1), (1, 0, 1))
    edge = clear(A, [1, 1], 1.0, alpha=0.5, beta=0.5, bounds=True)
    assert edge.payments.tolist() == [2, 2]
    assert_allclose(edge.recovery_least, 1 / 3, rtol=1e-15)
    assert edge.status == "multiple"
    assert_allclose(edge.gap, 2 / 3)
    least = clear(A, [1, 1], 1.0, alpha=0.5, beta=0.5, least=True)
    assert_allclose(least.payments, 2 / 3)
    assert least.is_defaulted.all()
    assert least.wave.tolist() == [1, 1]
    assert least.status == "certified"
    for d in (1e-12, 1e-6, 1e-3):
        below = clear(A, [1 - d, 1], 1.0, alpha=0.5, beta=0.5, bounds=True)
        assert_allclose(below.payments, [(8 * (1 - d) + 2) / 15, (2 * (1 - d) + 8) / 15], rtol=1e-14)
        assert below.status == "certified"
        assert below.gap < 1e-14
        # without costs nothing jumps: 2 - 4 d / 3 and 2 - 2 d / 3
        smooth = clear(A, [1 - d, 1], 1.0)
        assert_allclose(smooth.payments, [2 - 4 * d / 3, 2 - 2 * d / 3], rtol=1e-15)


def test_bankruptcy_costs_of_one_debtor():
    A = claims(2, (0, 1, 1))
    cleared = clear(A, [0.75, 0], alpha=0.5, beta=0.9)
    assert cleared.payments.tolist() == [0.375, 0]
    assert cleared.bankruptcy_cost.tolist() == [0.375, 0]
    assert cleared.equity.tolist() == [-0.25, 0.375]


def test_interbank_assets_are_cut_by_beta_alone():
    # 0 pays 2 of 4; 1 has 2 + 2 * beta = 3 of 6 with beta = 1/2, and loses 1
    A = claims(3, (0, 1, 4), (1, 2, 6))
    cleared = clear(A, [2, 2, 0], alpha=1.0, beta=0.5)
    assert cleared.recovery.tolist() == [0.5, 0.5, 1.0]
    assert cleared.bankruptcy_cost.tolist() == [0, 1, 0]


def test_a_star_at_its_threshold():
    # node 0: assets 100, owes 20 and 40 inside, 30 outside; the others fail once 0 loses 10 + 15 * 90 / 60 = 32.5
    A = claims(3, (0, 1, 20), (0, 2, 40))
    for loss, failed in ((10, []), (20, [0]), (32.4, [0]), (32.6, [0, 1, 2]), (60, [0, 1, 2]), (100, [0, 1, 2])):
        cleared = clear(A, [100 - loss, 10, 10], [30, 25, 40])
        assert np.flatnonzero(cleared.is_defaulted).tolist() == failed


@pytest.mark.parametrize(
    ("eps", "ring", "complete", "blocks"),
    [(0.5, 0, 0, 0), (1.5, 1, 1, 1), (5.5, 5, 1, 5), (9.5, 9, 1, 5), (10.5, 10, 10, 5), (15.0, 10, 10, 5)],
)
def test_regular_networks(eps, ring, complete, blocks):
    # n = 10, cash 3, senior outside debt 2, each owes 20; one bank loses eps (below zero, its cash is a senior debt)
    n, y = 10, 20.0
    cash = np.full(n, 3.0)
    cash[0] -= eps
    A_ring, A_full = np.roll(np.eye(n), 1, axis=0) * y, (1 - np.eye(n)) * y / (n - 1)
    A_blocks = np.kron(np.eye(2), (1 - np.eye(5)) * y / 4)
    for A, expected in ((A_ring, ring), (A_full, complete), (A_blocks, blocks)):
        cleared = clear(A, cash, 2.0, seniority="external-senior")
        assert cleared.is_defaulted.sum() == expected
        assert_allclose(outflow(cleared, np.full(n, 2.0)), cash.sum(), rtol=1e-12)


# ------------------------------------------------------------------------------------- closed cycles, ties, slow modes


def test_a_cycle_without_outside_money():
    A = np.roll(np.eye(4), 1, axis=1)
    greatest = clear(A, 0.0, bounds=True)
    assert greatest.payments.tolist() == [1, 1, 1, 1]
    assert not greatest.is_defaulted.any()
    assert greatest.equity.tolist() == [0, 0, 0, 0]
    assert (greatest.status, greatest.gap) == ("multiple", 1.0)
    assert clear(A, 0.0, least=True).recovery.tolist() == [0, 0, 0, 0]
    weak = clear(A, 0.0, default_at_zero=True)
    assert weak.is_defaulted.all()
    assert weak.recovery.tolist() == [1, 1, 1, 1]
    # once claims lose value in default the cycle cannot pay itself
    assert clear(A, 0.0, beta=0.5, default_at_zero=True).recovery.tolist() == [0, 0, 0, 0]
    assert clear(A, 0.0, beta=0.5).recovery.tolist() == [1, 1, 1, 1]


def test_a_drop_of_money_fills_a_closed_cycle():
    A = np.roll(np.eye(4), 1, axis=1)
    found = clear(A, [0, 2.0**-40, 0, 0], bounds=True)
    assert found.recovery.tolist() == [1, 1, 1, 1]
    assert found.recovery_least.tolist() == [1, 1, 1, 1]
    assert (found.status, found.gap) == ("certified", 0.0)


def test_a_closed_cycle_fed_by_a_failed_agent():
    # 0 pays 1/2 of 2 to 1; 1 and 2 owe each other 4, all else is zero: both pay in full even from below
    A = claims(3, (0, 1, 2), (1, 2, 4), (2, 1, 4))
    found = clear(A, [1, 0, 0], bounds=True)
    assert found.recovery.tolist() == [0.5, 1, 1]
    assert found.recovery_least.tolist() == [0.5, 1, 1]
    # with nothing to feed it the cycle is at rest at 1 from above and at 0 from below
    found = clear(A, [0, 0, 0], bounds=True)
    assert found.recovery.tolist() == [0, 1, 1]
    assert found.recovery_least.tolist() == [0, 0, 0]


def test_a_tie_at_the_settled_values_is_tested_again():
    # 0 pays 2 of 4; 1 then has 1 + 2 - 3 = 0: no default, or with default at zero 1 + 2 / 2 = 2 of 3
    A = claims(3, (0, 1, 4), (1, 2, 3))
    assert clear(A, [2, 1, 0], beta=0.5).wave.tolist() == [1, 0, 0]
    tied = clear(A, [2, 1, 0.5], beta=0.5, default_at_zero=True)
    assert tied.wave.tolist() == [1, 2, 0]
    assert_allclose(tied.recovery, [0.5, 2 / 3, 1], rtol=1e-15)
    # an agent that neither owns nor owes anything is at zero, too; it pays what it owes: all of nothing
    assert clear(A, [2, 1, 0], beta=0.5, default_at_zero=True).wave.tolist() == [1, 2, 0]
    idle = clear(np.zeros((2, 2)), [0.0, 1.0], default_at_zero=True)
    assert idle.is_defaulted.tolist() == [True, False]
    assert idle.recovery.tolist() == [1, 1]


@pytest.mark.parametrize("delta", [1e-3, 1e-6, 1e-12])
def test_a_slow_mode_is_settled_exactly(delta):
    # every member of a ring owes 1 + delta, delta of it outside, and owns delta / 2: x = (delta / 2 + x) / (1 + delta)
    n = 50
    A = np.roll(np.eye(n), 1, axis=1)
    cleared = clear(A, delta / 2, delta)
    assert_allclose(cleared.recovery, 0.5, rtol=1e-13)
    assert cleared.status == "certified"
    assert cleared.rounds <= 3
    own = delta * np.random.default_rng(1).random(n) / 2
    some = clear(A, own, delta)
    found, wave, _, _ = rational(A[:8, :8] + claims(8, (0, 7, 1.0)), own[:8], np.full(8, delta))
    small = clear(A[:8, :8] + claims(8, (0, 7, 1.0)), own[:8], delta)
    assert_allclose(small.recovery, [float(v) for v in found], rtol=1e-13)
    assert small.wave.tolist() == wave
    assert_allclose(outflow(some, delta), own.sum(), rtol=1e-12)


# ------------------------------------------------------------------------------------------- independent references


@pytest.mark.parametrize("decades", [0.0, 12.0])
@pytest.mark.parametrize("costs", [(1.0, 1.0), (0.7, 0.6), (1.0, 0.5), (0.25, 1.0)])
def test_exact_rational_arithmetic(decades, costs):
    rng = np.random.default_rng(int(decades) + 7)
    failed = 0
    for _ in range(60):
        A, e, ext = system(rng, decades)
        x, wave, equity, owed = rational(A, e, ext, *costs)
        cleared = clear(A, e, ext, alpha=costs[0], beta=costs[1])
        assert cleared.wave.tolist() == wave
        assert_allclose(cleared.recovery, [float(v) for v in x], rtol=1e-12)
        scale = np.array([float(v) for v in owed]) + e + A.sum(axis=1)
        assert (np.abs(cleared.equity - [float(v) for v in equity]) <= 1e-13 * scale).all()
        assert cleared.residual <= 1e-14
        assert_allclose(outflow(cleared, ext), e.sum(), rtol=1e-12)
        failed += np.count_nonzero(wave)
    assert failed > 60


@pytest.mark.parametrize("senior", [False, True])
def test_plain_iteration_from_above_and_below(senior):
    rng = np.random.default_rng(11)
    revived = several = 0
    for k in range(150):
        A, e, ext = system(rng)
        if k % 3 == 0:  # round amounts, a closed cycle without outside money, losses above assets
            A, e, ext = np.ceil(4 * A) / 4, np.floor(4 * e) / 4, np.floor(4 * ext) / 4
            e, ext = e * (rng.random(e.size) < 0.5), ext * (rng.random(e.size) < 0.5)
        if k % 5 == 0:
            e = e - rng.random(e.size)
        costs = (1.0, 1.0) if k % 2 else (0.75, 0.5)
        kwargs = {"alpha": costs[0], "beta": costs[1], "seniority": "external-senior" if senior else "pari-passu"}
        both = clear(A, e, ext, bounds=True, **kwargs)
        top, low = iterated(A, e, ext, *costs, senior), iterated(A, e, ext, *costs, senior, least=True)
        assert_allclose(both.recovery, top, atol=1e-11)
        assert_allclose(both.recovery_least, low, atol=1e-11)
        assert_allclose(clear(A, e, ext, least=True, **kwargs).recovery, both.recovery_least, atol=0)
        assert_allclose(outflow(both, ext), e.sum(), atol=1e-12)
        assert (both.status == "multiple") == (np.abs(top - low).max() > 1e-9)
        several += both.status == "multiple"
        revived += ((both.recovery > 0) & (e < (ext if senior else 0)) & both.is_defaulted).any()
    assert several > 3
    assert revived > 3


def test_oracles(oracles):
    rng = np.random.default_rng(3)
    for k in range(60):
        A, e, ext = system(rng, 12.0 * (k % 2), n=int(rng.integers(2, 40)))
        owed = A.sum(axis=0) + ext
        p, waves = oracles.en_fictitious_default(A.T, e, ext)
        cleared = clear(A, e, ext)
        assert_allclose(cleared.payments, p, rtol=1e-9)
        assert [np.flatnonzero(cleared.wave == i + 1).tolist() for i in range(cleared.wave.max())] == waves
        p, _ = oracles.rv_greatest_clearing(A.T, e, 0.6, 0.8, ext)
        assert_allclose(clear(A, e, ext, alpha=0.6, beta=0.8).payments, p, rtol=1e-9)
        if k % 2 == 0:
            p, _ = oracles.senior_clearing(A.T, e, ext)
            inside = np.where(owed > ext, owed - ext, 1.0)
            found = clear(A, e, ext, seniority="external-senior").recovery
            assert_allclose(np.where(owed > ext, found, 0), p / inside, atol=1e-9)


def test_published_cases(shared):
    seen = 0
    for case in json.loads((shared / "golden" / "published.json").read_text())["cases"]:
        inputs, expected = case["inputs"], case.get("expected")
        if not case["name"].startswith(("EN", "RV")):
            continue
        costs = {key: inputs[key] for key in ("alpha", "beta") if key in inputs}
        cleared = clear(np.array(inputs["L"]).T, inputs["e"], inputs.get("ext", 0.0), **costs)
        assert_allclose(cleared.payments, case["check"]["expect"], atol=1e-8)
        if isinstance(expected, dict) and "waves" in expected:
            waves = [np.flatnonzero(cleared.wave == k + 1).tolist() for k in range(cleared.wave.max())]
            assert waves == expected["waves"]
        if isinstance(expected, dict) and "default_set" in expected:
            assert np.flatnonzero(cleared.is_defaulted).tolist() == expected["default_set"]
        seen += 1
    assert seen == 10


# ------------------------------------------------------------------------------------------------- many failures


def sides(monkeypatch, always, slow):
    monkeypatch.setattr(exact, "EXACT_ALWAYS", always)
    monkeypatch.setattr(exact, "EXACT_WHEN_SLOW", slow)


@pytest.mark.parametrize("costs", [(1.0, 1.0), (0.7, 0.6)])
def test_iteration_and_elimination_agree(monkeypatch, costs):
    rng = np.random.default_rng(8)
    for _ in range(12):
        A, e, ext = system(rng, n=30)
        kwargs = {"alpha": costs[0], "beta": costs[1], "bounds": True}
        expected = clear(A, e, ext, **kwargs)
        with monkeypatch.context() as patch:
            sides(patch, 0, 0)
            found = clear(A, e, ext, allow_uncertified=True, **kwargs)
        if found.status == "not-certified":  # a net worth within the error of the iteration from a jump
            continue
        assert_allclose(found.recovery, expected.recovery, atol=1e-9)
        assert_allclose(found.recovery_least, expected.recovery_least, atol=1e-9)
        assert found.wave.tolist() == expected.wave.tolist()
        assert found.status == expected.status
        assert found.rounds > expected.rounds


def test_a_slow_iteration_hands_over_or_gives_up(monkeypatch):
    A, delta = np.roll(np.eye(20), 1, axis=1), 1e-6
    sides(monkeypatch, 0, 100)
    for least in (False, True):
        assert_allclose(clear(A, delta / 2, delta, least=least).recovery, 0.5, rtol=1e-13)
    sides(monkeypatch, 0, 19)
    with pytest.raises(ConvergenceError, match="clear: residual"):
        clear(A, delta / 2, delta, max_rounds=300)
    last = clear(A, delta / 2, delta, max_rounds=300, allow_uncertified=True)
    assert last.status == "not-certified"
    assert (last.recovery > 0.99).all()  # still on its way down: an upper bound
    assert last.rounds == 300
    low = clear(A, delta / 2, delta, max_rounds=300, least=True, allow_uncertified=True)
    assert low.status == "not-certified"
    assert (low.recovery < 0.01).all()


def test_an_iterated_net_worth_too_close_to_a_jump_is_not_certified(monkeypatch):
    # x0 = (1 + x1) / 4 and x1 = (1 + x0) / 4 are both 1/3; 2 owns 2/3, rounded up, receives 1/3 and owes 1: it
    # survives at exact payments, but an iteration that stops within 1e-10 cannot know that
    A = claims(4, (0, 1, 1), (1, 0, 1), (0, 2, 1), (2, 3, 1))
    e, ext = np.array([1.0, 1.0, 2 / 3 + 2.0**-52, 0.0]), np.array([2.0, 3.0, 0.0, 0.0])
    assert_allclose(clear(A, e, ext).recovery, [1 / 3, 1 / 3, 1, 1], rtol=1e-15)
    exactly = clear(A, e, ext, beta=1.0, alpha=1.0 - 2.0**-50)
    assert exactly.status == "certified"
    sides(monkeypatch, 0, 0)
    assert clear(A, e, ext).status == "certified"
    with pytest.raises(ConvergenceError):
        clear(A, e, ext, alpha=1.0 - 2.0**-50)
    with pytest.raises(ConvergenceError):
        clear(A, e, ext, alpha=1.0 - 2.0**-50, least=True)


def test_rounds_run_out():
    A = claims(4, (0, 1, 4), (1, 2, 4), (2, 3, 4))
    assert clear(A, [1, 0, 0, 0]).rounds == 4
    assert clear(A, [1, 0, 0, 0]).wave.tolist() == [1, 2, 3, 0]
    with pytest.raises(ConvergenceError) as caught:
        clear(A, [1, 0, 0, 0], max_rounds=3)
    assert caught.value.state.status == "not-certified"
    assert clear(A, [1, 0, 0, 0], max_rounds=4).status == "certified"


# ----------------------------------------------------------------------------------------------- properties and forms

SEEDS = st.integers(0, 2**32 - 1)
SHARES = st.integers(0, 64).map(lambda k: k / 64)


@settings(max_examples=40, deadline=None)
@given(SEEDS, SHARES, SHARES, st.booleans())
def test_properties(seed, alpha, beta, senior):
    rng = np.random.default_rng(seed)
    A, e, ext = system(rng)
    n = e.size
    kwargs = {"alpha": alpha, "beta": beta, "seniority": "external-senior" if senior else "pari-passu"}
    base = clear(A, e, ext, bounds=True, **kwargs)
    assert ((base.recovery >= 0) & (base.recovery <= 1)).all()
    assert (base.recovery >= base.recovery_least - 1e-14).all()
    assert (base.is_defaulted == (base.equity < 0)).all()
    assert (base.is_defaulted == (base.wave > 0)).all()
    assert (base.payments <= A.sum(axis=0) + ext + 1e-12).all()
    # more money, more surviving in default: nobody pays less
    assert (clear(A, e + rng.random(n), ext, **kwargs).recovery >= base.recovery - 1e-12).all()
    if not senior:
        assert (clear(A, e, ext).recovery >= base.recovery - 1e-12).all()
    # amounts times a power of two: the same bits
    scaled = clear(A * 8, e * 8, ext * 8, **kwargs)
    assert (scaled.recovery == base.recovery).all()
    assert (scaled.equity == 8 * base.equity).all()
    # another order of agents
    order = rng.permutation(n)
    other = clear(A[np.ix_(order, order)], e[order], ext[order], **kwargs)
    assert_allclose(other.recovery, base.recovery[order], atol=1e-12)
    assert other.wave.tolist() == base.wave[order].tolist()
    # an agent without claims or debts
    wider = clear(np.pad(A, (0, 1)), np.append(e, 1.0), np.append(ext, 0.0), **kwargs)
    assert (wider.recovery[:n] == base.recovery).all()
    assert wider.equity[n] == 1.0


def test_lanes_give_the_bits_of_single_calls(monkeypatch):
    rng = np.random.default_rng(4)
    A, e, ext = system(rng, n=12)
    block = e[:, None] * rng.random((12, 5))
    for always, slow in ((256, 2000), (3, 0), (3, 6)):
        sides(monkeypatch, always, slow)
        for costs in ((1.0, 1.0), (0.6, 0.7)):
            kwargs = {"alpha": costs[0], "beta": costs[1], "bounds": True, "allow_uncertified": True}
            whole = clear(A, block, ext, **kwargs)
            assert whole.status.shape == whole.rounds.shape == whole.gap.shape == (5,)
            for k in range(5):
                one = clear(A, block[:, k], ext, **kwargs)
                pair = clear(A, block[:, [k, 0]], np.stack([ext, ext], axis=1), **kwargs)
                for name in ("recovery", "external_recovery", "payments", "equity", "is_defaulted", "wave", "unmet"):
                    assert (getattr(whole, name)[:, k] == getattr(one, name)).all()
                    assert (getattr(pair, name)[:, 0] == getattr(one, name)).all()
                for name in ("rounds", "residual", "status", "gap"):
                    assert getattr(whole, name)[k] == getattr(one, name)


def test_forms_of_input():
    rng = np.random.default_rng(6)
    A, e, ext = system(rng, n=9)
    A, e = A.astype(np.float32), e.astype(np.float32)
    kept = A.copy(), e.copy(), ext.copy()
    expected = clear(A.astype(np.float64), e.astype(np.float64), ext).recovery
    assert (expected < 1).any()
    wide = np.zeros((18, 9), dtype=np.float32)
    wide[::2] = A
    forms = [A, np.asfortranarray(A), wide[::2], A.tolist()]
    forms += [
        getattr(sparse, f"{kind}_{box}")(A)
        for kind in ("coo", "csc", "csr", "bsr", "dia", "lil", "dok")
        for box in ("array", "matrix")
    ]
    for form in forms:
        assert (clear(form, e, ext).recovery == expected).all()
    made = sparse.csr_array(A.astype(np.float64))
    layer = Layer.from_matrix("interbank", [f"b{k}" for k in range(9)], made)
    assert (clear(layer, e, ext).recovery == expected).all()
    assert all((a == b).all() for a, b in zip(kept, (A, e, ext), strict=True))
    assert clear(np.zeros((0, 0)), np.zeros(0)).recovery.shape == (0,)


def test_bad_input_is_reported_at_once():
    A = np.array([[0, -1.0, 0], [0, 2.0, 0], [np.inf, 0, 0]])
    with pytest.raises(InputError) as caught:
        clear(A, [1, np.nan, 1], [0, 0, -2], alpha=1.5, beta=-0.5, tol=0.0, max_rounds=0)
    text = str(caught.value)
    for part in (
        "exposures[2, 0] is inf",
        "exposures[0, 1] is -1; allowed: 0 or more",
        "exposures[1, 1] is 2",
        "external_assets[1] is nan",
        "external_liabilities[2] is -2; allowed: 0 or more",
        "alpha is 1.5; allowed: 0 to 1",
        "beta is -0.5; allowed: 0 to 1",
        "tol is 0",
        "max_rounds is 0",
    ):
        assert part in text
    with pytest.raises(InputError, match=r"external_assets has shape \(2,\)"):
        clear(np.zeros((3, 3)), [1, 2])
    with pytest.raises(InputError, match="2 x 3"):
        clear(np.zeros((2, 3)), 1.0)
    with pytest.raises(InputError, match="dtype object"):
        clear(np.zeros((2, 2), dtype=object), 1.0)
    with pytest.raises(UnknownNameError, match="did you mean 'external-senior'"):
        clear(np.zeros((2, 2)), 1.0, seniority="external_senior")


# -------------------------------------------------------------------------------------------- negative external assets


def test_losses_above_assets():
    # 0 is 3 short of 0 and receives 4 from 1: it pays 1 of 2; the fall from 2 to -3 is not shared with outsiders
    A = claims(3, (1, 0, 4), (0, 2, 2))
    cleared = clear(A, [-3, 4, 0])
    assert cleared.recovery.tolist() == [0.5, 1, 1]
    assert cleared.unmet.tolist() == [0, 0, 0]
    # without income it pays nothing, and 3 remain unmet
    cleared = clear(claims(2, (0, 1, 2)), [-3, 0])
    assert cleared.recovery.tolist() == [0, 1]
    assert cleared.unmet.tolist() == [3, 0]
    assert cleared.equity.tolist() == [-5, 0]
    assert outflow(cleared, np.zeros(2)) == -3
    # costs do not shrink an obligation: -3 + 4 / 2 is below zero, 1 unmet, 2 lost
    cleared = clear(A, [-3, 4, 0], alpha=0.5, beta=0.5)
    assert cleared.recovery.tolist() == [0, 1, 1]
    assert cleared.unmet.tolist() == [1, 0, 0]
    assert cleared.bankruptcy_cost.tolist() == [2, 0, 0]
