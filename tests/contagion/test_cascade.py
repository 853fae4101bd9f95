"""Default cascades: by hand, against the oracle and published programs, and what must hold for every system."""

from __future__ import annotations

import json
from importlib import import_module

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import sparse

from sim.arrays import csr
from sim.contagion.cascade import Cascade, cascade
from sim.errors import ConvergenceError, InputError
from sim.networks.layer import Layer

# the package offers the function under the name of its module
module = import_module("sim.contagion.cascade")


def golden(shared, name: str):
    path = shared / "golden" / name
    if not path.is_file():
        pytest.skip(f"no reference data: {name} is absent")
    return json.loads(path.read_text())


def drawn(seed: int, n: int, draws: int = 1, unit: float = 0.125) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A random system in multiples of a power of two, so that sums are exact and ties are many."""
    random = np.random.default_rng(seed)
    exposures = unit * random.integers(0, 6, (n, n)) * (random.random((n, n)) < 0.4)
    np.fill_diagonal(exposures, 0.0)
    equity = unit * random.integers(0, 10, n)
    shock = unit * random.integers(0, 8, (n, draws)) * (random.random((n, draws)) < 0.3)
    return exposures, equity, shock


# --------------------------------------------------------------------------------------------------------- by hand


def test_a_chain_by_hand() -> None:
    # 0 <- 1 <- 2 <- 3 (row exposed to column). Bank 3: 1 - 2 = -1, wave 1. Bank 2 loses 3 x 0.5: 1 - 1.5 < 0, wave 2.
    # Bank 1 loses 4 x 0.5: 2 - 2 = 0, a tie. Bank 0 holds 10 on bank 1.
    exposures = [[0, 10, 0, 0], [0, 0, 4, 0], [0, 0, 0, 3], [0, 0, 0, 0]]
    result = cascade(exposures, [4.0, 2.0, 1.0, 1.0], [0, 0, 0, 2.0], recovery_rate=0.5)
    assert result.equity.tolist() == [4.0, 0.0, -0.5, -1.0]
    assert result.wave.tolist() == [0, 0, 2, 1]
    assert result.is_defaulted.tolist() == [False, False, True, True]
    assert result.loss.tolist() == [0.0, 2.0, 1.5, 2.0]
    assert (result.rounds, result.residual, result.status) == (2, 0.0, "certified")
    assert (result.n_defaulted, result.total_loss) == (2, 5.5)
    weak = cascade(exposures, [4.0, 2.0, 1.0, 1.0], [0, 0, 0, 2.0], recovery_rate=0.5, default_at_zero=True)
    # at zero bank 1 fails in wave 3 and bank 0 loses 10 x 0.5 = 5: 4 - 5 = -1, wave 4
    assert weak.equity.tolist() == [-1.0, 0.0, -0.5, -1.0]
    assert weak.wave.tolist() == [4, 3, 2, 1]
    assert weak.rounds == 4


def test_recovery_belongs_to_the_debtor() -> None:
    # bank 0 lent 8 each to 1 (recovers 0.25) and 2 (recovers 0.75): loses 6 and 2
    exposures = [[0, 8, 8], [0, 0, 0], [0, 0, 0]]
    result = cascade(exposures, [9.0, 1.0, 1.0], [[0, 0], [2, 0], [0, 2]], recovery_rate=[0.0, 0.25, 0.75])
    assert result.loss.tolist() == [[6.0, 2.0], [2.0, 0.0], [0.0, 2.0]]


def test_everybody_sees_the_same_round() -> None:
    # 1 and 2 lose to 0 in round 1; 3 needs both and falls in round 2, not earlier, whatever the order of agents
    exposures = np.zeros((4, 4))
    exposures[1, 0] = exposures[2, 0] = 2.0
    exposures[3, 1] = exposures[3, 2] = 1.0
    assert cascade(exposures, [1.0, 1.0, 1.0, 1.5], failing=0).wave.tolist() == [1, 2, 2, 3]


def test_the_three_bank_system() -> None:
    # Check 10. Liabilities 1 -> 2: 4, 2 -> 3: 3, 3 -> 1: 2; equity before (1, 3, 3), shock 10 % of (20, 20, 10).
    # Bank 1: 1 - 2 < 0; bank 2: 3 - 2 - 4 = -3; bank 3: 3 - 1 - 3 = -1; bank 1 again: -1 - 2 = -3.
    owes = np.array([[0, 4, 0], [0, 0, 3], [2, 0, 0]], dtype=float)
    result = cascade(owes.T, [1.0, 3.0, 3.0], [2.0, 2.0, 1.0])
    assert result.equity.tolist() == [-3.0, -3.0, -1.0]
    assert result.wave.tolist() == [1, 2, 3]


def test_failing_by_decree_leaves_equity_to_contagion() -> None:
    # 0 and 1 lent each other 3; 0 fails by decree: 1 loses 3 of 2 and fails, and 0 loses its 3 of 5
    result = cascade([[0, 3], [3, 0]], [5.0, 2.0], failing=0)
    assert result.equity.tolist() == [2.0, -1.0]
    assert result.loss.tolist() == [3.0, 3.0]
    assert result.wave.tolist() == [1, 2]
    assert (result.n_defaulted, result.total_loss) == (2, 6.0)


def test_who_is_under_water_before_belongs_to_wave_one() -> None:
    exposures = [[0, 1, 0], [0, 0, 0], [0, 0, 0]]
    for given_ in ({"shock": 0.0}, {"failing": 2}, {"failing": 1}):
        result = cascade(exposures, [5.0, -1.0, 1.0], **given_)
        assert result.wave[1] == 1
        assert result.equity[0] == 4.0
    assert cascade(exposures, [5.0, 0.0, 1.0], 0.0).wave.tolist() == [0, 0, 0]
    assert cascade(exposures, [5.0, 0.0, 1.0], 0.0, default_at_zero=True).wave.tolist() == [0, 1, 0]


def test_full_recovery_stops_contagion() -> None:
    result = cascade([[0, 100.0], [0, 0]], [1.0, 1.0], failing=1, recovery_rate=1.0)
    assert result.loss.tolist() == [0.0, 0.0]


def test_cut_off() -> None:
    exposures = [[0, 1, 0], [0, 0, 1], [0, 0, 0]]
    with pytest.raises(ConvergenceError) as caught:
        cascade(exposures, 0.5, failing=[0, 2], max_rounds=2)
    assert isinstance(caught.value.state, Cascade)
    state = cascade(exposures, 0.5, failing=[0, 2], max_rounds=2, allow_uncertified=True)
    assert state.status.tolist() == ["certified", "not-certified"]
    assert state.residual.tolist() == [0.0, 1.0]
    assert state.wave.tolist() == [[1, 0], [0, 2], [0, 1]]
    assert state.equity[0].tolist() == [0.5, -0.5]
    assert cascade(exposures, 0.5, failing=[0, 2], max_rounds=3).rounds.tolist() == [1, 3]


# ------------------------------------------------------------------------------------------------- other programs


@pytest.mark.parametrize("default_at_zero", [False, True])
@pytest.mark.parametrize("recovery", [0.0, 0.25])
def test_the_oracle_on_exact_amounts(oracles, recovery: float, default_at_zero: bool) -> None:
    for seed in range(40):
        n = 1 + seed % 12
        exposures, equity, shock = drawn(seed, n, draws=2)
        found = cascade(exposures, equity, shock, recovery_rate=recovery, default_at_zero=default_at_zero)
        for k in range(2):
            _, expected, rounds = oracles.furfine_cascade(
                exposures, equity - shock[:, k], recovery, default_at_zero=default_at_zero
            )
            assert (found.equity[:, k] == expected).all()
            assert (found.wave[:, k] == rounds + 1).all()
        failed = cascade(
            exposures, equity, failing=np.arange(n), recovery_rate=recovery, default_at_zero=default_at_zero
        )
        for k in range(n):
            _, expected, rounds = oracles.furfine_cascade(
                exposures, equity, recovery, initial=(k,), default_at_zero=default_at_zero
            )
            assert (failed.equity[:, k] == expected).all()
            assert (failed.wave[:, k] == rounds + 1).all()


@pytest.mark.parametrize(("entry", "recovery"), [("furfine", 0.0), ("furfine_recovery", 0.4)])
@pytest.mark.parametrize("name", ["neva_sample.json", "neva_random.json"])
def test_neva(shared, name: str, entry: str, recovery: float) -> None:
    count = 0
    for case in golden(shared, name)["cases"]:
        inputs, outputs = case["inputs"], case["outputs"]
        if entry not in outputs:
            continue
        exposures = np.array(inputs["A"], dtype=float)
        external, debt, shock = (np.array(inputs[key], dtype=float) for key in ("extasset", "extliab", "shock"))
        equity = external - debt + exposures.sum(axis=1) - exposures.sum(axis=0)
        found = cascade(exposures, equity - np.minimum(shock, 0.0), np.maximum(shock, 0.0), recovery_rate=recovery,
                        default_at_zero=True)  # fmt: skip
        assert_allclose(found.equity, outputs[entry]["equity"], rtol=1e-9, atol=1e-9)
        count += 1
    assert count


def single_defaults(exposures: np.ndarray, buffer: np.ndarray, weights: np.ndarray, outputs) -> None:
    found = cascade(exposures, buffer, failing=np.arange(len(buffer)), default_at_zero=True)
    stress = np.eye(len(buffer)) + found.loss / buffer[:, None]
    if "final_stress_uncapped" in outputs:
        assert_allclose(stress.T, outputs["final_stress_uncapped"], rtol=1e-8, atol=1e-10)
    share = weights / weights.sum()
    added = (share[:, None] * np.minimum(1.0, stress)).sum(axis=0) - share
    assert_allclose(added, outputs["summary"]["additional_stress"], rtol=1e-8, atol=1e-10)
    assert (found.n_defaulted - 1).tolist() == outputs["summary"]["additional_defaults"]


def test_network_risk_measures_tiny(shared) -> None:
    data = golden(shared, "nrm_small.json")["tiny"]
    inputs = data["inputs"]
    arrays = (np.array(inputs[key], dtype=float) for key in ("exposures", "buffer", "weights"))
    single_defaults(*arrays, data["outputs"]["threshold_tight"])


def test_network_risk_measures_125_banks_minimum_density(shared) -> None:
    data = golden(shared, "nrm_simdata_mindensity.json")
    inputs, cells = data["inputs"], data["inputs"]["exposures_md_seed15"]
    exposures = np.zeros((125, 125))
    exposures[cells["row0"], cells["col0"]] = cells["value"]
    outputs = data["outputs_single_bank_defaults"]["threshold_tight"]
    single_defaults(exposures, np.array(inputs["buffer"]), np.array(inputs["weights"]), outputs)
    assert sum(outputs["summary"]["additional_defaults"]) == 61


def test_network_risk_measures_125_banks_maximum_entropy(shared, oracles) -> None:
    data = golden(shared, "nrm_simdata_maxentropy.json")
    inputs = data["inputs"]
    exposures = oracles.max_entropy_ras(inputs["assets"], inputs["liabilities"], tol=1e-11)
    outputs = data["outputs_single_bank_defaults"]["threshold_tight"]
    single_defaults(exposures, np.array(inputs["buffer"]), np.array(inputs["weights"]), outputs)
    assert sum(outputs["summary"]["additional_defaults"]) == 45


# ------------------------------------------------------------------------------------------------------ properties

systems = st.builds(drawn, st.integers(0, 2**32 - 1), st.integers(1, 12))


@given(systems, st.booleans())
@settings(deadline=None, max_examples=60)
def test_more_shock_less_buffer_less_recovery_never_lose_less(system, at_zero: bool) -> None:
    exposures, equity, shock = system
    base = cascade(exposures, equity, shock, recovery_rate=0.25, default_at_zero=at_zero)
    more = cascade(exposures, equity, shock + 0.125, recovery_rate=0.25, default_at_zero=at_zero)
    thinner = cascade(exposures, equity - 0.125, shock, recovery_rate=0.25, default_at_zero=at_zero)
    harsher = cascade(exposures, equity, shock, recovery_rate=0.125, default_at_zero=at_zero)
    for worse in (more, thinner, harsher):
        assert (worse.loss >= base.loss).all()
        assert (worse.is_defaulted >= base.is_defaulted).all()
        assert (worse.wave[base.is_defaulted] <= base.wave[base.is_defaulted]).all()


@given(systems, st.integers(0, 2**32 - 1), st.booleans())
@settings(deadline=None, max_examples=60)
def test_relabelling_permutes(system, seed: int, at_zero: bool) -> None:
    exposures, equity, shock = system
    order = np.random.default_rng(seed).permutation(len(equity))
    base = cascade(exposures, equity, shock, default_at_zero=at_zero)
    moved = cascade(exposures[np.ix_(order, order)], equity[order], shock[order], default_at_zero=at_zero)
    assert (moved.equity == base.equity[order]).all()  # exact amounts: ties and all
    assert (moved.wave == base.wave[order]).all()


@given(systems, st.integers(-60, 60))
@settings(deadline=None, max_examples=60)
def test_a_power_of_two_is_a_change_of_units(system, power: int) -> None:
    exposures, equity, shock = (x * (1.0 / 3.0) for x in system)
    unit = 2.0**power
    base, scaled = cascade(exposures, equity, shock), cascade(exposures * unit, equity * unit, shock * unit)
    assert (scaled.equity == base.equity * unit).all()
    assert (scaled.wave == base.wave).all()


@given(systems)
@settings(deadline=None, max_examples=60)
def test_isolated_agents_and_calm_change_nothing(system) -> None:
    exposures, equity, shock = system
    n = len(equity)
    wider = np.zeros((n + 1, n + 1))
    wider[1:, 1:] = exposures
    base = cascade(exposures, equity, shock)
    grown = cascade(wider, np.append(7.0, equity), np.vstack([np.zeros((1, 1)), shock]))
    assert (grown.equity[1:] == base.equity).all()
    assert grown.equity[0] == 7.0
    calm = cascade(exposures, equity, 0.0)
    assert not calm.loss.any()
    assert calm.rounds == 0


@given(systems)
@settings(deadline=None, max_examples=60)
def test_the_answer_explains_itself(system) -> None:
    exposures, equity, shock = system
    result = cascade(exposures, equity, shock)
    lost = (exposures * result.is_defaulted[:, 0]).sum(axis=1, keepdims=True)
    assert (result.loss == shock + lost).all()
    assert (result.equity == equity[:, None] - result.loss).all()
    assert (result.is_defaulted == (result.equity < 0.0)).all()
    assert (result.total_loss == result.loss.sum(axis=0)).all()
    assert (result.n_defaulted == result.is_defaulted.sum(axis=0)).all()
    assert (result.rounds == result.wave.max(axis=0)).all()


# ----------------------------------------------------------------------------------------------------------- forms


def test_a_block_is_its_single_calls(monkeypatch) -> None:
    exposures, equity, shock = drawn(5, 30, draws=17, unit=0.1)
    equities = np.abs(equity[:, None] - 0.1 * np.arange(17))
    for given_ in (
        {"equity": equity, "shock": shock},
        {"equity": equities, "shock": shock},
        {"equity": equities, "shock": shock[:, 0]},
        {"equity": equity, "failing": np.arange(17)},
        {"equity": equities, "failing": np.arange(17)},
        {"equity": equities, "failing": 3},
    ):
        whole = cascade(exposures, **given_)
        assert whole.wave.any()
        for chunk in (module.CHUNK, 30):
            monkeypatch.setattr(module, "CHUNK", chunk)
            for width in (1, 2, 5, 17):
                last = slice(17 - width, 17)
                part = cascade(exposures, **{k: _columns(k, v, last) for k, v in given_.items()})
                for name in ("equity", "loss", "wave", "is_defaulted", "rounds", "n_defaulted", "total_loss"):
                    assert (getattr(part, name) == getattr(whole, name)[..., last]).all(), name
        for k in (0, 9, 16):
            one = cascade(exposures, **{key: _columns(key, v, k) for key, v in given_.items()})
            for name in ("equity", "loss", "wave", "is_defaulted", "rounds", "n_defaulted", "total_loss"):
                assert (getattr(one, name) == getattr(whole, name)[..., k]).all(), name


def _columns(name: str, value, which):
    if name == "failing":
        return int(value) if isinstance(value, int) else value[which]
    return value[:, which] if value.ndim == 2 else value


def test_the_form_of_one_draw() -> None:
    one = cascade([[0, 1.0], [0, 0]], [1.0, 1.0], failing=1)
    assert isinstance(one.rounds, int)
    assert isinstance(one.residual, float)
    assert isinstance(one.status, str)
    assert isinstance(one.n_defaulted, int)
    assert isinstance(one.total_loss, float)
    assert one.equity.shape == one.loss.shape == one.wave.shape == one.is_defaulted.shape == (2,)
    assert one.wave.dtype == np.int64
    assert one.is_defaulted.dtype == np.bool_
    block = cascade([[0, 1.0], [0, 0]], [1.0, 1.0], failing=[1])
    assert block.equity.shape == (2, 1)
    assert block.equity.flags.c_contiguous


FORMATS = ["coo", "csc", "csr", "bsr", "dia", "lil", "dok"]


def test_every_form_of_exposures_gives_the_same_bits() -> None:
    exposures, equity, shock = drawn(11, 20, draws=3)
    exposures, equity = exposures.astype(np.float32).astype(float), equity + 0.25
    base = cascade(exposures, equity, shock)
    assert base.wave.max() > 1
    net = csr(exposures)
    views = [np.asfortranarray(exposures), exposures.astype(np.float32), np.repeat(exposures, 2, axis=1)[:, ::2]]
    views += [sparse.coo_array(exposures).asformat(name) for name in FORMATS]
    views += [sparse.coo_matrix(exposures).asformat(name) for name in FORMATS]
    views += [Layer("interbank", tuple(f"b{i}" for i in range(20)), net), exposures.tolist()]
    for view in views:
        found = cascade(view, equity.astype(np.float32), np.asfortranarray(shock))
        assert (found.equity == base.equity).all()
        assert (found.wave == base.wave).all()


def test_inputs_stay_as_they_are() -> None:
    exposures, equity, shock = drawn(11, 20, draws=3)
    failing = np.arange(3)
    copies = [x.copy() for x in (exposures, equity, shock, failing)]
    matrix = sparse.csr_array(exposures)
    kept = matrix.copy()
    cascade(matrix, equity, shock)
    cascade(exposures, equity, failing=failing)
    for before, after in zip(copies, (exposures, equity, shock, failing), strict=True):
        assert (before == after).all()
    assert (matrix.data == kept.data).all()
    assert (matrix.indices == kept.indices).all()


GOOD = {"exposures": [[0, 1.0], [0, 0]], "equity": [1.0, 1.0], "shock": [0.0, 0.0]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"equity": [1.0, float("nan")]}, "equity[1] is nan"),
        ({"equity": [1.0, 2.0, 3.0]}, "equity has shape (3,)"),
        ({"equity": np.array([1, None], dtype=object)}, "equity has dtype object"),
        ({"exposures": [[0, -1.0], [0, 0]]}, "exposures[0, 1] is -1; allowed: 0 or more"),
        ({"exposures": [[0, 1.0], [0, 2.0]]}, "exposures[1, 1] is 2; allowed: 0 on the diagonal"),
        ({"exposures": [[0, float("inf")], [0, 0]]}, "exposures[0, 1] is inf"),
        ({"exposures": np.ones((2, 3))}, "exposures has shape 2 x 3"),
        ({"shock": [0.0, -1.0]}, "shock[1] is -1; allowed: 0 or more"),
        ({"shock": np.zeros((2, 0))}, "shock has 0 draws"),
        ({"shock": None}, "shock and failing are not given; allowed: one"),
        ({"failing": 0}, "shock and failing are both given; allowed: one"),
        ({"shock": None, "failing": [0, 2]}, "failing[1] is 2; allowed: 0 to 1"),
        ({"shock": None, "failing": -1}, "failing is -1; allowed: 0 to 1"),
        ({"shock": None, "failing": [0.5]}, "failing has dtype float64"),
        ({"shock": None, "failing": [[0]]}, "failing has 2 axes"),
        ({"shock": None, "failing": [0, 1], "equity": np.ones((2, 3))}, "failing has 2 draws and equity has 3"),
        ({"recovery_rate": 1.5}, "recovery_rate is 1.5; allowed: 0 to 1"),
        ({"recovery_rate": [0.0, -0.5]}, "recovery_rate[1] is -0.5; allowed: 0 to 1"),
        ({"max_rounds": 0}, "max_rounds is 0; allowed: a whole number of 1 or more"),
    ],
)
def test_bad_input_is_named(change, message: str) -> None:
    with pytest.raises(InputError) as caught:
        cascade(**(GOOD | change))
    assert message in str(caught.value)


def test_all_problems_at_once() -> None:
    with pytest.raises(InputError) as caught:
        cascade([[0, -1.0], [0, 0]], [float("nan"), 1.0], [0.0, -2.0], recovery_rate=2.0)
    assert [problem.key for problem in caught.value.problems] == ["exposures", "equity", "shock", "recovery_rate"]
