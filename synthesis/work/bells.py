"""Which bell wakes whom: `kit.work.bells` rings them."""

from collections.abc import Sequence

from kit.work import bells

RENDER = "synthesis.tasks.render"
ASSEMBLE = "synthesis.tasks.assemble"


def ring(queue: str, count: int = 1, *, task: str = RENDER) -> None:
    """Wake up to `count` slots of the workers on `queue`; never raises or waits long."""
    bells.ring(task, queue, count, args=_args(task, queue))


def ring_if_quiet(queue: str, waiting: int, *, task: str = RENDER) -> None:
    """Ring for `waiting` rows unless as many bells still hang in the queue."""
    bells.ring_if_quiet(task, queue, waiting, args=_args(task, queue))


def ring_on_commit(queue: str, count: int = 1, *, task: str = RENDER) -> None:
    """Ring once the open transaction has committed."""
    bells.ring_on_commit(task, queue, count, args=_args(task, queue))


def _args(task: str, queue: str) -> Sequence[str]:
    return [queue] if task == RENDER else []
