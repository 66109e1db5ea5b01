"""Fixtures for tests of billing."""

from tests.billing.clock import clock

__all__ = ["clock"]
