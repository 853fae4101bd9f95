"""One layer of claims between agents, stored as sparse rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sim.arrays import Csr, Float, Index, Int, aligned, csr, empty
from sim.errors import InputError, Problem, UsageError, nearest, shown
from sim.kernels.pull import pull

if TYPE_CHECKING:
    import networkx as nx
    from scipy import sparse

#: Faulty cells described one by one; a matrix full of them would make a list as long as the matrix.
LISTED = 1_000

#: Largest claims shown in a notebook.
LARGEST = 5


@dataclass(frozen=True, eq=False)
class Layer:
    """Who is exposed to whom, and by how much.

    Row i is who is exposed, column j is whom it is exposed to: for credit, row i is the creditor and
    column j the debtor.

    Parameters
    ----------
    name : str
        Name of the layer, such as ``"interbank"``.
    ids : sequence of str
        Names of the n agents in the order of rows and columns; no two are equal.
    csr : Csr
        Sparse rows, n rows and n columns, columns ascending within a row, in units of `unit`.
    unit : str
        What the weights are measured in.
    imputed : bool
        Whether the weights were reconstructed or generated, and not observed.
    note : str
        What a reader should know of how they were made.

    Raises
    ------
    InputError
        If the rows are not square in the agents, an agent occurs twice, an index is out of place, or a weight is not
        finite, is negative, or is the exposure of an agent to itself. Faulty cells are named as ``exposures[i, j]``.
    """

    name: str
    ids: tuple[str, ...]
    csr: Csr
    unit: str = "currency"
    imputed: bool = False
    note: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "ids", tuple(self.ids))
        problems = _id_problems(self.ids) or _shape_problems(len(self.ids), self.csr)
        problems = problems or _cell_problems(self.ids, self.csr)
        if problems:
            raise InputError([Problem(f"layer {shown(self.name)}: {problem}", key="exposures") for problem in problems])

    @classmethod
    def from_matrix(
        cls, name: str, ids: Sequence[str], matrix: Any, unit: str = "currency", imputed: bool = False
    ) -> Layer:
        """Return a layer from a dense or sparse matrix, which is copied.

        Parameters
        ----------
        name : str
            Name of the layer.
        ids : sequence of str
            Names of the n agents in the order of rows and columns.
        matrix : array_like or scipy sparse
            ``float64[n, n]``, row i exposed to column j, in units of `unit`.
        unit : str
            What the weights are measured in.
        imputed : bool
            Whether the weights were not observed.

        Returns
        -------
        Layer
            Cells of zero are no edges; cells given twice in a sparse matrix are added.

        Raises
        ------
        InputError
            If `matrix` is not a matrix of real numbers, or as `Layer`.
        """
        source = matrix if hasattr(matrix, "tocsr") else _numbers(name, matrix)
        if len(source.shape) != 2:
            n_axes = len(source.shape)
            raise InputError(f"layer {shown(name)}: exposures has {n_axes} axes; allowed: 2 (creditor, debtor)")
        if np.dtype(source.dtype).kind not in "buif":
            raise InputError(f"layer {shown(name)}: exposures has dtype {source.dtype}; allowed: real numbers")
        return cls(name, tuple(ids), csr(source), unit, imputed)

    @classmethod
    def from_edges(
        cls,
        name: str,
        ids: Sequence[str],
        creditors: Sequence[str],
        debtors: Sequence[str],
        amounts: npt.ArrayLike,
    ) -> Layer:
        """Return a layer from one row per claim.

        Parameters
        ----------
        name : str
            Name of the layer.
        ids : sequence of str
            Names of the n agents; they fix the order of rows and columns.
        creditors, debtors : sequence of str
            Names of who is exposed and to whom, one per claim.
        amounts : float64[n_claims]
            Size of each claim in currency; a claim of zero is no edge.

        Returns
        -------
        Layer
            An observed layer in currency.

        Raises
        ------
        InputError
            If the three columns differ in length, a name is unknown, a pair occurs twice, or as `Layer`.
        """
        weights = _numbers(name, amounts)
        if weights.ndim != 1 or not len(creditors) == len(debtors) == weights.size:
            raise InputError(
                f"layer {shown(name)}: {len(creditors)} creditors, {len(debtors)} debtors and "
                f"{weights.size} amounts; allowed: one of each per claim"
            )
        problems = _id_problems(tuple(ids))
        place = {agent: row for row, agent in enumerate(ids)}
        problems += _name_problems("creditor", creditors, place) + _name_problems("debtor", debtors, place)
        if not problems:
            rows = np.array([place[agent] for agent in creditors], dtype=np.int64)
            columns = np.array([place[agent] for agent in debtors], dtype=np.int64)
            problems = _twice(rows, columns, creditors, debtors)
        if problems:
            raise InputError([Problem(f"layer {shown(name)}: {problem}", key="exposures") for problem in problems])
        return cls(name, tuple(ids), _rows_of(rows, columns, weights, len(ids)))

    @property
    def indptr(self) -> Int:
        """Start of each row in `indices`, ``int64[n + 1]``."""
        return self.csr.indptr

    @property
    def indices(self) -> Index:
        """Columns of the edges, ``int32[n_edges]``, ascending within a row."""
        return self.csr.indices

    @property
    def weights(self) -> Float:
        """Sizes of the edges, ``float64[n_edges]``, in units of `unit`."""
        return self.csr.weights

    @property
    def n_edges(self) -> int:
        """Number of claims."""
        return int(self.csr.indices.size)

    @cached_property
    def transposed(self) -> Csr:
        """The same edges read from the debtor: row j holds who is exposed to j."""
        return self.csr.transposed()

    @property
    def totals(self) -> tuple[Float, Float]:
        """Sums by row and by column, each ``float64[n]``, in units of `unit`."""
        matrix = self.to_scipy()
        rows, columns = (np.asarray(matrix.sum(axis=axis), dtype=np.float64).ravel() for axis in (1, 0))
        return rows, columns

    def among(self, ids: Sequence[str]) -> Layer:
        """Return the same claims in a longer list of agents.

        Parameters
        ----------
        ids : sequence of str
            The agents of this layer, in the same order, then others.

        Returns
        -------
        Layer
            The others have no claims and owe nothing.

        Raises
        ------
        UsageError
            If the list begins with other agents.
        """
        if tuple(ids[: len(self.ids)]) != self.ids:
            raise UsageError(f"layer {shown(self.name)}: the list must begin with its own {len(self.ids)} agents")
        more = len(ids) - len(self.ids)
        rows = np.concatenate([self.indptr, np.full(more, self.indptr[-1])])
        wider = Csr(rows, self.indices, self.weights, self.csr.n_columns + more)
        return replace(self, ids=tuple(ids), csr=wider)

    def pull(self, signal: npt.ArrayLike) -> Float:
        """Return what each agent feels when its counterparties send a signal.

        Parameters
        ----------
        signal : float64[n] or float64[n, n_lanes]
            One value per agent (and draw), such as the fraction lost on a claim on it.

        Returns
        -------
        float64[n] or float64[n, n_lanes]
            ``sum over j of exposures[i, j] * signal[j]``, in units of `unit` times the unit of the signal.

        Raises
        ------
        UsageError
            If `signal` has not one row per agent.
        """
        given = np.asarray(signal, dtype=np.float64)
        if given.ndim not in (1, 2) or given.shape[0] != len(self.ids):
            n = len(self.ids)
            raise UsageError(f"signal has shape {given.shape}; allowed: ({n},) or ({n}, n_lanes)")
        lanes = aligned(given if given.ndim == 2 else given[:, None])
        pressure = empty(*lanes.shape)
        pull(self.indptr, self.indices, self.weights, lanes, pressure)
        return pressure if given.ndim == 2 else pressure[:, 0]

    def to_scipy(self) -> sparse.csr_array:
        """Return a copy as a SciPy sparse array.

        Returns
        -------
        scipy.sparse.csr_array
            ``float64[n, n]``, row i exposed to column j.
        """
        from scipy import sparse

        parts = (self.weights.copy(), self.indices.copy(), self.indptr.copy())
        return sparse.csr_array(parts, shape=(len(self.ids), len(self.ids)))

    def to_networkx(self) -> nx.DiGraph[str]:
        """Return a copy as a directed graph.

        Returns
        -------
        networkx.DiGraph
            Nodes are the agents' names; an edge runs from who is exposed to whom it is exposed to and carries
            ``weight``.

        Raises
        ------
        UsageError
            If networkx is not installed.
        """
        try:
            import networkx as nx
        except ImportError as error:
            raise UsageError("to_networkx needs networkx, which is not installed; pip install networkx") from error
        graph: nx.DiGraph[str] = nx.DiGraph(name=self.name, unit=self.unit)
        graph.add_nodes_from(self.ids)
        graph.add_weighted_edges_from(
            (self.ids[i], self.ids[j], float(weight))
            for i, j, weight in zip(_row_numbers(self.csr), self.indices, self.weights, strict=True)
        )
        return graph

    def __repr__(self) -> str:
        origin = "imputed" if self.imputed else "observed"
        return f"Layer({self.name!r}, {len(self.ids)} agents, {self.n_edges} edges, {origin})"

    def _repr_html_(self) -> str:
        from sim.report.cards import card, table
        from sim.report.text import number

        n_pairs = len(self.ids) * (len(self.ids) - 1)
        density = f", {self.n_edges / n_pairs:.1%} of all pairs" if n_pairs else ""
        facts = {
            "agents": f"{len(self.ids):,}",
            "edges": f"{self.n_edges:,}{density}",
            "total": f"{number(float(self.weights.sum()))} {self.unit}",
            "origin": "imputed" if self.imputed else "observed",
        }
        rows = _row_numbers(self.csr)
        largest = [
            [self.ids[rows[edge]], self.ids[self.indices[edge]], number(float(self.weights[edge]))]
            for edge in np.argsort(-self.weights, kind="stable")[:LARGEST]
        ]
        shown = [table(["exposed", "to", self.unit], largest, left=2, caption="Largest")] if largest else []
        notes = ["Reconstructed or generated, not observed."] if self.imputed else []
        notes += [f"{self.note[:1].upper()}{self.note[1:]}."] if self.note else []
        return card("Layer", self.name, "", facts, shown, notes)


def _numbers(name: str, values: Any) -> npt.NDArray[Any]:
    """Return `values` as an array of real numbers, or say that it is none."""
    try:
        found = np.asarray(values)
    except ValueError as error:
        raise InputError(f"layer {shown(name)}: exposures is not a table of numbers: rows of unequal length") from error
    if found.dtype.kind not in "buif" and found.size:
        raise InputError(f"layer {shown(name)}: exposures has dtype {found.dtype}; allowed: real numbers")
    return found if found.size else found.astype(np.float64)


def _rows_of(rows: Int, columns: Int, weights: npt.NDArray[Any], n: int) -> Csr:
    """Return edges as sparse rows, without those of zero."""
    from scipy import sparse

    return csr(sparse.coo_array((weights.astype(np.float64), (rows, columns)), shape=(n, n)))


def _row_numbers(edges: Csr) -> Int:
    """Return the row of each edge."""
    return np.repeat(np.arange(edges.n_rows, dtype=np.int64), np.diff(edges.indptr))


def _id_problems(ids: tuple[str, ...]) -> list[str]:
    """Return what is wrong with the agents' names."""
    strange = [
        f"agent {row} is named {shown(agent)}; allowed: text" for row, agent in enumerate(ids) if type(agent) is not str
    ]
    if strange:
        return strange[:LISTED]
    first: dict[str, int] = {}
    return [
        f"agent {shown(agent)} occurs twice, at {first[agent]} and {row}; allowed: once"
        for row, agent in enumerate(ids)
        if first.setdefault(agent, row) != row
    ][:LISTED]


