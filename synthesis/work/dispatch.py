"""What the dispatcher does for scenes every second."""

from contextlib import suppress
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from billing import ledger
from billing.credits import token_limits
from billing.models import Reservation
from kit.work import claims
from providers.contract.base import Failure
from providers.limits import upstreams
from providers.models import Provider, Sample
from synthesis.errors import INTERNAL_ERROR, PROVIDER_UNAVAILABLE
from synthesis.models import Job, Scene
from synthesis.models.querysets import SceneQuerySet
from synthesis.work import fallbacks, settlement, worker

_MOST_AT_ONCE = 100  # rows per sweep, so that one sweep stays short
_LOOKED_AT_AGAIN = timedelta(days=1)


def sweep() -> None:
    """Take back what was lost, then ring for everything that waits."""
    end_lost_speech()
    for work in worker.works.values():
        work.take_back()
    free_probes()
    end_switched_off()
    end_waiting()
    for work in worker.works.values():
        work.ring()


def end_lost_speech() -> None:
    """Fail speech at once whose web process died: nobody waits for it any more."""
    lost = claims.expired(Scene.objects.filter(job__source=Job.Source.SPEECH))
    for scene in lost[:_MOST_AT_ONCE]:
        try:
            with transaction.atomic(durable=True):
                settlement.fail(scene, INTERNAL_ERROR)
        except claims.LeaseLost:
            continue  # it was settled after all


def free_probes() -> None:
    """Let others try the upstreams whose prober died: its claim has been taken back."""
    for pk, holder in upstreams.probes().items():
        if not _is_held(holder):
            upstreams.release_probe(pk, holder)


def _is_held(holder: str) -> bool:
    """Whether the claim of a scene, or of a sample, is still there."""
    if holder.startswith(Sample.HOLDER):
        making = Sample.objects.filter(status=Sample.Status.PROCESSING)
        return holder in {sample.holder for sample in making}
    scene, _, fence = holder.partition(":")
    speaking = Scene.objects.filter(status=Scene.Status.PROCESSING)
    return speaking.filter(pk=scene, fence=int(fence)).exists()


def end_switched_off() -> None:
    """Hand on, or give up, what waits for providers that operators have switched off.

    Workers do the same with what they may claim; but some of it may be held back.
    """
    off = list(Provider.objects.filter(is_enabled=False).values_list("pk", flat=True))
    if not off:
        return
    waiting = Scene.objects.filter(
        status=Scene.Status.QUEUED, is_held=False, provider__in=off
    )
    for pk in waiting.values_list("pk", flat=True)[:_MOST_AT_ONCE]:
        _give_up(waiting.filter(pk=pk), Failure.SWITCHED_OFF)


def end_waiting() -> None:
    """End the patience of scenes whose upstream has been open for too long.

    One with a fallback voice left goes to it after a shorter time.
    """
    now = timezone.now()
    for patience, rows in (
        (settings.FALLBACK_PATIENCE, Scene.objects.filter(fallbacks_left__gt=0)),
        (settings.PROVIDER_PATIENCE, Scene.objects.all()),
    ):
        since = now - timedelta(seconds=patience)
        for provider, credential in upstreams.failing(since):
            waiting = rows.waiting().filter(
                provider=provider, credential=credential, ready_at__lt=since
            )
            for pk in waiting.values_list("pk", flat=True)[:_MOST_AT_ONCE]:
                _give_up(waiting.filter(pk=pk), PROVIDER_UNAVAILABLE)


def _give_up(waiting: SceneQuerySet, error_code: str) -> None:
    with transaction.atomic(durable=True):
        scene = claims.claim(waiting)
    if scene is not None:
        with suppress(claims.LeaseLost):  # it was canceled
            fallbacks.give_up(scene, error_code)


def release_forgotten() -> int:
    """Release reservations past their deadline whose jobs have ended or are gone.

    Jobs release what they reserved when they end; this is the net below. A job that still
    works keeps its credits, however long it takes, and is looked at again a day later, so
    that those behind it have their turn.
    """
    count = 0
    for reservation in Reservation.objects.stale()[:_MOST_AT_ONCE]:
        with transaction.atomic(durable=True):
            job = _job_of(reservation)
            if job is None:
                token_limits.release(reservation.key)
            elif _is_awaited(job, reservation):
                ledger.extend(reservation.key, timezone.now() + _LOOKED_AT_AGAIN)
                continue
            else:
                settlement.release(job, Reservation.objects.filter(pk=reservation.pk))
                job.save(update_fields=["refunded"])
            count += 1
    return count


def _job_of(reservation: Reservation) -> Job | None:
    """Return the job that reserved, locked; None when it is gone."""
    jobs = Job.objects.select_for_update(of=("self",))
    return jobs.filter(pk=reservation.job).first()


def _is_awaited(job: Job, reservation: Reservation) -> bool:
    """Whether a scene of that priced round is still to be spoken."""
    number = int(reservation.key.rpartition(":")[2])
    return Scene.objects.unfinished().filter(job=job, round=number).exists()
