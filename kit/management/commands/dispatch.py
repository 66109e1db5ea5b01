"""`manage.py dispatch`: the loop that no piece of work can get lost in.

Every second all that apps register as `swept` takes back what silent holders left and rings
for what is due. It polices the broker, so it does not run inside it; several copies
do no harm.
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
    """Sweep and ring until told to stop."""

    help = "Take back lost work and ring for due work, every second."

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
                    # One app's trouble, or a restarting database, stops no other.
                    logger.exception("%s could not sweep", name)
                finally:
                    connections.give_back()
            beat()
            stop.wait(_PERIOD)


def beat() -> None:
    """Leave a sign of life for `/health/ready`; a cache that is down is not our matter."""
    try:
        cache.set(HEARTBEAT, True, timeout=30)
    except Exception:  # noqa: BLE001 - django-redis lets several libraries' errors through
        logger.warning("the cache does not answer")
