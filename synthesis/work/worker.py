"""Speaking scenes: claimed in fair turns, rendered, settled; and what a failure means.

This is the one place that retries. Adapters and HTTP never do.
"""

import logging
import random
from dataclasses import replace
from functools import partial

from django.conf import settings

from kit.work import claims
from kit.work.bells import MOST
from kit.work.loop import Work
from providers.contract.base import Failure, ProviderError
from providers.limits import ceilings
from providers.limits.upstreams import RETRIES, UpstreamUnavailable
from synthesis.errors import INTERNAL_ERROR, PROVIDER_CEILING
from synthesis.models import Job, Scene
from synthesis.models.querysets import SceneQuerySet
from synthesis.work import bells, claiming, fallbacks, quarantine, settlement
from synthesis.work.rendering import Rendered, render

MOST_TRIES = 5
_LONGEST_WAIT = 60.0  # seconds between two tries

logger = logging.getLogger(__name__)


def work(queue: str) -> int:
    """Speak scenes of `queue` until none may be started; return how many were claimed."""
    return works[queue]()


def speak(scene: Scene) -> None:
    """Render a scene that we hold, in this process, and settle it.

    Nothing is raised for its failure.
    """
    replace(works[scene.queue], perform=_render).do(scene)


def _of(queue: str) -> SceneQuerySet:
    """Return the scenes that workers of `queue` speak: none of speech at once."""
    return Scene.objects.filter(queue=queue).exclude(job__source=Job.Source.SPEECH)


def _perform(scene: Scene, lease: claims.Lease) -> Rendered | None:
    """Render a scene; None: a process of its own has settled it."""
    if quarantine.is_suspect(scene):
        quarantine.speak_apart(scene)
        return None
    return _render(scene, lease)


def _render(scene: Scene, lease: claims.Lease) -> Rendered:
    scene.job = Job.objects.get(pk=scene.job_id)
    return render(scene, lease, format=scene.job.format)


def _settle(scene: Scene, rendered: Rendered | None) -> None:
    if rendered is not None:
        settlement.complete(scene, rendered)


def _fail(scene: Scene, error: Exception) -> None:
    """Decide what a failure means for a scene.

    Raises:
        LeaseLost: somebody else holds the scene now, or it was canceled.
    """
    match error:
        case UpstreamUnavailable():
            logger.info("scene %s waits, %s: %s", scene.pk, scene.provider, error)
            wait(scene, error)
        case ProviderError():
            logger.warning(
                "scene %s, try %d, %s: %s",
                scene.pk,
                scene.attempts + 1,
                scene.provider,
                error,
            )
            # A provider that says when to come back is not called before by anybody: its
            # upstream sees to that, and ends the wait if it lasts too long. Nor is there
            # anything to wait for after a kept connection that had ended: the next try
            # opens one.
            is_due = error.retry_after is not None or error.kind is Failure.ABORTED
            pause = 0.0 if is_due else None
            is_last = not error.kind.is_retryable
            give_up_or_retry(scene, error.kind, wait=pause, is_last=is_last)
        case quarantine.Killed():
            logger.error("scene %s ended its process: %s", scene.pk, error)
            quarantine.strike(scene)
        case _:
            logger.error("scene %s failed", scene.pk, exc_info=error)
            give_up_or_retry(scene, INTERNAL_ERROR)


def wait(scene: Scene, unavailable: UpstreamUnavailable) -> None:
    """Put back a scene that met a provider that is not called now.

    It costs no try. An upstream that is open keeps its scenes from being claimed, and the
    dispatcher ends their waiting. There is no use in waiting when the provider's day is
    spent and the next is far.
    """
    if unavailable.reason == RETRIES:
        give_up_or_retry(scene, Failure.BUSY, wait=unavailable.seconds)
    elif unavailable.reason == ceilings.CEILING:
        if unavailable.seconds > _patience(scene):
            fallbacks.give_up(scene, PROVIDER_CEILING)
        else:
            settlement.put_back(scene, ready_at=unavailable.until)
    else:
        # Who tried in vain goes behind the others: a text that breaks its provider must
        # not be what every try is made with.
        settlement.put_back(scene, to_the_end=unavailable.was_called)


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
    if is_last or scene.attempts + 1 >= MOST_TRIES:
        fallbacks.give_up(scene, error_code)
    else:
        settlement.postpone(scene, seconds=wait)


works = {
    queue: Work(
        task=bells.RENDER,
        queue=queue,
        args=(queue,),
        rows=partial(_of, queue),
        claim=partial(claiming.claim_next, queue),
        waiting=partial(claiming.count_startable, queue, MOST),
        perform=_perform,
        settle=_settle,
        fail=_fail,
        most_crashes=None,
    )
    for queue in map(str, Scene.Queue)
}
