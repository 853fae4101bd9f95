"""Notebook cards: one look, everything escaped, what differs from the base."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sim.experiments.card import card as result_card
from sim.experiments.monte_carlo import run
from sim.networks.layer import Layer
from sim.report.cards import card, table, text
from sim.scenario.card import differences
from sim.scenario.load import load
from sim.scenario.schema import Scenario
from sim.system import System

EVIL = "<script>alert('x')</script>$x^2$\u202e"


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        self.open.append(tag)
        assert all(name == "style" for name, _ in attrs)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def tags(shown: str) -> set[str]:
    reader = Tags()
    reader.feed(shown)
    assert reader.open == []
    return set(reader.seen)


ALLOWED = {"div", "span", "b", "bdi", "table", "tr", "th", "td", "small"}


def test_card_has_only_plain_tags_and_escapes_all() -> None:
    shown = card(EVIL, EVIL, EVIL, {EVIL: EVIL}, [table([EVIL, "n"], [[EVIL, EVIL]], caption=EVIL)], [EVIL] * 12)
    assert tags(shown) <= ALLOWED
    assert "$" not in shown
    assert "\u202e" not in shown
    assert shown.count("&lt;script&gt;") == 9 + 8
    assert "and 4 more" in shown


def test_text_shows_what_is_invisible() -> None:
    assert text("a\x1bb\tc\u202e é 中") == "a\\x1bb c\\u202e é 中"
    assert text(3) == "3"


def test_table_puts_numbers_to_the_right() -> None:
    shown = table(["a", "b"], [["x", "1"]])
    assert "text-align:left" in shown.partition(">a<")[0]
    assert "text-align:right" in shown.partition("<bdi>1")[0].rpartition("<td")[2]


def test_system_and_layer_escape_ids() -> None:
    banks = pd.DataFrame({"id": ["<i>x</i>", "B"], "total_assets": [10.0, 20.0], "equity": [1.0, 2.0]})
    system = System.from_frames(banks, currency="<b>")._repr_html_()
    layer = Layer.from_matrix(EVIL, ("<i>x</i>", "B"), np.array([[0.0, 3.0], [0.0, 0.0]]))._repr_html_()
    for shown in (system, layer):
        assert tags(shown) <= ALLOWED
        assert "&lt;i&gt;x&lt;/i&gt;" in shown
    assert "2 banks" in system
    assert "&lt;b&gt;" in system
    assert "50.0% of all pairs" in layer


def test_scenario_tells_what_differs_from_its_base() -> None:
    base, changes = differences(load("eu48_single_failures"))
    found = {key: (there, here) for key, there, here in changes}
    assert base == "eu48"
    assert found["mode"] == ("dynamic", "static")
    assert found["channels.market.enabled"] == ("true", "false")
    assert found["shocks.0.target"] == ("–", "banks[each]")
    assert "title" not in found
    shown = load("eu48_single_failures")._repr_html_()
    assert tags(shown) <= ALLOWED
    assert "What differs from eu48" in shown


def test_overridden_scenario_tells_what_differs_from_its_file() -> None:
    changed = load("eu48_sovereign").override({"monte_carlo.draws": 50, "channels.market.enabled": False})
    base, changes = differences(changed)
    assert base == "eu48_sovereign"
    assert changes == [("monte_carlo.draws", "1000", "50"), ("channels.market.enabled", "true", "false")]


def test_scenario_beside_its_base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text("version: 1\nname: mine\nbase: ring_of_ten\nmonte_carlo: {draws: 3}\n")
    (tmp_path / "next.yaml").write_text("version: 1\nname: next\nbase: mine\nmonte_carlo: {draws: 4}\n")
    assert differences(load("next.yaml")) == ("mine", [("monte_carlo.draws", "3", "4")])
    (tmp_path / "mine.yaml").write_text("broken: [")
    assert differences(load("ring_of_ten")) == ("ring_of_ten", [])


def test_scenario_without_a_file_has_no_base() -> None:
    banks = pd.DataFrame({"id": ["A", "B"], "total_assets": [10.0, 20.0], "equity": [1.0, 2.0]})
    made = Scenario(system=System.from_frames(banks), name=EVIL[:30], title=EVIL[:30])
    assert differences(made) == ("", [])
    shown = made._repr_html_()
    assert tags(shown) <= ALLOWED
    assert "2 banks, given in Python" in shown
    assert "no shock" in shown


def test_result_card_has_the_numbers() -> None:
    shown = result_card(run("ring_of_ten", draws=2, seed=1))
    assert tags(shown) <= ALLOWED
    # ring_of_ten by hand: 20 are lost in all, 5 of it to the shock, two banks fail
    assert "<bdi>20</bdi>" in shown
    assert "<bdi>defaults</bdi>" in shown
    assert "no 95 % interval from 2 draws" in shown
