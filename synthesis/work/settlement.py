"""Settle scenes: update the scene, its job and its credits in one transaction.

Locks are taken in the same order everywhere: job, scene, wallet, lots.
"""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db.models import Count, F, Q, Sum
from django.utils import timezone

from billing import ledger
from billing.credits import token_limits
from billing.models import Payer, Reservation, Split
from billing.models.querysets import ReservationQuerySet
from billing.reports import usage
from kit import idempotency
from kit.db.transactions import needs_transaction
from kit.work import claims
from providers.models.querysets import PLATFORM
from synthesis import events
from synthesis.jobs.submit import round_key
from synthesis.models import Job, Scene
from synthesis.work import takes, turns

if TYPE_CHECKING:
    from synthesis.work.rendering import Rendered

_ENDED = [
    "status",
    "lease_until",
    "error_code",
    "audio",
    "words",
    "timing",
    "duration_ms",
    "finished_at",
    "fallbacks_left",
    "stored_bytes",
    "take",
]


@needs_transaction
def complete(scene: Scene, rendered: "Rendered") -> Job:
    """Complete a scene: set its files, capture its price once and record its usage.

    Raises:
        LeaseLost: another worker holds the scene now, or it was canceled.
    """
    job = lock_job(scene)
    held = claims.lock_held(scene)
    held.status = Scene.Status.COMPLETED
    held.lease_until = None
    held.error_code = ""
    takes.replace(job, held)
    held.audio = rendered.audio
    held.words = rendered.words
    held.timing = rendered.timing
    held.duration_ms = rendered.duration_ms
    held.stored_bytes = rendered.stored_bytes
    job.stored_bytes += rendered.stored_bytes
    held.finished_at = timezone.now()
    held.save(update_fields=_ENDED)
    split = Split()
    if held.price:
        split = ledger.capture(
            round_key(job, held.round),
            held.price,
            key=usage.key_of(str(held.pk), held.render),
        )
        job.charged += split.subscription + split.credits
        job.charged_to_subscription += split.subscription
    _record_usage(job, held, split)
    _finish_round(job, held.round, completed=held)
    return job


def _record_usage(job: Job, scene: Scene, split: Split) -> None:
    is_own = scene.credential != PLATFORM
    usage.record(
        usage.Charge(
            workspace_id=job.workspace_id,
            environment=job.environment,
            user_id=job.created_by_id,
            token_id=job.token_id,
            job=str(job.pk),
            scene=str(scene.pk),
            render=scene.render,
            provider=scene.provider,
            voice=scene.speaker,
            characters=scene.characters,
            split=split,
            payer=Payer.OWN_KEY if is_own else job.billed_to,
        )
    )


@needs_transaction
def fail(scene: Scene, error_code: str) -> Job:
    """Fail a scene. Its credits are released when its round ends.

    A scene that was spoken again stays what it was, with `error_code` as the reason.
    No fallback voice is tried: see `synthesis.work.fallbacks`.

    Raises:
        LeaseLost: another worker holds the scene now, or it was canceled.
    """
    job = lock_job(scene)
    fail_held(job, claims.lock_held(scene), error_code)
    return job


def fail_held(job: Job, held: Scene, error_code: str) -> None:
    """Fail a locked scene of a locked job; see `fail`."""
    number = held.round
    held.error_code = error_code
    if held.take is None:
        held.status = Scene.Status.FAILED
        held.lease_until = None
        held.finished_at = timezone.now()
        held.save(update_fields=_ENDED)
    else:
        takes.restore(job, held)
        held.save()
        job.reason = error_code
    _finish_round(job, number)


def postpone(scene: Scene, *, seconds: float) -> None:
    """Queue a scene for a retry after `seconds`, and count the failed try.

    Raises:
        LeaseLost: another worker holds the scene now, or it was canceled.
    """
    claims.settle(
        scene,
        Scene.Status.QUEUED,
        attempts=scene.attempts + 1,
        unanswered=scene.unanswered,
        ready_at=timezone.now() + timedelta(seconds=seconds),
    )


