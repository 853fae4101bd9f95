"""Network generators: the density asked for, every total met, luck by address, in scenarios and from other packages."""

from __future__ import annotations

import json
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sim
from sim.cli.app import main
from sim.errors import InputError, PluginError
from sim.networks.base import Margins, made, pair_uniforms
from sim.networks.fitness import probabilities, products
from sim.networks.generators import GENERATORS, Generator
from sim.networks.laws import broken_laws, stage
from sim.networks.layer import Layer
from sim.networks.weights import missed, weigh
from sim.scenario.build import build, builder
from sim.scenario.json_schema import scenario_schema
from sim.streams import Draws

FITNESS, TIERS = GENERATORS["fitness"], GENERATORS["core_periphery"]


def margins(lent, owed, size=None) -> Margins:
    lent, owed = np.asarray(lent, float), np.asarray(owed, float)
    return Margins(tuple(f"B{k}" for k in range(lent.size)), lent, owed, lent + owed if size is None else size)


def claims(generator: Generator, given: Margins, network: int = 0, seed: int = 7) -> np.ndarray:
    return made(generator, "interbank", given, Draws(seed, [network])).to_scipy().toarray()


def of_eu48() -> Margins:
    banks = build("eu48").agents
    columns = (banks[name].to_numpy() for name in ("interbank_assets", "interbank_liabilities", "total_assets"))
    return Margins(tuple(banks.index), *columns)


# -- weights on given links --------------------------------------------------------------------------------------------


def test_two_links_a_row_by_hand():
    # with all links but the diagonal and gravity weights, the scaled network is that of maximum entropy: margins
    # (10, 20, 30) and (20, 25, 15) give the published table
    links = ~np.eye(3, dtype=bool)
    gravity = np.outer([10.0, 20.0, 30.0], [20.0, 25.0, 15.0])
    found = weigh(gravity, links, np.zeros((3, 3)), np.array([10.0, 20.0, 30.0]), np.array([20.0, 25.0, 15.0]))
    expected = [[0, 5.9217, 4.0783], [9.0783, 0, 10.9217], [10.9217, 19.0783, 0]]
    np.testing.assert_allclose(found.claims, expected, atol=5e-5)
    assert (found.drawn, found.added, found.note) == (6, 0, "6 links")


def test_a_cut_that_is_too_narrow_gets_the_next_link_and_no_other():
    # bank 0 lends 5 and is linked to bank 1 alone, which borrows 3: the missing 2 need a link to bank 2 or 3
    lent, owed = np.array([5.0, 1.0, 1.0, 1.0]), np.array([1.0, 3.0, 1.5, 2.5])
    links = np.zeros((4, 4), bool)
    for i, j in ((0, 1), (1, 2), (1, 0), (2, 3), (2, 0), (3, 2), (3, 0)):
        links[i, j] = True
    order = np.full((4, 4), 9.0)
    order[0, 3] = 1.0
    found = weigh(np.ones((4, 4)), links, order, lent, owed)
    assert found.added == 1
    assert missed(found.claims, lent, owed) < 1e-12
    assert found.claims[0, 1] == pytest.approx(3)
    assert found.claims[0, 3] == pytest.approx(2)
    assert (found.claims[~links & (order == 9.0)] == 0).all()
    assert "8 links, 1 of them added because the 7 drawn cannot carry the totals" in found.note


def test_a_link_that_can_carry_nothing_is_told():
    # equal banks: bank 0 can lend to bank 1 only, so nothing is left for the claim of bank 2 on bank 1
    links = np.array([[0, 1, 0], [0, 0, 1], [1, 1, 0]], bool)
    found = weigh(np.ones((3, 3)), links, np.ones((3, 3)), np.full(3, 6.0), np.full(3, 6.0))
    np.testing.assert_allclose(found.claims, [[0, 6, 0], [0, 0, 6], [6, 0, 0]], atol=1e-11)
    assert found.added == 0
    assert found.note in {"3 links; 1 drawn links carry nothing", "4 links"}  # the rest of a rounding may stay


