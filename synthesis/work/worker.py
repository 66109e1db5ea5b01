"""Speak scenes: claim in fair turns, render, settle, and decide about retries.

A scene of the queue `local` holds a slot, which is a share of this machine's CPU, for a
piece or about a second. Then the scene with the lowest turn is next. A scene of the queue
`remote` mostly waits for a server, so it keeps its slot until it is spoken. Long audio is
joined and encoded in the queue `files`, by workers that speak nothing.

Only this module retries. Adapters and the HTTP client never do.
"""

import logging
import random
from dataclasses import dataclass, replace
from functools import partial

from django.conf import settings

from kit.work import claims
from kit.work.bells import MOST
from kit.work.loop import Work
from providers.contract.base import Failure, ProviderError
from providers.limits import ceilings
from providers.limits.upstreams import RETRIES, UpstreamUnavailable
from synthesis.errors import INTERNAL_ERROR, PROVIDER_CEILING, PROVIDER_UNAVAILABLE
from synthesis.jobs import quotes
from synthesis.models import Job, Piece, Scene
from synthesis.models.querysets import SceneQuerySet
from synthesis.work import (
    bells,
    claiming,
    fallbacks,
    quarantine,
    rendering,
    settlement,
)
from synthesis.work.rendering import Rendered

MAX_TRIES = 5
SLICE = 1.0  # seconds of local calls, after which other scenes go first
LONG = 120.0  # seconds of audio, from which on it is joined in the queue `files`
MANY = 8  # scenes of a job that wait, from which on it is a book
_JOINS = 2  # long scenes that one process joins at the same time
_MAX_WAIT = 60.0  # seconds between two tries

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Continued:
    """A scene that is not finished, and lets others go first."""

    queue: Scene.Queue  # where it goes on
    characters: int  # spoken now


def work(queue: str) -> int:
    """Speak scenes of `queue` until none may be started; return how many."""
    return works[queue]()


def speak(scene: Scene) -> None:
    """Render and settle a scene that we hold, in this process.

    A failure is settled as well, and raises nothing.
    """
    replace(works[scene.queue], perform=_render).do(scene)


def _scenes_of(queue: str) -> SceneQuerySet:
    """Return the scenes for workers of `queue`; speech at once is excluded."""
    return Scene.objects.filter(queue=queue).exclude(job__source=Job.Source.SPEECH)


def _perform(scene: Scene, lease: claims.Lease) -> Rendered | Continued | None:
    """Render a scene, or some of it; return None if a child process has settled it."""
    if quarantine.is_suspect(scene):
        quarantine.speak_in_subprocess(scene)
        return None
    return _render(scene, lease)


def _render(scene: Scene, lease: claims.Lease) -> Rendered | Continued:
    scene.job = Job.objects.get(pk=scene.job_id)
    spoken = rendering.speak(scene, lease, seconds=_SECONDS[scene.queue])
    if spoken.pieces is None:
        # In the queue `files`, too: the provider's limit has changed in between.
        return Continued(quotes.queue_of(scene.provider), spoken.characters)
    if scene.queue != Scene.Queue.FILES and (
        spoken.seconds > LONG or _is_of_remote_book(scene)
    ):
        return Continued(Scene.Queue.FILES, spoken.characters)
    return rendering.join(scene, spoken, lease, format=scene.job.format)


def _is_of_remote_book(scene: Scene) -> bool:
    """Return whether a remote scene's job has much left to speak.

    To encode its audio here would keep the CPU, and so the calls of others, busy.
    """
    if scene.queue != Scene.Queue.REMOTE:
        return False
    waiting = Scene.objects.filter(job=scene.job_id, status=Scene.Status.QUEUED)
    return waiting.exclude(queue=Scene.Queue.FILES)[:MANY].count() == MANY


def _settle(scene: Scene, result: Rendered | Continued | None) -> None:
    match result:
        case Rendered():
            settlement.complete(scene, result)
        case Continued():
            settlement.let_others_go_first(
                scene, queue=result.queue, characters=result.characters
            )
            if result.queue != scene.queue:
                bells.ring_on_commit(result.queue, 1)


