"""The calendar: periodic tasks, declared next to the task.

`config.celery` passes the entries to Celery beat, which writes them to the database when it
starts. The code decides when a task runs. Operators may disable a task in the admin; it
stays disabled.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from celery import Task
from celery.schedules import crontab

T = TypeVar("T", bound="Task[..., Any]")


@dataclass(frozen=True, slots=True)
class _Entry:
    task: "Task[..., Any]"
    when: timedelta | crontab
    queue: str


_entries: dict[str, _Entry] = {}


def scheduled(
    name: str, when: timedelta | crontab, *, queue: str = "calendar"
) -> Callable[[T], T]:
    """Schedule a task, at an interval or at a time of day (UTC), on the workers of `queue`.

    `name` identifies the entry in the admin and in the database, so another name would
    make a second entry.
    """

    def enter(task: T) -> T:
        assert name not in _entries, name
        _entries[name] = _Entry(task, when, queue)
        return task

    return enter


def entries() -> dict[str, dict[str, Any]]:
    """Return all entries in the format of Celery's `beat_schedule`."""
    return {
        name: {
            "task": entry.task.name,
            "schedule": entry.when,
            "options": {"queue": entry.queue},
        }
        for name, entry in _entries.items()
    }