def test_the_only_network_there_is():
    # bank 0 lends as much as all others owe: whatever is drawn, it has the only claims on them
    lent, owed = np.array([6.0, 1.0, 2.0]), np.array([3.0, 4.0, 2.0])
    found = claims(FITNESS(density=0.2), margins(lent, owed))
    np.testing.assert_allclose(found, [[0, 4, 2], [1, 0, 0], [2, 0, 0]], atol=1e-12)


def test_totals_that_no_network_has_are_refused():
    with pytest.raises(InputError, match="at most the"):
        claims(FITNESS(), margins([9.0, 1.0, 1.0], [5.0, 3.0, 3.0]))


@settings(max_examples=60, deadline=None)
@given(n=st.integers(3, 25), seed=st.integers(0, 10**6), density=st.floats(0.01, 1.0), spread=st.floats(0.0, 2.5))
def test_every_total_is_met_whatever_is_drawn(n, seed, density, spread):
    rng = np.random.default_rng(seed)
    lent, owed = np.exp(rng.normal(0, spread, n)), np.exp(rng.normal(0, spread, n))
    owed *= lent.sum() / owed.sum()
    lent, owed = np.minimum(lent, 0.4 * lent.sum()), np.minimum(owed, 0.4 * owed.sum())
    owed *= lent.sum() / owed.sum()
    if (lent + owed >= lent.sum()).any():  # no network
        return
    given = margins(lent, owed)
    found = claims(FITNESS(density=density), given, network=seed % 7)
    assert missed(found, lent, owed) < 1e-9
    assert (np.diag(found) == 0).all()
    assert (found >= 0).all()


# -- fitness -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("density", [0.02, 0.12, 0.5, 0.9])
def test_probabilities_add_to_the_density(density):
    x = products(of_eu48())
    found = probabilities(x, density)
    assert found.sum() == pytest.approx(density * 48 * 47, rel=1e-12)
    # the odds are in proportion to the product of what both sides trade
    odds = found[x > 0] / (1 - found[x > 0]) / x[x > 0]
    np.testing.assert_allclose(odds, odds[0], rtol=1e-8)


def test_networks_have_the_density_asked_for():
    # drawn links over 300 networks against their mean and standard error; links that were added do not count
    given = of_eu48()
    chances = probabilities(products(given), 0.12)
    drawn = [(pair_uniforms(Draws(7, [k]), "networks.interbank/links", given.ids) < chances).sum() for k in range(300)]
    spread = np.sqrt((chances * (1 - chances)).sum() / 300)
    assert abs(np.mean(drawn) - 0.12 * 48 * 47) < 3 * spread
    told = [made(FITNESS(density=0.12), "interbank", given, Draws(7, [k])).note for k in range(3)]
    assert all(f"the {n} drawn" in note or f"{n} links" in note for n, note in zip(drawn, told, strict=False))


def test_expected_weights_are_those_of_the_gravity_model():
    # before scaling, a link has the weight a l / p with probability p: over networks the mean is a l
    given = of_eu48()
    chances = probabilities(products(given), 0.3)
    gravity = products(given)
    total = np.zeros_like(gravity)
    for k in range(400):
        luck = pair_uniforms(Draws(3, [k]), "s", given.ids)
        total += np.where(luck < chances, gravity / np.where(chances > 0, chances, 1), 0.0)
    error = np.sqrt((gravity**2 * (1 / np.where(chances > 0, chances, 1) - 1)).sum() / 400)
    assert abs(total.sum() / 400 - gravity.sum()) < 4 * error


def test_a_density_that_cannot_be_reached_is_told_with_what_can():
    # two of four banks lend, all borrow: 6 of 12 pairs
    given = margins([4.0, 4.0, 0, 0], [2.0, 2.0, 2.0, 2.0])
    assert FITNESS(density=0.5).problems(given) == []
    assert FITNESS(density=0.6).problems(given) == [
        "density = 0.6: only 0.5 of all pairs have something to lend and to borrow"
    ]
    tiers = TIERS(core=0.25, density=0.9)
    assert tiers.problems(stage()) == ["density = 0.9: with 3 of 12 banks in the core it is from 0.0455 to 0.409"]


