"""Flights that laws share with the tests of flights; each is flown once a session."""

from tests.flight.conftest import smoke

__all__ = ["smoke"]
