"""Importance, amplification, contagion index and path measures: by hand and against published programs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import linalg, sparse

from sim.contagion import importance as module
from sim.contagion.importance import amplification, contagion_index, importance_ranking, single_defaults
from sim.contagion.measures import (
    communicability,
    criticality,
    impact_diffusion,
    impact_fluidity,
    impact_susceptibility,
)
from sim.errors import ConvergenceError, InputError, UnknownNameError
from sim.networks.layer import Layer

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
FORMATS = ["coo", "csc", "csr", "bsr", "dia", "lil", "dok"]
CHAIN = [[0, 4, 0], [0, 0, 3], [0, 0, 0]]
TINY, BUFFER, WEIGHTS = [[0, 1, 0], [10, 0, 3], [3, 2, 0]], [2, 5, 2], [10, 100, 30]


def golden(name):
    path = SHARED / "golden" / name
    if not path.is_file():
        pytest.skip(f"no golden vectors: the optional file shared/golden/{name} is absent")
    return json.loads(path.read_text())


@pytest.fixture(scope="module")
def banks125():
    case = golden("nrm_simdata_mindensity.json")
    asked, edges = case["inputs"], case["inputs"]["exposures_md_seed15"]
    exposures = sparse.coo_array((edges["value"], (edges["row0"], edges["col0"])), shape=(125, 125))
    return case, exposures, np.array(asked["buffer"]), np.array(asked["weights"])


# -------------------------------------------------------------------------------------------------- single defaults


def test_a_chain_by_hand():
    # 0 lent 4 to 1, 1 lent 3 to 2; equity 5, 2, 1. Default of 1: 0 loses 4 of 5. Default of 2: 1 loses all 2, then 0 4.
    found = single_defaults(CHAIN, [5, 2, 1], method="cascade")
    assert found.impact.tolist() == [0.0, 4 / 8, (2 + 4) / 8]
    assert found.defaults.tolist() == [0, 0, 1]
    assert_allclose(found.vulnerability, [(0.8 + 0.8) / 2, 1 / 2, 0.0], rtol=1e-15)
    assert found.status.tolist() == ["certified"] * 3
    # weights 1: mean stress of the others over all three
    assert_allclose(single_defaults(CHAIN, [5, 2, 1], method="cascade", weights=1.0).impact, [0, 0.8 / 3, 1.8 / 3])
    # two thirds recovered: 2 loses nothing; default of 1 takes 4/3 of 5; of 2 takes 1 of 2, and stops there
    found = single_defaults(CHAIN, [5, 2, 1], method="cascade", recovery_rate=2 / 3)
    assert_allclose(found.impact, [0.0, (4 / 3) / 8, 1 / 8], rtol=1e-14)
    assert found.defaults.tolist() == [0, 0, 0]


def test_debtrank_passes_losses_on_before_default():
    # recovery 2/3: h1 = 1/2 from the default of 2, and 0 loses 4/3 * 1/2 of 5
    found = single_defaults(CHAIN, [5, 2, 1], recovery_rate=2 / 3)
    assert_allclose(found.impact, [0.0, (4 / 3) / 8, (1 + 2 / 3) / 8], rtol=1e-13)
    assert_allclose(found.vulnerability, [(4 / 15 + 2 / 15) / 2, 1 / 4, 0.0], rtol=1e-13)


def test_ties_of_the_cascade():
    # the loss of 2 is all that 1 has: it fails only when equity zero is a default
    exposures = [[0, 1, 0], [0, 0, 2], [0, 0, 0]]
    assert single_defaults(exposures, [2, 2, 1], method="cascade").defaults.tolist() == [0, 0, 0]
    assert single_defaults(exposures, [2, 2, 1], method="cascade", default_at_zero=True).defaults.tolist() == [0, 0, 1]
    assert single_defaults(exposures, [2, 2, 1]).defaults.tolist() == [0, 0, 1]  # stress 1 either way


def test_no_equity_is_no_division():
    found = single_defaults([[0, 1], [0, 0]], [0.0, 1.0], method="cascade", weights=[1.0, 1.0])
    assert found.impact.tolist() == [0.0, 0.5]
    assert single_defaults([[0, 0], [0, 0]], [0.0, 0.0]).impact.tolist() == [0.0, 0.0]
    assert single_defaults([[0.0]], [1.0]).vulnerability.tolist() == [0.0]


@pytest.mark.parametrize(("method", "run"), [("debtrank", "debtrank_tight"), ("cascade", "threshold_tight")])
def test_three_banks_of_the_published_program(method, run):
    case = golden("nrm_small.json")["tiny"]["outputs"][run]["summary"]
    options = {"default_at_zero": True} if method == "cascade" else {}
    found = single_defaults(TINY, BUFFER, method=method, weights=WEIGHTS, **options)
    assert_allclose(found.impact, case["additional_stress"], rtol=1e-10, atol=1e-12)
    assert found.defaults.tolist() == case["additional_defaults"]


@pytest.mark.parametrize(
    ("method", "options", "run"),
    [
        ("debtrank", {}, "debtrank_tight"),
        ("cascade", {"default_at_zero": True}, "threshold_tight"),
    ],
)
def test_125_single_defaults_of_the_published_program(banks125, method, options, run):
    case, exposures, buffer, weights = banks125
    wanted = case["outputs_single_bank_defaults"][run]["summary"]
    found = single_defaults(exposures, buffer, method=method, weights=weights, **options)
    assert_allclose(found.impact, wanted["additional_stress"], rtol=1e-9, atol=1e-10)
    assert found.defaults.tolist() == wanted["additional_defaults"]


def test_chunks_do_not_show(monkeypatch):
    rng = np.random.default_rng(0)
    exposures = rng.random((11, 11)) * (1 - np.eye(11)) / 4
    equity = rng.uniform(0.5, 2.0, 11)
    for method in ("debtrank", "cascade"):
        whole = single_defaults(exposures, equity, method=method)
        monkeypatch.setattr(module, "CHUNK", 4)
        parts = single_defaults(exposures, equity, method=method)
        monkeypatch.undo()
        assert_array_equal(parts.impact, whole.impact)
        assert_array_equal(parts.defaults, whole.defaults)
        assert_array_equal(parts.rounds, whole.rounds)
        assert_allclose(parts.vulnerability, whole.vulnerability, rtol=1e-14)
        assert parts.status.shape == parts.residual.shape == (11,)


@given(st.integers(0, 2**32 - 1), st.sampled_from(["debtrank", "cascade"]))
@settings(max_examples=40)
def test_monotone_scaled_relabelled(seed, method):
    rng = np.random.default_rng(seed)
    exposures = rng.random((6, 6)) * (rng.random((6, 6)) < 0.5) * (1 - np.eye(6))
    equity = rng.uniform(0.3, 2.0, 6)
    found = single_defaults(exposures, equity, method=method, weights=1.0)
    assert ((found.impact >= 0) & (found.impact <= 5 / 6 + 1e-15)).all()
    # every stress is counted once as impact and once as vulnerability
    assert_allclose(found.impact.sum() * 6, found.vulnerability.sum() * 5, rtol=1e-12)
    softer = single_defaults(exposures, equity, method=method, weights=1.0, recovery_rate=rng.random())
    assert (softer.impact <= found.impact + 1e-9).all()
    safer = single_defaults(exposures, equity * rng.uniform(1.0, 2.0, 6), method=method, weights=1.0)
    assert (safer.impact <= found.impact + 1e-9).all()
    scaled = single_defaults(exposures * 4, equity * 4, method=method)
    assert_array_equal(scaled.impact, single_defaults(exposures, equity, method=method).impact)
    order = rng.permutation(6)
    moved = single_defaults(exposures[np.ix_(order, order)], equity[order], method=method, weights=1.0)
    assert_allclose(moved.impact, found.impact[order], atol=1e-9)
    assert_allclose(moved.vulnerability, found.vulnerability[order], atol=1e-9)


def test_what_the_method_takes_is_passed_on():
    ring = [[0, 0.9, 0], [0, 0, 0.9], [0.9, 0, 0]]
    with pytest.raises(ConvergenceError, match="debtrank"):
        single_defaults(ring, 1.0, max_rounds=1)
    left = single_defaults(ring, 1.0, max_rounds=1, allow_uncertified=True)
    assert set(left.status) == {"not-certified"}
    single = single_defaults(ring, 1.0, variant="single-hit")
    assert_allclose(single.impact, (0.9 + 0.81) / 3, rtol=1e-13)


def test_bad_calls():
    with pytest.raises(UnknownNameError, match="did you mean 'debtrank'"):
        single_defaults(CHAIN, [5, 2, 1], method="debt-rank")
    with pytest.raises(UnknownNameError, match="linear"):
        single_defaults(CHAIN, [5, 2, 1], variant="lineer")
    with pytest.raises(InputError) as caught:
        single_defaults([[0, -4], [np.nan, 0]], [5, -2], weights=[1, np.inf])
    for part in ("exposures[0, 1] is -4", "exposures[1, 0] is nan", "equity[1] is -2", "weights[1] is inf"):
        assert part in str(caught.value)
    with pytest.raises(InputError, match=r"equity has shape \(3, 2\)"):
        single_defaults(CHAIN, np.ones((3, 2)))
    with pytest.raises(InputError, match="recovery_rate is 2"):
        single_defaults(CHAIN, 1.0, recovery_rate=2.0)


# ----------------------------------------------------------------------------------------------- ranking and ratios


def test_ranking():
    assert importance_ranking([0.1, 0.3, 0.2]).tolist() == [1, 2, 0]
    assert importance_ranking([0.2, 0.3, 0.2, 0.3]).tolist() == [1, 3, 0, 2]
    assert importance_ranking([np.nan, 0.1, -1.0]).tolist() == [1, 2, 0]
    assert importance_ranking([0.0, 0.0]).tolist() == [0, 1]
    assert importance_ranking([]).tolist() == []
    # rounding does not reorder equals, whatever the unit; a difference in the seventh digit does
    assert importance_ranking([1e9, 1e9 * (1 + 4e-16)]).tolist() == [0, 1]
    assert importance_ranking([1e-9, 1e-9 * (1 + 1e-7)]).tolist() == [1, 0]
    assert importance_ranking([1.0, 1.001], digits=2).tolist() == [0, 1]
    for scores in ([[1.0]], ["a"], 1.0):
        with pytest.raises(InputError, match="scores has"):
            importance_ranking(scores)
    with pytest.raises(InputError, match="digits is -1"):
        importance_ranking([1.0], digits=-1)


def test_amplification():
    assert amplification(30.0, 10.0, 1000.0) == 3.0
    found = amplification([30.0, 12.0, 5.0, 5.0, 5.0], [10.0, 12.0, 0.0, 1e-9, 0.99e-9], 1.0)
    assert_array_equal(found, [3.0, 1.0, np.nan, 5.0 / 1e-9, np.nan])
    assert_array_equal(amplification(5.0, [1.9e-9, 2.1e-9], 2.0), [np.nan, 5.0 / 2.1e-9])
    assert np.isnan(amplification(0.0, 0.0, 1.0))
    assert_array_equal(amplification([4.0, 8.0], 2.0, 1.0), [2.0, 4.0])
    with pytest.raises(InputError) as caught:
        amplification([1.0, -1.0], [np.nan, 1.0], 0.0)
    for part in ("total_loss[1] is -1", "first_round_loss[0] is nan", "assets is 0; allowed: more than 0"):
        assert part in str(caught.value)
    with pytest.raises(InputError, match="3 draws"):
        amplification([1.0, 1.0], [1.0, 1.0, 1.0], 1.0)


# -------------------------------------------------------------------------------------------------- contagion index


def test_contagion_index_by_hand():
    # equity 5, 2, 1; 0 lent 4 to 1, 1 lent 3 to 2. Draws of stress:
    # (0, 0, 2): 2 fails, 1 loses 3 > 2, 0 loses 4: damage 2 + 4 = 6
    # (3, 0, 2): 0 has only 2 left: damage 2 + 2 = 4
    # (0, 3, 0): 1 fails by itself, 0 loses 4: damage 4
    # (0, 3, 2): both fail by themselves, 0 loses 4: damage 4; (0, 0, 1): equity 0 is no default
    stress = np.array([[0, 3, 0, 0, 0], [0, 0, 3, 3, 0], [2, 2, 0, 2, 1]], float)
    found = contagion_index(CHAIN, [5, 2, 1], stress)
    assert_array_equal(found, [np.nan, (4 + 4) / 2, (6 + 4 + 4) / 3])
    # at zero, the fifth draw counts as the first does
    assert_array_equal(contagion_index(CHAIN, [5, 2, 1], stress, default_at_zero=True)[2], (6 + 4 + 4 + 6) / 4)
    # half recovered: the first draw takes 1.5 of 1 (2 left); the third 2 of 0
    assert_array_equal(
        contagion_index(CHAIN, [5, 2, 1], stress, recovery_rate=0.5), [np.nan, 2.0, (1.5 + 1.5 + 2.0) / 3]
    )


def test_contagion_index_is_mean_over_defaults_only():
    rng = np.random.default_rng(1)
    exposures = rng.random((6, 6)) * (1 - np.eye(6))
    stress = rng.exponential(0.6, (6, 400)) * rng.random(400)
    found = contagion_index(exposures, np.ones(6), stress)
    for i in range(6):
        kept = stress[:, stress[i] > 1.0]
        assert_allclose(found[i], contagion_index(exposures, np.ones(6), kept)[i], rtol=1e-12)
    less = contagion_index(exposures, np.ones(6), stress, recovery_rate=0.7)
    assert (less < found).all()


def test_bad_contagion_index():
    with pytest.raises(InputError, match="stress_loss has no axis of draws"):
        contagion_index(CHAIN, [5, 2, 1], [0, 0, 2])
    with pytest.raises(InputError, match=r"stress_loss\[0, 1\] is -1"):
        contagion_index(CHAIN, [5, 2, 1], [[0, -1], [0, 0], [0, 0]])
    with pytest.raises(InputError, match=r"equity has shape \(2,\)"):
        contagion_index(CHAIN, [5, 2], np.zeros((3, 2)))


# ---------------------------------------------------------------------------------------------------- path measures


def test_paths_of_three_banks_by_hand():
    # impact: 0 on 1 10/5 -> 1, on 2 3/2 -> 1; 1 on 0 1/2, on 2 2/2 = 1; 2 on 1 3/5
    assert criticality(TINY, BUFFER).tolist() == [2.0, 1.5, 0.6]
    assert criticality(TINY, BUFFER, binary=True).tolist() == [2.0, 1.0, 0.0]
    # binary walks: 0 -> 1, 0 -> 2, 1 -> 2, and 0 -> 1 -> 2 as a half
    assert impact_susceptibility(TINY, BUFFER).tolist() == [0.0, 1.0, 2.5 / 2]
    assert impact_susceptibility(TINY, BUFFER, terms=1).tolist() == [0.0, 1.0, 1.0]
    assert impact_susceptibility(TINY, BUFFER, weights=WEIGHTS).tolist() == [0.0, 100.0, 75.0]
    assert impact_fluidity(TINY, BUFFER) == 0.75
    assert_allclose(impact_fluidity(TINY, BUFFER, weights=WEIGHTS), 175 / 3, rtol=1e-15)
    found = impact_diffusion(TINY, BUFFER)
    assert found.start.tolist() == [1.25, 1.0, 0.0]
    assert found.intermediate.tolist() == [0.0, 0.5, 0.0]
    assert found.total.tolist() == [1.25, 1.5, 0.0]
    # weighted ends: all walks of 0 are 1 * 100 + 1.5 * 30; of 1: 1 * 30 and, through it, half of 30
    weighted = impact_diffusion(TINY, BUFFER, weights=WEIGHTS)
    assert weighted.start.tolist() == [145.0, 30.0, 0.0]
    assert weighted.intermediate.tolist() == [0.0, 15.0, 0.0]


def test_paths_of_three_banks_of_the_published_program():
    wanted = golden("nrm_small.json")["tiny"]["measures"]
    close = {"rtol": 1e-10, "atol": 1e-12}
    impact = np.array(TINY).T / np.array(BUFFER)
    assert_allclose(impact, wanted["impact_matrix"], **close)
    assert_allclose(communicability(impact), wanted["communicability_of_impact"], **close)
    assert_allclose(communicability(impact, terms=10), wanted["communicability_terms10"], **close)
    assert_allclose(criticality(TINY, BUFFER), wanted["criticality"], **close)
    assert_allclose(impact_susceptibility(TINY, BUFFER), wanted["impact_susceptibility"], **close)
    assert_allclose(impact_susceptibility(TINY, BUFFER, binary=False), wanted["impact_susceptibility_binaryF"], **close)
    assert_allclose(
        impact_susceptibility(TINY, BUFFER, weights=WEIGHTS), wanted["impact_susceptibility_weighted"], **close
    )
    assert_allclose(impact_fluidity(TINY, BUFFER), wanted["impact_fluidity"], **close)
    for binary, name in ((True, "impact_diffusion"), (False, "impact_diffusion_binaryF")):
        found = impact_diffusion(TINY, BUFFER, binary=binary)
        for part in ("start", "intermediate", "total"):
            assert_allclose(getattr(found, part), wanted[name][part], **close)


def test_paths_of_125_banks_of_the_published_program(banks125):
    case, exposures, buffer, _ = banks125
    wanted, close = case["measures"], {"rtol": 1e-9, "atol": 1e-10}
    assert_allclose(criticality(exposures, buffer), wanted["criticality"], **close)
    assert_allclose(impact_susceptibility(exposures, buffer), wanted["impact_susceptibility"], **close)
    assert_allclose(impact_fluidity(exposures, buffer), wanted["impact_fluidity"], **close)
    found = impact_diffusion(exposures, buffer)
    for part in ("start", "intermediate", "total"):
        if part in wanted["impact_diffusion"]:
            assert_allclose(getattr(found, part), wanted["impact_diffusion"][part], **close)


def test_communicability_against_scipy():
    rng = np.random.default_rng(0)
    for n in (1, 2, 7, 20):
        matrix = rng.lognormal(-1.0, 2.0, (n, n)) * (rng.random((n, n)) < 0.4) * (1 - np.eye(n))
        found = communicability(matrix)
        assert_allclose(found, linalg.expm(matrix), rtol=1e-10, atol=1e-10)
        assert ((found >= matrix) & (found >= np.eye(n))).all()
    # a chain of 30: the walk to the end comes last and is 1/29! - not cut off
    chain = communicability(np.diag(np.ones(29), 1))
    assert_allclose(chain[0, 29], 1.0 / np.prod(np.arange(1.0, 30.0)), rtol=1e-14)
    # a strong pair: many terms before they fall
    pair = communicability([[0.0, 30.0], [30.0, 0.0]])
    assert_allclose(pair, [[np.cosh(30.0), np.sinh(30.0)], [np.sinh(30.0), np.cosh(30.0)]], rtol=1e-14)
    assert communicability([[0, 1], [1, 0]], terms=0).tolist() == [[1.0, 0.0], [0.0, 1.0]]


def test_diffusion_counts_every_walk_once():
    # on a star into a hub, only the hub carries: its row emptied, nothing is left but the first steps
    exposures = np.zeros((4, 4))
    exposures[1, 0] = exposures[2, 1] = exposures[3, 1] = 1.0  # 0 hits 1, 1 hits 2 and 3
    found = impact_diffusion(exposures, 1.0)
    assert_allclose(found.start, [1.0 + 2 * 0.5, 1.0, 0.0, 0.0])
    assert_allclose(found.intermediate, [0.0, 0.5, 0.0, 0.0])  # two halves over two direct steps


def test_measures_take_every_form():
    rng = np.random.default_rng(5)
    exposures = (rng.random((7, 7)) * (1 - np.eye(7))).astype(np.float32)
    equity = rng.uniform(0.3, 1.0, 7).astype(np.float32)
    before = exposures.copy()
    exposures.flags.writeable = equity.flags.writeable = False
    stress = rng.random((7, 3)) / 2

    def all_of(form):
        paths = impact_diffusion(form, equity)
        ranked = [single_defaults(form, equity, method=method) for method in ("debtrank", "cascade")]
        return [
            criticality(form, equity), impact_susceptibility(form, equity, binary=False), paths.total,
            contagion_index(form, equity, stress), *(x.impact for x in ranked), *(x.vulnerability for x in ranked),
        ]  # fmt: skip

    wanted = all_of(exposures.astype(np.float64))
    forms = [exposures, np.asfortranarray(exposures)]
    forms += [sparse.coo_array(exposures).asformat(name) for name in FORMATS]
    forms += [sparse.csr_matrix(exposures).asformat(name) for name in FORMATS]
    forms.append(Layer.from_matrix("layer", [f"agent {k}" for k in range(len(exposures))], exposures))
    for form in forms:
        for got, want in zip(all_of(form), wanted, strict=True):
            assert_array_equal(got, want)
    assert_array_equal(exposures, before)


@pytest.mark.parametrize("measure", [criticality, impact_susceptibility, impact_fluidity, impact_diffusion])
def test_bad_paths(measure):
    with pytest.raises(InputError) as caught:
        measure([[0, -1], [1, 2]], [1.0, 0.0])
    for part in ("exposures[0, 1] is -1", "exposures[1, 1] is 2", "equity[1] is 0; allowed: more than 0"):
        assert part in str(caught.value)
    with pytest.raises(InputError, match=r"equity has shape \(2, 1\)"):
        measure([[0, 1], [1, 0]], np.ones((2, 1)))
    assert np.size(getattr(measure([[0.0]], 1.0), "total", measure([[0.0]], 1.0))) == 1


def test_bad_options_of_paths():
    with pytest.raises(InputError, match="terms is -1"):
        impact_susceptibility(TINY, BUFFER, terms=-1)
    with pytest.raises(InputError, match=r"weights\[0\] is -1"):
        impact_diffusion(TINY, BUFFER, weights=[-1, 0, 0])
    with pytest.raises(InputError, match=r"matrix\[0, 0\] is 1"):
        communicability([[1.0]])
    with pytest.raises(InputError, match=r"terms is 1\.5"):
        communicability([[0.0]], terms=1.5)


def test_an_unusable_network_is_the_only_fault_reported() -> None:
    # with no agents to go by, every other length would look wrong
    for wrong in (np.array([["a"]]), np.zeros(3), np.zeros((2, 3))):
        with pytest.raises(InputError) as error:
            contagion_index(wrong, [5.0, 2.0], [[0.0, 1.0], [0.0, 3.0]])
        assert [problem.key for problem in error.value.problems] == ["exposures"]