# -- core and periphery ------------------------------------------------------------------------------------------------


def test_tiers_are_the_large_banks_and_the_others():
    # totals in proportion to size, so the core of 12 has room for what the other 8 lend and borrow
    n, rng = 20, np.random.default_rng(1)
    core = np.arange(n) >= 8
    size = np.where(core, rng.uniform(4, 8, n), rng.uniform(0.5, 1, n))
    given = margins(size, size, size=size)
    counts = np.zeros((2, 2))
    for k in range(20):
        found = claims(TIERS(core=0.6, density=0.5), given, k) > 0
        for a in (0, 1):
            for b in (0, 1):
                counts[a, b] += found[np.ix_(core == a, core == b)].sum()
    assert counts[0, 0] == 0
    assert counts[1, 1] == 20 * 132
    # 0.5 * 380 = 190 links, 132 of them in the core: 58 of 192 pairs between the tiers, and some that were added
    assert counts[0, 1] + counts[1, 0] == pytest.approx(20 * 60, abs=4 * np.sqrt(20 * 192 * 0.30 * 0.70))


def test_a_core_too_small_for_the_totals_gets_links_outside_it_last():
    given = margins(np.ones(10), np.ones(10), size=np.arange(10.0))
    layer = made(TIERS(core=0.1, density=0.15), "interbank", given, Draws(1, [0]))
    found = layer.to_scipy().toarray()
    assert missed(found, given.assets, given.liabilities) < 1e-12
    assert (found[:9, :9] > 0).any()
    assert "added" in layer.note


# -- luck --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["fitness", "core_periphery"])
def test_a_network_is_a_function_of_its_number_and_the_seed(name):
    given = of_eu48()
    generator = GENERATORS[name]()
    first = claims(generator, given, 3)
    assert np.array_equal(first, claims(generator, given, 3))
    assert not np.array_equal(first, claims(generator, given, 4))
    assert not np.array_equal(first, claims(generator, given, 3, seed=8))


def test_the_luck_of_a_pair_belongs_to_both_names():
    both = pair_uniforms(Draws(7, [2]), "s", ("A", "B", "C"))
    fewer = pair_uniforms(Draws(7, [2]), "s", ("C", "A"))
    assert fewer[0, 1] == both[2, 0]
    assert fewer[1, 0] == both[0, 2]
    assert len(np.unique(both)) == 9


def test_maximum_entropy_is_one_network():
    assert broken_laws("max_entropy") == []
    assert not GENERATORS["max_entropy"].is_random


# -- in a scenario -----------------------------------------------------------------------------------------------------


def test_a_generator_replaces_the_reconstruction_of_the_base(tmp_path):
    path = tmp_path / "drawn.yaml"
    path.write_text("version: 1\nname: drawn\nbase: eu48\nsystem: {layers: {interbank: {generator: fitness}}}\n")
    system = build(sim.load(path), seed=7)
    layer = system.layer("interbank")
    assert layer.imputed
    assert 200 < layer.n_edges < 400
    even = build("eu48")
    for name in ("interbank_assets", "interbank_liabilities", "total_assets", "equity"):
        np.testing.assert_allclose(system.agents[name], even.agents[name], rtol=1e-9)
    (told,) = (each["how"] for each in system.imputed if each["table"] == "exposures")
    assert told.startswith("fitness model of expected density 0.12")
    assert f"{layer.n_edges} links" in told
    assert told.endswith("in network 0")


