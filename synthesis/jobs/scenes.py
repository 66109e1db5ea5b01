"""Convert a quote to `Scene` rows, and a row back to the requested scene."""

from collections.abc import Sequence
from dataclasses import fields

from django.utils import timezone

from synthesis.jobs.quotes import Quote, RequestedScene
from synthesis.models import Job, Scene
from synthesis.text.splitting import shifts_in
from synthesis.work import turns

_REQUESTED = tuple(field.name for field in fields(RequestedScene))


def queue(job: Job, scenes: Sequence[Scene], quote: Quote) -> None:
    """Set the columns of `scenes` from `quote` and queue them; the caller saves them.

    The scenes may be new or already spoken. An old one reuses its pieces, unless the
    caller increases its `render`.
    """
    lengths = [(quoted.queue, quoted.characters) for quoted in quote.scenes]
    given = turns.take(job.workspace_id, lengths)
    now = timezone.now()
    for scene, quoted, turn in zip(scenes, quote.scenes, given, strict=True):
        for name in _REQUESTED:
            setattr(scene, name, getattr(quoted.requested, name))
        if quoted.requested.shifts is None:
            scene.shifts = shifts_in(quoted.sent)
        scene.provider, scene.queue = quoted.provider, quoted.queue
        scene.credential = quoted.credential
        scene.is_for_own_key = quoted.is_for_own_key
        scene.characters, scene.cost = quoted.characters, quoted.cost
        scene.spoken_by, scene.spoken_cost = "", None
        scene.fallbacks_left = len(job.fallback)
        scene.round, scene.turn, scene.spoken = job.rounds, turn, 0
        scene.status = Scene.Status.QUEUED
        scene.is_held = job.is_paused
        scene.ready_at = now
        scene.attempts = scene.crashes = scene.strikes = scene.unanswered = 0
        scene.error_code = scene.audio = scene.words = scene.timing = ""
        scene.duration_ms = scene.finished_at = None
        scene.stored_bytes = 0


def requested_of(scene: Scene) -> RequestedScene:
    """Return the request for `scene`, with its normalized text and its chosen voice."""
    return RequestedScene(**{name: getattr(scene, name) for name in _REQUESTED})
