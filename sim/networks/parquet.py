"""Read a Parquet table as records of text, so that the same checks hold as for CSV."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from sim.database import connect
from sim.errors import InputError, Problem
from sim.networks.files import quoted

_BATCH = 10_000


def parquet_records(path: Path, name: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the header as record 0, then every row as text.

    Parameters
    ----------
    path : Path
        A Parquet file; a local, regular file.
    name : str
        How the file is called in messages.

    Yields
    ------
    tuple of int and list of str
        Row, counted from 1, and its cells; a missing cell is empty text, a number its shortest exact form.

    Raises
    ------
    InputError
        Not a Parquet file that can be read.
    """
    import duckdb

    if any(mark in str(path) for mark in "*?["):
        raise InputError([Problem("a Parquet file's path cannot hold * ? or [", name)])
    try:
        with closing(connect(memory_limit="2GB")) as connection:
            answer = connection.execute("SELECT * FROM read_parquet(?)", [str(path.resolve())])
            yield 0, [str(each[0]) for each in answer.description or ()]
            row = 0
            while batch := answer.fetchmany(_BATCH):
                for cells in batch:
                    row += 1
                    yield row, ["" if cell is None else _written(cell) for cell in cells]
    except duckdb.Error as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        # The message of the library names the absolute path.
        said = quoted(first.replace(str(path.resolve()), name), 160)[1:-1]
        raise InputError([Problem(f"not a Parquet file that can be read: {said}", name)]) from error


def _written(cell: object) -> str:
    return repr(cell) if isinstance(cell, float) else str(cell)
