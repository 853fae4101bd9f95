"""How far a run is, and who is told."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Parameters
    ----------
    done, draws : int
        Draws finished, those found in the result folder included; draws in all.
    failed, cached : int
        Draws that failed; draws found in the result folder.
    seconds : float
        Since the first block began.
    rate : float
        Draws a second, those found not counted.
    eta : float
        Seconds left; NaN before the first draw is done.
    width, wanted : float
        Of a run that ends when a mean is known well enough (``until``): half-width of its interval at the last look,
        and that at which the run ends; NaN otherwise.
    """

    done: int
    draws: int
    failed: int
    cached: int
    seconds: float
    rate: float
    eta: float
    width: float = math.nan
    wanted: float = math.nan


Tell = Callable[[Progress], None]


@contextmanager
def teller(progress: bool | Tell) -> Iterator[Tell]:
    """Give what is called after every block.

    Parameters
    ----------
    progress : bool or callable
        True shows a bar on stderr.

    Yields
    ------
    callable
        Takes a `Progress`.
    """
    if callable(progress):
        yield progress
    elif not progress:
        yield lambda _at: None
    else:
        with import_module("tqdm.auto").tqdm(unit="draw") as bar:

            def tell(at: Progress) -> None:
                bar.total = at.draws
                said: dict[str, object] = {"failed": at.failed, "cached": at.cached} if at.failed or at.cached else {}
                said |= {"interval": f"+-{at.width:.3g} of {at.wanted:g}"} if at.wanted > 0.0 else {}
                bar.set_postfix(said)
                bar.update(at.done - bar.n)

            yield tell
