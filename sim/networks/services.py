"""Who depends on whose service: per function, the shares of providers, and how critical the function is."""

from __future__ import annotations

from dataclasses import dataclass

from sim.arrays import Csr, Float


@dataclass(frozen=True, eq=False)
class Services:
    """Services between agents, by function.

    Parameters
    ----------
    functions : tuple of str
        Such as ``"hosting"`` or ``"payments"``.
    shares : tuple of Csr
        Per function, ``row = user, column = provider``: the part of the function that the provider carries, 1. What no
        provider carries is done in house.
    criticality : float64[n_functions, n_agents], 1
        Part of a user's own service that is lost when the function is.
    backup : float64[n_functions, n_agents], 1
        Part of the function that a user can move to its other providers.
    imputed : bool
        Whether they were generated, and not observed.
    """

    functions: tuple[str, ...]
    shares: tuple[Csr, ...]
    criticality: Float
    backup: Float
    imputed: bool = False
