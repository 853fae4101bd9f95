"""A player whose numbers depend on seed and draw only, and a small scenario for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from sim.scenario.load import load


@dataclass
class ToyBlock:
    """What the toy returns."""

    metrics: Mapping[str, Any]
    final: Mapping[str, Any]
    agents: tuple[str, ...]
    status: list[str]
    reason: list[str]


@dataclass
class Toy:
    """Plays blocks; breaks where it is told to."""

    breaks: dict[int, Callable[[], None]] = field(default_factory=dict)
    uncertified: frozenset[int] = frozenset()
    replaced: dict[int, float] = field(default_factory=dict)
    played: list[int] = field(default_factory=list)

    def __call__(self, scenario: Any, system: Any, draws: Any, seed: int) -> ToyBlock:
        self.played.extend(draws.tolist())
        for draw in draws.tolist():
            if draw in self.breaks:
                self.breaks[draw]()
        steps, names = scenario.horizon.steps, scenario.metrics
        lanes = []
        for draw in draws.tolist():
            values = np.random.default_rng([seed, draw]).lognormal(size=(len(names), steps))
            lanes.append(np.full_like(values, self.replaced[draw]) if draw in self.replaced else values)
        block = np.stack(lanes, axis=-1)
        final = {}
        if scenario.record == "agents":
            final = {"equity": np.arange(3.0)[:, None] + draws, "is_defaulted": np.zeros((3, draws.size), dtype=bool)}
        loose = [draw in self.uncertified for draw in draws.tolist()]
        return ToyBlock(
            {name: block[k] for k, name in enumerate(names)},
            final,
            ("a", "<b>", "銀行") if final else (),
            ["not-certified" if each else "ok" for each in loose],
            ["residual 0.1" if each else "" for each in loose],
        )


@pytest.fixture(scope="session")
def toy() -> type[Toy]:
    """The class, to be made as a test needs it."""
    return Toy


@pytest.fixture(scope="session")
def scenario() -> Any:
    """Three steps, two metrics."""
    changes = {
        "mode": "dynamic",
        "horizon.steps": 3,
        "metrics": ["system_loss", "defaults"],
        "monte_carlo.seed": 7,
        "record": "metrics",
    }
    return load("ring_of_ten").override(changes)
