"""Which scene a worker speaks next."""

from django.conf import settings
from django.db import connection, transaction

from kit import claims
from synthesis.models import Job, Scene

_GATE = 0x6F7A_7661  # advisory lock: one claim at a time, so that limits hold exactly


def claim_next(queue: str) -> Scene | None:
    """Claim the waiting scene whose turn it is; None if nothing may be started now."""
    with transaction.atomic(durable=True):
        close_gate()
        waiting = Scene.objects.waiting().filter(queue=queue)
        scene = claims.claim(
            waiting.within_limits(
                workspace_limit=settings.WORKSPACE_CONCURRENCY
            ).order_by("turn", "index", "id")
        )
    if scene is not None:
        # Outside the claim: locks are taken job first, and nothing hangs on this.
        Job.objects.filter(pk=scene.job_id, status=Job.Status.QUEUED).update(
            status=Job.Status.PROCESSING
        )
    return scene


def close_gate() -> None:
    """Let nobody else claim until the open transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_GATE])