def test_a_file_may_change_a_parameter_alone(tmp_path):
    (tmp_path / "one.yaml").write_text(
        "version: 1\nname: one\nbase: eu48\nsystem: {layers: {interbank: {generator: fitness, density: 0.3}}}\n"
    )
    (tmp_path / "two.yaml").write_text(
        "version: 1\nname: two\nbase: one\nsystem: {layers: {interbank: {density: 0.2}}}\n"
    )
    (tmp_path / "three.yaml").write_text(
        "version: 1\nname: three\nbase: two\nsystem: {layers: {interbank: {generator: core_periphery}}}\n"
    )
    assert sim.load(tmp_path / "two.yaml").system.layers.interbank.generator == FITNESS(density=0.2)
    assert sim.load(tmp_path / "three.yaml").system.layers.interbank.generator == TIERS(density=0.12)


def test_the_same_key_has_the_network_that_was_there():
    plain, named = (
        sim.load("eu48"),
        sim.load("eu48").override({"system.layers.interbank": {"generator": "max_entropy"}}),
    )
    assert np.array_equal(build(plain).layer("interbank").weights, build(named).layer("interbank").weights)
    again = named.override({"system.layers.interbank": {"generator": "fitness", "density": 0.12}})
    assert again.plain()["system"]["layers"] == {"interbank": {"generator": "fitness", "density": 0.12}}
    assert again.override({"system.layers.interbank.density": 0.2}).system.layers.interbank.generator.density == 0.2
    assert len({plain.digest, named.digest, again.digest}) == 3


def test_networks_of_a_scenario_differ_in_their_claims_and_nothing_else():
    scenario = sim.load("eu48").override({"system.layers.interbank": {"generator": "fitness", "density": 0.2}})
    make = builder(scenario, 7)
    one, two = make(0), make(5)
    assert not np.array_equal(one.layer("interbank").indices, two.layer("interbank").indices)
    np.testing.assert_allclose(one.agents["loans"], two.agents["loans"], rtol=1e-9)
    assert np.array_equal(two.layer("interbank").weights, build(scenario, 7, network=5).layer("interbank").weights)
    assert not np.array_equal(two.layer("interbank").indices, build(scenario, 8, network=5).layer("interbank").indices)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"generator": "fitnes"}, "unknown network generator 'fitnes'; did you mean 'fitness'?"),
        ({"generator": "fitness", "densty": 0.1}, "did you mean 'density'? (known: density)"),
        ({"generator": "fitness", "density": 40}, "system.layers.interbank.density = 40 must be in (0, 1]"),
        ({"generator": "fitness", "file": "e.csv"}, "give one of file, reconstruct and generator"),
        ({"density": 0.1}, 'unknown key "system.layers.interbank.density" (known: file, reconstruct, generator)'),
        (
            {"generator": "core_periphery", "core": 0.1, "density": 0.9},
            "system.layers.interbank: generator core_periphery: density = 0.9: with 5 of 48 banks in the core",
        ),
    ],
)
def test_what_is_wrong_with_a_generator_is_said_with_its_key(source, message):
    with pytest.raises(InputError) as caught:
        build(sim.load("eu48").override({"system.layers.interbank": source}), seed=1)
    assert message in str(caught.value)


def test_a_generator_without_totals_says_which_column_is_missing(tmp_path):
    (tmp_path / "banks.csv").write_text("id,total_assets,equity\nA,10,1\nB,10,1\n")
    path = tmp_path / "s.yaml"
    path.write_text(
        "version: 1\nname: s\nsystem:\n  agents: {banks: {file: banks.csv}}\n"
        "  layers:\n    interbank: {generator: fitness}\n"
    )
    with pytest.raises(InputError, match=r"s.yaml:6: .*fitness needs each bank's total: a column interbank_assets in"):
        build(sim.load(path))


# -- of other packages -------------------------------------------------------------------------------------------------


class Chain(Generator):
    """Everybody lends to the next one."""

    name: ClassVar[str] = "chain"
    is_random: ClassVar[bool] = False
    wrong: str = ""
    """What it does wrong."""

    def layer(self, name, margins, draws, stream):
        n = len(margins.ids)
        matrix = np.roll(np.diag(margins.assets), 1, axis=1)
        if self.wrong == "totals":
            matrix[0] *= 0.5
        if self.wrong == "nothing":
            return matrix
        ids = margins.ids[::-1] if self.wrong == "ids" else margins.ids
        assert n == len(ids)
        return Layer.from_matrix(name, ids, matrix, imputed=self.wrong != "observed")


