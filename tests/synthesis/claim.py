"""Claim a scene in tests where one is waiting."""

from synthesis.models import Scene
from synthesis.work import claiming


def claim(queue: str = "remote") -> Scene:
    """Claim the next scene as a worker does."""
    scene = claiming.claim_next(queue)
    assert scene is not None
    return scene
