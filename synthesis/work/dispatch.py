"""Housekeeping of scenes: what the dispatcher does every second.

Also the release of reservations that were left open, started by the calendar.
"""

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

_BATCH = 100  # rows per sweep, to keep each sweep short
_RECHECK_AFTER = timedelta(days=1)


def sweep() -> None:
    """Take back scenes with expired leases, then ring for the scenes that wait."""
    fail_abandoned_speech()
    for work in worker.works.values():
        work.take_back()
    release_dead_probes()
    give_up_switched_off()
    give_up_unavailable()
    for work in worker.works.values():
        work.ring()


def fail_abandoned_speech() -> None:
    """Fail speech at once whose web process died, since no client waits for it."""
    lost = claims.expired(Scene.objects.filter(job__source=Job.Source.SPEECH))
    for scene in lost[:_BATCH]:
        try:
            with transaction.atomic(durable=True):
                settlement.fail(scene, INTERNAL_ERROR)
        except claims.LeaseLost:
            continue  # its web process has settled it meanwhile


def release_dead_probes() -> None:
    """Release the probes of upstreams whose caller died, so that others can probe."""
    for pk, holder in upstreams.probes().items():
        if not _is_held(holder):
            upstreams.release_probe(pk, holder)


def _is_held(holder: str) -> bool:
    """Return whether a scene or sample is still leased under the claim `holder`."""
    if holder.startswith(Sample.HOLDER):
        making = Sample.objects.filter(status=Sample.Status.PROCESSING)
        return holder in {sample.holder for sample in making}
    scene, _, fence = holder.partition(":")
    speaking = Scene.objects.filter(status=Scene.Status.PROCESSING)
    return speaking.filter(pk=scene, fence=int(fence)).exists()


def give_up_switched_off() -> None:
    """Give up waiting scenes of disabled providers, or queue them for a fallback voice.

    Workers do the same with scenes that they claim, but limits hold some of them back.
    """
    off = list(Provider.objects.filter(is_enabled=False).values_list("pk", flat=True))
    if not off:
        return
    waiting = Scene.objects.filter(
        status=Scene.Status.QUEUED, is_held=False, provider__in=off
    ).exclude(queue=Scene.Queue.FILES)  # they need no provider any more
    for pk in waiting.values_list("pk", flat=True)[:_BATCH]:
        _give_up(waiting.filter(pk=pk), Failure.SWITCHED_OFF)


def give_up_unavailable() -> None:
    """Give up scenes whose upstream has been unavailable for too long.

    Scenes with a fallback voice left are handed to it after a shorter time.
    """
    now = timezone.now()
    for patience, rows in (
        (settings.FALLBACK_PATIENCE, Scene.objects.filter(fallbacks_left__gt=0)),
        (settings.PROVIDER_PATIENCE, Scene.objects.all()),
    ):
        since = now - timedelta(seconds=patience)
        for provider, credential in upstreams.failing(since):
            waiting = (
                rows.waiting()
                .filter(provider=provider, credential=credential, ready_at__lt=since)
                .exclude(queue=Scene.Queue.FILES)
            )
            for pk in waiting.values_list("pk", flat=True)[:_BATCH]:
                _give_up(waiting.filter(pk=pk), PROVIDER_UNAVAILABLE)


def _give_up(waiting: SceneQuerySet, error_code: str) -> None:
    with transaction.atomic(durable=True):
        scene = claims.claim(waiting)
    if scene is not None:
        with suppress(claims.LeaseLost):  # it was canceled
            fallbacks.give_up(scene, error_code)


def release_forgotten() -> int:
    """Release reservations past their deadline whose jobs have ended; return how many.

    Jobs release their reservations when they end, so this only repairs what was missed. A
    job that still runs keeps its credits, and is checked again a day later, so that it
    doesn't block the check of other reservations.
    """
    count = 0
    for reservation in Reservation.objects.stale()[:_BATCH]:
        with transaction.atomic(durable=True):
            job = _job_of(reservation)
            if job is None:
                token_limits.release(reservation.key)
            elif _has_unfinished_scenes(job, reservation):
                ledger.extend(reservation.key, timezone.now() + _RECHECK_AFTER)
                continue
            else:
                settlement.release(job, Reservation.objects.filter(pk=reservation.pk))
                job.save(update_fields=["refunded"])
            count += 1
    return count


def _job_of(reservation: Reservation) -> Job | None:
    """Return the job of a reservation with its row locked; None if it was deleted."""
    jobs = Job.objects.select_for_update(of=("self",))
    return jobs.filter(pk=reservation.job).first()


def _has_unfinished_scenes(job: Job, reservation: Reservation) -> bool:
    """Return whether a scene of the reservation's round is not finished."""
    number = int(reservation.key.rpartition(":")[2])
    return Scene.objects.unfinished().filter(job=job, round=number).exists()
