"""Fair turns: the order of scenes, so that a long book does not delay a short clip.

Start-time fair queueing (Goyal, Vin, Cheng 1996): each workspace is a flow, a scene's
length is its characters, and its turn is the virtual time at which it would start if all
flows were served side by side. A worker takes the lowest turn. The virtual time is the
lowest turn that waits, or the highest turn given while nothing waits.
"""

import uuid
from collections.abc import Sequence

from synthesis.models import Scene

_OVERHEAD = 50  # characters: the fixed cost of a call


def take(workspace_id: uuid.UUID, lengths: Sequence[int]) -> list[int]:
    """Return turns for new scenes of a workspace with `lengths` characters, in order."""
    last = (
        Scene.objects.filter(workspace_id=workspace_id)
        .order_by("-turn")
        .values_list("turn", "characters")
        .first()
    )
    start = _virtual_time()
    if last is not None:
        start = max(start, last[0] + last[1] + _OVERHEAD)
    turns = []
    for length in lengths:
        turns.append(start)
        start += length + _OVERHEAD
    return turns


def _virtual_time() -> int:
    waiting = Scene.objects.waiting().order_by("turn").values_list("turn", flat=True)
    newest = Scene.objects.order_by("-turn").values_list("turn", flat=True)
    turn = waiting.first()
    return turn if turn is not None else (newest.first() or 0)
