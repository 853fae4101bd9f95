"""What a ramp takes from quarter to quarter: which dials adoption turns, and the sandbox of new products."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from pydantic import Field, ValidationInfo, field_validator

from sim.arrays import Float, added
from sim.errors import UsageError, shown
from sim.scenario.adoption import Adoption, Benefits
from sim.scenario.sections import Section
from sim.shocks.base import Shock
from sim.shocks.innovation import Innovation
from sim.shocks.sandbox import Sandbox

MONTHS = 3.0
"""Of a quarter."""

MOST = 100
"""Quarters of a ramp."""

NAMED = r"[0-9]{4}Q[1-4]"
"""How a quarter is written."""

DIALS: Mapping[str, tuple[float, float]] = {
    "system.agents.banks.adoption": (0.0, 1.0),  # how fast depositors can run
    "system.layers.services.outsourced": (0.4, 0.9),  # what clouds carry
    "system.layers.distribution.share": (0.0, 0.1),  # deposits that platforms have brought
    "system.agents.platforms.pool": (0.001, 0.009),  # what platforms lend together with banks, of banks' assets
}
"""Keys of ``cn100`` that adoption turns, each with its value at no and at full adoption; at adoption 0.5 all have their
defaults. The ends are assumed."""


class Quarters(Section):
    """What differs from quarter to quarter of a ramp: adoption, what it turns, and the sandbox of new products."""

    first: str = Field(default="2022Q1", json_schema_extra={"pattern": NAMED})
    """First quarter, such as ``2022Q1``; adoption starts in it."""

    last: str = Field(default="2025Q4", json_schema_extra={"pattern": NAMED})
    """Last quarter, later than the first, 100 quarters at most."""

    adoption: Adoption = Adoption()
    """How the technology is taken up."""

    benefits: Benefits = Benefits()
    """What adoption brings."""

    dials: dict[str, tuple[float, float]] = Field(default=dict(DIALS))
    """What adoption turns: dotted key of the scenario -> its value at adoption 0 and at adoption 1, in between on a
    straight line; by default keys of systems generated as ``cn100`` is."""

    sandbox: Sandbox | None = None
    """Sandbox that new products go through before all clients may have them; takes a shock of kind ``innovation``."""

    @field_validator("first", "last")
    @classmethod
    def _named(cls, name: str) -> str:
        if re.fullmatch(NAMED, name) is None:
            raise ValueError(f"got {shown(name)}, allowed: a year and a quarter such as 2022Q1")
        return name

    @field_validator("last")
    @classmethod
    def _in_order(cls, last: str, told: ValidationInfo) -> str:
        first = told.data.get("first", "")
        many = _number(last) - _number(first) + 1 if first else 2
        if not 2 <= many <= MOST:
            raise ValueError(f"{first} to {last} are {many} quarters; allowed: 2 to {MOST}")
        return last

    @field_validator("dials")
    @classmethod
    def _some(cls, dials: dict[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
        if not dials:
            raise ValueError("adoption turns nothing; give a key with its values at adoption 0 and 1")
        return dials

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the quarters, ascending."""
        return quarters_of(self.first, _number(self.last) - _number(self.first) + 1)

    def path(self, shocks: Sequence[Shock] = ()) -> Float:
        """Return adoption quarter by quarter.

        Parameters
        ----------
        shocks : sequence of Shock
            Of the scenario: with a sandbox, those of kind ``innovation`` say which share of new products it lets out.

        Returns
        -------
        float64[n_quarters], 1
            The first is that of `adoption`.
        """
        how, test = self.adoption, self.sandbox
        if test is None:
            return how.path(len(self.names))
        spared = {"uncertainty": how.uncertainty * (1.0 - test.relief), "sandbox": 1.0}
        return how.model_copy(update=spared).path(len(self.names), self._open(shocks))

    def policies(self, shocks: Sequence[Shock] = ()) -> dict[str, dict[str, Any]]:
        r"""Return what each quarter is played with.

        Dials are turned by adoption. Of new products, the part of a pool that they would carry if they were all open to
        everybody is :math:`(a_t - a_0) / (a_t \, o_t)`: what adoption has gained, spread over what is open.

        Parameters
        ----------
        shocks : sequence of Shock
            Of the scenario.

        Returns
        -------
        dict of str to dict
            Quarter -> dotted key -> value.
        """
        path, opened = self.path(shocks), self._open(shocks)
        found: dict[str, dict[str, Any]] = {k: dict(keys) for k, keys in turned(path, self.dials, self.names).items()}
        test = None if self.sandbox is None else self.sandbox.model_dump(mode="json")
        for quarter, (name, a) in enumerate(zip(self.names, path.tolist(), strict=True)):
            gained = (a - self.adoption.start) / (a * float(opened[quarter])) if a > self.adoption.start else 0.0
            share = _plain(min(1.0, gained))
            for position, _ in _innovations(shocks):
                said = {"months": MONTHS * quarter, "share": share, "sandbox": test}
                found[name] |= {f"shocks.{position}.{key}": value for key, value in said.items()}
        return found

    def _open(self, shocks: Sequence[Shock]) -> Float:
        """Share of the market that new products have in each quarter, expected."""
        number = len(self.names)
        if self.sandbox is None:
            return np.ones(number)
        made = [each.model_copy(update={"sandbox": self.sandbox}).graduating for _, each in _innovations(shocks)]
        graduating = added(made) / len(made)
        return np.array([self.sandbox.open(MONTHS * quarter, graduating) for quarter in range(number)])