def _name_problems(column: str, names: Sequence[str], place: dict[str, int]) -> list[str]:
    """Return the names of a column that no agent bears."""
    return [
        f"claim {row}: {column} {shown(agent)} is no agent{nearest(str(agent), place)}"
        for row, agent in enumerate(names)
        if agent not in place
    ][:LISTED]


def _twice(rows: Int, columns: Int, creditors: Sequence[str], debtors: Sequence[str]) -> list[str]:
    """Return the pairs that occur more than once."""
    order = np.lexsort((columns, rows))
    same = (np.diff(rows[order]) == 0) & (np.diff(columns[order]) == 0)
    return [
        f"claims {order[at]} and {order[at + 1]}: {shown(creditors[order[at]])} on {shown(debtors[order[at]])} "
        "occurs twice; add the amounts or drop one"
        for at in np.flatnonzero(same)[:LISTED]
    ]


def _shape_problems(n: int, edges: Csr) -> list[str]:
    """Return why the sparse rows cannot be read as a square matrix of the agents."""
    if edges.n_rows != n or edges.n_columns != n:
        found = f"({edges.n_rows}, {edges.n_columns})"
        return [f"exposures has shape {found}; allowed: ({n}, {n}), one row and column per agent"]
    if edges.indices.size != edges.weights.size or edges.indptr[0] != 0 or edges.indptr[-1] != edges.indices.size:
        return ["exposures: indptr, indices and weights do not belong together"]
    if np.any(np.diff(edges.indptr) < 0):
        return ["exposures: indptr falls; allowed: the rows in order"]
    if edges.indices.size and not 0 <= edges.indices.min() <= edges.indices.max() < n:
        return [f"exposures: a column is outside 0 to {n - 1}"]
    same_row = np.diff(_row_numbers(edges)) == 0
    if np.any(np.diff(edges.indices)[same_row] <= 0):
        return ["exposures: columns of a row are not ascending, or one occurs twice"]
    return []


def _cell_problems(ids: tuple[str, ...], edges: Csr) -> list[str]:
    """Return the cells that cannot be an exposure."""
    rows = _row_numbers(edges)
    own = rows == edges.indices
    bad = np.flatnonzero(own | ~np.isfinite(edges.weights) | (edges.weights < 0))
    problems = []
    for edge in bad[:LISTED]:
        i, j = int(rows[edge]), int(edges.indices[edge])
        cell = f"exposures[{i}, {j}] is {edges.weights[edge]:g} ({shown(ids[i])} on {shown(ids[j])})"
        allowed = "0 on the diagonal: no agent is exposed to itself" if own[edge] else "finite and 0 or more"
        problems.append(f"{cell}; allowed: {allowed}")
    return problems
