"""Months that begin on one day of the month, whatever the month's length."""

import calendar
from datetime import datetime


def add_months(start: datetime, months: int, *, day: int) -> datetime:
    """Return `start` so many months later, on `day` or, in a shorter month, its last."""
    index = start.year * 12 + start.month - 1 + months
    year, month = divmod(index, 12)
    last = calendar.monthrange(year, month + 1)[1]
    return start.replace(year=year, month=month + 1, day=min(day, last))
