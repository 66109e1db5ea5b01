"""Health checks: liveness of this process, readiness of its dependencies."""

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait

import psycopg
from django.core.cache import cache
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from config.celery import HEARTBEAT as WORKER
from config.celery import app
from kit.ids import new_id
from kit.management.commands.dispatch import HEARTBEAT as DISPATCHER

_DEADLINE = 3.0  # seconds, for all checks together
_CONNECT_TIMEOUT = 2  # seconds

logger = logging.getLogger(__name__)


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

    The reason is only logged, because this endpoint is public.
    """
    executor = ThreadPoolExecutor(len(_CHECKS), thread_name_prefix="ready")
    running = {name: executor.submit(check) for name, check in _CHECKS.items()}
    wait(running.values(), timeout=_DEADLINE)
    executor.shutdown(wait=False)  # each check has a timeout of its own
    checks = {name: _outcome(name, future) for name, future in running.items()}
    is_ready = set(checks.values()) == {"ok"}
    return JsonResponse(
        {"status": "ok" if is_ready else "unavailable", "checks": checks},
        status=200 if is_ready else 503,
    )


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
    name = default_storage.save(f"ready/{new_id()}", ContentFile(b"ready"))
    default_storage.delete(name)


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
