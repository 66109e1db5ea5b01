"""The Celery application. It carries doorbells: ids at most, never state."""

import os
from typing import Any

from celery import Celery
from celery.signals import worker_process_init
from django.db.backends.postgresql.base import DatabaseWrapper

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("ozvena")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_process_init.connect
def forget_inherited_connections(**_: Any) -> None:
    """Give a forked worker its own connection pool.

    A child that went on with its parent's sockets would mix two conversations, without
    an error to tell.
    """
    DatabaseWrapper._connection_pools.clear()
