"""Claim the next scene for a worker: the lowest turn that no limit holds back."""

import threading
from collections import Counter, deque
from collections.abc import Set
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import zip_longest
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import Count

from kit.work import claims
from providers.limits import upstreams
from providers.models import Provider, Sample
from providers.models.querysets import PLATFORM
from synthesis.models import Job, Scene
from synthesis.models.querysets import SceneQuerySet
from synthesis.work import gates

_BATCH = 16  # scenes that are claimed under one hold of the gate
_HEAD = 200  # scenes with the lowest turns; the next one is nearly always among them

# The scenes that may be claimed, of those that `candidates` names: first without the rows
# whose limits are reached, then without those beyond what is left of each limit.
_CLAIM = """
WITH RECURSIVE leased AS MATERIALIZED (
    SELECT workspace_id, provider, credential, count(*) AS count FROM synthesis_scene
    WHERE status = 'processing' AND queue <> 'files' GROUP BY 1, 2, 3
    UNION ALL
    SELECT NULL, voice.provider_id, %(platform)s, count(*) FROM providers_sample AS sample
    JOIN providers_voice AS voice ON voice.id = sample.voice_id
    WHERE sample.status = 'processing' GROUP BY 2
),
{candidates},
limited AS (
    SELECT candidate.*,
        coalesce(workspace.concurrency, %(usual)s) - coalesce((
            SELECT sum(count) FROM leased
            WHERE leased.workspace_id = candidate.workspace_id), 0) AS of_workspace,
        provider.max_concurrent - coalesce((
            SELECT sum(count) FROM leased
            WHERE leased.provider = candidate.provider), 0) AS of_provider,
        provider.max_concurrent_per_key - coalesce((
            SELECT sum(count) FROM leased
            WHERE leased.provider = candidate.provider
            AND leased.credential = candidate.credential), 0) AS of_key
    FROM candidate
    JOIN accounts_workspace AS workspace ON workspace.id = candidate.workspace_id
    LEFT JOIN providers_provider AS provider ON provider.slug = candidate.provider
    WHERE %(is_limited)s
    AND NOT candidate.provider || ' ' || candidate.credential = ANY(%(unavailable)s)
),
by_workspace AS (
    SELECT *, row_number() OVER (
        PARTITION BY workspace_id ORDER BY turn, index, id) AS rank
    FROM limited
    WHERE of_workspace > 0 AND coalesce(of_provider, 1) > 0 AND coalesce(of_key, 1) > 0
),
by_key AS (
    SELECT id, turn, index, provider, of_provider, of_key, row_number() OVER (
        PARTITION BY provider, credential ORDER BY turn, index, id) AS rank
    FROM by_workspace WHERE rank <= of_workspace
),
by_provider AS (
    SELECT id, of_provider, row_number() OVER (
        PARTITION BY provider ORDER BY turn, index, id) AS rank
    FROM by_key WHERE rank <= coalesce(of_key, rank)
),
free AS (
    SELECT id FROM by_provider WHERE rank <= coalesce(of_provider, rank)
    UNION ALL
    SELECT id FROM candidate WHERE NOT %(is_limited)s
),
locked AS (
    SELECT id FROM synthesis_scene WHERE id IN (SELECT id FROM free)
    AND status = 'queued' AND NOT is_held
    ORDER BY turn, index, id LIMIT %(most)s FOR UPDATE SKIP LOCKED
),
claimed AS (
    UPDATE synthesis_scene AS scene
    SET status = 'processing', fence = fence + 1, lease_until = now() + %(lease)s
    FROM locked WHERE scene.id = locked.id
    RETURNING scene.id, fence, turn, index
),
recorded AS (
    INSERT INTO synthesis_gate AS gate (queue, turn, claims, holds, seconds)
    SELECT %(queue)s, max(turn), count(*), 0, 0 FROM claimed HAVING count(*) > 0
    ON CONFLICT (queue) DO UPDATE SET
        turn = greatest(gate.turn, excluded.turn), claims = gate.claims + excluded.claims
)
SELECT id, fence FROM claimed ORDER BY turn, index, id
"""
_OF_HEAD = """candidate AS MATERIALIZED (
    SELECT id, workspace_id, provider, credential, turn, index FROM (
        SELECT * FROM synthesis_scene
        WHERE status = 'queued' AND NOT is_held AND queue = %(queue)s
        ORDER BY turn, index, id LIMIT %(head)s) AS first
    WHERE ready_at <= now()
)"""
# The first scene of every lane: a workspace's scenes for one provider and credential. Each
# step is one index lookup, so the time depends on the number of lanes and not on the number
# of waiting scenes: a book that is held back does not slow down the others.
_OF_LANES = """lane AS (
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
),
candidate AS MATERIALIZED (
    SELECT first.* FROM lane CROSS JOIN LATERAL (
        SELECT id, workspace_id, provider, credential, turn, index
        FROM synthesis_scene AS scene
        WHERE status = 'queued' AND NOT is_held AND queue = %(queue)s
        AND scene.workspace_id = lane.workspace_id AND scene.provider = lane.provider
        AND scene.credential = lane.credential AND ready_at <= now()
        ORDER BY turn, index, id LIMIT 1) AS first
)"""
_LANES = f"""
WITH RECURSIVE {_OF_LANES}
SELECT id FROM candidate
WHERE NOT workspace_id = ANY(%(workspaces)s)
AND NOT provider = ANY(%(providers)s)
AND NOT (provider || ' ' || credential) = ANY(%(upstreams)s)
ORDER BY turn, index, id LIMIT 16
"""  # noqa: S608 - made of constants


