"""Celery tasks, started by a bell or by the schedule. Each may run twice."""

from uuid import UUID

from celery import shared_task
from celery.schedules import crontab

from kit.work.calendar import scheduled
from providers.catalogue import sync
from providers.keys import checking, using


@scheduled(
    "check workspaces' provider keys", crontab(hour="3", minute="10"), queue="remote"
)
@shared_task
def check_keys() -> None:
    """Check with the providers whether workspaces' own keys are still valid."""
    checking.check_all()


@shared_task(name=using.CHECK)
def check_key(key_id: str) -> None:
    """Check one own key after its provider rejected a call with it."""
    checking.check_one(UUID(key_id))


@shared_task(name=using.LEARN)
def learn_voices(key_id: str) -> None:
    """Add the public voices that a workspace's own key can list and ours can't."""
    checking.learn_voices(UUID(key_id))


@scheduled("refresh the catalogue", crontab(hour="4", minute="10"), queue="remote")
@shared_task
def sync_catalogue() -> None:
    """Update the catalogue's voices from the vendors' lists."""
    sync.sync()
