"""The Celery application. Its messages are bells, which carry ids at most, never state."""

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
# Celery warns about running as root because of pickled messages; ours are JSON with ids.
warnings.filterwarnings("ignore", category=SecurityWarning)
app = Celery("ozvena")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@import_modules.connect(sender=app)
def fill_calendar(**_: Any) -> None:
    """Pass the calendar to beat, once all task modules are imported."""
    app.conf.beat_schedule = calendar.entries()


@celeryd_init.connect
def switch_threads_often(**_: Any) -> None:
    """Let a thread that has an answer of a server wait for those that compute for 0.5 ms.

    Python's 5 ms are waited for after each of the 30 or so queries of a call.
    """
    sys.setswitchinterval(0.0005)


@celeryd_init.connect
def need_keys(**_: Any) -> None:
    """Start no worker without the keys; an error of ours Celery would only log."""
    try:
        require_keys()
    except ImproperlyConfigured as error:
        sys.exit(f"Ozvena can't start: {error}")


@worker_process_init.connect
def forget_inherited_connections(**_: Any) -> None:
    """Clear the database pool after a fork, so that a worker opens connections of its own.

    If parent and child used the same sockets, their queries and results would be mixed up
    without any error.
    """
    DatabaseWrapper._connection_pools.clear()  # type: ignore[attr-defined]


@heartbeat_sent.connect
def beat(**_: Any) -> None:
    """Write the heartbeat for `/health/ready`."""
    try:
        cache.set(HEARTBEAT, True, timeout=30)
    except Exception:  # noqa: BLE001 - django-redis lets several libraries' errors through
        logger.warning("could not write the heartbeat: the cache is unavailable")
