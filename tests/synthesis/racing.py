"""Run two actions at the same moment, each in a thread with its own connection."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

from django.db import connection

from kit.errors import AppError
from kit.work.claims import LeaseLost

# Seconds that the first waits, and the second: both orders are met, and the tie.
STARTS = [(0, 0), (0, 0), (0, 0), (0.02, 0), (0, 0.02)]


def race(
    first: Callable[[], Any], second: Callable[[], Any], waits: tuple[float, float]
) -> tuple[Any, Any]:
    """Run both at the same moment; return their results or errors."""
    barrier = Barrier(2, timeout=30)

    def run(action: Callable[[], Any], wait: float) -> Any:
        try:
            connection.ensure_connection()
            barrier.wait()
            time.sleep(wait)
            return action()
        except (LeaseLost, AppError) as refusal:
            return refusal
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(run, (first, second), waits)
    return one, other
