"""Fair turns: the order of scenes, so that a long book does not delay a short clip.

Start-time fair queueing (Goyal, Vin, Cheng 1996): in each queue, each workspace is a flow,
a scene's length is its characters, and its turn is the virtual time at which it would start
if all flows were served side by side. A worker takes the lowest turn.

The virtual time of a queue is the highest turn that was claimed, or the lowest that waits
or is being spoken, if that is lower: idle workers also take turns that are far ahead, and a
new scene must not wait until all others have come that far. A scene that lets others go
first after some of its characters goes on at the turn to which these bring it.
"""

import uuid
from collections.abc import Sequence

from django.db import connection
from django.db.models import F, Min

from kit.db.transactions import needs_transaction
from synthesis.models import Gate, Scene

_OVERHEAD = 50  # characters: the fixed cost of a call
_LOCK = 0x6F7A_7463  # advisory lock, with the hash of a workspace


def take(workspace_id: uuid.UUID, lengths: Sequence[tuple[str, int]]) -> list[int]:
    """Return turns for new scenes of a workspace, in order.

    `lengths` are the queue and the number of characters of each scene.
    """
    starts = {queue: _start(workspace_id, queue) for queue in {q for q, _ in lengths}}
    turns = []
    for queue, length in lengths:
        turns.append(starts[queue])
        starts[queue] += length + _OVERHEAD
    return turns


@needs_transaction
def lock(workspace_id: uuid.UUID) -> None:
    """Let no other large job of the workspace take turns until the transaction ends.

    Two jobs that took theirs at the same time would go side by side, and so together get
    twice the share of a workspace. Take this lock before all others.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [_LOCK, str(workspace_id)]
        )


def _start(workspace_id: uuid.UUID, queue: str) -> int:
    """Return the turn of the next scene of a workspace in `queue`."""
    claimed = Gate.objects.filter(queue=queue).values_list("turn", flat=True).first()
    scenes = Scene.objects.filter(queue=queue)
    waiting = scenes.waiting().order_by("turn").values_list("turn", flat=True).first()
    spoken = scenes.filter(status=Scene.Status.PROCESSING).aggregate(lowest=Min("turn"))
    known = (claimed or 0, waiting, spoken["lowest"])
    now = min(turn for turn in known if turn is not None)
    ends = (
        Scene.objects.filter(queue=queue, workspace_id=workspace_id)
        .order_by("-turn")
        .values_list(F("turn") + F("characters") - F("spoken"), flat=True)
        .first()
    )
    return now if ends is None else max(now, ends + _OVERHEAD)
