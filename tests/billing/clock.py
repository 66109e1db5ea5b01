"""A clock that tests set."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone


class Clock:
    """What `timezone.now` tells. The database's own clock goes on by itself."""

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
    """The clock, which shows the present until it is set."""
    made = Clock(timezone.now())
    monkeypatch.setattr(timezone, "now", lambda: made.now)
    return made
