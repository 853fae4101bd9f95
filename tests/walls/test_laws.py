"""The laws of walls: the page's own wall keeps them, found by its entry point; liars are caught, each by its law."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from sim import plugins
from sim.errors import PluginError
from sim.experiments.contract import hold_to_laws
from sim.experiments.wall_laws import broken_laws, places
from sim.walls import WALLS, Wall
from sim.walls.base import Path as Way

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "walls.md"
LOSSES = Way("levy", ("M_C",), "losses of {a}", "losses", (("before", "credit"),))


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Let an entry point of the group of walls lead to a class."""

    def install(name: str, made: type[Wall]) -> None:
        globals()["Installed"] = made
        entry = EntryPoint(name, f"{__name__}:Installed", "sim.walls")
        monkeypatch.setattr(plugins, "installed", lambda group=None: (entry,) if group in (None, "sim.walls") else ())

    yield install
    globals().pop("Installed", None)
    WALLS._loaded.clear()
    WALLS._known.clear()


def test_the_wall_of_the_page_keeps_the_laws(installed: Any) -> None:
    found = re.findall(r"^```python\n(.*?)^```", PAGE.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    wall, test = (text for text in found if "BranchHours(Wall)" in text or "hold_to_laws" in text)
    names: dict[str, Any] = {"__name__": __name__}
    exec(wall, names)
    installed("branch_hours", names["BranchHours"])
    assert broken_laws("branch_hours", {"between": "C_L"}) == []
    assert 'hold_to_laws("walls", "branch_hours")' in test


class Made(Wall):
    """Gives banks what they lost to the market."""

    interface: ClassVar[int] = 1
    paths: ClassVar[tuple[Way, ...]] = (LOSSES,)

    def amount(self, stand: Any, step: Any) -> Any:
        """Return what banks get."""
        return stand.closed()[step.state.banks] * 1e-4 * step.state.cash[step.state.banks]

    def act(self, stand: Any, step: Any, when: str) -> None:
        """Give it out of nothing."""
        step.ledger.destroy(step.state.banks, -self.amount(stand, step), stand.source)


class Always(Made):
    """Takes without an event, and whatever its permeability."""

    def act(self, stand: Any, step: Any, when: str) -> None:
        """Let banks owe a little more every day."""
        banks = step.state.banks
        step.ledger.create("other_liabilities", banks, 1e-4 * step.state.cash[banks], stand.source)


class Leaky(Made):
    """Stands for all lanes together."""

    conserves: ClassVar[bool] = False

    def amount(self, stand: Any, step: Any) -> Any:
        """Return what banks get."""
        lost = np.maximum(0.0, step.state.loss[0, step.state.banks])
        return stand.closed()[step.state.banks] * lost.mean(axis=1, keepdims=True)


class Past(Made):
    """Writes past the ledger."""

    def act(self, stand: Any, step: Any, when: str) -> None:
        """Give it out of nothing, to nobody's knowledge."""
        step.state.cash[step.state.banks] += self.amount(stand, step)


LIARS: dict[type[Wall], tuple[str, ...]] = {
    Made: ("gives out of nothing", "without an event"),
    Always: ("without an event", "just below permeability 1", "is switched off", "with credibility 0"),
    Leaky: ("played again alone, differs",),
    Past: ("audit",),
}


@pytest.mark.parametrize("liar", LIARS)
def test_a_wall_that_breaks_a_law_is_caught(liar: type[Wall], installed: Any) -> None:
    installed("liar", liar)
    found = broken_laws("liar")
    for law in LIARS[liar]:
        assert any(law in line for line in found), (law, found)
    if liar is Always:
        with pytest.raises(PluginError, match=r"wall 'liar' breaks \d+ laws"):
            hold_to_laws("walls", "liar")


def test_a_wall_is_examined_on_every_path() -> None:
    assert [at["path"] for at in places(WALLS["absorbing"], "absorbing")] == ["claims", "losses", "cash", "last_resort"]
    # a cell of several walls once for each set of them; one of a single wall is examined as that
    assert places(WALLS["standard"], "standard") == [{"between": "C_C"}, {"between": "C_L"}]
