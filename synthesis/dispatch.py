"""What the dispatcher does for synthesis every second."""

from django.db import transaction

from billing import spending
from billing.models import Reservation
from kit import bells as kit_bells
from kit import claims
from synthesis import bells, settlement
from synthesis.errors import INTERNAL_ERROR
from synthesis.models import Assembly, Job, Scene

_MOST_AT_ONCE = 100  # rows per sweep, so that one sweep stays short


def sweep() -> None:
    """Take back what was lost, then ring for everything that waits."""
    end_lost_speech()
    claims.take_back(Scene.objects.exclude(job__source=Job.Source.SPEECH))
    claims.take_back(Assembly.objects.all())
    for queue in Scene.Queue:
        # No more than bells are rung for: a long queue is not counted every second.
        waiting = Scene.objects.waiting().filter(queue=queue).order_by("turn")
        if count := waiting[: kit_bells.MOST].count():
            bells.ring_if_quiet(queue, count)
    if count := claims.due(Assembly.objects.all())[: kit_bells.MOST].count():
        bells.ring_if_quiet("local", count, task=bells.ASSEMBLE)


def end_lost_speech() -> None:
    """Fail speech at once whose web process died: nobody waits for it any more."""
    lost = claims.expired(Scene.objects.filter(job__source=Job.Source.SPEECH))
    for scene in lost[:_MOST_AT_ONCE]:
        try:
            with transaction.atomic(durable=True):
                settlement.fail(scene, INTERNAL_ERROR)
        except claims.LeaseLost:
            continue  # it was settled after all


def release_forgotten() -> int:
    """Release reservations past their deadline whose jobs have ended or are gone.

    Jobs release what they reserved when they end; this is the net below. A job that still
    works keeps its credits, however long it takes.
    """
    count = 0
    for reservation in Reservation.objects.stale()[:_MOST_AT_ONCE]:
        with transaction.atomic(durable=True):
            job = _job_of(reservation)
            if job is None:
                spending.release(reservation.key)
            elif _is_awaited(job, reservation):
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
