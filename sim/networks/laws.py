"""The laws that every network generator is held to, ours and those of others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from sim.arrays import Float
from sim.errors import SimError
from sim.networks.generators import GENERATORS, Generator, Margins, made
from sim.networks.parts import Rows
from sim.networks.tables import CLAIMS, TableGenerator, generate
from sim.streams import Draws

SEED, FACTOR = 11, 1024.0
CLOSE = 1e-9


def stage(seed: int = 1) -> Margins:
    """Return totals on which generators are examined.

    Parameters
    ----------
    seed : int
        Of the numbers.

    Returns
    -------
    Margins
        Twelve banks of very different sizes; one lends nothing, one borrows nothing.
    """
    rng = np.random.default_rng(seed)
    lent, owed = rng.lognormal(3.0, 1.2, 12), rng.lognormal(3.0, 1.2, 12)
    lent[3] = owed[7] = 0.0
    owed *= lent.sum() / owed.sum()
    return Margins(tuple(f"B{k}" for k in range(12)), lent, owed, lent + owed + rng.uniform(50.0, 500.0, 12))


MAKERS = {
    "banks": "size_classes",
    "tech_firms": "technology_sector",
    "platforms": "platform_sector",
    "funds": "money_market_funds",
    "holdings": "portfolio_mix",
    "assets": "standard_markets",
}
"""What makes the tables that a generator of tables is examined on."""


def broken_laws(name: str, parameters: Mapping[str, Any] | None = None) -> list[str]:
    """Return the laws that a generator breaks.

    The laws: every total is met, and nobody has a claim on itself; the same network twice is the same to the last bit;
    networks differ where the generator says that they are random, and only there; relabelling agents relabels claims; a
    power of two scales claims and nothing else. Of a generator of tables: the second, the third, and that agents listed
    in another order give the same rows.

    Parameters
    ----------
    name : str
        As a scenario names it.
    parameters : mapping, optional
        As a scenario gives them.

    Returns
    -------
    list of str
        One line a law; empty when all hold.

    Raises
    ------
    UnknownNameError
        If there is no such generator.

    Examples
    --------
    >>> broken_laws("fitness", {"density": 0.3})
    []
    """
    generator = GENERATORS[name].model_validate(dict(parameters or {}))
    try:
        if isinstance(generator, TableGenerator):
            return [f"{table}: {said}" for table in generator.tables for said in _broken_table(generator, table)]
        return list(_broken(generator)) if isinstance(generator, Generator) else []
    except SimError as error:
        return [str(error)]


def _broken(generator: Generator) -> Iterator[str]:
    margins = stage()
    first = _claims(generator, margins)
    if not np.array_equal(first, _claims(generator, margins)):
        yield "the same network made twice differs: is luck drawn from anything but `draws`?"
        return
    others = [_claims(generator, margins, network) for network in range(1, 5)]
    alike = all(np.array_equal(first, other) for other in others)
    if alike == generator.is_random:
        yield f"is_random is {generator.is_random}, and five networks are {'the same' if alike else 'not the same'}"
    order = np.random.default_rng(3).permutation(len(margins.ids))
    columns = (margins.assets[order], margins.liabilities[order], margins.size[order])
    moved = _claims(generator, Margins(tuple(margins.ids[k] for k in order), *columns))
    if not np.allclose(moved, first[np.ix_(order, order)], rtol=CLOSE, atol=CLOSE * float(margins.assets.sum())):
        yield "claims depend on the order in which agents are listed"
    large = replace(
        margins,
        assets=margins.assets * FACTOR,
        liabilities=margins.liabilities * FACTOR,
        size=margins.size * FACTOR,
    )
    if not np.allclose(_claims(generator, large), first * FACTOR, rtol=CLOSE):
        yield "claims do not scale with the currency"


def _claims(generator: Generator, margins: Margins, network: int = 0) -> Float:
    layer = made(generator, "interbank", margins, Draws(SEED, [network]))
    return np.asarray(layer.to_scipy().toarray())


def _broken_table(generator: TableGenerator, table: str) -> Iterator[str]:
    makers = {each: GENERATORS[name]() for each, name in MAKERS.items() if each != table}
    used = {each: maker for each, maker in makers.items() if isinstance(maker, TableGenerator)}
    known, _ = generate(used, {}, Draws(SEED, [0]))
    if table == "banks":
        known = {}
    first = _table(generator, table, known)
    if first != _table(generator, table, known):
        yield "the same network made twice differs: is luck drawn from anything but `draws`?"
        return
    alike = all(first == _table(generator, table, known, network) for network in range(1, 5))
    if alike == generator.is_random:
        yield f"is_random is {generator.is_random}, and five networks are {'the same' if alike else 'not the same'}"
    turned = {name: {column: list(cells)[::-1] for column, cells in rows.items()} for name, rows in known.items()}
    if sorted(map(str, _table(generator, table, turned))) != sorted(map(str, first)):
        yield "rows depend on the order in which agents are listed"


def _table(generator: TableGenerator, table: str, known: Mapping[str, Rows], network: int = 0) -> list[tuple[Any, ...]]:
    """Rows of a table; numbers to nine digits, as sums may be taken in another order."""
    made, _ = generate({table: generator}, known, Draws(SEED, [network]))
    columns = made["exposures" if table in CLAIMS else table].values()
    return [
        tuple(f"{cell:.9g}" if isinstance(cell, float) else cell for cell in row) for row in zip(*columns, strict=True)
    ]
