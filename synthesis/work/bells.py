"""The bell for workers that speak: whoever queues scenes rings it."""

from kit.work import bells

RENDER = "synthesis.tasks.render"


def ring_on_commit(queue: str, count: int) -> None:
    """Wake up to `count` slots of the workers on `queue`, once scenes are committed."""
    bells.ring_on_commit(RENDER, queue, count, args=[queue])
