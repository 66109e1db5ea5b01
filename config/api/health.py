"""Health checks: liveness of this process, readiness of its dependencies."""

import logging
import os
import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

import psycopg
from django.core.cache import cache
from django.core.files.storage import FileSystemStorage, default_storage
from django.db import connection
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from config.celery import HEARTBEAT as WORKER
from config.celery import app
from kit.management.commands.dispatch import HEARTBEAT as DISPATCHER

_DEADLINE = 3.0  # seconds, for all checks together
_CONNECT_TIMEOUT = 2  # seconds
_KEPT_FOR = 1.0  # seconds for which a result is returned again
_LEAST_SPACE = 16 * 1024 * 1024  # bytes

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Result:
    checks: dict[str, str]
    until: float  # of the monotonic clock


_last = _Result({}, 0.0)
_lock = threading.Lock()


class DependencyDown(Exception):
    """A dependency is not ready; a worker without a heartbeat for 30 seconds, say."""


@never_cache
@require_safe
def alive(request: HttpRequest) -> JsonResponse:
    """Return 200 if this process answers; nothing else is checked (liveness)."""
    return JsonResponse({"status": "ok", "timestamp": timezone.now().isoformat()})


@never_cache
@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """Return the state of each dependency; 503 if one of them is not ready (readiness).

    The reason is only logged, because this endpoint is public. However often it is asked,
    a process checks once a second; requests at the same time wait for one check.
    """
    with _lock:
        if time.monotonic() >= _last.until:
            _last.checks = _check_all()
            _last.until = time.monotonic() + _KEPT_FOR
        checks = _last.checks
    is_ready = set(checks.values()) == {"ok"}
    return JsonResponse(
        {"status": "ok" if is_ready else "unavailable", "checks": checks},
        status=200 if is_ready else 503,
    )


def _check_all() -> dict[str, str]:
    executor = ThreadPoolExecutor(len(_CHECKS), thread_name_prefix="ready")
    running = {name: executor.submit(check) for name, check in _CHECKS.items()}
    wait(running.values(), timeout=_DEADLINE)
    executor.shutdown(wait=False)  # each check has a timeout of its own
    return {name: _outcome(name, future) for name, future in running.items()}


def _outcome(name: str, check: Future[None]) -> str:
    if not check.done():
        logger.warning("%s does not answer", name)
        return "timeout"
    if error := check.exception():
        logger.warning("%s is not ready: %s", name, error)
        return "failed"
    return "ok"


def _database() -> None:
    # A new connection: the pool would wait, and hide a server that refuses new ones.
    parameters = connection.get_connection_params()
    parameters |= {"connect_timeout": _CONNECT_TIMEOUT}
    with psycopg.connect(**parameters) as own:
        own.execute("SELECT 1")


def _broker() -> None:
    with app.connection_for_write(connect_timeout=_CONNECT_TIMEOUT) as broker:
        broker.ensure_connection(max_retries=1, timeout=_CONNECT_TIMEOUT)


def _cache() -> None:
    cache.set("ready", True, timeout=10)
    if cache.get("ready") is not True:
        raise DependencyDown("a written value can't be read")


def _storage() -> None:
    """Ask the storage for a file that isn't there. Nothing is written: anybody may ask."""
    default_storage.exists("ready")
    if not isinstance(default_storage, FileSystemStorage):
        return
    folder = Path(default_storage.location)
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    if not (existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)):
        raise DependencyDown(f"{folder} is not writable")
    if shutil.disk_usage(existing).free < _LEAST_SPACE:
        raise DependencyDown("the disk is full")


def _worker() -> None:
    _require_heartbeat(WORKER)


def _dispatcher() -> None:
    _require_heartbeat(DISPATCHER)


def _require_heartbeat(key: str) -> None:
    if cache.get(key) is None:
        raise DependencyDown("no heartbeat")


_CHECKS: dict[str, Callable[[], None]] = {
    "database": _database,
    "broker": _broker,
    "cache": _cache,
    "storage": _storage,
    "worker": _worker,
    "dispatcher": _dispatcher,
}
