"""Shapley values and pairwise interaction indices of a game that is given in full."""

from __future__ import annotations

from math import factorial

import numpy as np

from sim.arrays import Float
from sim.errors import InputError, UsageError


def players_of(values: Float) -> int:
    """Return how many players a game has.

    Parameters
    ----------
    values : float64[2**n, ...]
        One row a coalition: bit k of its number says whether player k is in it.

    Returns
    -------
    int
        n.

    Raises
    ------
    InputError
        If the number of rows is no power of two.
    """
    rows = np.shape(values)[0] if np.ndim(values) else 0
    if rows < 1 or rows & (rows - 1):
        raise InputError(f"values: got {rows} coalitions, allowed: a power of two, one row for every coalition")
    return rows.bit_length() - 1


def shapley(values: Float) -> Float:
    r"""Return each player's mean marginal contribution over all orders in which players can enter.

    .. math::
        \phi_a = \sum_{S \subseteq N \setminus a} \frac{|S|! \, (n - |S| - 1)!}{n!} \, [v(S \cup a) - v(S)]

    The values add up to :math:`v(N) - v(\emptyset)` (efficiency), are equal for players that contribute alike
    (symmetry), and 0 for one that never contributes (dummy).

    Parameters
    ----------
    values : float64[2**n, ...], any unit
        Worth of every coalition: bit k of the row number says whether player k is in it. Further axes, such as draws,
        are games of their own.

    Returns
    -------
    float64[n, ...], unit of `values`
        One row a player.

    Raises
    ------
    InputError
        If the number of rows is no power of two.

    References
    ----------
    Shapley (1953), A value for n-person games, in Contributions to the Theory of Games II, 307-317.

    Examples
    --------
    Alone the players are worth 1 and 2, together 5; each gets half of the 2 that both add.

    >>> shapley(np.array([0.0, 1.0, 2.0, 5.0])).tolist()
    [2.0, 3.0]
    """
    n, worth = players_of(values), np.asarray(values, dtype=np.float64)
    found = np.zeros((n, *worth.shape[1:]))
    for a in range(n):
        for without in range(1 << n):
            if not without >> a & 1:
                size = without.bit_count()
                weight = factorial(size) * factorial(n - size - 1) / factorial(n)
                found[a] += weight * (worth[without | 1 << a] - worth[without])
    return found


def interactions(values: Float) -> Float:
    r"""Return the Shapley interaction index of every pair of players: what two add together beyond what each adds.

    .. math::
        I_{ab} = \sum_{S \subseteq N \setminus \{a, b\}} \frac{|S|! \, (n - |S| - 2)!}{(n - 1)!}
            \, [v(S \cup ab) - v(S \cup a) - v(S \cup b) + v(S)]

    Parameters
    ----------
    values : float64[2**n, ...], any unit
        As in `shapley`.

    Returns
    -------
    float64[n, n, ...], unit of `values`
        Symmetric, 0 on the diagonal. Positive: the two amplify each other; negative: one takes the place of the other.

    Raises
    ------
    InputError
        If the number of rows is no power of two.

    References
    ----------
    Grabisch and Roubens (1999), International Journal of Game Theory 28, 547-565; Owen (1972) for pairs.

    Examples
    --------
    >>> interactions(np.array([0.0, 1.0, 2.0, 5.0])).tolist()
    [[0.0, 2.0], [2.0, 0.0]]
    """
    n, worth = players_of(values), np.asarray(values, dtype=np.float64)
    found = np.zeros((n, n, *worth.shape[1:]))
    for a in range(n):
        for b in range(a + 1, n):
            one, other = 1 << a, 1 << b
            for without in range(1 << n):
                if not without & (one | other):
                    size = without.bit_count()
                    weight = factorial(size) * factorial(n - size - 2) / factorial(n - 1)
                    both = (
                        worth[without | one | other] - worth[without | one] - (worth[without | other] - worth[without])
                    )
                    found[a, b] += weight * both
            found[b, a] = found[a, b]
    return found


def lanes_of(players: int, most: int) -> Float:
    """Return who is in which coalition.

    Parameters
    ----------
    players : int
        How many.
    most : int
        Players that are affordable: there are two to the power of them coalitions.

    Returns
    -------
    float64[players, 2**players], 1
        1 where the player is in the coalition.

    Raises
    ------
    UsageError
        If there are more players than `most`.
    """
    if players > most:
        raise UsageError(f"attribution plays every coalition of channels: at most {most} may act, got {players}")
    numbers = np.arange(1 << players)
    return np.array([(numbers >> k & 1).astype(np.float64) for k in range(players)]).reshape(players, numbers.size)
