"""The worker's loop: claim a scene, render it, settle it; decide what a failure means.

This is the one place that retries. Adapters and HTTP never do.
"""

import logging
import random
import time

from django.conf import settings
from django.db import transaction

from kit.work import claims
from providers.contract.base import Failure, ProviderError
from providers.limits import ceilings
from providers.limits.upstreams import RETRIES, UpstreamUnavailable
from synthesis.errors import INTERNAL_ERROR, PROVIDER_CEILING
from synthesis.models import Job, Scene
from synthesis.work import bells, claiming, fallbacks, quarantine, settlement
from synthesis.work.rendering import render

MOST_TRIES = 5
_LONGEST_WAIT = 60.0  # seconds between two tries
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
    scene.job = job = Job.objects.get(pk=scene.job_id)
    try:
        with claims.kept(scene) as lease:
            rendered = render(scene, lease, format=job.format)
        with transaction.atomic(durable=True):
            settlement.complete(scene, rendered)
    except claims.LeaseLost as lost:
        logger.info("dropped %s", lost)
    except UpstreamUnavailable as unavailable:
        logger.info("scene %s waits, %s: %s", scene.pk, scene.provider, unavailable)
        wait(scene, unavailable)
    except ProviderError as error:
        logger.warning(
            "scene %s, try %d, %s: %s",
            scene.pk,
            scene.attempts + 1,
            scene.provider,
            error,
        )
        # A provider that says when to come back is not called before by anybody: its
        # upstream sees to that, and ends the wait if it lasts too long.
        # Nor is there anything to wait for after a kept connection that had ended: the
        # next try opens one.
        is_due = error.retry_after is not None or error.kind is Failure.ABORTED
        pause = 0.0 if is_due else None
        is_last = not error.kind.is_retryable
        give_up_or_retry(scene, error.kind, wait=pause, is_last=is_last)
    except Exception:
        # A bug or a full disk must neither end the worker nor leave the scene to its
        # lease.
        logger.exception("scene %s failed", scene.pk)
        give_up_or_retry(scene, INTERNAL_ERROR)


def wait(scene: Scene, unavailable: UpstreamUnavailable) -> None:
    """Put back a scene that met a provider that is not called now.

    It costs no try. An upstream that is open keeps its scenes from being claimed, and the
    dispatcher ends their waiting. There is no use in waiting when the provider's day is
    spent and the next is far.
    """
    try:
        if unavailable.reason == RETRIES:
            give_up_or_retry(scene, Failure.BUSY, wait=unavailable.seconds)
        elif unavailable.reason == ceilings.CEILING:
            if unavailable.seconds > _patience(scene):
                fallbacks.give_up(scene, PROVIDER_CEILING)
            else:
                settlement.put_back(scene, ready_at=unavailable.until)
        else:
            # Who tried in vain goes behind the others: a text that breaks its provider
            # must not be what every try is made with.
            settlement.put_back(scene, to_the_end=unavailable.was_tried)
    except claims.LeaseLost as lost:
        logger.info("dropped %s", lost)


def _patience(scene: Scene) -> float:
    """Return how long a scene waits for its provider, in seconds."""
    has_other = scene.fallbacks_left > 0
    return float(
        settings.FALLBACK_PATIENCE if has_other else settings.PROVIDER_PATIENCE
    )


def give_up_or_retry(
    scene: Scene, error_code: str, *, wait: float | None = None, is_last: bool = False
) -> None:
    """Queue the scene for a later try, or give it up when no more tries would help.

    `wait` is how long, in seconds; without it the waits double, with full jitter.
    """
    if wait is None:
        longest = min(_LONGEST_WAIT, 2.0**scene.attempts)
        wait = random.uniform(0, longest)  # noqa: S311
    try:
        if is_last or scene.attempts + 1 >= MOST_TRIES:
            fallbacks.give_up(scene, error_code)
        else:
            settlement.postpone(scene, seconds=wait)
    except claims.LeaseLost as lost:
        logger.info("dropped %s", lost)