def _innovations(shocks: Sequence[Shock]) -> Iterator[tuple[int, Innovation]]:
    """The events in which new products do harm, with their positions."""
    return ((place, each) for place, each in enumerate(shocks) if isinstance(each, Innovation))


def _plain(value: float) -> float:
    """Ten digits: enough for a person, and they make 0.30000000000000004 what was meant."""
    return float(f"{value:.10g}")


def quarters_of(first: str, quarters: int) -> tuple[str, ...]:
    """Return the names of quarters.

    Parameters
    ----------
    first : str
        Such as ``"2022Q1"``.
    quarters : int
        How many.

    Returns
    -------
    tuple of str
        Ascending.

    Raises
    ------
    UsageError
        If `first` is no quarter.

    Examples
    --------
    >>> quarters_of("2022Q4", 2)
    ('2022Q4', '2023Q1')
    """
    start = _number(first)
    return tuple(f"{k // 4}Q{k % 4 + 1}" for k in range(start, start + quarters))


def turned(
    adoption: Float, dials: Mapping[str, tuple[float, float]], names: tuple[str, ...]
) -> dict[str, dict[str, float]]:
    r"""Return the policies that adoption stands for: each dial turned from its value at 0 to that at full adoption.

    .. math:: x_k(a) = x_k(0) + a \, [x_k(1) - x_k(0)]

    Parameters
    ----------
    adoption : float64[n], 1
        In [0, 1].
    dials : mapping of str to (float, float)
        Dotted key of a scenario -> value at adoption 0 and at adoption 1.
    names : tuple of str
        One a value of `adoption`.

    Returns
    -------
    dict of str to dict of str to float
        For `sim.frontier` or `sim.sweep`.

    Raises
    ------
    UsageError
        If there is not one name for each value, or no dial.

    Examples
    --------
    >>> turned(np.array([0.5]), {"shocks.0.size": (0.1, 0.3)}, ("half",))
    {'half': {'shocks.0.size': 0.2}}
    """
    if len(names) != len(adoption) or not dials:
        raise UsageError(f"turned needs a dial and one name for each of {len(adoption)} values, got {len(names)} names")
    return {
        name: {key: _plain(low + a * (high - low)) for key, (low, high) in dials.items()}
        for name, a in zip(names, np.asarray(adoption).tolist(), strict=True)
    }


def _number(quarter: str) -> int:
    """Quarters since the year 0."""
    if re.fullmatch(NAMED, quarter) is None:
        raise UsageError(f"first: got {quarter!r}, allowed: a year and a quarter such as 2022Q1")
    return 4 * int(quarter[:4]) + int(quarter[-1]) - 1
