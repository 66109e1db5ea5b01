"""From a quote to scenes, and from a scene back to what was asked for it."""

from collections.abc import Sequence
from dataclasses import fields

from django.utils import timezone

from synthesis.jobs.quotes import AskedScene, Quote
from synthesis.models import Job, Scene
from synthesis.work import turns

_ASKED = tuple(field.name for field in fields(AskedScene))


def queue(job: Job, scenes: Sequence[Scene], quote: Quote) -> None:
    """Write `quote` into the scenes of a job, to wait for a worker; none is saved.

    They may be new or have been spoken before. An old one goes on with the pieces that it
    has, unless the caller raises its `render`.
    """
    given = turns.take(job.workspace_id, [quoted.characters for quoted in quote.scenes])
    now = timezone.now()
    for scene, quoted, turn in zip(scenes, quote.scenes, given, strict=True):
        for name in _ASKED:
            setattr(scene, name, getattr(quoted.asked, name))
        scene.provider, scene.queue = quoted.provider, quoted.queue
        scene.credential = quoted.credential
        scene.is_for_own_key = quoted.is_for_own_key
        scene.characters, scene.cost = quoted.characters, quoted.cost
        scene.spoken_by, scene.spoken_cost = "", None
        scene.fallbacks_left = len(job.fallback)
        scene.round, scene.turn = job.rounds, turn
        scene.status = Scene.Status.QUEUED
        scene.is_held = job.is_paused
        scene.ready_at = now
        scene.attempts = scene.crashes = scene.strikes = 0
        scene.error_code = scene.audio = scene.words = scene.timing = ""
        scene.duration_ms = scene.finished_at = None


def asked_of(scene: Scene) -> AskedScene:
    """Return what was asked for `scene`, its text normalized and its voice chosen."""
    return AskedScene(**{name: getattr(scene, name) for name in _ASKED})
