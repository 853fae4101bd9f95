"""Watts' thresholds: hand calculations, ties, the cascade window by simulation, lanes; the rumour's final size."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from sim.contagion.complex_contagion import complex_contagion, rumour_final_share, watts_window
from sim.errors import ConvergenceError, InputError
from sim.networks.layer import Layer

FORMATS = ["coo", "csc", "csr", "bsr", "dia", "lil", "dok"]
PATH = [[0, 1, 0, 0], [1, 0, 1, 0], [0, 1, 0, 1], [0, 0, 1, 0]]


def random_graph(rng, n, z):
    upper = np.triu(rng.random((n, n)) < z / (n - 1), 1)
    return sparse.csr_array((upper | upper.T).astype(float))


def slow(network, seeds, threshold):
    """Play the rule agent by agent."""
    network = np.asarray(network, float)
    active, wave, turn = list(seeds), [int(s) for s in seeds], 1
    while True:
        turn += 1
        fresh = []
        for i in range(len(active)):
            strength = sum(network[i])
            share = sum(network[i, j] for j in range(len(active)) if active[j])
            if not active[i] and strength > 0 and share / strength >= threshold[i]:
                fresh.append(i)
        if not fresh:
            return wave
        for i in fresh:
            active[i], wave[i] = 1, turn


def fields(found):
    return [found.is_active, found.wave, found.share, found.size, found.rounds, found.residual, found.status]


# ------------------------------------------------------------------------------------------------------ by hand


def test_a_path_by_hand():
    # shares: 1 sees 1 of 2 active, then 2, then the end 3 sees 1 of 1
    found = complex_contagion(PATH, [1, 0, 0, 0], 0.5)
    assert found.wave.tolist() == [1, 2, 3, 4]
    assert found.is_active.all()
    assert found.size == 1.0
    assert found.rounds == 4  # three waves, and one round in which nothing moves
    assert (found.residual, found.status) == (0.0, "certified")


def test_the_row_is_influenced_by_the_column():
    # 0 listens to 1 (weight 3) and 2 (weight 1); 1 and 2 listen to nobody
    heard = [[0, 3, 1], [0, 0, 0], [0, 0, 0]]
    assert complex_contagion(heard, [0, 1, 0], 0.75).wave.tolist() == [2, 1, 0]
    assert complex_contagion(heard, [0, 1, 0], 0.76).wave.tolist() == [0, 1, 0]
    assert complex_contagion(heard, [0, 0, 1], 0.26).wave.tolist() == [0, 0, 1]
    assert complex_contagion(heard, [1, 0, 0], 0.01).wave.tolist() == [1, 0, 0]


def test_shares_and_size():
    found = complex_contagion([[0, 3, 1], [0, 0, 0], [0, 0, 0]], [0, 1, 0], 0.9)
    assert found.share.tolist() == [0.75, 0.0, 0.0]
    assert found.size == 1 / 3
    weight = complex_contagion([[0, 3, 1], [0, 0, 0], [0, 0, 0]], [0, 1, 0], 3.0, normalize=False)
    assert weight.share.tolist() == [3.0, 0.0, 0.0]
    assert weight.wave.tolist() == [2, 1, 0]


@pytest.mark.parametrize(("active", "of", "threshold"), [(7, 100, 0.07), (3, 10, 0.3), (18, 100, 0.18), (1, 3, 1 / 3)])
def test_ties_of_decimal_thresholds(active, of, threshold):
    # a hub with `of` neighbours: a share equal to the threshold suffices, one neighbour less does not
    star = np.zeros((of + 1, of + 1))
    star[0, 1:] = 1.0
    seeds = np.zeros((of + 1, 2))
    seeds[1 : active + 1, 0] = 1.0
    seeds[1:active, 1] = 1.0
    assert complex_contagion(star, seeds, threshold).wave[0].tolist() == [2, 0]
    assert complex_contagion(star, seeds, threshold, strict=True).wave[0].tolist() == [0, 0]
    assert complex_contagion(star, seeds, np.nextafter(threshold, 0.0), strict=True).wave[0, 0] == 2


def test_strict_zero_is_simple_contagion():
    star = [[0, 1e-9, 1], [0, 0, 1], [0, 0, 0]]
    assert complex_contagion(star, [0, 1, 0], 0.0, strict=True).wave.tolist() == [2, 1, 0]
    assert complex_contagion(star, [0, 0, 0], 0.0, strict=True).wave.tolist() == [0, 0, 0]


def test_a_threshold_above_one_is_immunity():
    assert complex_contagion(PATH, [1, 0, 0, 0], [0.5, 0.5, 1.01, 0.5]).wave.tolist() == [1, 2, 0, 0]


def test_nobody_to_start_and_nobody_at_all():
    assert complex_contagion(PATH, [0, 0, 0, 0], 1e-300).size == 0.0
    assert complex_contagion(np.zeros((0, 0)), np.zeros(0), 0.5).size == 0.0
    assert complex_contagion(np.zeros((3, 3)), [1, 0, 0], 0.5).wave.tolist() == [1, 0, 0]


def test_too_few_rounds_are_not_an_answer():
    with pytest.raises(ConvergenceError, match="complex_contagion") as caught:
        complex_contagion(PATH, [1, 0, 0, 0], 0.5, max_rounds=2)
    assert caught.value.state.wave.tolist() == [1, 2, 3, 0]
    left = complex_contagion(PATH, [1, 0, 0, 0], 0.5, max_rounds=2, allow_uncertified=True)
    assert (left.status, left.rounds, left.residual) == ("not-certified", 2, 1.0)
    assert complex_contagion(PATH, [1, 0, 0, 0], 0.5, max_rounds=4).status == "certified"


# --------------------------------------------------------------------------------------------- window of cascades


def test_the_window_of_watts():
    # threshold 0.18: degrees up to 5 are vulnerable, z P(Poisson(z) <= 3) = 1 at both ends
    low, high = watts_window(0.18)
    assert_allclose([low, high], [1.0207039085137, 5.7646770871616], rtol=1e-11)
    for z in (low, high):
        assert_allclose(z * math.exp(-z) * (1 + z + z**2 / 2 + z**3 / 6), 1.0, rtol=1e-11)


def test_windows_of_other_thresholds():
    assert watts_window(0.2) == watts_window(0.18) == watts_window(1 / 6 + 1e-12)  # five neighbours
    # 1/6: six neighbours, z P(Poisson(z) <= 4) = 1, the window of Gai and Kapadia for J = 5
    assert_allclose(watts_window(1 / 6), [1.004, 7.477], atol=5e-4)
    assert all(math.isnan(end) for end in watts_window(0.26))  # three neighbours: z (1 + z) e^-z stays below 1
    assert_allclose(watts_window(0.01), [1.0, 124.54438919], rtol=1e-9)
    assert watts_window(0.002)[1] == pytest.approx(566.679, abs=1e-3)


def test_the_window_of_four_neighbours_by_its_equation():
    low, high = watts_window(0.25)
    assert low < 2.0 < high
    for z in (low, high):
        assert_allclose(z * math.exp(-z) * (1 + z + z**2 / 2), 1.0, rtol=1e-11)


@pytest.mark.parametrize(("z", "inside"), [(0.5, False), (2.0, True), (4.0, True), (9.0, False), (12.0, False)])
def test_cascades_happen_inside_the_window_only(z, inside):
    # 1,000 agents, threshold 0.18, one seed in each of 60 draws; a cascade reaches more than 5 %
    rng = np.random.default_rng(int(100 * z))
    seeds = np.zeros((1000, 60), dtype=bool)
    seeds[rng.integers(0, 1000, 60), np.arange(60)] = True
    sizes = complex_contagion(random_graph(rng, 1000, z), seeds, 0.18).size
    assert (np.mean(sizes > 0.05) > 0.25) == inside
    if inside:
        assert sizes[sizes > 0.05].min() > 0.7
    else:
        assert sizes.max() < 0.05


# -------------------------------------------------------------------------------------------------------- rumour


def test_the_final_share_of_a_rumour():
    assert rumour_final_share() == pytest.approx(0.20319, abs=5e-6)
    share = rumour_final_share()
    assert_allclose(share, math.exp(-2.0 * (1.0 - share)), rtol=1e-14)


@pytest.mark.parametrize(("spread", "stifle"), [(1.0, 2.0), (3.0, 1.0), (0.2, 0.1), (1.0, 30.0)])
def test_the_rumour_by_its_differential_equation(spread, stifle):
    ignorant, spreading, step = 1.0 - 1e-9, 1e-9, 0.01 / max(spread, stifle)
    for _ in range(400_000):

        def slope(i, u):
            return -spread * i * u, spread * i * u - stifle * u * (1.0 - i)

        a = slope(ignorant, spreading)
        b = slope(ignorant + 0.5 * step * a[0], spreading + 0.5 * step * a[1])
        ignorant, spreading = ignorant + step * b[0], spreading + step * b[1]
        if spreading < 1e-12:
            break
    assert rumour_final_share(spread=spread, stifle=stifle) == pytest.approx(ignorant, abs=2e-5)


def test_only_the_ratio_of_the_rates_counts():
    assert rumour_final_share(spread=4.0, stifle=6.0) == rumour_final_share(spread=2.0, stifle=3.0)


# ---------------------------------------------------------------------------------------------------- properties

cases = st.builds(
    lambda seed, n, fill: (np.random.default_rng(seed), n, fill),
    st.integers(0, 2**32 - 1),
    st.integers(1, 9),
    st.sampled_from([0.2, 0.5, 1.0]),
)


def drawn(case):
    rng, n, fill = case
    network = rng.integers(1, 5, (n, n)) * (rng.random((n, n)) < fill)
    np.fill_diagonal(network, 0)
    return rng, n, network, (rng.random(n) < 0.3).astype(float), rng.integers(1, 9, n) / 8.0


@given(cases)
@settings(max_examples=60)
def test_against_the_rule_agent_by_agent(case):
    _, _, network, seeds, threshold = drawn(case)
    found = complex_contagion(network, seeds, threshold)
    assert found.wave.tolist() == slow(network, seeds, threshold)
    assert_array_equal(found.is_active, found.wave > 0)
    assert found.size == found.is_active.sum() / seeds.size
    assert found.rounds <= seeds.size + 1


@given(cases)
@settings(max_examples=40)
def test_monotone_relabelled_scaled(case):
    rng, n, network, seeds, threshold = drawn(case)
    found = complex_contagion(network, seeds, threshold)
    more = complex_contagion(network, np.maximum(seeds, rng.random(n) < 0.2), threshold)
    assert (more.is_active >= found.is_active).all()
    easier = complex_contagion(network, seeds, threshold * rng.uniform(0.5, 1.0, n))
    assert (easier.is_active >= found.is_active).all()
    assert (complex_contagion(network, seeds, threshold, strict=True).is_active <= found.is_active).all()
    assert_array_equal(complex_contagion(network * 4.0, seeds, threshold).wave, found.wave)
    order = rng.permutation(n)
    moved = complex_contagion(network[np.ix_(order, order)], seeds[order], threshold[order])
    assert_array_equal(moved.wave, found.wave[order])
    alone = np.zeros((n + 1, n + 1))
    alone[:n, :n] = network
    assert_array_equal(complex_contagion(alone, [*seeds, 0], [*threshold, 0.5]).wave, [*found.wave, 0])


# ------------------------------------------------------------------------------------------------ lanes and forms


def test_lanes_are_single_calls():
    rng = np.random.default_rng(1)
    network = random_graph(rng, 40, 3.0)
    seeds = rng.random((40, 6)) < 0.08
    threshold = rng.choice([0.2, 0.3, 0.5], (40, 6))
    for width in (1, 2, 6):
        block = fields(complex_contagion(network, seeds[:, :width], threshold[:, :width]))
        for lane in range(width):
            one = fields(complex_contagion(network, seeds[:, lane], threshold[:, lane]))
            for whole, single in zip(block, one, strict=True):
                assert_array_equal(whole[..., lane], single)
    assert len(set(block[4])) > 1


def test_input_forms_give_the_same_bits():
    rng = np.random.default_rng(7)
    network = random_graph(rng, 20, 3.0).toarray().astype(np.float32) * rng.integers(1, 4, (20, 20))
    seeds = np.arange(20) < 2
    wanted = fields(complex_contagion(network.astype(np.float64), seeds, 0.3))
    wide = np.zeros((40, 40), np.float32)
    wide[::2, ::2] = network
    forms = [network, np.asfortranarray(network), wide[::2, ::2], network.astype(int)]
    forms += [sparse.coo_array(network).asformat(name) for name in FORMATS]
    forms += [sparse.csr_matrix(network).asformat(name) for name in FORMATS]
    forms.append(Layer.from_matrix("layer", [f"agent {k}" for k in range(len(network))], network))
    for form in forms:
        for start in (seeds, seeds.astype(int), seeds.astype(np.float32)):
            for got, want in zip(fields(complex_contagion(form, start, 0.3)), wanted, strict=True):
                assert_array_equal(got, want)


def test_inputs_are_not_modified():
    network, seeds, threshold = np.array(PATH, float), np.array([1.0, 0.0, 0.0, 0.0]), np.full(4, 0.5)
    for values in (network, seeds, threshold):
        values.flags.writeable = False
    complex_contagion(network, seeds, threshold)
    assert seeds.tolist() == [1.0, 0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((PATH, [1, 0, 0], 0.5), {}, r"seeds has shape \(3,\)"),
        ((PATH, [1, 0.5, 0, 0], 0.5), {}, r"seeds\[1\] is 0.5; allowed: 0 or 1"),
        ((PATH, [[1, 0], [0, 0], [0, 0.25], [0, 0]], 0.5), {}, r"seeds\[2, 1\] is 0.25; allowed: 0 or 1"),
        ((PATH, [2, 0, 0, 0], 0.5), {}, r"seeds\[0\] is 2; allowed: 0 to 1"),
        ((PATH, [1, 0, 0, 0], 0.0), {}, "threshold is 0; allowed: more than 0"),
        ((PATH, [1, 0, 0, 0], [0.1, np.nan, 0.1, 0.1]), {}, r"threshold\[1\] is nan"),
        ((PATH, [1, 0, 0, 0], -0.1), {"strict": True}, "threshold is -0.1; allowed: 0 or more"),
        (([[0, -1], [0, 0]], [1, 0], 0.5), {}, r"network\[0, 1\] is -1"),
        (([[1, 0], [0, 0]], [1, 0], 0.5), {}, r"network\[0, 0\] is 1; allowed: 0 on the diagonal"),
        ((np.ones((2, 3)), [1, 0], 0.5), {}, "network has shape 2 x 3"),
        ((PATH, [1, 0, 0, 0], 0.5), {"max_rounds": 0}, "max_rounds is 0"),
    ],
)
def test_bad_input(arguments, options, message):
    with pytest.raises(InputError, match=message):
        complex_contagion(*arguments, **options)


@pytest.mark.parametrize("threshold", [0.0, 0.001, 1.01, np.nan])
def test_bad_windows(threshold):
    with pytest.raises(InputError, match="threshold is"):
        watts_window(threshold)


def test_bad_rates():
    with pytest.raises(InputError, match=r"spread is 0.*\n.*stifle is -1"):
        rumour_final_share(spread=0.0, stifle=-1.0)