def _fail(scene: Scene, error: Exception) -> None:
    """Settle a scene whose rendering raised `error`: retry, wait, fall back or fail.

    Raises:
        LeaseLost: another worker holds the scene now, or it was canceled.
    """
    match error:
        case UpstreamUnavailable():
            logger.info("scene %s waits, %s: %s", scene.pk, scene.provider, error)
            wait_for_upstream(scene, error)
        case ProviderError():
            logger.warning(
                "scene %s, try %d, %s: %s",
                scene.pk,
                scene.attempts + 1,
                scene.provider,
                error,
            )
            # No pause is needed after `Retry-After`: the upstream's breaker stays open for
            # that time, and limits how long scenes wait. Nor is one needed after a kept
            # connection was closed: the next try opens a new one.
            is_due = error.retry_after is not None or error.kind is Failure.ABORTED
            pause = 0.0 if is_due else None
            is_last = not error.kind.is_retryable or _is_unanswered_again(scene, error)
            give_up_or_retry(scene, error.kind, wait=pause, is_last=is_last)
        case quarantine.Killed():
            logger.error("scene %s ended its process: %s", scene.pk, error)
            quarantine.record_strike(scene)
        case _:
            logger.error("scene %s failed", scene.pk, exc_info=error)
            give_up_or_retry(scene, INTERNAL_ERROR)


def wait_for_upstream(scene: Scene, unavailable: UpstreamUnavailable) -> None:
    """Queue a scene again whose provider may not be called now.

    No try is counted. While the upstream's breaker is open its scenes are not claimed, and
    the dispatcher limits how long they wait. If the provider's daily limit is reached and
    the next day is too far away, the scene is given up at once.
    """
    if unavailable.reason == RETRIES:
        give_up_or_retry(scene, Failure.BUSY, wait=unavailable.seconds)
    elif unavailable.reason == ceilings.CEILING:
        if unavailable.seconds > _patience(scene):
            fallbacks.give_up(scene, PROVIDER_CEILING)
        else:
            settlement.requeue(scene, ready_at=unavailable.until)
    elif _is_unanswered_again(scene, unavailable.__cause__):
        fallbacks.give_up(scene, PROVIDER_UNAVAILABLE)
    else:
        # A scene that failed as the probe goes to the end of the queue: a text that makes
        # its provider fail must not be the probe every time.
        settlement.requeue(scene, to_the_end=unavailable.was_called)


def _is_unanswered_again(scene: Scene, error: BaseException | None) -> bool:
    """Return whether a second call for the same piece may be billed without usable audio.

    The first one is remembered in `scene`, whose columns the caller saves.
    """
    if not isinstance(error, ProviderError) or not error.may_be_billed:
        return False
    stored = Piece.objects.filter(scene=scene, render=scene.render).count()
    before, scene.unanswered = scene.unanswered, stored + 1
    return before == scene.unanswered


def _patience(scene: Scene) -> float:
    """Return how many seconds a scene waits for an unavailable provider."""
    has_other = scene.fallbacks_left > 0
    return float(
        settings.FALLBACK_PATIENCE if has_other else settings.PROVIDER_PATIENCE
    )


def give_up_or_retry(
    scene: Scene, error_code: str, *, wait: float | None = None, is_last: bool = False
) -> None:
    """Queue a scene for a retry, or give it up if it has no tries left or `is_last`.

    `wait` is the delay in seconds; None means exponential backoff with full jitter.
    """
    if wait is None:
        longest = min(_MAX_WAIT, 2.0**scene.attempts)
        wait = random.uniform(0, longest)  # noqa: S311
    if is_last or scene.attempts + 1 >= MAX_TRIES:
        fallbacks.give_up(scene, error_code)
    else:
        settlement.postpone(scene, seconds=wait)


_SECONDS: dict[str, float | None] = {
    Scene.Queue.LOCAL: SLICE,
    Scene.Queue.REMOTE: None,
    Scene.Queue.FILES: 0.0,
}
works = {
    queue: Work(
        task=bells.RENDER,
        queue=queue,
        args=(queue,),
        rows=partial(_scenes_of, queue),
        claim=partial(claiming.claim_next, queue),
        waiting=partial(claiming.count_startable, queue, MOST),
        perform=_perform,
        settle=_settle,
        fail=_fail,
        most_crashes=None,
        at_once=_JOINS if queue == Scene.Queue.FILES else None,
    )
    for queue in map(str, Scene.Queue)
}
