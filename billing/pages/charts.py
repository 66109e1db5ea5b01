"""Bars for pages: numbers become rectangles here, so that no script has to."""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass

WIDTH, HEIGHT, _GAP = 720, 160, 0.25
"""Of the picture, in its own units; a gap is a part of a bar's room."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A day's rectangle; `x` and `y` are those of its top left corner."""

    day: datetime.date
    credits: int
    x: float
    y: float
    width: float
    height: float


def bars(days: list[datetime.date], credits: Mapping[datetime.date, int]) -> list[Bar]:
    """Return a bar for each day, as high as its share of the largest."""
    room = WIDTH / len(days)
    top = max((credits.get(day, 0) for day in days), default=0) or 1
    found = []
    for number, day in enumerate(days):
        amount = credits.get(day, 0)
        # What is there is seen, however small it is beside the largest.
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
