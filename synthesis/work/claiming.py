"""Claim the next scene for a worker: the lowest turn that no limit holds back."""

from collections import Counter
from collections.abc import Set
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Count

from kit.db.transactions import needs_transaction
from kit.work import claims
from providers.limits import upstreams
from providers.models import Provider, Sample
from providers.models.querysets import PLATFORM
from synthesis.models import Job, Scene
from synthesis.models.querysets import SceneQuerySet

_CLAIM_LOCK = 0x6F7A_7661  # advisory lock: one claim at a time, so limits are exact
_HEAD = 200  # scenes with the lowest turns; the next one is nearly always among them

# The first scene of every lane: a workspace's scenes for one provider and credential. Each
# step is one index lookup, so the time depends on the number of lanes and not on the number
# of waiting scenes: a book that is held back does not slow down the others.
_LANES = """
WITH RECURSIVE lane AS (
    (SELECT workspace_id, provider, credential FROM synthesis_scene
     WHERE status = 'queued' AND NOT is_held AND queue = %(queue)s
     ORDER BY workspace_id, provider, credential LIMIT 1)
    UNION ALL
    SELECT following.* FROM lane CROSS JOIN LATERAL (
        SELECT workspace_id, provider, credential FROM synthesis_scene
        WHERE status = 'queued' AND NOT is_held AND queue = %(queue)s
        AND (workspace_id, provider, credential)
            > (lane.workspace_id, lane.provider, lane.credential)
        ORDER BY workspace_id, provider, credential LIMIT 1) AS following
)
SELECT first.id FROM lane CROSS JOIN LATERAL (
    SELECT id, turn, index FROM synthesis_scene AS scene
    WHERE status = 'queued' AND NOT is_held AND queue = %(queue)s
    AND scene.workspace_id = lane.workspace_id AND scene.provider = lane.provider
    AND scene.credential = lane.credential AND ready_at <= now()
    ORDER BY turn, index, id LIMIT 1) AS first
WHERE NOT lane.workspace_id = ANY(%(workspaces)s)
AND NOT lane.provider = ANY(%(providers)s)
AND NOT (lane.provider || ' ' || lane.credential) = ANY(%(upstreams)s)
ORDER BY first.turn, first.index, first.id LIMIT 16
"""


@dataclass(frozen=True, slots=True)
class LimitsReached:
    """Workspaces, providers and upstreams for which no scene may be started now.

    They have reached their limit of concurrent scenes, or the upstream is unavailable.
    """

    workspaces: Set[UUID]
    providers: Set[str]
    upstreams: Set[tuple[str, str]]  # provider and credential

    def includes(self, provider: str, credential: str) -> bool:
        """Return whether no call with that provider and credential may be started."""
        return provider in self.providers or (provider, credential) in self.upstreams


def claim_next(queue: str) -> Scene | None:
    """Claim the waiting scene with the lowest turn; None if none may be started now."""
    with transaction.atomic(durable=True):
        lock_claims()
        reached = limits_reached()
        scene = claims.claim(_head(queue, reached)) or claims.claim(
            _lanes(queue, reached)
        )
    if scene is not None:
        # Outside the claim's transaction: locks are taken in the order job, scene. If the
        # process dies in between, the next change of the job sets its status.
        Job.objects.filter(pk=scene.job_id, status=Job.Status.QUEUED).update(
            status=Job.Status.PROCESSING
        )
    return scene


def count_startable(queue: str, most: int) -> int:
    """Return how many scenes may be started now, at most `most`."""
    reached = limits_reached()
    return _head(queue, reached)[:most].count() or _lanes(queue, reached)[:most].count()


def limits_reached() -> LimitsReached:
    """Return which limits of concurrent scenes are reached.

    It stays true while the caller holds `lock_claims`. Leased rows are counted, so the
    share of a killed worker is free again when its lease expires.
    """
    workspaces: Counter[UUID] = Counter()
    providers: Counter[str] = Counter()
    credentials: Counter[tuple[str, str]] = Counter()
    leased = (
        Scene.objects.filter(status=Scene.Status.PROCESSING)
        .order_by()
        .values_list("workspace_id", "workspace__concurrency", "provider", "credential")
        .annotate(leased=Count("pk"))
    )
    most: dict[UUID, int] = {}
    for workspace, concurrency, provider, credential, count in leased:
        usual = settings.WORKSPACE_CONCURRENCY
        most[workspace] = usual if concurrency is None else concurrency
        workspaces[workspace] += count
        providers[provider] += count
        credentials[provider, credential] += count
    samples = (
        Sample.objects.filter(status=Sample.Status.PROCESSING)
        .order_by()
        .values_list("voice__provider")
        .annotate(leased=Count("pk"))
    )
    for provider, count in samples:
        providers[provider] += count
        credentials[provider, PLATFORM] += count
    limits = {row.slug: row for row in Provider.objects.limited()}
    return LimitsReached(
        workspaces={key for key, count in workspaces.items() if count >= most[key]},
        providers={
            slug
            for slug, row in limits.items()
            if row.max_concurrent is not None and providers[slug] >= row.max_concurrent
        },
        upstreams=set(upstreams.unavailable())
        | {
            (slug, credential)
            for (slug, credential), count in credentials.items()
            if slug in limits
            and (per_key := limits[slug].max_concurrent_per_key) is not None
            and count >= per_key
        },
    )


@needs_transaction
def lock_claims() -> None:
    """Take the lock for claims until the open transaction ends, waiting if needed."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_CLAIM_LOCK])


def _head(queue: str, reached: LimitsReached) -> SceneQuerySet:
    """Return the scenes that may be started, among those with the lowest turns."""
    first = _in_turn(
        Scene.objects.filter(status=Scene.Status.QUEUED, is_held=False, queue=queue)
    )[:_HEAD]
    waiting = Scene.objects.waiting().filter(pk__in=first.values("pk"))
    return _in_turn(waiting.startable(reached))


def _lanes(queue: str, reached: LimitsReached) -> SceneQuerySet:
    """Return the first waiting scene of each lane that may be started."""
    with connection.cursor() as cursor:
        cursor.execute(
            _LANES,
            {
                "queue": queue,
                "workspaces": list(reached.workspaces),
                "providers": list(reached.providers),
                "upstreams": [" ".join(pair) for pair in reached.upstreams],
            },
        )
        firsts = [row[0] for row in cursor.fetchall()]
    return _in_turn(Scene.objects.waiting().filter(pk__in=firsts))


def _in_turn(scenes: SceneQuerySet) -> SceneQuerySet:
    return scenes.order_by("turn", "index", "id")
