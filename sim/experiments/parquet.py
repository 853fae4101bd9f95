"""Tables of numbers and text in Parquet files, bit for bit, with a few words about themselves inside."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sim.database import Connection, connect
from sim.errors import StoreError
from sim.experiments.part import Columns

MOST_ROWS = 2**31
"""Rows a file may claim; a damaged header must not be believed."""

TOLD = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EMFILE, errno.ENFILE, errno.EROFS, errno.EACCES, errno.ENOENT)
"""What a system may refuse a file for; the database passes it on as text."""

TEXT = ("status", "agent", "phase", "channel", "cause", "counterparty", "instrument")
MAY_BE_NULL = ("reason",)


@cache
def _database() -> Connection:
    """An empty database in memory, made once: that takes longer than reading a part."""
    return connect()


def _connection() -> Connection:
    """A connection for one call: connections are not shared between threads."""
    found: Connection = _database().cursor()
    return found


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _name(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _only(path: Path) -> str:
    """A pattern that matches this one file, whatever signs its path holds."""
    return "".join(f"[{char}]" if char in "*?[" else char for char in str(path.absolute()))


def write_table(path: Path, table: Columns, about: Mapping[str, str]) -> None:
    """Write a table.

    Parameters
    ----------
    path : Path
        Parquet file; overwritten.
    table : dict of str to array
        Columns of one length; NaN and empty reasons are written as NULL.
    about : mapping of str to str
        Key/value metadata of the file; keys are plain names.

    Raises
    ------
    OSError
        If the system refuses.
    """
    import duckdb

    chosen = []
    for name in table:
        if name in MAY_BE_NULL:
            chosen.append(f"nullif(cast({_name(name)} as varchar), '') as {_name(name)}")
        elif name in TEXT:
            chosen.append(f"cast({_name(name)} as varchar) as {_name(name)}")
        else:
            chosen.append(_name(name))
    words = ", ".join(f"{key}: {_literal(value)}" for key, value in about.items())
    connection = _connection()
    try:
        connection.register("written", table)
        connection.execute(
            f"copy (select {', '.join(chosen)} from written) to {_literal(str(path.absolute()))} "  # noqa: S608
            f"(format parquet, kv_metadata {{{words}}})"
        )
    except duckdb.Error as error:
        raise _refusal(error) from error
    finally:
        connection.close()


ACTIVE = "^[=+\\-@\\t\\r]"
"""Text that a spreadsheet would run."""


def copy_tables(
    files: Sequence[Path], path: Path, *, to: str, draws: int, metrics: Sequence[str] | None = None, order: str = ""
) -> None:
    """Write many files as one, without holding them in memory.

    Parameters
    ----------
    files : sequence of Path
        Parquet files that `write_table` wrote, in draw order.
    path : Path
        Overwritten.
    to : str
        ``"csv"`` or ``"parquet"``.
    draws : int
        Draws from here on are left out.
    metrics : sequence of str, optional
        Columns of numbers between ``draw, step`` and ``status, reason``; None takes all columns of agents.
    order : str
        Columns to sort by, where the files are not in draw order.

    Raises
    ------
    OSError
        If the system refuses.
    """
    import duckdb

    text = _safe if to == "csv" else _name
    if metrics is None:
        said = f"* replace ({_safe('agent')})" if to == "csv" else "*"
    else:
        said = ", ".join([*map(_name, ("draw", "step", *metrics)), text("status"), text("reason")])
    form, by = "format csv, header" if to == "csv" else "format parquet", f" order by {order}" if order else ""
    connection = _connection()
    try:
        connection.execute(
            f"copy (select {said} from read_parquet(?, hive_partitioning = false) where draw < ?{by}) "  # noqa: S608
            f"to {_literal(str(path.absolute()))} ({form})",
            [[_only(each) for each in files], draws],
        )
    except duckdb.Error as error:
        raise _refusal(error) from error
    finally:
        connection.close()


def _safe(name: str) -> str:
    """A column of text that no spreadsheet runs."""
    column, quote = _name(name), _literal("'")
    return f"case when regexp_matches({column}, '{ACTIVE}') then {quote} || {column} else {column} end as {column}"


def _refusal(error: Exception) -> OSError:
    """What the system said, as the database passed it on."""
    said = str(error)
    number = next((number for number in TOLD if os.strerror(number) in said), errno.EIO)
    return OSError(number, os.strerror(number) if number != errno.EIO else said.splitlines()[0])


def read_about(path: Path) -> dict[str, str]:
    """Return what a file says about itself.

    Parameters
    ----------
    path : Path
        Parquet file.

    Returns
    -------
    dict of str to str
        Its key/value metadata.

    Raises
    ------
    StoreError
        If it cannot be read.
    """
    rows = _asked("select key, value from parquet_kv_metadata(?)", path, "fetchall")
    return {key.decode(errors="replace"): value.decode(errors="replace") for key, value in rows}


def read_table(path: Path) -> Columns:
    """Return a table.

    Parameters
    ----------
    path : Path
        Parquet file that `write_table` wrote.

    Returns
    -------
    dict of str to array
        The columns in the order of the file, NULL as NaN or empty text.

    Raises
    ------
    StoreError
        If it cannot be read.
    """
    found = _asked("select num_rows from parquet_file_metadata(?)", path, "fetchone")
    if found is None or not 0 < int(found[0]) < MOST_ROWS:
        raise StoreError(f"{path.name}: header claims {found and found[0]} rows")
    table = _asked("select * from read_parquet(?, hive_partitioning = false)", path, "fetchnumpy")
    return {name: _plain(values) for name, values in table.items()}


def _plain(values: Any) -> npt.NDArray[Any]:
    """A column without mask."""
    if isinstance(values, np.ma.MaskedArray):
        if values.dtype.kind == "f":
            return np.asarray(values.filled(np.nan))
        if values.dtype == object:
            return np.where(np.ma.getmaskarray(values), "", values.data)
        raise StoreError("a column of whole numbers has holes")
    return np.asarray(values)


def _asked(query: str, path: Path, fetch: str) -> Any:
    """What a query finds in one file, fetched in the way named."""
    import duckdb

    connection = _connection()
    try:
        return getattr(connection.execute(query, [_only(path)]), fetch)()
    except duckdb.Error as error:
        raise StoreError(f"{path.name}: cannot be read as Parquet: {str(error).splitlines()[0][:200]}") from error
    finally:
        connection.close()
