"""The tables of a system as data frames: which columns they must have, which ones nobody reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sim.errors import InputError, Problem, UsageError
from sim.networks.columns import RULES
from sim.networks.files import meant, quoted

if TYPE_CHECKING:
    import pandas as pd


def tables_of(
    frames: Mapping[str, pd.DataFrame | None],
) -> tuple[dict[str, dict[str, list[Any]]], list[Problem]]:
    """Return data frames as columns of cells, missing ones as None.

    Parameters
    ----------
    frames : mapping of str to DataFrame or None
        By table; None where there is none.

    Returns
    -------
    tuple
        Columns by table, and a warning for every column that nobody reads.

    Raises
    ------
    InputError
        If required columns are missing, all of them at once.
    UsageError
        If a name is that of no table.
    """
    import pandas as pd

    if strange := [name for name in frames if name not in RULES]:
        raise UsageError(f"{strange[0]!r} is no table of a system; allowed: {', '.join(RULES)}")
    plain, problems, warnings = dict[str, dict[str, list[Any]]](), list[Problem](), list[Problem]()
    for table, frame in frames.items():
        if frame is None:
            continue
        rules, names = RULES[table], [str(name) for name in frame.columns]
        unread = [name for name in names if name not in rules]
        for name, rule in rules.items():
            if rule.required and name not in names:
                message = f"{table} has no column {quoted(name)}{meant(name, unread)}"
                problems.append(Problem(f"{message} (it has {', '.join(names) or 'none'})", key=f"{table}.{name}"))
        for name in unread:
            known = [each for each in rules if each not in names]
            warnings.append(
                Problem(f"{table}: column {quoted(name)} is not read{meant(name, known)}", key=f"{table}.{name}")
            )
        columns = zip(names, (frame.iloc[:, place].tolist() for place in range(len(names))), strict=True)
        plain[table] = {name: [None if pd.isna(cell) else cell for cell in cells] for name, cells in columns}
    if problems:
        raise InputError(problems)
    return plain, warnings
