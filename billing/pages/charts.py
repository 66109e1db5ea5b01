"""Compute the bars of a chart on the server, so that pages need no script for it."""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass

WIDTH, HEIGHT, _GAP = 720, 160, 0.25
"""Size of the chart in SVG units; the gap is a share of the width per bar."""


@dataclass(frozen=True, slots=True)
class Bar:
    """The rectangle of a day; `x` and `y` are its top left corner."""

    day: datetime.date
    credits: int
    x: float
    y: float
    width: float
    height: float


def bars(days: list[datetime.date], credits: Mapping[datetime.date, int]) -> list[Bar]:
    """Return a bar for each day; its height is relative to the largest day."""
    room = WIDTH / len(days)
    top = max((credits.get(day, 0) for day in days), default=0) or 1
    found = []
    for number, day in enumerate(days):
        amount = credits.get(day, 0)
        # Small values stay visible next to the largest.
        height = max(2.0, HEIGHT * amount / top) if amount else 0.0
        found.append(
            Bar(
                day,
                amount,
                round(number * room + room * _GAP / 2, 2),
                round(HEIGHT - height, 2),
                round(room * (1 - _GAP), 2),
                round(height, 2),
            )
        )
    return found
