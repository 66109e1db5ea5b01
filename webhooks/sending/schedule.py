"""The retry schedule of failed deliveries."""

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

GAPS = (
    *(timedelta(seconds=seconds) for seconds in (5, 25, 125)),
    timedelta(minutes=30),
    *(timedelta(hours=hours) for hours in (2, 5, 10, 14, 20, 24)),
)
"""Pause after each failed attempt: eleven attempts in 76 hours."""
JITTER = 0.2
"""Random extra length of a pause, at most this share of it."""
LONGEST_PAUSE = timedelta(hours=24)
"""Longest pause that a receiver can ask for with Retry-After."""


def next_attempt(
    failures: int,
    *,
    now: datetime,
    min_pause: timedelta | None = None,
    rand: Callable[[], float] = random.random,
) -> datetime | None:
    """Return the time of the next attempt after `failures`; None if no attempt is left.

    `min_pause` is the pause that the receiver asked for; `rand` returns a random number
    from 0 to 1.
    """
    if failures > len(GAPS):
        return None
    pause = max(GAPS[failures - 1], min_pause or timedelta())
    return now + pause * (1 + JITTER * rand())


def requested_pause(header: str, *, now: datetime) -> timedelta | None:
    """Return the pause that a Retry-After header asks for (RFC 9110 §10.2.3)."""
    text = header.strip()
    if text.isascii() and text.isdigit():
        pause = timedelta(seconds=min(int(text[:9]), LONGEST_PAUSE.total_seconds()))
    else:
        try:
            until = parsedate_to_datetime(text)
        except (ValueError, IndexError, OverflowError):
            return None
        if until.tzinfo is None:  # "-0000": the time zone is unknown
            return None
        pause = until - now
    return max(timedelta(), min(pause, LONGEST_PAUSE))
