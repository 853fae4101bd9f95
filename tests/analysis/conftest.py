"""The toy player and its scenario, as in tests/experiments."""

from tests.experiments.conftest import scenario, toy

__all__ = ["scenario", "toy"]
