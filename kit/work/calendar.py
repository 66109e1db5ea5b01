"""The calendar: tasks that are started by the clock, declared where they are defined.

`config.celery` hands it to beat, which writes the entries to the database when it starts.
Developers decide when a task runs, operators whether: one that they paused stays paused.
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
    name: str, when: timedelta | crontab, *, queue: str = "local"
) -> Callable[[T], T]:
    """Have a task run every so often, or at a time of the day (UTC), by workers of `queue`.

    Operators know the entry by its name, and so does the database: a new name would be a
    second entry.
    """

    def enter(task: T) -> T:
        assert name not in _entries, name
        _entries[name] = _Entry(task, when, queue)
        return task

    return enter


def entries() -> dict[str, dict[str, Any]]:
    """Return all entries in the form of Celery's `beat_schedule`."""
    return {
        name: {
            "task": entry.task.name,
            "schedule": entry.when,
            "options": {"queue": entry.queue},
        }
        for name, entry in _entries.items()
    }
