"""Network valuation: golden vectors, closed forms, users' functions, certificates."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import sparse

from sim.contagion.clear import clear
from sim.contagion.revalue import revalue
from sim.errors import ConvergenceError, InputError, UnknownNameError
from sim.kernels.special import log, normal_cdf
from sim.valuations import RULES, OwnRule

SHARED = Path(__file__).resolve().parents[2].parent / "shared"

NAMES = tuple(name for name in RULES if name not in RULES.others() and issubclass(RULES[name], OwnRule))

# Three banks of equity 1 that lend 0.5 each: A to B, B to C, C to A.
TOY = 0.5 * np.roll(np.eye(3), 1, axis=1)
ASSETS, DEBT = np.array([10.0, 5.0, 3.0]), np.array([9.0, 4.0, 2.0])
SIGMA = np.array([0.02, 0.04, 0.2 / 3])


@numba.njit
def furfine_merton(equity, equity0, external_assets, debt, params):
    """Exogenous recovery params[1], default at maturity only; volatility params[0]."""
    left = 1.0 - equity / external_assets
    if left <= 0.0:
        return 1.0
    pd = normal_cdf((log(left) + 0.5 * params[0] ** 2) / params[0])
    return 1.0 - (1.0 - params[1]) * pd


GOLDEN = {
    "eisenberg_noe": {"valuation": "eisenberg-noe"},
    "linear_dr": {"valuation": "linear-debtrank"},
    "furfine": {"valuation": "furfine"},
    "furfine_recovery": {"valuation": "furfine", "recovery_rate": 0.4},
    "rogers_veraart": {"valuation": "rogers-veraart", "alpha": 0.7, "beta": 0.6},
    "exante_en_merton_gbm_rho1": {"valuation": "exante-merton", "recovery_rate": 1.0},
    "exante_en_merton_gbm_rho0.6": {"valuation": "exante-merton", "recovery_rate": 0.6},
    "exante_en_blackcox_gbm_rho0.6": {"valuation": "exante-black-cox", "recovery_rate": 0.6},
    "exante_furfine_merton_gbm_rho0.6": {"valuation": furfine_merton},
}


@pytest.mark.parametrize("name", ["neva_sample", "neva_random"])
def test_golden_vectors(shared, name):
    seen = 0
    for case in json.loads((shared / "golden" / f"{name}.json").read_text())["cases"]:
        given_ = {
            key: np.array(v, dtype=float) for key, v in case["inputs"].items() if key not in ("names", "generator")
        }
        e0, sigma = given_["extasset"], given_["sigma_asset"]
        shared_args = {"external_assets0": e0, "volatility": sigma, "tol": 1e-13, "max_rounds": 100_000}
        shared_args["params"] = np.stack([sigma, np.full(sigma.size, 0.6)], axis=1)
        for method, kwargs in GOLDEN.items():
            out = case["outputs"][method]
            found = revalue(given_["A"], e0 - given_["shock"], given_["extliab"], **kwargs, **shared_args)
            assert_allclose(found.equity, out["equity"], rtol=1e-9, atol=1e-9, err_msg=f"{case['name']} {method}")
            if "valuation" in out:
                assert_allclose(found.value, out["valuation"], rtol=1e-9, atol=1e-9)
            assert found.status == "certified"
            seen += 1
        assert set(case["outputs"]) - set(GOLDEN) == {"linear_dr_as_shipped"}
    assert seen == len(GOLDEN) * {"neva_sample": 10, "neva_random": 8}[name]


# ------------------------------------------------------------------------------------------------------------- by hand


def toy(shock, **kwargs):
    return revalue(TOY, ASSETS - shock, DEBT, external_assets0=ASSETS, **kwargs)


def test_linear_debtrank_on_a_cycle():
    # h = (I - Lambda)^-1 h1 with Lambda = A / E0: h0 = 1/2 + h1/2, h1 = h2/2, h2 = h0/2
    found = toy(np.array([0.5, 0, 0]), valuation="linear-debtrank", tol=1e-15)
    assert_allclose(1 - found.equity, [4 / 7, 1 / 7, 2 / 7], atol=1e-14)
    assert_allclose(found.value, [3 / 7, 6 / 7, 5 / 7], atol=1e-14)
    # beyond the cap: equities -0.025, 0.75, 0.5
    found = toy(np.array([0.9, 0, 0]), valuation="linear-debtrank", tol=1e-15)
    assert_allclose(found.equity, [-0.025, 0.75, 0.5], atol=1e-14)
    assert found.value[0] == 0.0
    # net worth before the shock may be given itself
    same = revalue(TOY, ASSETS - np.array([0.5, 0, 0]), DEBT, valuation="linear-debtrank", equity0=1.0, tol=1e-15)
    assert_allclose(1 - same.equity, [4 / 7, 1 / 7, 2 / 7], atol=1e-14)
    # and without any shock nothing happens
    still = toy(np.zeros(3), valuation="linear-debtrank")
    assert (still.equity == 1.0).all()
    assert (still.value == 1.0).all()


def test_the_same_toy_under_other_valuations():
    shock = np.array([1.2, 0, 0])
    assert_allclose(toy(shock, valuation="eisenberg-noe").equity, [-0.2, 1, 1 - 0.5 * 0.2 / 9.5], atol=1e-14)
    assert_allclose(toy(shock, valuation="eisenberg-noe").equity[2], 0.989474, atol=5e-7)
    merton = toy(shock, valuation="exante-merton", volatility=SIGMA, recovery_rate=1.0)
    assert_allclose(merton.equity[2], 0.98886, atol=5e-6)
    cox = toy(np.array([0.9, 0, 0]), valuation="exante-black-cox", volatility=SIGMA, recovery_rate=0.6)
    assert_allclose(cox.equity[2], 0.883236, atol=5e-7)
    furfine = toy(shock, valuation="furfine", recovery_rate=0.25)
    assert_allclose(furfine.equity, [-0.2, 1, 0.625], atol=1e-14)
    assert furfine.value.tolist() == [0.25, 1, 1]
    assert furfine.is_defaulted.tolist() == [True, False, False]


def test_three_banks_without_recovery():
    # liabilities 1 -> 2: 4, 2 -> 3: 3, 3 -> 1: 2; assets 18, 18, 9 after a loss of 10 %: equities 3, 3, 2 before it
    A = np.zeros((3, 3))
    A[1, 0], A[2, 1], A[0, 2] = 4, 3, 2
    e, ext = np.array([18.0, 18, 9]), np.array([17.0, 18, 8])
    # all fail in turn: 18 - 17 - 4, 18 - 18 - 3, 9 - 8 - 2
    for valuation in ("furfine", "linear-debtrank"):
        found = revalue(A, e, ext, valuation=valuation, external_assets0=[20, 20, 10])
        assert found.equity.tolist() == [-3, -3, -1]
        assert found.value.tolist() == [0, 0, 0]
        assert found.is_defaulted.all()


@pytest.mark.parametrize("lam", [0.2, 0.5, 0.8])
def test_uniform_amplification(lam):
    # every bank has equity 1 and lends lam in a ring: stress 0.05 / (1 - lam)
    A = lam * np.roll(np.eye(6), 1, axis=1)
    found = revalue(A, 0.95, valuation="linear-debtrank", external_assets0=1.0, tol=1e-14)
    assert_allclose(1 - found.equity, 0.05 / (1 - lam), rtol=1e-12)


@pytest.mark.parametrize(("alpha", "stress"), [(0, 0.25), (1, 0.07317), (2, 0.05690), (4, 0.05091), (1e6, 0.05)])
def test_nonlinear_debtrank(alpha, stress):
    A = 0.8 * np.roll(np.eye(6), 1, axis=1)
    found = revalue(A, 0.95, valuation="nonlinear-debtrank", alpha=alpha, external_assets0=1.0, tol=1e-14)
    h = 1 - found.equity
    assert_allclose(h, stress, atol=5e-6)
    assert_allclose(h, 0.05 + 0.8 * h * np.exp(alpha * (h - 1)), rtol=1e-12)


def test_ties():
    # agent 0 has exactly what it owes; the cycle of 1 and 2 lives on that claim
    A = np.zeros((2, 2))
    A[1, 0] = 2.0
    strict = revalue(A, [2, 0], [0, 2], valuation="furfine")
    assert strict.equity.tolist() == [0, 0]
    assert strict.value.tolist() == [1, 1]
    weak = revalue(A, [2, 0], [0, 2], valuation="furfine", default_at_zero=True)
    assert weak.equity.tolist() == [0, -2]
    assert weak.is_defaulted.all()
    costly = {"valuation": "rogers-veraart", "alpha": 0.5}
    assert revalue(A, [2, 0], [0, 2], default_at_zero=True, **costly).value.tolist() == [0.5, 0.5]
    assert revalue(A, [2, 0], [0, 2], **costly).value.tolist() == [1, 1]


# --------------------------------------------------------------------------------------- clearing, bounds, properties


def random_system(seed, n=8):
    rng = np.random.default_rng(seed)
    A = rng.random((n, n)) * (rng.random((n, n)) < 0.5)
    np.fill_diagonal(A, 0.0)
    ext = rng.random(n)
    e0 = np.maximum(A.sum(axis=0) + ext - A.sum(axis=1) + rng.random(n), 0.1)
    return A, e0 * rng.uniform(0.5, 1.0, n), ext, e0


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_order_of_the_valuations_and_clearing(seed):
    A, e, ext, _ = random_system(seed)
    full = revalue(A, e, ext, valuation="eisenberg-noe")
    costly = revalue(A, e, ext, valuation="rogers-veraart", alpha=0.6, beta=0.7)
    none = revalue(A, e, ext, valuation="furfine")
    assert (full.value >= costly.value - 1e-14).all()
    assert (costly.value >= none.value - 1e-14).all()
    assert (revalue(A, e, ext, valuation="rogers-veraart").value == full.value).all()
    # the exponent, volatility and recovery of other valuations are ignored
    same = revalue(A, e, ext, valuation="eisenberg-noe", alpha=0.3, beta=0.3, recovery_rate=0.3, volatility=1.0)
    assert (same.value == full.value).all()
    for found, kwargs in ((full, {}), (costly, {"alpha": 0.6, "beta": 0.7})):
        cleared = clear(A, e, ext, **kwargs)
        assert (cleared.recovery == found.value).all()
        assert (cleared.equity == found.equity).all()


@pytest.mark.parametrize("valuation", NAMES)
def test_properties_of_every_valuation(valuation):
    kwargs = {"valuation": valuation, "volatility": 0.1, "recovery_rate": 0.3, "alpha": 0.75, "beta": 0.5, "tol": 1e-12}
    for seed in range(6):
        A, e, ext, _ = random_system(seed)
        n = e.size
        base = revalue(A, e, ext, equity0=0.5, **kwargs)
        assert ((base.value >= 0) & (base.value <= 1)).all()
        assert_allclose(base.equity, e - ext + A @ base.value - A.sum(axis=0), atol=1e-14)
        assert (base.is_defaulted == (base.equity < 0)).all()
        richer = revalue(A, e + 0.1, ext, equity0=0.5, **kwargs)
        assert (richer.value >= base.value - 1e-11).all()
        scaled = revalue(4 * A, 4 * e, 4 * ext, equity0=2.0, **kwargs)
        assert (scaled.value == base.value).all()
        assert (scaled.equity == 4 * base.equity).all()
        order = np.random.default_rng(seed).permutation(n)
        other = revalue(A[np.ix_(order, order)], e[order], ext[order], equity0=0.5, **kwargs)
        assert_allclose(other.value, base.value[order], atol=1e-11)
        wider = revalue(np.pad(A, (0, 1)), np.append(e, 1), np.append(ext, 0), equity0=0.5, **kwargs)
        assert (wider.value[:n] == base.value).all()
        both = revalue(A, e, ext, equity0=0.5, bounds=True, **kwargs)
        assert (both.value == base.value).all()
        assert (both.value_least <= both.value + 1e-11).all()
        assert_allclose(both.gap, np.abs(both.value - both.value_least).max())
        assert both.status == ("multiple" if both.gap > 1e-11 else "certified")
        assert both.rounds > base.rounds


def test_several_solutions():
    # both owe 1 and own nothing else: each is worth what the other one is
    A = np.array([[0, 1.0], [1, 0]])
    for valuation in ("eisenberg-noe", "furfine"):
        found = revalue(A, 0.0, valuation=valuation, bounds=True)
        assert found.value.tolist() == [1, 1]
        assert found.value_least.tolist() == [0, 0]
        assert (found.gap, found.status) == (1.0, "multiple")
        assert revalue(A, 0.0, valuation=valuation).gap is None


def test_a_slow_mode_is_not_called_certified():
    A = (1 - 1e-6) * np.roll(np.eye(4), 1, axis=1)
    kwargs = {"valuation": "linear-debtrank", "external_assets0": 1.0, "max_rounds": 500}
    with pytest.raises(ConvergenceError, match="revalue: residual"):
        revalue(A, 1 - 1e-7, **kwargs)
    last = revalue(A, 1 - 1e-7, allow_uncertified=True, **kwargs)
    assert last.status == "not-certified"
    assert last.value[0] > 0.99  # still on its way down
    # the clearing valuations settle the same ring exactly
    ring = np.roll(np.eye(4), 1, axis=1)
    assert_allclose(revalue(ring, 5e-7, 1e-6, valuation="eisenberg-noe").value, 0.5, rtol=1e-13)


@pytest.mark.parametrize("shock", [1e-12, 1e-14])
def test_a_slow_mode_below_every_tolerance_is_not_called_certified(shock):
    # the first round moves values by the shock alone, and a million rounds later they have lost a million times that
    A = (1 - 1e-6) * np.roll(np.eye(4), 1, axis=1)
    kwargs = {"valuation": "linear-debtrank", "external_assets0": 1.0, "max_rounds": 1500}
    with pytest.raises(ConvergenceError):
        revalue(A, 1 - shock, **kwargs)
    # nor is it where a fast and strong mode elsewhere sets the pace
    both = np.zeros((8, 8))
    both[:4, :4], both[4:, 4:] = A, 0.5 * np.roll(np.eye(4), 1, axis=1)
    assets = np.where(np.arange(8) < 4, 1 - shock, 0.9)
    with pytest.raises(ConvergenceError):
        revalue(both, assets, **kwargs)
    assert revalue(both[4:, 4:], 0.9, **kwargs).status == "certified"
    with pytest.raises(ConvergenceError):
        revalue(0.999 * A, 1 - 1e-9, bounds=True, **kwargs)


def test_lanes_and_forms():
    A, e, ext, e0 = random_system(5)
    block = e[:, None] * np.random.default_rng(1).uniform(0.7, 1.2, (8, 6))
    for valuation in (*NAMES, furfine_merton):
        kwargs = {"valuation": valuation, "volatility": 0.1, "recovery_rate": 0.4, "external_assets0": e0, "alpha": 0.5}
        kwargs["params"] = [0.2, 0.5]
        whole = revalue(A, block, ext, bounds=True, **kwargs)
        assert whole.gap.shape == (6,)
        for k in range(6):
            one = revalue(sparse.coo_array(A), block[:, k], ext, bounds=True, **kwargs)
            for name in ("equity", "value", "is_defaulted", "value_least"):
                assert (getattr(whole, name)[:, k] == getattr(one, name)).all()
            for name in ("rounds", "residual", "status", "gap"):
                assert getattr(whole, name)[k] == getattr(one, name)


# ----------------------------------------------------------------------------------------------------- users' functions


def debtrank(equity, equity0, external_assets, debt, params):
    return min(1.0, max(0.0, equity / equity0))


def priced(equity, equity0, external_assets, debt, params):
    """Use every argument."""
    return min(1.0, max(0.0, (equity + params[0] * external_assets) / (params[1] * debt + params[2] * equity0)))


def test_a_function_equals_its_named_twin():
    A, e, ext, e0 = random_system(2)
    e = 0.9 * e0
    named = revalue(A, e, ext, valuation="linear-debtrank", external_assets0=e0)
    for function in (debtrank, numba.njit(debtrank)):
        own = revalue(A, e, ext, valuation=function, external_assets0=e0)
        assert_allclose(own.value, named.value, atol=1e-14)
        assert (own.status, own.rounds) == (named.status, named.rounds)


def test_a_function_is_told_its_agent():
    A, e, ext, e0 = random_system(3)
    weights = np.random.default_rng(0).uniform(0.5, 1.0, (8, 3))
    found = revalue(A, e, ext, valuation=priced, params=weights, equity0=e0, tol=1e-13)
    debt = ext + A.sum(axis=0)
    expected = (found.equity + weights[:, 0] * e) / (weights[:, 1] * debt + weights[:, 2] * e0)
    assert_allclose(found.value, np.clip(expected, 0, 1), atol=1e-12)
    assert (found.value < 1).any()
    common = revalue(A, e, ext, valuation=priced, params=weights[0], equity0=e0)
    same = revalue(A, e, ext, valuation=priced, params=np.tile(weights[0], (8, 1)), equity0=e0)
    assert (common.value == same.value).all()


def falling(equity, equity0, external_assets, debt, params):
    return min(1.0, max(0.0, 0.8 - equity))


def test_a_function_that_falls_with_equity_is_not_certified():
    with pytest.raises(ConvergenceError):
        revalue(TOY, ASSETS - 0.5, DEBT, valuation=falling)
    with pytest.raises(ConvergenceError):
        revalue(TOY, ASSETS - 0.5, DEBT, valuation=falling, bounds=True)


def said(equity, equity0, external_assets, debt, params):
    return params[0] / params[1] if equity < 0.9 else 1.0


def rounded(equity, equity0, external_assets, debt, params):
    return 1.0 + 1e-15


def uncompilable(equity, equity0, external_assets, debt, params):
    return {"value": equity}[debt]


def text(equity, equity0, external_assets, debt, params):
    return "one"


class Holder:
    def __call__(self, equity, equity0, external_assets, debt, params):
        return 1.0


def test_functions_that_cannot_be_used():
    weak = ASSETS - np.array([0, 0.2, 0.2])
    for ratio, shown in (([1 + 1e-9, 1], "1"), ([-1e-9, 1], "-1e-09"), ([0, 0], "nan"), ([1, 0], "inf")):
        with pytest.raises(
            InputError, match=f"valuation said gives {shown} for agent 1 at equity 0.8; allowed: 0 to 1"
        ):
            revalue(TOY, weak, DEBT, valuation=said, params=ratio)
    assert revalue(TOY, weak, DEBT, valuation=said, params=[0, 1]).value.tolist() == [0, 0, 0]
    assert revalue(TOY, ASSETS, DEBT, valuation=rounded).value.tolist() == [1, 1, 1]
    for function in (uncompilable, text):
        with pytest.raises(InputError, match=f"valuation {function.__name__} cannot be compiled by numba: "):
            revalue(TOY, ASSETS, DEBT, valuation=function)
    with pytest.raises(InputError, match="valuation Holder cannot be compiled by numba: "):
        revalue(TOY, ASSETS, DEBT, valuation=Holder())


def test_bad_input_is_reported_at_once():
    with pytest.raises(InputError) as caught:
        revalue(
            -TOY, [1, np.nan, 1], -1.0, valuation="exante-merton", equity0=[1, 2], params="x", recovery_rate=2,
            alpha=-1, beta=7, tol=-1, max_rounds=0, external_assets0=[np.inf, 0, 0]
        )  # fmt: skip
    for part in (
        "exposures[0, 1] is -0.5; allowed: 0 or more",
        "external_assets[1] is nan",
        "external_liabilities is -1; allowed: 0 or more",
        "external_assets0[0] is inf",
        "equity0 has shape (2,)",
        "volatility is missing; exante-merton needs that of external assets",
        "alpha is -1; allowed: 0 to 1",
        "beta is 7; allowed: 0 to 1",
        "recovery_rate is 2; allowed: 0 to 1",
        "params holds something that is no finite number",
        "tol is -1",
        "max_rounds is 0",
    ):
        assert part in str(caught.value)
    with pytest.raises(InputError, match=r"params has shape 2 x 1; allowed: \(n_params,\) or \(3, n_params\)"):
        revalue(TOY, ASSETS, DEBT, valuation=debtrank, params=[[1], [2]])
    with pytest.raises(InputError, match=r"volatility\[1\] is -1; allowed: 0 or more"):
        revalue(TOY, ASSETS, DEBT, valuation="exante-black-cox", volatility=[0, -1, 0])
    with pytest.raises(UnknownNameError, match="did you mean 'linear-debtrank'"):
        revalue(TOY, ASSETS, DEBT, valuation="linear-debt-rank")
    with pytest.raises(UnknownNameError):
        revalue(TOY, ASSETS, DEBT, valuation=None)
    # the exponent of non-linear DebtRank has no upper limit
    assert revalue(TOY, ASSETS, DEBT, valuation="nonlinear-debtrank", alpha=7).value.tolist() == [1, 1, 1]


def test_oracles():
    if not (SHARED / "oracles.py").is_file():
        pytest.skip("no reference data: the optional folder 'shared' does not lie beside the repository")
    spec = importlib.util.spec_from_file_location("neva_oracles", SHARED / "oracles.py")
    oracles = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(oracles)
    for seed in range(8):
        A, e, ext, e0 = random_system(seed + 50, n=5)
        face = e0 - ext + A.sum(axis=1) - A.sum(axis=0)
        debt = ext + A.sum(axis=0)
        kwargs = {"external_assets0": e0, "tol": 1e-13}
        cases = [
            ("linear-debtrank", [oracles.V_lin_dr(v) for v in face]),
            ("furfine", [oracles.V_furfine(0.3)] * 5),
            ("exante-black-cox", [oracles.V_blackcox(v, 0.3, 0.2) for v in e]),
        ]
        if seed < 2:
            cases.append(("exante-merton", [oracles.V_merton(e[k], debt[k], 0.3, 0.2) for k in range(5)]))
        for valuation, V in cases:
            rho = 0.0 if valuation == "linear-debtrank" else 0.3
            found = revalue(A, e, ext, valuation=valuation, recovery_rate=rho, volatility=0.2, **kwargs)
            assert_allclose(found.equity, oracles.neva(A, e, ext, V, iters=500), rtol=1e-9, atol=1e-9)
