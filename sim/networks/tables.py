"""The contract of a table generator: a table that nobody observed, made from the tables that are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from sim.arrays import Float
from sim.errors import InputError, PluginError, Problem, shown
from sim.kernels.special import exp_of, log_of
from sim.networks.base import Maker
from sim.networks.columns import RULES
from sim.networks.parts import Rows
from sim.plugins import who
from sim.streams import Draws

ORDER = (
    "banks",
    "tech_firms",
    "platforms",
    "funds",
    "holdings",
    "assets",
    "accounts",
    "lending",
    "pools",
    "distribution",
    "services",
    "payments",
)
"""Tables that can be made, each from those before it and all that were observed."""

CLAIMS = ("accounts", "lending")
"""Of these, layers of claims: their rows join the table of exposures."""


@dataclass(frozen=True)
class Known:
    """The tables at hand when another one is made; columns, and no system.

    Parameters
    ----------
    tables : mapping of str to Rows
        Columns by name; missing cells are None.
    """

    tables: Mapping[str, Rows]

    def texts(self, table: str, column: str) -> tuple[str, ...]:
        """Return a column of names.

        Parameters
        ----------
        table, column : str
            Which.

        Returns
        -------
        tuple of str
            Empty where there is no such table; an empty text where nothing is given.
        """
        rows = self.tables.get(table, {})
        n = max((len(cells) for cells in rows.values()), default=0)
        return tuple("" if cell is None else str(cell) for cell in rows.get(column, [None] * n))

    def numbers(self, table: str, column: str) -> Float:
        """Return a numeric column.

        Parameters
        ----------
        table, column : str
            Which.

        Returns
        -------
        float64[n]
            0 where nothing is given, or what is given is no number: that is told when the system is put together.
        """
        rows = self.tables.get(table, {})
        n = max((len(cells) for cells in rows.values()), default=0)
        return np.array([_number(cell) for cell in rows.get(column, [None] * n)], dtype=np.float64)

    def ids(self, *kinds: str) -> tuple[str, ...]:
        """Return the agents of some types.

        Parameters
        ----------
        *kinds : str
            Such as ``"banks"``.

        Returns
        -------
        tuple of str
            In the order of the tables.
        """
        return tuple(name for kind in kinds for name in self.texts(kind, "id"))


class TableGenerator(Maker):
    """How a table is made where nobody observed it; a frozen record of parameters."""

    contract: ClassVar[str] = "rows(table, known, draws, stream)"
    tables: ClassVar[tuple[str, ...]] = ()
    """Tables, of those in `ORDER`, that it can make."""

    def problems(self, table: str, known: Known) -> list[str]:  # noqa: ARG002 - a contract
        """Return what is wrong with these parameters for the tables at hand.

        Parameters
        ----------
        table : str
            Which is to be made.
        known : Known
            The tables at hand.

        Returns
        -------
        list of str
            Empty when all is well.
        """
        return []

    def rows(self, table: str, known: Known, draws: Draws, stream: str) -> Mapping[str, Sequence[Any] | Float]:
        """Make the table of one network.

        Parameters
        ----------
        table : str
            Which.
        known : Known
            The tables at hand.
        draws : Draws
            Random numbers; its one lane is the number of the network, so no network depends on how many there are.
        stream : str
            Name that the streams used must begin with.

        Returns
        -------
        mapping of str to sequence
            Columns as in `sim.networks.columns`.
        """
        raise NotImplementedError(f"table generator {self.name!r} makes nothing")


def generate(
    makers: Mapping[str, TableGenerator], tables: Mapping[str, Rows], draws: Draws
) -> tuple[dict[str, Rows], dict[str, str]]:
    """Make the tables that nobody observed, in their order.

    Parameters
    ----------
    makers : mapping of str to TableGenerator
        By table.
    tables : mapping of str to Rows
        Those observed.
    draws : Draws
        One lane: the number of the network.

    Returns
    -------
    tuple of dict of str to Rows, and dict of str to str
        All tables; and of those made, how.

    Raises
    ------
    InputError
        If parameters do not fit the tables at hand.
    PluginError
        If what comes back is no such table.
    """
    found: dict[str, Rows] = dict(tables)
    for table in ORDER:
        if table not in makers:
            continue
        maker, known, key = makers[table], Known(found), dotted(table)
        if problems := maker.problems(table, known):
            raise InputError([Problem(f"{key}: generator {maker.name}: {said}", key=key) for said in problems])
        made = _checked(maker, table, maker.rows(table, known, draws, f"networks.{table}"))
        if table in CLAIMS:
            made["layer"] = [table] * len(made["amount"])
            found["exposures"] = _below(found.get("exposures", {}), made)
        else:
            found[table] = made
    return found, {table: makers[table].how for table in ORDER if table in makers}


def dotted(table: str) -> str:
    """Return the key of a scenario under which a table stands.

    Parameters
    ----------
    table : str
        Such as ``"services"``.

    Returns
    -------
    str
        Such as ``"system.layers.services"``.
    """
    part = "agents." if table in ORDER[:4] else "" if table in ("holdings", "assets") else "layers."
    return f"system.{part}{table}"


def _checked(maker: TableGenerator, table: str, made: Mapping[str, Sequence[Any] | Float]) -> dict[str, list[Any]]:
    """The columns of a table as lists, held to the contract."""
    rules, said = RULES["exposures" if table in CLAIMS else table], f"table generator {who(maker)}"
    if not isinstance(made, Mapping):
        raise PluginError(f"{said} returned {shown(made)}; allowed: columns by name")
    columns = {name: cells.tolist() if isinstance(cells, np.ndarray) else list(cells) for name, cells in made.items()}
    if strange := [name for name in columns if name not in rules]:
        raise PluginError(f"{said} made column {strange[0]!r} of {table}; allowed: {', '.join(rules)}")
    if missing := [name for name, rule in rules.items() if rule.required and name not in columns]:
        raise PluginError(f"{said} left out column {missing[0]!r} of {table}")
    if len({len(cells) for cells in columns.values()}) > 1:
        raise PluginError(f"{said} made columns of {table} that differ in length")
    return columns


def _below(above: Rows, made: dict[str, list[Any]]) -> Rows:
    """Put rows below those of a table."""
    if not above:
        return made
    n, more = (max((len(cells) for cells in rows.values()), default=0) for rows in (above, made))
    return {
        name: [*above.get(name, [None] * n), *made.get(name, [None] * more)] for name in dict.fromkeys((*above, *made))
    }


def _number(cell: Any) -> float:
    try:
        return float(cell) if cell is not None else 0.0
    except (TypeError, ValueError):
        return 0.0


def uniforms(draws: Draws, stream: str, ids: Sequence[str]) -> Float:
    """Draw one uniform number per name.

    Parameters
    ----------
    draws : Draws
        One lane: the number of the network.
    stream : str
        What the numbers are for.
    ids : sequence of str
        Each once; a name's number does not depend on the others.

    Returns
    -------
    float64[n], 1
        In (0, 1).
    """
    return np.ascontiguousarray(draws.uniform(stream, ids)[:, 0])


def lognormal(draws: Draws, stream: str, ids: Sequence[str], sd: float) -> Float:
    r"""Draw one lognormal number of mean 1 per name.

    Parameters
    ----------
    draws : Draws
        One lane: the number of the network.
    stream : str
        What the numbers are for.
    ids : sequence of str
        Each once.
    sd : float
        Standard deviation of the logarithm.

    Returns
    -------
    float64[n], 1
        :math:`\exp(\sigma z - \sigma^2 / 2)`.
    """
    return exponential(sd * draws.normal(stream, ids)[:, 0] - 0.5 * sd * sd)


def exponential(values: Float) -> Float:
    """Return the exponential, element by element, with the same bits on every machine.

    Parameters
    ----------
    values : float64[n]
        Exponents.

    Returns
    -------
    float64[n]
        Positive.
    """
    out = np.empty(values.size)
    exp_of(np.ascontiguousarray(values), out)
    return out


def power(values: Float, exponent: float) -> Float:
    """Return a power of positive numbers, with the same bits on every machine.

    Parameters
    ----------
    values : float64[n]
        Above 0.
    exponent : float
        Any.

    Returns
    -------
    float64[n]
        Positive.
    """
    logs = np.empty(values.size)
    log_of(np.ascontiguousarray(values), logs)
    return exponential(exponent * logs)


def favourites(draws: Draws, stream: str, ids: Sequence[str], weights: Float, count: int) -> list[int]:
    """Draw some names without replacement, the heavier the likelier (each pair of name and stream has its own luck).

    Parameters
    ----------
    draws : Draws
        One lane: the number of the network.
    stream : str
        What they are drawn for.
    ids : sequence of str
        Names.
    weights : float64[n]
        0 or more; a name of weight 0 is never drawn.
    count : int
        How many; fewer where fewer have a weight.

    Returns
    -------
    list of int
        Positions, ascending.

    Notes
    -----
    The names with the smallest :math:`-\\log(u_i) / w_i` are drawn: successive draws in proportion to the weights left
    (Efraimidis and Spirakis 2006, "Weighted random sampling with a reservoir", Information Processing Letters 97).
    """
    logs = np.empty(len(ids))
    log_of(uniforms(draws, stream, ids), logs)
    possible = weights > 0.0
    arrival = np.where(possible, -logs / np.where(possible, weights, 1.0), np.inf)
    order = sorted(np.flatnonzero(possible).tolist(), key=lambda row: (arrival[row], ids[row]))
    return sorted(order[:count])
