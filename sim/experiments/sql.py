"""The draws of a result as tables of a database: queries that can only read, sorts that need little memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from sim.arrays import Float, Int
from sim.database import Connection, connect
from sim.errors import StoreError, UsageError
from sim.experiments.cuts import starts
from sim.experiments.part import FAILED, OK, PART, Columns

if TYPE_CHECKING:
    import pandas as pd

MEMORY = "32MB"
"""What a sort holds; more lies in temporary files."""

PATTERN = frozenset("*?[")
VECTORS = 20
"""Of 2048 rows, fetched together."""

Tables = Mapping[str, Sequence[Path] | Columns]
"""By name: the files of the parts in draw order, or columns in memory."""


@contextmanager
def opened(tables: Tables, draws: int, memory: str | None = None) -> Iterator[Connection]:
    """Give a connection to a database in memory that sees the draws of one result.

    Parameters
    ----------
    tables : mapping of str to paths or columns
        Such as ``{"draws": [...]}``.
    draws : int
        How many draws belong to the result; the files may hold more.
    memory : str, optional
        What it may hold before it uses temporary files; by default what the database finds right.

    Yields
    ------
    Connection
        One thread, so that sums have one order.

    Raises
    ------
    StoreError
        If a part cannot be read.
    """
    import duckdb

    with TemporaryDirectory(prefix="sim-sort-") as spill:
        limit = {"memory_limit": memory} if memory else {}
        connection = connect(temp_directory=spill, python_enable_replacements=False, **limit)
        try:
            for name, source in tables.items():
                _show(connection, name, source, draws)
            yield connection
        except duckdb.IOException as error:
            raise StoreError(f"a part cannot be read: {str(error).splitlines()[0][:200]}") from error
        finally:
            connection.close()


def _show(connection: Connection, name: str, source: Sequence[Path] | Columns, draws: int) -> None:
    """Make one table, or a view of files that reads only what a query needs."""
    if isinstance(source, Mapping):
        empty_as_null = [f'nullif("{each}", \'\') as "{each}"' if each == "reason" else f'"{each}"' for each in source]
        connection.register("given", dict(source))
        connection.execute(f'create table "{name}" as select {", ".join(empty_as_null)} from given')  # noqa: S608
        connection.unregister("given")
        return
    # a sign of patterns stands in brackets to match only itself; such files are copied, for a lock stops all searching
    copied = any(PATTERN & set(str(path.absolute())) for path in source)
    kind = "table" if copied else "view"
    connection.execute(
        f'create {kind} "{name}" as select * from {listed(source)} where draw < {int(draws)}'  # noqa: S608
    )


def listed(paths: Sequence[Path]) -> str:
    """Return files as a query reads them.

    Parameters
    ----------
    paths : sequence of Path
        Parts, in draw order.

    Returns
    -------
    str
        What follows ``from``.
    """
    names = [
        "".join(f"[{char}]" if char in PATTERN else char for char in str(path.absolute())).replace("'", "''")
        for path in paths
    ]
    return "read_parquet([" + ", ".join(f"'{name}'" for name in names) + "], hive_partitioning = false)"


def select(tables: Tables, draws: int, query: str) -> pd.DataFrame:
    """Return what a query finds; it can read these tables and nothing else, and write nowhere.

    Parameters
    ----------
    tables : mapping of str to paths or columns
        See `opened`.
    draws : int
        How many draws belong to the result.
    query : str
        One ``select``.

    Returns
    -------
    DataFrame
        The answer.

    Raises
    ------
    UsageError
        If it is no single ``select``, or asks for what is not there or not allowed.
    """
    import duckdb

    with opened(tables, draws) as connection:
        try:
            kinds = [statement.type for statement in connection.extract_statements(query)]
            if kinds != [duckdb.StatementType.SELECT]:
                told = ", ".join(kind.name.lower() for kind in kinds) or "nothing"
                raise UsageError(f"sql: one select is allowed, got {told}; tables: {', '.join(tables)}")
            _lock(connection, tables)
            found: pd.DataFrame = connection.execute(query).df()
        except duckdb.Error as error:
            lines = [line for line in str(error).splitlines() if line.strip()]
            raise UsageError(f"sql: {' '.join(lines[:2])[:300]}; tables: {', '.join(tables)}") from error
    return found


def _lock(connection: Connection, tables: Tables) -> None:
    """Take files, extensions and settings away from the query, the parts themselves apart."""
    paths = [path for source in tables.values() if not isinstance(source, Mapping) for path in source]
    names = ", ".join("'" + str(path.absolute()).replace("'", "''") + "'" for path in paths)
    connection.execute(f"set allowed_paths = [{names}]")
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")


class Last:
    """The metrics of valid draws after the last step, part by part and in order of size.

    Parameters
    ----------
    connection : Connection
        From `opened`, with the table ``draws``; what it may not hold in memory lies in temporary files.
    names : sequence of str
        Metrics.
    draws : int
        How many draws belong to the result.
    networks : int
        That they are spread over.
    """

    def __init__(self, connection: Connection, names: Sequence[str], draws: int, networks: int = 1) -> None:
        self._connection, self._names, self._draws, self._networks = connection, list(names), draws, networks
        (steps,) = connection.execute("select greatest(max(step), 0) from draws").fetchone()
        chosen = ", ".join(["draw", *(f'"{name}"' for name in names)])
        # the files are read once: they hold every step
        connection.execute(
            f"create temp table last_step as select {chosen} from draws "  # noqa: S608
            f"where step = {int(steps)} and status <> '{FAILED}'"
        )

    def parts(self) -> Iterator[tuple[Int, dict[str, Float]]]:
        """Yield one part after the other, also those without a valid draw.

        Yields
        ------
        tuple of int64[n_part] and dict of str to float64[n_part]
            Draws, and the values of each metric.
        """
        far = self._networks
        same = "" if far == 1 else f" and draw % {far} = {{}}"
        for first in starts(self._draws, far):
            query = f"select * from last_step where draw >= ? and draw < ?{same.format(first % far)} order by draw"  # noqa: S608
            found = self._connection.execute(query, [first, first + PART * far]).fetchnumpy()
            values = {name: np.asarray(found[name], dtype=np.float64) for name in self._names}
            yield np.asarray(found["draw"], dtype=np.int64), values

    def ranked(self, name: str, ranks: Sequence[int]) -> dict[int, float]:
        """Return order statistics of a metric by sorting it, in temporary files where it is long.

        Parameters
        ----------
        name : str
            Metric.
        ranks : sequence of int
            Counted from 1, ascending.

        Returns
        -------
        dict of int to float
            The value at each rank.
        """
        found: dict[int, float] = {}
        seen, wanted = 0, list(ranks)
        query = f'select "{name}" as value from last_step order by value'  # noqa: S608
        self._connection.execute(query)
        while wanted:
            values = self._connection.fetch_df_chunk(VECTORS)["value"].to_numpy()
            if not values.size:
                raise StoreError(f"{name}: {seen} values where {wanted[-1]} were counted; the parts changed")
            while wanted and wanted[0] <= seen + values.size:
                found[wanted[0]] = float(values[wanted[0] - 1 - seen])
                del wanted[0]
            seen += values.size
        return found


def odd_draws(connection: Connection) -> Columns:
    """Return the draws that failed or are not certified.

    Parameters
    ----------
    connection : Connection
        From `opened`, with the table ``draws``.

    Returns
    -------
    dict of str to array
        ``draw``, ``status`` and ``reason``, in draw order.
    """
    query = (
        f"select distinct draw, status, coalesce(reason, '') as reason from draws where status <> '{OK}' order by draw"  # noqa: S608
    )
    found: Columns = connection.execute(query).fetchnumpy()
    return {name: np.asarray(values) for name, values in found.items()}
