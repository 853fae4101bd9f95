"""Payments between banks on a normal day: the larger both are, the likelier they pay and the more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from sim.arrays import Float
from sim.networks.base import GENERATORS
from sim.networks.tables import Known, TableGenerator
from sim.streams import Draws


@GENERATORS.register("gravity")
class Gravity(TableGenerator):
    r"""Payments by gravity on total assets, the same in both directions.

    Two banks pay each other with probability :math:`p_{ij} = \min(1, z A_i A_j)`, where z makes the expected share of
    pairs the density; they then pay :math:`A_i A_j / p_{ij}` each way, scaled to the turnover of all banks. As much
    comes in as goes out at every bank, so that without an event no bank gains or loses reserves.

    References
    ----------
    All Chinese payment systems together settled about 10,900 tn yuan in 2022 (People's Bank of China, through the
    press), a tenth of banking assets a day, payments within a bank among them; the default is somewhat less.
    Concentration of flows: Eisenbach, Kovner and Lee (2022), Journal of Financial Economics 145, 802-826.
    """

    tables: ClassVar[tuple[str, ...]] = ("payments",)

    turnover: float = Field(default=0.08, gt=0, le=10)
    """Payments of all banks to each other a day over their assets, 1."""

    density: float = Field(default=0.3, gt=0, le=1)
    """Expected share of pairs of banks that pay each other, 1."""

    @property
    def how(self) -> str:
        """How the payments were made."""
        return f"gravity on total assets, density {self.density:g}, {self.turnover:g} of all assets a day"

    def rows(self, table: str, known: Known, draws: Draws, stream: str) -> Mapping[str, Sequence[Any] | Float]:  # noqa: ARG002
        """Make the payments of one network.

        Parameters
        ----------
        table : str
            ``"payments"``.
        known : Known
            The banks.
        draws : Draws
            One lane: the number of the network.
        stream : str
            What streams begin with.

        Returns
        -------
        mapping of str to sequence
            Columns of ``payments.csv``.
        """
        ids, size = known.ids("banks"), known.numbers("banks", "total_assets")
        n, mass = len(ids), size / (size.sum() or 1.0)
        z = scale_of(mass, self.density)
        order = sorted(range(n), key=lambda row: ids[row])
        at, to, flow = list[int](), list[int](), list[Float]()
        for place, row in enumerate(order):
            # the pair's luck is that of the name that comes first, so listing banks in another order changes nothing
            others = np.array(order[place + 1 :], dtype=np.int64)
            if not others.size:
                break
            luck = draws.uniform(f"{stream}/{ids[row]}", ids)[others, 0]
            chance = np.minimum(1.0, z * mass[row] * mass[others])
            meets = luck < chance
            at += [row] * int(meets.sum())
            to += others[meets].tolist()
            flow.append(mass[row] * mass[others[meets]] / chance[meets])
        amount = np.concatenate(flow) if flow else np.zeros(0)
        amount *= self.turnover * float(size.sum()) / (2.0 * amount.sum() or 1.0)
        return {
            "payer": [ids[row] for row in (*at, *to)],
            "payee": [ids[row] for row in (*to, *at)],
            "amount": np.concatenate([amount, amount]),
        }


def scale_of(mass: Float, density: float) -> float:
    r"""Return z for which the pairs' probabilities :math:`\min(1, z m_i m_j)` have a given mean.

    Parameters
    ----------
    mass : float64[n], 1
        Shares of all assets.
    density : float
        Mean wanted over all pairs, in (0, 1].

    Returns
    -------
    float
        Found by halving an interval; the sum rises with z.
    """
    rising = np.sort(mass)
    n, wanted = mass.size, 0.5 * density * mass.size * (mass.size - 1)
    below = np.concatenate([[0.0], np.cumsum(rising)])

    def expected(z: float) -> float:
        # for each bank: partners up to the mass at which the probability reaches 1, and those above it
        upto = np.searchsorted(rising, 1.0 / (z * rising), side="right")
        whole = z * rising * below[upto] + (n - upto)
        own = np.minimum(1.0, z * rising * rising)
        return 0.5 * float((whole - own).sum())

    low, high = 0.0, 1.0
    while expected(high) < wanted and high < 1e300:
        low, high = high, high * 4.0
    for _ in range(200):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if expected(middle) < wanted else (low, middle)
    return high
