"""A clock that tests set."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone


class Clock:
    """The time that `timezone.now` returns. The database's clock is not changed."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def set(self, year: int, month: int, day: int, hour: int = 12) -> datetime:
        """Move to that moment, UTC."""
        self.now = datetime(year, month, day, hour, tzinfo=UTC)
        return self.now

    def forward(self, **time: float) -> datetime:
        """Let time go by."""
        self.now += timedelta(**time)
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock; it shows the current time until it is set."""
    made = Clock(timezone.now())
    monkeypatch.setattr(timezone, "now", lambda: made.now)
    return made
