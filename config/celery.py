"""The Celery application. It carries doorbells: ids at most, never state."""

import logging
import os
import sys
import warnings
from typing import Any

from celery import Celery
from celery.exceptions import SecurityWarning
from celery.signals import (
    celeryd_init,
    heartbeat_sent,
    import_modules,
    worker_process_init,
)
from django.core.cache import cache
from django.core.exceptions import ImproperlyConfigured
from django.db.backends.postgresql.base import DatabaseWrapper

from kit.secrets import require_keys
from kit.work import calendar

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

HEARTBEAT = "heartbeat:worker"

logger = logging.getLogger(__name__)
# It warns of root because of pickled messages; ours are JSON, and hold ids.
warnings.filterwarnings("ignore", category=SecurityWarning)
app = Celery("ozvena")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@import_modules.connect(sender=app)
def fill_calendar(**_: Any) -> None:
    """Give beat the entries of all tasks, which have just been imported."""
    app.conf.beat_schedule = calendar.entries()


@celeryd_init.connect
def need_keys(**_: Any) -> None:
    """Start no worker without the keys; an error of ours Celery would only log."""
    try:
        require_keys()
    except ImproperlyConfigured as error:
        sys.exit(f"Ozvena can't start: {error}")


@worker_process_init.connect
def forget_inherited_connections(**_: Any) -> None:
    """Give a forked worker its own connection pool.

    A child that went on with its parent's sockets would mix two conversations, without
    an error to tell.
    """
    DatabaseWrapper._connection_pools.clear()  # type: ignore[attr-defined]


@heartbeat_sent.connect
def beat(**_: Any) -> None:
    """Leave a sign of life for `/health/ready`."""
    try:
        cache.set(HEARTBEAT, True, timeout=30)
    except Exception:  # noqa: BLE001 - django-redis lets several libraries' errors through
        logger.warning("the cache does not answer")
