"""The bell that wakes workers when scenes are queued."""

from kit.work import bells

RENDER = "synthesis.tasks.render"


def ring_on_commit(queue: str, count: int) -> None:
    """Wake up to `count` workers of `queue`, after the open transaction commits."""
    bells.ring_on_commit(RENDER, queue, count, args=[queue])
