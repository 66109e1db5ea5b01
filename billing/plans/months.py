"""Add months to a date, for billing periods that begin on a fixed day of the month."""

import calendar
from datetime import datetime


def add_months(start: datetime, months: int, *, day: int) -> datetime:
    """Return `start` plus `months`, on `day` or on the last day of a shorter month."""
    index = start.year * 12 + start.month - 1 + months
    year, month = divmod(index, 12)
    last = calendar.monthrange(year, month + 1)[1]
    return start.replace(year=year, month=month + 1, day=min(day, last))