def requeue(
    scene: Scene, *, ready_at: datetime | None = None, to_the_end: bool = False
) -> None:
    """Queue a scene again without counting a try, in its old place in the queue.

    With `to_the_end` it gets a new turn, like a new scene. With `ready_at` it is not
    claimed before.

    Raises:
        LeaseLost: another worker holds the scene now, or it was canceled.
    """
    columns: dict[str, Any] = {"unanswered": scene.unanswered}
    if ready_at:
        columns["ready_at"] = ready_at
    if to_the_end:
        length = (scene.queue, scene.characters - scene.spoken)
        (columns["turn"],) = turns.take(scene.workspace_id, [length])
    claims.settle(scene, Scene.Status.QUEUED, **columns)


def let_others_go_first(scene: Scene, *, queue: str, characters: int) -> None:
    """Queue a scene that goes on, at the turn to which `characters` that it spoke bring it.

    Its tries and crashes count from here. In another `queue` it gets a new turn.

    Raises:
        LeaseLost: another worker holds the scene now, or it was canceled.
    """
    columns: dict[str, Any] = {"turn": F("turn") + characters}
    if queue != scene.queue:
        (turn,) = turns.take(scene.workspace_id, [(queue, scene.characters)])
        columns = {"turn": turn, "queue": queue}
    if characters:
        columns |= {"attempts": 0, "crashes": 0}
    spoken = F("spoken") + characters if queue == scene.queue else 0
    claims.settle(scene, Scene.Status.QUEUED, **columns, spoken=spoken)


@needs_transaction
def lock_job(scene: Scene) -> Job:
    """Return the job of a scene with its row locked."""
    return Job.objects.select_for_update(of=("self",)).get(pk=scene.job_id)


def set_billed_to(job: Job) -> None:
    """Set `billed_to` of an ended job by what was captured; the caller saves it.

    If nothing was captured, it stays as it was set by the reservation.
    """
    if job.charged > job.charged_to_subscription:
        job.billed_to = Payer.CREDITS
    elif job.charged:
        job.billed_to = Payer.SUBSCRIPTION


def release_round(job: Job, number: int) -> None:
    """Release what a round has not captured; the caller saves the job."""
    release(job, Reservation.objects.filter(key=round_key(job, number)))


def release(job: Job, reservations: ReservationQuerySet) -> None:
    """Release open `reservations` of a locked job; the caller saves the job.

    A round that cost nothing has no reservation. Safe to repeat.
    """
    for key in reservations.open().values_list("key", flat=True):
        token_limits.release(key)
    of_job = Reservation.objects.filter(job=str(job.pk))
    job.refunded = of_job.aggregate(credits=Sum("released"))["credits"] or 0


@needs_transaction
def _finish_round(job: Job, number: int, *, completed: Scene | None = None) -> None:
    """Finish a round and the job if none of its scenes is left; save it, emit events.

    `completed` is the scene that has new audio, if that is what happened.
    """
    unfinished = Scene.objects.unfinished().filter(job=job)
    if not unfinished.filter(round=number).exists():
        release_round(job, number)
    if unfinished.exists():
        job.status = Job.Status.PROCESSING
    else:
        finish(job)
    job.save()
    if completed is not None:
        events.emit_scene_completed(job, completed)
    if job.is_finished:
        events.emit_job_ended(job)


def finish(job: Job) -> None:
    """Set the final status of a job whose scenes have all ended; the caller saves it."""
    ends = job.scenes.aggregate(
        completed=Count("pk", filter=Q(status=Scene.Status.COMPLETED)),
        failed=Count("pk", filter=Q(status=Scene.Status.FAILED)),
    )
    if not ends["failed"]:
        job.status = Job.Status.COMPLETED
    elif ends["completed"]:
        job.status = Job.Status.PARTIAL
    else:
        job.status = Job.Status.FAILED
    set_billed_to(job)
    job.is_paused = False
    job.finished_at = timezone.now()
    if job.status == Job.Status.FAILED:
        idempotency.forget(str(job.pk))
