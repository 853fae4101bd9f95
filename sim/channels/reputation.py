"""R: what is said about an agent moves what is thought of those like it; customers, lenders and supervisors react."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from sim.arrays import Csr, Float, csr, empty
from sim.channels.base import CHANNELS, Channel, Step
from sim.channels.beliefs import BELIEF_COLUMNS, Learning, begin, deterioration, reveal, update
from sim.channels.custom import lose_business
from sim.channels.similarity import DENSE, Similarity, features
from sim.channels.word_of_mouth import tell_rumours
from sim.errors import Problem
from sim.kernels.rumour import spread_news
from sim.kernels.similarity import alike
from sim.ledger.balance import reach
from sim.state import AGENTS, Column
from sim.system import System

COLUMNS = (
    Column("ignorant", "1", "Share of those a rumour reaches who have not heard it", AGENTS, start=1.0),
    Column("telling", "1", "Share of those a rumour reaches who tell it", AGENTS),
    Column("rumour_size", "1", "Bias of the news if everybody told it, percentage points of leverage", AGENTS),
    Column("rumour_reach", "1", "Share of the public that a rumour reaches; 0: whom the platforms reach", AGENTS),
    Column("campaign_for", "days", "Time for which a rumour is pressed on everybody reached", AGENTS),
    Column("refuted", "1", "1 in the step in which the truth about a rumour is published", AGENTS),
    Column("heard", "1", "Share of the public that has heard a rumour about the agent", AGENTS),
    Column("news", "1", "How bad the news about an agent is", AGENTS),
    Column("own_news", "1", "The part of it that the agent gave cause for", AGENTS),
    Column("users", "1", "Share of its users that a platform has kept", ("platforms",), start=1.0),
)


@CHANNELS.register("reputation")
class Reputation(Channel):
    r"""News about one agent spills over to agents like it.

    Signal of j: bad news; layer: similarity; response of i: its belief falls, and with it its customers, lenders and
    the patience of supervisors. With the kernel ``belief`` the spill-over is Bayesian: the prior covariance is
    :math:`v^2 [(1 - \rho_s) I + \rho_s S]`. With ``complex`` it takes several neighbours:

    .. math::
        r_i(t + 1) = (1 - \delta) r_i + (1 - r_i) \Lambda((\sum_j W_{ij} r_j - \theta) / w)

    in excess of what :math:`\Lambda` is without news, W the similarity with rows that sum to 1. Losses are posted as
    transfers: income goes to competitors, interest to lenders.

    References
    ----------
    Maki and Thompson (1973) for rumours; Watts (2002) and Centola and Macy (2007) for the complex kernel.
    """

    letter: ClassVar[str] = "R"
    phases: ClassVar[Mapping[str, str]] = {"service": "tell", "beliefs": "learn", "funding": "react"}
    columns: ClassVar[tuple[Column, ...]] = (*COLUMNS, *BELIEF_COLUMNS)

    kernel: Literal["belief", "complex"] = "belief"
    """How news spills over: by Bayes' rule, or by a threshold."""

    similarity: Similarity = Similarity()
    """Who is thought of together, and how much. The kernel ``complex`` takes `weight` 0, its default there."""

    learning: Learning = Learning()
    """How fast the public learns, where the liquidity channel does not say it."""

    news_scale: float = Field(default=4.0, gt=0, le=100)
    """Fall of belief at which the news is as bad as can be, percentage points of leverage. Assumed."""

    threshold: float = Field(default=0.3, gt=0, le=1)
    """Share of bad news among its like at which an agent follows (complex), theta, 1. Assumed."""

    width: float = Field(default=0.04, ge=0, le=1)
    """Width of that threshold, w, 1; 0 is a step (Watts). Assumed."""

    fade: float = Field(default=0.05, ge=0, le=1)
    """Part of the news that is forgotten in a day (complex), delta, 1. Assumed."""

    news_bias: float = Field(default=2.0, ge=0, le=100)
    """What the worst news that an agent gave no cause for is taken to say of its health (complex), percentage points
    of leverage. Assumed."""

    telling_rate: float = Field(default=0.5, gt=0, le=100)
    """Rate at which one who tells a rumour tells an ignorant whom it meets, br, per day. Assumed."""

    stifling_rate: float = Field(default=0.5, gt=0, le=100)
    """Rate at which one who tells it falls silent on meeting the informed, ur, per day. Equal rates leave 20.3 %
    ignorant (Maki and Thompson)."""

    sharing_saves: float = Field(default=0.5, ge=0, le=1)
    """Part of the time to a refutation that full information sharing saves, k3, 1. Assumed."""

    refutation_precision: float = Field(default=100.0, gt=0, le=1e6)
    """Precision of the true signal that refutes a rumour, 1 / squared percentage points. Assumed."""

    attrition: float = Field(default=0.02, ge=0, le=1)
    """Share of fee income lost to competitors at the worst news, mu_r, 1. Assumed."""

    share_response: float = Field(default=0.0, ge=0, le=100)
    """What lost fee income takes off the market value of an agent's shares, in units of that income; 0: shares do not
    react to news (assumed, 0 to 30), 1."""

    churn: float = Field(default=0.002, ge=0, le=1)
    """Rate at which users leave a platform at the worst news, per day. Assumed."""

    spread: float = Field(default=0.01, ge=0, le=1)
    """Interest that lenders ask for more at the worst news, on term debt and wholesale deposits, per year. Assumed."""

    @model_validator(mode="before")
    @classmethod
    def _one_kernel(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("kernel") == "complex":
            said = data.get("similarity", {})
            if isinstance(said, dict):
                return data | {"similarity": {"weight": 0.0} | said}
        return data

    @model_validator(mode="after")
    def _not_both(self) -> Reputation:
        if self.kernel == "complex" and self.similarity.weight > 0.0:
            raise ValueError(
                f"similarity.weight = {self.similarity.weight:g} spills news by Bayes' rule; kernel: complex does it "
                "by a threshold and allows only weight: 0"
            )
        return self

    def problems(self, mode: str, system: System) -> list[Problem]:
        """Return why these parameters cannot be played.

        Parameters
        ----------
        mode : {"static", "dynamic"}
            How the scenario is played.
        system : System
            What it is played on.

        Returns
        -------
        list of Problem
            Empty when all is well.
        """
        people = system.types["funds"].start
        if self.kernel != "complex" or "similarity" in system.layers or people <= DENSE:
            return []
        text = (
            f"channels.reputation.kernel = 'complex' compares all pairs of up to {DENSE} banks, firms and platforms; "
            f"here are {people}: give the system a layer 'similarity', or use kernel: belief"
        )
        return [Problem(text, key="channels.reputation.kernel")]

    def begin(self, step: Step) -> None:
        """Let the public know the truth.

        Parameters
        ----------
        step : Step
            Before the first one.
        """
        begin(step)

    def tell(self, step: Step) -> None:
        """Let rumours spread, and turn them and what others are taken to say into the bias of today's news.

        Parameters
        ----------
        step : Step
            Where we are.
        """
        tell_rumours(self, step)
        state = step.state
        if self.kernel == "complex" and (state.news > state.own_news).any():
            state.rumour[...] -= self.news_bias * np.maximum(0.0, state.news - state.own_news) * (step.on > 0.0)

    def learn(self, step: Step) -> None:
        """Let the public learn, and bring the news about every agent up to date.

        Parameters
        ----------
        step : Step
            Where we are.
        """
        update(step)
        state, on = step.state, step.on > 0.0
        refuted = (state.refuted > 0.0) & on
        if refuted.any():
            reveal(step, refuted, self.refutation_precision)
        seen = np.minimum(1.0, deterioration(state) / self.news_scale)
        if self.kernel == "belief":
            state.news[...] = np.where(on, seen, state.news)
        else:
            self._follow(step, seen)

    def _follow(self, step: Step, seen: Float) -> None:
        """Let agents catch the news about their like; what is seen of their own is news in any case."""
        state, on = step.state, step.on > 0.0
        if not (state.news.any() or seen.any()):
            return
        taken = self.news_bias / self.news_scale * np.maximum(0.0, state.news - state.own_news)
        own, caught = np.maximum(0.0, seen - taken), state.news.copy()
        network, strength = self._network(step.system)
        spread_news(reach(network, caught), strength, self.threshold, self.width, self.fade, step.days, caught)
        state.own_news[...] = np.where(on, own, state.own_news)
        state.news[...] = np.where(on, np.maximum(caught, own), state.news)

    def _network(self, system: System) -> tuple[Csr, Float]:
        """Who is like whom, and how much in all: the layer `similarity`, or the similarity of features."""

        def work_out() -> tuple[Csr, Float]:
            if "similarity" in system.layers:
                found = system.layers["similarity"].csr
            else:
                told = features(system)
                near = empty(len(told), len(told))
                alike(told, self.similarity.length, near)
                near[np.diag_indices_from(near)] = 0.0
                whole = np.zeros((len(system.ids), len(system.ids)))
                whole[: len(told), : len(told)] = near
                found = csr(whole)
            return found, np.ascontiguousarray(reach(found, np.ones((found.n_columns, 8)))[:, 0])

        made: tuple[Csr, Float] = system.once(("likeness", self.similarity.length), work_out)
        return made

    def react(self, step: Step) -> None:
        """Let customers and lenders react to the news.

        Parameters
        ----------
        step : Step
            Where we are.
        """
        lose_business(self, step)
