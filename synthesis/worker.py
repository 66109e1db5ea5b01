"""The worker's loop: claim a scene, render it, settle it; decide what a failure means.

This is the one place that retries. Adapters and HTTP never do.
"""

import logging
import random
import time

from django.db import transaction

from kit import claims
from providers.base import Failure, ProviderError
from synthesis import bells, claiming, quarantine, settlement
from synthesis.models import Job, Scene
from synthesis.rendering import render

MOST_TRIES = 5
_LONGEST_WAIT = 60.0  # seconds between two tries, unless the provider asks for more
_SHIFT = 20.0  # seconds after which a slot lets other tasks of its queue go first

logger = logging.getLogger(__name__)


def work(queue: str) -> int:
    """Speak scenes of `queue` until none may be started; return how many were claimed.

    A slot that has worked for a while rings for itself and ends, so that other tasks of
    the same queue are not held up by a long book.
    """
    began = time.monotonic()
    count = 0
    while (scene := claiming.claim_next(queue)) is not None:
        count += 1
        if quarantine.is_suspect(scene):
            quarantine.speak_apart(scene)
        else:
            speak(scene)
        if time.monotonic() - began > _SHIFT:
            bells.ring(queue)
            break
    return count


def speak(scene: Scene) -> None:
    """Render a scene that we hold and settle it; nothing is raised for its failure."""
    job = Job.objects.get(pk=scene.job_id)
    try:
        with claims.kept(scene) as lease:
            rendered = render(scene, lease, format=job.format)
        with transaction.atomic(durable=True):
            settlement.complete(scene, rendered)
    except claims.LeaseLost as lost:
        logger.info("dropped %s", lost)
    except ProviderError as error:
        give_up_or_retry(scene, error)
    except Exception:
        # A bug must neither end the worker nor leave the scene to its lease.
        logger.exception("scene %s failed", scene.pk)
        give_up_or_retry(scene, ProviderError(Failure.DOWN, "internal"))


def give_up_or_retry(scene: Scene, error: ProviderError) -> None:
    """Fail the scene, or queue it for a later try if that may help."""
    logger.warning(
        "scene %s, try %d, %s: %s", scene.pk, scene.attempts + 1, scene.provider, error
    )
    try:
        if error.kind.is_retryable and scene.attempts + 1 < MOST_TRIES:
            settlement.postpone(scene, seconds=_wait(scene.attempts, error))
        else:
            with transaction.atomic(durable=True):
                settlement.fail(scene, error.kind)
    except claims.LeaseLost as lost:
        logger.info("dropped %s", lost)


def _wait(attempts: int, error: ProviderError) -> float:
    """Return the seconds until the next try: exponential with full jitter."""
    if error.retry_after is not None:
        return error.retry_after
    return random.uniform(0, min(_LONGEST_WAIT, 2.0**attempts))  # noqa: S311
