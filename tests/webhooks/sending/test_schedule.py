"""When a failed delivery is tried again."""

from datetime import UTC, datetime, timedelta

import pytest

from webhooks.sending import schedule

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def test_the_pauses_are_those_of_the_contract() -> None:
    hours = [pause.total_seconds() / 3600 for pause in schedule.GAPS[3:]]
    assert [pause.total_seconds() for pause in schedule.GAPS[:3]] == [5, 25, 125]
    assert hours == [0.5, 2, 5, 10, 14, 20, 24]


@pytest.mark.parametrize("failures", range(1, 11))
def test_jitter_only_makes_a_pause_longer(failures: int) -> None:
    pause = schedule.GAPS[failures - 1]
    soonest = schedule.next_attempt(failures, now=NOW, rand=lambda: 0.0)
    latest = schedule.next_attempt(failures, now=NOW, rand=lambda: 1.0)
    assert soonest == NOW + pause
    assert latest == NOW + pause * 1.2


def test_the_eleventh_failure_is_the_last() -> None:
    assert schedule.next_attempt(10, now=NOW) is not None
    assert schedule.next_attempt(11, now=NOW) is None


def test_retry_after_can_only_make_a_pause_longer() -> None:
    def asked(seconds: int, failures: int = 1) -> datetime | None:
        rest = timedelta(seconds=seconds)
        return schedule.next_attempt(
            failures, now=NOW, min_pause=rest, rand=lambda: 0.0
        )

    assert asked(60) == NOW + timedelta(seconds=60)
    assert asked(60, failures=4) == NOW + timedelta(minutes=30)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0),
        ("7", 7),
        (" 120 ", 120),
        ("999999999999999999999", 86_400),
        ("Fri, 20 Nov 2026 12:01:00 GMT", 60),
        ("Fri, 20 Nov 2026 11:00:00 GMT", 0),
        ("Fri, 20 Nov 2036 12:00:00 GMT", 86_400),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str, seconds: int) -> None:
    assert schedule.requested_pause(header, now=NOW) == timedelta(seconds=seconds)


_NO_TIME = "Mon, 99999999999999999999 Jan 2024 00:00:00 GMT"


@pytest.mark.parametrize(
    "header", ["", "soon", "-5", "1.5", "٧", "1e9", "Fri", "\0", _NO_TIME]
)
def test_invalid_retry_after_is_ignored(header: str) -> None:
    assert schedule.requested_pause(header, now=NOW) is None
