"""A scenario file as frozen, validated values."""

from sim.scenario.distribution import Distribution
from sim.scenario.loader import load
from sim.scenario.model import Scenario, Threshold
from sim.scenario.resolved import resolved, secrets, world_hash

__all__ = ["Distribution", "Scenario", "Threshold", "load", "resolved", "secrets", "world_hash"]
