"""W5: what the public reads into bad news: disclosure, separate brands, a firm line between a group's parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from sim.errors import Problem
from sim.walls.base import WALLS, Path, Wall
from sim.walls.stand import Stand

if TYPE_CHECKING:
    from sim.channels.base import Channel, Step
    from sim.system import System

AROUND_BELIEFS = (("before", "beliefs"), ("after", "beliefs"))
OUTAGES = Path("outages", ("O_R", "O_L"), "news of outages", "what outages say of an agent's health", AROUND_BELIEFS)
CASES = Path("cases", ("K_R", "K_L"), "news of enforcement", "what a case says of an agent's health", AROUND_BELIEFS)
NEWS = Path(
    "losses", ("C_R", "C_L", "M_R"), "news of losses of {a}", "what the source's losses say of health", AROUND_BELIEFS
)
RUNS = Path(
    "beliefs",
    ("R_L",),
    "belief of depositors",
    "fall of belief that depositors and fund holders act on",
    (("before", "funding"), ("after", "funding")),
)
SIMILARITY = Path("similarity", ("R_R",), "similarity", "what news about one agent says of those like it")


@WALLS.register("informational")
class Informational(Wall):
    r"""Disclosure and separate brands: less is read into bad news.

    News crosses with the weight :math:`\omega`. Between reputation and itself it multiplies the correlation of what is
    believed of those alike (:math:`\rho_s`); elsewhere what the public reads into the source's news. No money moves and
    none is blocked: what the wall changes is
    who runs. It may backfire, for public news that would have been good is weighed down as well.

    References
    ----------
    Vives (2014), Review of Financial Studies 27(12), for disclosure that destabilises.
    """

    paths: ClassVar[tuple[Path, ...]] = (OUTAGES, CASES, NEWS, RUNS, SIMILARITY)

    def problems(self, channels: Mapping[str, Channel], system: System, key: str) -> list[Problem]:
        """Return why this wall cannot stand in this scenario.

        Parameters
        ----------
        channels : mapping of str to Channel
            Those that act.
        system : System
            What is played on.
        key : str
            Dotted key of the wall.

        Returns
        -------
        list of Problem
            Empty when all is well.
        """
        if self.way is not SIMILARITY:
            return []
        odd = [name for name in ("among", "trigger", "duration") if getattr(self, name)]
        odd += ["delay"] * (self.delay > 0.0) + ["credibility"] * (self.credibility < 1.0)
        said = "who is thought of together is the same for all and from the start; leave it out"
        found = [Problem(f"{key}.{name}: {said}", key=f"{key}.{name}") for name in odd]
        channel: Any = channels.get("reputation")
        if getattr(channel, "kernel", "belief") != "belief":
            text = f"{key}: news spreads by a threshold (channels.reputation.kernel: complex), not by similarity"
            found.append(Problem(text, key=key))
        return found

    def retune(self, channels: Mapping[str, Channel]) -> dict[str, Channel]:
        """Return the channels with less said of those alike.

        Parameters
        ----------
        channels : mapping of str to Channel
            Without the wall.

        Returns
        -------
        dict of str to Channel
            Changed where this wall stands between reputation and itself.
        """
        made = dict(channels)
        if self.way is SIMILARITY:
            reputation: Any = made["reputation"]
            weight = {"weight": self.permeability * reputation.similarity.weight}
            less = {"similarity": reputation.similarity.model_copy(update=weight)}
            made["reputation"] = reputation.model_copy(update=less)
        return made

    def act(self, stand: Stand, step: Step, when: str) -> None:
        """Weigh down what the public sees in the phase, and show it again as it is.

        Parameters
        ----------
        stand : Stand
            The wall in this run.
        step : Step
            Where we are.
        when : {"before", "after"}
            Side of the phase.
        """
        state, open_ = step.state, 1.0 - stand.closed()
        if stand.way is NEWS:
            place = state.sources.index(stand.origin)
            if when == "before":
                stand.kept["loss"] = state.loss
                state.loss = state.loss.copy()
                state.loss[place] *= open_
            else:
                state.loss = stand.kept.pop("loss")
            return
        name = {OUTAGES: "service", CASES: "enforcement", RUNS: "belief"}[stand.way]
        if when == "after":
            stand.look_again(state, name)
        elif stand.way is OUTAGES:
            stand.look_through(state, name, 1.0 - (1.0 - state.service) * open_)
        elif stand.way is CASES:
            stand.look_through(state, name, state.enforcement * open_)
        else:
            fallen = np.maximum(0.0, state.belief0 - state.belief)
            stand.look_through(state, name, state.belief + fallen * (1.0 - open_))
