"""`manage.py dispatch`: requeue lost work and ring for due work, every second.

It calls `sweep` of everything that apps register as `swept`. It makes up for bells that the
broker lost, so it does not depend on the broker itself. Several copies do no harm.
"""

import logging
import signal
import threading
from typing import Any

from django.core.cache import cache
from django.core.management.base import BaseCommand

from kit.db import connections
from kit.registry import registered
from kit.secrets import require_keys

HEARTBEAT = "heartbeat:dispatcher"
_PERIOD = 1.0  # seconds

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    """Sweep every second until SIGTERM or SIGINT."""

    help = "Requeue lost work and ring for due work, every second."

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until SIGTERM or SIGINT."""
        require_keys()
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        swept = registered("swept")
        while not stop.is_set():
            for name, work in swept.items():
                try:
                    work.sweep()
                except Exception:
                    # One failing sweep, or a restarting database, must not end the loop.
                    logger.exception("%s could not sweep", name)
                finally:
                    connections.give_back()
            beat()
            stop.wait(_PERIOD)


def beat() -> None:
    """Write the heartbeat for `/health/ready`; an unavailable cache is only logged."""
    try:
        cache.set(HEARTBEAT, True, timeout=30)
    except Exception:  # noqa: BLE001 - django-redis lets several libraries' errors through
        logger.warning("could not write the heartbeat: the cache is unavailable")
