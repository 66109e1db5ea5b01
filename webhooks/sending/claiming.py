"""Claim the next delivery fairly: a slow receiver must not delay other customers.

Deliveries wait in lanes, one per endpoint. The number that is sent at the same time is
limited per lane, per workspace and in total. Of the lanes below their limits, the one whose
workspace has the fewest deliveries under way is next; among equals the one that was served
least recently. The lanes of a workspace take turns in the same way. So a customer whose
server hangs uses its own share of slots only, and a customer with a single event waits for
one call to end, whatever backlog others have.

The query jumps from lane to lane in an index, so the length of a lane's backlog doesn't
matter.
"""

from dataclasses import dataclass

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from kit.work import bells, claims
from webhooks.models import Delivery, Turn

PER_ENDPOINT = 3
PER_WORKSPACE = 8
_CLAIM_LOCK = (
    0x6F7A_7762  # advisory lock: one claim at a time, so that limits hold exactly
)

_OPEN_LANES = """
WITH RECURSIVE lanes AS (
    (
        SELECT lane, ready_at, workspace_id, endpoint_id
        FROM webhooks_delivery
        WHERE status = 'queued'
        ORDER BY lane, ready_at, id
        LIMIT 1
    )
    UNION ALL
    SELECT following.*
    FROM lanes, LATERAL (
        SELECT lane, ready_at, workspace_id, endpoint_id
        FROM webhooks_delivery
        WHERE status = 'queued' AND lane > lanes.lane
        ORDER BY lane, ready_at, id
        LIMIT 1
    ) AS following
),
under_way AS MATERIALIZED (
    SELECT lane, workspace_id FROM webhooks_delivery WHERE status = 'processing'
),
by_lane AS (SELECT lane, count(*) AS sent FROM under_way GROUP BY lane),
by_workspace AS (
    SELECT workspace_id, count(*) AS sent FROM under_way GROUP BY workspace_id
)
SELECT lanes.lane, %(all)s - (SELECT count(*) FROM under_way)
FROM lanes
LEFT JOIN webhooks_endpoint AS endpoint ON endpoint.id = lanes.endpoint_id
LEFT JOIN by_lane ON by_lane.lane = lanes.lane
LEFT JOIN by_workspace ON by_workspace.workspace_id = lanes.workspace_id
LEFT JOIN webhooks_turn AS turn_of_lane ON turn_of_lane.name = lanes.lane
LEFT JOIN webhooks_turn AS turn_of_workspace
    ON turn_of_workspace.name = 'workspace:' || lanes.workspace_id
WHERE lanes.ready_at <= clock_timestamp()
    AND coalesce(endpoint.rests_until <= clock_timestamp(), true)
    AND coalesce(by_lane.sent, 0) < %(per_endpoint)s
    AND coalesce(by_workspace.sent, 0) < %(per_workspace)s
    AND (SELECT count(*) FROM under_way) < %(all)s
ORDER BY
    coalesce(by_workspace.sent, 0),
    turn_of_workspace.served_at NULLS FIRST,
    coalesce(by_lane.sent, 0),
    turn_of_lane.served_at NULLS FIRST,
    lanes.ready_at,
    lanes.lane
LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class Lane:
    """A lane from which a delivery may be sent now."""

    name: str
    slots: int  # free slots over all lanes


def open_lanes(*, limit: int) -> list[Lane]:
    """Return up to `limit` lanes with a delivery that may be sent now, next ones first."""
    with connection.cursor() as cursor:
        cursor.execute(
            _OPEN_LANES,
            {
                "all": settings.WEBHOOK_CONCURRENCY,
                "per_endpoint": PER_ENDPOINT,
                "per_workspace": PER_WORKSPACE,
                "limit": limit,
            },
        )
        return [Lane(*row) for row in cursor.fetchall()]


def count_startable() -> int:
    """Return how many deliveries may be sent now, limited to what `bells` can use."""
    lanes = open_lanes(limit=bells.MOST)
    return min(len(lanes) * PER_ENDPOINT, lanes[0].slots) if lanes else 0


def claim_next() -> Delivery | None:
    """Claim the next delivery; return None if nothing may be sent now."""
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_CLAIM_LOCK])
        for lane in open_lanes(limit=4):  # the row of the first may be locked now
            waiting = Delivery.objects.waiting().filter(lane=lane.name)
            if delivery := claims.claim(waiting.order_by("ready_at", "id")):
                _record_turn(delivery)
                return delivery
    return None


def _record_turn(delivery: Delivery) -> None:
    """Record that a lane and its workspace are served now."""
    now = timezone.now()
    names = (delivery.lane, f"workspace:{delivery.workspace_id}")
    Turn.objects.bulk_create(
        [Turn(name=name, served_at=now) for name in names],
        update_conflicts=True,
        unique_fields=["name"],
        update_fields=["served_at"],
    )