@dataclass(frozen=True, slots=True)
class LimitsReached:
    """Workspaces, providers and upstreams for which no scene may be started now.

    They have reached their limit of concurrent scenes, or the upstream is unavailable.
    """

    workspaces: Set[UUID] = frozenset()
    providers: Set[str] = frozenset()
    upstreams: Set[tuple[str, str]] = frozenset()  # provider and credential

    def includes(self, provider: str, credential: str) -> bool:
        """Return whether no call with that provider and credential may be started."""
        return provider in self.providers or (provider, credential) in self.upstreams


def claim_next(queue: str) -> Scene | None:
    """Claim the waiting scene with the lowest turn; None if none may be started now."""
    while (claimed := _lines[queue].claim()) is not None:
        # The row is read, and its job's status set, after the claim's transaction, in which
        # nothing is waited for. If the process dies in between, the next change of the job
        # sets its status.
        scene = claims.held(claimed)
        if scene is not None:
            Job.objects.filter(pk=scene.job_id, status=Job.Status.QUEUED).update(
                status=Job.Status.PROCESSING
            )
            return scene
    return None


def claim_batch(queue: str, most: int) -> list[Scene]:
    """Claim up to `most` scenes of `queue`, lowest turns first; return them, barely loaded.

    The gate is taken, the scenes are claimed and all is committed in one message to the
    database, so no delay of this process holds the gate longer. Fewer than `most` may be
    returned though more could be started, but never none.
    """
    parameters = {
        "queue": queue,
        "is_limited": queue != Scene.Queue.FILES,
        "usual": settings.WORKSPACE_CONCURRENCY,
        "unavailable": [" ".join(pair) for pair in upstreams.unavailable()],
        "lease": claims.LEASE,
        "platform": PLATFORM,
        "head": _HEAD,
        "most": most,
    }
    for candidates in (_OF_HEAD, _OF_LANES):
        rows = gates.run(queue, _CLAIM.format(candidates=candidates), parameters)
        if rows:
            status = Scene.Status.PROCESSING
            return [Scene(pk=pk, fence=fence, status=status) for pk, fence in rows]
    return []


def count_startable(queue: str, most: int) -> int:
    """Return how many scenes may be started now, at most `most`."""
    reached = limits_reached(queue)
    return _head(queue, reached)[:most].count() or _lanes(queue, reached)[:most].count()


def limits_reached(queue: str) -> LimitsReached:
    """Return which limits of concurrent scenes are reached for scenes of `queue`.

    For providers and credentials it stays true while the caller holds the queue's gate. For
    workspaces, scenes that are started in another queue at the same moment are not seen.
    Leased rows are counted, so the share of a killed worker is free again when its lease
    expires. Scenes of the queue `files` make no calls, and are not counted nor limited.
    """
    if queue == Scene.Queue.FILES:
        return LimitsReached()
    workspaces: Counter[UUID] = Counter()
    providers: Counter[str] = Counter()
    credentials: Counter[tuple[str, str]] = Counter()
    leased = (
        Scene.objects.filter(status=Scene.Status.PROCESSING)
        .exclude(queue=Scene.Queue.FILES)
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


class _Line:
    """Threads of this process that want a scene of one queue.

    The first one claims for all that wait by then. So many threads share one hold of the
    gate, one commit and one database connection.
    """

    def __init__(self, queue: str) -> None:
        self._queue = queue
        self._waiting: deque[Future[Scene | None]] = deque()
        self._first = threading.Lock()

    def claim(self) -> Scene | None:
        """Return the next scene, barely loaded; None if none may be started now."""
        mine: Future[Scene | None] = Future()
        self._waiting.append(mine)
        with self._first:
            while not mine.done():
                self._serve()
        return mine.result()

    def _serve(self) -> None:
        """Claim for the first that wait. If nothing may be started, they get None."""
        count = min(_BATCH, len(self._waiting))
        served = [self._waiting.popleft() for _ in range(count)]
        claimed: list[Scene] = []
        try:
            claimed = claim_batch(self._queue, count)
        finally:  # if it failed, the dispatcher rings again
            for future, scene in zip_longest(served, claimed):
                if scene is None and claimed:
                    self._waiting.append(future)
                else:
                    future.set_result(scene)


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


_lines = {str(queue): _Line(str(queue)) for queue in Scene.Queue}
