"""The walls of a run: when each of them stands, what they have made good, and what passes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from sim.arrays import Float
from sim.ledger.balance import claims_carried, total_assets
from sim.state import State
from sim.walls.absorbing import CLAIMS, Absorbing, door
from sim.walls.base import YEAR, Wall
from sim.walls.placed import Named, by_letter
from sim.walls.stand import Stand, note
from sim.walls.watch import Clock, Watch

if TYPE_CHECKING:
    from sim.channels.base import Channel, Step, TightView
    from sim.streams import Draws
    from sim.system import System


def raised(matrix: Mapping[str, Wall], walls: Sequence[Wall]) -> tuple[Named, ...]:
    """Return the walls that stand for anything, cells of the matrix without a kind as what they stand for.

    Parameters
    ----------
    matrix : mapping of str to Wall
        By pair.
    walls : sequence of Wall
        Further ones.

    Returns
    -------
    tuple of Named
        By their order, then as written; open ones are left out.
    """
    written = [(f"wall.{pair}", wall) for pair, wall in matrix.items()]
    written += [(f"walls.{place}", wall) for place, wall in enumerate(walls)]
    found = [Named(key, part) for key, wall in written for part in wall.parts() if not part.is_open]
    return tuple(sorted(found, key=lambda each: -1 if each.wall.order is None else each.wall.order))


def sources(walls: Sequence[Named]) -> tuple[str, ...]:
    """Return what the postings of each wall go under.

    Parameters
    ----------
    walls : sequence of Named
        From `raised`.

    Returns
    -------
    tuple of str
        Each another one.
    """
    labels = [each.wall.label for each in walls]
    return tuple(
        label if labels.count(label) == 1 else f"{label}_{labels[:place].count(label) + 1}"
        for place, label in enumerate(labels)
    )


def rebuilt(system: System, walls: Sequence[Named]) -> System:
    """Return the system with the walls that were there from the start, worked out once.

    Parameters
    ----------
    system : System
        Without them.
    walls : sequence of Named
        From `raised`.

    Returns
    -------
    System
        The same one where no wall changes it.
    """

    def work_out() -> System:
        made = system
        for each in walls:
            made = each.wall.rebuild(made)
        return made

    found: System = system.once(("walls", tuple(each.wall for each in walls)), work_out)
    return found


def retuned(channels: Mapping[str, Channel], walls: Sequence[Named]) -> dict[str, Channel]:
    """Return the channels as walls make them behave.

    Parameters
    ----------
    channels : mapping of str to Channel
        Those that act.
    walls : sequence of Named
        From `raised`.

    Returns
    -------
    dict of str to Channel
        In the same order.
    """
    made = dict(channels)
    for each in walls:
        made = each.wall.retune(made)
    return made


class Walls:
    """The walls of one block of draws.

    Parameters
    ----------
    walls : sequence of Named
        From `raised`.
    system : System
        As `rebuilt`.
    state : State
        Of the block; its sources include those of the walls.
    draws : Draws
        Luck of the block.
    channels : mapping of str to Channel
        Those that act.
    """

    def __init__(
        self,
        walls: Sequence[Named],
        system: System,
        state: State,
        draws: Draws,
        channels: Mapping[str, Channel],
    ) -> None:
        lanes, everyone = state.n_lanes, np.ones((state.n_agents, state.n_lanes), dtype=np.bool_)
        names = by_letter(channels)
        self.stands: list[Stand] = []
        self._at: dict[tuple[str, str], list[Stand]] = {}
        self._watch = Watch()
        self._clocks: list[Clock] = []
        self._streams: list[str] = []
        self._made_good: dict[str, Float] = {}
        self._credible, self._cost = [], []
        assets = total_assets(system.state(1, ("shock",)))
        for each, source in zip(walls, sources(walls), strict=True):
            wall, way = each.wall, each.wall.way
            if way is None:
                continue
            shields = system.target(wall.among, draws.draws) if wall.among else everyone
            left = np.full(lanes, np.inf if wall.capacity is None else wall.capacity)
            mine = np.where(shields, assets, 0.0)
            stand = Stand(wall, way, source, names[wall.between[0]], shields, np.zeros(lanes), left, mine)
            self.stands.append(stand)
            self._clocks.append(Clock(lanes, wall.delay, wall.duration))
            self._streams.append(each.stream or f"walls.{source}.noise")
            luck = draws.uniform(f"walls.{source}.credibility", ("wall",), 0)[0]
            self._credible.append((luck < wall.credibility).astype(np.float64))
            self._cost.append(wall.cost / YEAR * mine[state.people].sum(axis=0))
            for moment in door(way, wall.between):
                self._at.setdefault(moment, []).append(stand)
        self._names = names

    def turn(self, step: Step) -> None:
        """Put walls up and take them down, at the beginning of a step, by what is seen of the steps before.

        Parameters
        ----------
        step : Step
            The one that begins.
        """
        self._watch.look((stand.wall.trigger for stand in self.stands), step)
        for place, stand in enumerate(self.stands):
            up = self._up(place, stand, step) * self._credible[place]
            for letter in stand.wall.between.split("_"):
                up = up * (step.switches[self._names[letter]] > 0.0)
            stand.holds = up
            stand.wall.turn(stand, step)
            if stand.wall.cost > 0.0:
                note(step.state, "wall_cost", self._cost[place] * step.days)

    def _up(self, place: int, stand: Stand, step: Step) -> Float:
        """Whether a wall stands in the step, float64[n_lanes], 1."""
        wall = stand.wall
        if wall.trigger is None:
            last = np.inf if wall.duration is None else wall.delay + wall.duration
            time = (step.number - 1) * step.days
            return np.full(stand.holds.size, float(wall.delay <= time < last))
        return self._clocks[place].up(self._watch.fired(wall.trigger, self._streams[place], step), step.days)

    def act(self, when: str, phase: str, step: Step) -> None:
        """Let walls act before or after a phase.

        Parameters
        ----------
        when : {"before", "after"}
            Side.
        phase : str
            Of the step.
        step : Step
            Where we are.
        """
        for stand in self._in_turn(when, phase):
            stand.wall.act(stand, step, when)

    def _in_turn(self, when: str, phase: str) -> Iterator[Stand]:
        """In their order; who hides something does so last and shows it first, so that nobody posts to a copy."""
        stands = self._at.get((when, phase), [])
        both = ("after" if when == "before" else "before", phase)
        hiding = [stand for stand in stands if both in stand.way.at]
        others = [stand for stand in stands if both not in stand.way.at]
        yield from (*others, *hiding) if when == "before" else (*reversed(hiding), *others)

    def made_good(self, channel: str) -> Float:
        """Return what walls have made good of a channel's losses so far.

        Parameters
        ----------
        channel : str
            Source of the losses.

        Returns
        -------
        float64[n_agents, n_lanes], currency
            Changed in place by the walls.
        """
        if channel not in self._made_good:
            stand = self.stands[0]
            self._made_good[channel] = np.zeros(stand.shields.shape)
        return self._made_good[channel]

    def passed(self, step: Step, path: str, amount: Float) -> Float:
        """Return what of a flow passes all walls before it.

        Parameters
        ----------
        step : Step
            Where we are.
        path : str
            Such as ``"sales"``.
        amount : float64[n_rows, n_lanes]
            What comes.

        Returns
        -------
        float64[n_rows, n_lanes]
            `amount` itself where no wall stands there.
        """
        for stand in self.stands:
            if stand.way.name == path:
                amount = stand.wall.passed(stand, step, amount)
        return amount

    def _backing(self, state: State, worth: Float) -> list[tuple[Stand, Float]]:
        """What each fund behind claims adds, in their order."""
        found: list[tuple[Stand, Float]] = []
        standing = [stand for stand in self.stands if stand.way is CLAIMS]
        if not standing:
            return found
        short = np.maximum(0.0, (claims_carried(state) - claims_carried(state, worth))[state.debtors])
        for stand in standing:
            if isinstance(stand.wall, Absorbing):
                paid = stand.wall.backing(stand, state, short)
                found.append((stand, paid))
                short = short - paid
        return found

    def back(self, step: Step, view: TightView, *, liquid: bool) -> TightView:
        """Add to trial balance sheets what funds behind claims are going to pay.

        Parameters
        ----------
        step : Step
            Where we are.
        view : TightView
            Changed in place.
        liquid : bool
            Whether cash counts with claims when costs of default are reckoned, as with ``costs: illiquid``.

        Returns
        -------
        TightView
            The same.
        """
        rows = step.state.debtors
        for _, paid in self._backing(step.state, view.worth):
            mine = view.inside if liquid else view.external
            for sheet in (mine, view.assets, view.equity):
                sheet[rows] += paid
        return view

    def pay(self, step: Step, worth: Float) -> None:
        """Pay creditors what funds behind their claims owe them, before the claims are settled.

        Parameters
        ----------
        step : Step
            Where we are.
        worth : float64[n_agents, n_lanes], 1
            What claims are going to be worth.
        """
        for stand, paid in self._backing(step.state, worth):
            if isinstance(stand.wall, Absorbing):
                stand.wall.pay(stand, step, paid)
