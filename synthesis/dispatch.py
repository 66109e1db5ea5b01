"""What the dispatcher does for synthesis every second."""

from django.db import transaction
from django.db.models import Count

from billing import ledger
from kit import claims
from synthesis import bells, settlement
from synthesis.models import Assembly, Job, Scene

_MOST_AT_ONCE = 100  # rows per sweep, so that one sweep stays short


def sweep() -> None:
    """Take back what was lost, then ring for everything that waits."""
    end_lost_speech()
    claims.take_back(Scene.objects.exclude(job__source=Job.Source.SPEECH))
    claims.take_back(Assembly.objects.all())
    waiting = Scene.objects.waiting().values("queue").annotate(count=Count("pk"))
    for row in waiting.order_by():
        bells.ring_if_quiet(row["queue"], row["count"])
    if assemblies := claims.due(Assembly.objects.all()).count():
        bells.ring_if_quiet("local", assemblies, task=bells.ASSEMBLE)


def end_lost_speech() -> None:
    """Fail speech at once whose web process died: nobody waits for it any more."""
    lost = claims.expired(Scene.objects.filter(job__source=Job.Source.SPEECH))
    for scene in lost[:_MOST_AT_ONCE]:
        try:
            with transaction.atomic(durable=True):
                settlement.fail(scene, "internal_error")
        except claims.LeaseLost:
            continue  # it was settled after all


def release_forgotten() -> int:
    """Release reservations past their deadline whose jobs have ended or are gone.

    Jobs release what they reserved when they end; this is the net below. A job that still
    works keeps its credits, however long it takes.
    """
    count = 0
    for key, job_id in ledger.stale_reservations(limit=_MOST_AT_ONCE):
        with transaction.atomic(durable=True):
            job = Job.objects.select_for_update().filter(pk=job_id).first()
            number = int(key.rpartition(":")[2])
            if job is None:
                ledger.release(key)
            elif not Scene.objects.unfinished().filter(job=job, round=number).exists():
                settlement.release_round(job, number)
                job.save(update_fields=["refunded"])
            else:
                continue
            count += 1
    return count