def test_a_generator_of_others_is_held_to_its_contract():
    given = margins(np.ones(4), np.ones(4))
    assert claims(Chain(), given)[0, 1] == 1.0
    for wrong, message in {
        "totals": "misses a total by 0.5 of it",
        "nothing": "returned array",
        "ids": "allowed: layer 'interbank' of the agents given, imputed=True",
        "observed": "imputed=True",
    }.items():
        with pytest.raises(PluginError, match=message):
            claims(Chain(wrong=wrong), given)


@pytest.mark.parametrize(
    ("lie", "law"),
    [
        ("is_random", "five networks are the same"),
        ("clock", "made twice differs"),
        ("order", "order in which agents are listed"),
        ("currency", "do not scale"),
    ],
)
def test_a_generator_that_breaks_a_law_is_caught(lie, law, monkeypatch):
    class Liar(FITNESS):
        is_random: ClassVar[bool] = lie != "order"

        def layer(self, name, margins, draws, stream):
            if lie == "is_random":
                draws = Draws(1, [0])
            elif lie == "clock":
                draws = Draws(np.random.default_rng().integers(2**60), draws.draws)
            elif lie == "order":
                margins_ids = tuple(f"X{k}" for k in range(len(margins.ids)))
                found = super().layer(
                    name, Margins(margins_ids, margins.assets, margins.liabilities, margins.size), Draws(1, [0]), stream
                )
                return Layer(name, margins.ids, found.csr, imputed=True)
            elif lie == "currency" and margins.assets.sum() > 1e4:
                stream = "other"
            return super().layer(name, margins, draws, stream)

    monkeypatch.setitem(GENERATORS._own, "liar", Liar)
    assert any(law in line for line in broken_laws("liar", {"density": 0.3}))


def test_a_layer_keeps_its_claims_among_more_agents():
    layer = Layer.from_edges("interbank", ["A", "B"], ["A"], ["B"], [3.0])
    wider = layer.among(["A", "B", "X", "Y"])
    assert wider.to_scipy().toarray()[0].tolist() == [0.0, 3.0, 0.0, 0.0]
    assert wider.to_scipy().shape == (4, 4)
    with pytest.raises(sim.UsageError, match="must begin with its own 2 agents"):
        layer.among(["B", "A", "X"])


# -- what users look up ------------------------------------------------------------------------------------------------


def test_generators_are_listed_and_described(capsys):
    assert main(["list", "generators"]) == 0
    listed = capsys.readouterr().out
    assert main(["list", "networks"]) == 0
    assert capsys.readouterr().out == listed
    assert {"core_periphery", "fitness", "max_entropy"} <= {line.split()[0] for line in listed.splitlines()}
    assert main(["describe", "fitness", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["sort"] == "network"
    assert [(row["key"], row["unit"], row["default"]) for row in told["parameters"]] == [("density", "1", "0.12")]
    assert "density" in told["equation"]
    assert "Cimini" in told["source"]


@pytest.mark.parametrize(
    ("source", "fits"),
    [
        ({"file": "e.csv"}, True),
        ({"reconstruct": "max_entropy"}, True),
        ({"generator": "fitness", "density": 0.2}, True),
        ({"generator": "package:name", "own": 1}, True),
        ({"density": 0.2}, True),  # on top of a base
        ({"generator": "fitnes"}, False),
        ({"generator": "fitness", "core": 0.2}, False),
        ({"generator": "fitness", "density": 2}, False),
        ({"file": "e.csv", "reconstruct": "max_entropy"}, False),
    ],
)
def test_the_schema_for_editors_knows_the_ways_to_make_a_layer(source, fits):
    jsonschema = pytest.importorskip("jsonschema")
    said = {"version": 1, "name": "x", "base": "eu48", "system": {"layers": {"interbank": source}}}
    assert jsonschema.Draft202012Validator(scenario_schema()).is_valid(said) == fits
