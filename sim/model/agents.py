"""Agents as mesa sees them: views of rows of the state, with a `decide` that a subclass may replace."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, ClassVar

from sim.agents.bank import BankDecision
from sim.agents.fund import FundDecision
from sim.agents.platform import PlatformDecision
from sim.agents.tech_firm import TechFirmDecision

if TYPE_CHECKING:
    from sim.model import ContagionModel

with warnings.catch_warnings():
    # mesa asks tqdm for a notebook's progress bar when it is imported, and tqdm complains where widgets are missing
    warnings.simplefilter("ignore")
    import mesa

__all__ = ["LANE", "Agent", "Bank", "Fund", "Platform", "TechFirm", "mesa"]

LANE = 0
"""A model plays one draw; its numbers are this lane of the state."""


class Agent(mesa.Agent):  # type: ignore[misc]
    """An agent as mesa sees it: one row of the state and nothing of its own.

    Every column of the state that its type has is an attribute (`cash`, `loans`, `deposits_insured`, ...), as are the
    names below. While `decide` runs they show what the rule may see, after a step what was left.

    Parameters
    ----------
    model : ContagionModel
        The model it belongs to.
    row : int
        Its row in the state.

    Attributes
    ----------
    id : str
        Name in the scenario, such as ``"DE20"``.
    row : int
        Its row in the state.
    """

    kind: ClassVar[str] = ""
    """Type of agent, as in ``state.types``."""

    model: ContagionModel

    def __init__(self, model: ContagionModel, row: int) -> None:
        super().__init__(model)
        self.row = row
        self.id = model.system.ids[row]

    def __getattr__(self, name: str) -> float:
        # only reached for names that are no attribute: the columns of the state
        model = self.__dict__.get("model")
        if model is None or name not in model.column_names(self.kind):
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        return float(model.column(name)[self.row])

    @property
    def equity(self) -> float:
        """Net worth, currency."""
        return float(self.model.column("equity")[self.row])

    @property
    def assets(self) -> float:
        """Book assets, currency."""
        return float(self.model.column("assets")[self.row])

    @property
    def equity0(self) -> float:
        """Net worth before any event, currency."""
        return float(self.model.simulation.state.equity0[self.row, LANE])

    @property
    def leverage(self) -> float:
        """Assets over equity; infinite without equity."""
        equity = self.equity
        return self.assets / equity if equity > 0.0 else float("inf")

    @property
    def stress(self) -> float:
        """Share of the equity before any event that is gone, 0 to 1."""
        return min(1.0, max(0.0, 1.0 - self.equity / self.equity0)) if self.equity0 > 0.0 else 1.0

    @property
    def is_defaulted(self) -> bool:
        """Whether it has defaulted."""
        return bool(self.model.column("is_defaulted")[self.row])

    def decide(self) -> Any:
        """Return what the agent does now: its row of the vectorised rule, unless a subclass knows better.

        Returns
        -------
        Decision
            One number a field; `replace` changes some of them.
        """
        return self.model.ruled(self)

    def step(self) -> None:
        """Do nothing: the model moves all agents at once, since nobody may act before another."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.id!r})"


class Bank(Agent):
    """A bank, a view of its row; see `Agent`.

    It is asked twice a step where overnight lending is played: for `hoard`, then for `sell`. An answer to what is not
    asked counts for nothing, so `decide` need not know which it is.
    """

    kind = "banks"

    @property
    def liquidity_coverage(self) -> float:
        """Liquid assets over the net outflows of thirty days of stress (LCR), at most 100."""
        return float(self.model.column("liquidity_coverage")[self.row])

    def decide(self) -> BankDecision:
        """Return what the bank does now: its row of the rule, unless a subclass knows better.

        Returns
        -------
        BankDecision
            One number a field.
        """
        found: BankDecision = self.model.ruled(self)
        return found


class TechFirm(Agent):
    """A technology firm, a view of its row; see `Agent`."""

    kind = "tech_firms"

    def decide(self) -> TechFirmDecision:
        """Return what the technology firm does now: its row of the rule, unless a subclass knows better.

        Returns
        -------
        TechFirmDecision
            One number a field.
        """
        found: TechFirmDecision = self.model.ruled(self)
        return found


class Platform(Agent):
    """A platform, a view of its row; see `Agent`."""

    kind = "platforms"

    def decide(self) -> PlatformDecision:
        """Return what the platform does now: its row of the rule, unless a subclass knows better.

        Returns
        -------
        PlatformDecision
            One number a field.
        """
        found: PlatformDecision = self.model.ruled(self)
        return found


class Fund(Agent):
    """A fund, a view of its row; see `Agent`."""

    kind = "funds"

    def decide(self) -> FundDecision:
        """Return what the fund does now: its row of the rule, unless a subclass knows better.

        Returns
        -------
        FundDecision
            One number a field.
        """
        found: FundDecision = self.model.ruled(self)
        return found
