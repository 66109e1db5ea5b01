"""Months that begin on a fixed day."""

from datetime import UTC, datetime

import pytest

from billing.plans.months import add_months


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "months", "day", "expected"),
    [
        ("2027-01-31T08:30", 1, 31, "2027-02-28T08:30"),
        ("2028-01-31T08:30", 1, 31, "2028-02-29T08:30"),
        ("2028-02-29T08:30", 1, 31, "2028-03-31T08:30"),
        ("2028-02-29T00:00", 12, 29, "2029-02-28T00:00"),
        ("2028-02-29T00:00", 48, 29, "2032-02-29T00:00"),
        ("2100-01-30T00:00", 1, 30, "2100-02-28T00:00"),
        ("2027-12-31T23:59", 1, 31, "2028-01-31T23:59"),
        ("2027-11-30T00:00", 14, 30, "2029-01-30T00:00"),
        ("2027-05-05T01:02", 0, 5, "2027-05-05T01:02"),
    ],
)
def test_add_months(start, months, day, expected):
    assert add_months(at(start), months, day=day) == at(expected)
