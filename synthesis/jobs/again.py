"""Retry failed scenes, or edit one scene and speak it again.

Each retry or edit opens a new round with its own price and reservation.
"""

import uuid
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django.db.models import Sum
from django.db.models.functions import Coalesce, Greatest
from django.utils import timezone

from accounts.caller import Caller, Environment
from accounts.people import storage
from billing.models import Payer
from kit.db.transactions import needs_transaction
from kit.errors import NotFound
from synthesis.errors import (
    Expired,
    JobCanceled,
    NothingToRetry,
    SceneBusy,
    TextTooLong,
)
from synthesis.jobs import quotes, scenes
from synthesis.jobs.cancel import lock
from synthesis.jobs.quotes import Order, Quote, RequestedScene
from synthesis.jobs.scenes import requested_of
from synthesis.jobs.submit import renew_retention, reserve
from synthesis.models import Job, Scene
from synthesis.work import bells, takes

_COLUMNS = [
    field.name for field in Scene._meta.concrete_fields if not field.primary_key
]


@needs_transaction
def retry(caller: Caller, job_id: uuid.UUID, *, max_cost: int | None = None) -> Job:
    """Queue the failed scenes of a job again, at the current price.

    Pieces that were stored before the failure are reused.

    Raises:
        NothingToRetry: no scene has failed.
        JobCanceled: the job was canceled.
        Expired: its audio is past its retention.
        PriceChanged, InsufficientCredits, UnknownVoice…: as for a new job.
    """
    job = lock(job_id)
    failed = list(
        Scene.objects.select_for_update(of=("self",))
        .filter(job=job, status=Scene.Status.FAILED)
        .order_by("pk")
    )
    if not failed:
        raise NothingToRetry
    if job.status == Job.Status.CANCELED:
        raise JobCanceled
    failed.sort(key=lambda scene: scene.index)
    quote = quotes.quote(
        _in_environment_of(job, caller),
        Order([requested_of(scene) for scene in failed], max_cost=max_cost),
    )
    _open_round(caller, job, failed, quote)
    return job


@needs_transaction
def edit(
    caller: Caller,
    job_id: uuid.UUID,
    scene_id: uuid.UUID,
    changes: Mapping[str, Any],
    *,
    max_cost: int | None = None,
) -> tuple[Job, Scene]:
    """Apply `changes` to one scene and queue it again; only that scene is charged.

    `changes` are fields of `RequestedScene`. Other fields stay as they are, except that a
    changed voice resets `options`. What was heard of the scene stays until the new audio
    is stored, and for good if it can't be spoken. A title alone is changed at once:
    nothing is spoken or charged.

    Raises:
        SceneBusy: the scene is queued or being spoken.
        JobCanceled: the job was canceled.
        Expired: its audio is past its retention.
        TextTooLong: the job as a whole would be too long.
        EmptyText, InvalidOption, PriceChanged, InsufficientCredits…: as for a new job.
    """
    job = lock(job_id)
    scene = (
        Scene.objects.select_for_update(of=("self",))
        .filter(job=job, pk=scene_id)
        .first()
    )
    if scene is None:
        raise NotFound
    if job.status == Job.Status.CANCELED:
        raise JobCanceled
    if scene.status in (Scene.Status.QUEUED, Scene.Status.PROCESSING):
        raise SceneBusy
    if changes.keys() == {"title"}:
        scene.title = changes["title"]
        scene.save(update_fields=["title"])
        takes.supersede_assemblies(job)
        return job, scene
    requested = _changed(requested_of(scene), changes)
    quote = quotes.quote(
        _in_environment_of(job, caller), Order([requested], max_cost=max_cost)
    )
    _check_length(job, scene, quote.characters)
    job.characters += quote.characters - scene.characters
    takes.keep(scene)
    takes.number_render(scene)
    _open_round(caller, job, [scene], quote)
    return job, scene


def _check_length(job: Job, scene: Scene, characters: int) -> None:
    """Raise TextTooLong if the job would be too long with `characters` in a scene.

    A scene that is spoken again counts with the longer of its two texts, since it may stay
    what it was.
    """
    longest = Greatest("characters", Coalesce("take__characters", 0))
    others = Scene.objects.filter(job=job).exclude(pk=scene.pk)
    total = others.aggregate(total=Sum(longest))["total"] or 0
    total += max(characters, scene.characters if scene.audio else 0)
    if total > quotes.MAX_CHARACTERS:
        raise TextTooLong(
            limit=quotes.MAX_CHARACTERS,
            characters=total,
            hint="The limit is for all scenes of a job together.",
        )


def _in_environment_of(job: Job, caller: Caller) -> Caller:
    """Return `caller` in the environment of `job`, since that wallet pays.

    The environment that the request names does not count.
    """
    return replace(caller, environment=Environment(job.environment))


def _changed(requested: RequestedScene, changes: Mapping[str, Any]) -> RequestedScene:
    implied: dict[str, Any] = {}
    if "text" in changes:
        implied["shifts"] = None  # it is no longer a part of the text that was sent
    if changes.get("voice", requested.voice) != requested.voice:
        implied["options"] = {}
    return replace(requested, **{**implied, **changes})


def _open_round(caller: Caller, job: Job, rows: list[Scene], quote: Quote) -> None:
    """Reserve the price of a new round and queue the locked scenes `rows` in it."""
    if job.expires_at is not None and job.expires_at <= timezone.now():
        raise Expired
    storage.require_room(caller)
    renew_retention(job)
    job.rounds += 1
    if quote.cost:
        payer = reserve(caller, job, quote.cost, round_number=job.rounds)
        if payer == Payer.CREDITS or job.billed_to == Payer.OWN_KEY:
            job.billed_to = payer
    elif quote.is_by_own_keys and not job.charged and _has_no_other_scenes(job, rows):
        job.billed_to = Payer.OWN_KEY
    job.cost += quote.cost
    job.status = Job.Status.PROCESSING
    # Speech at once that is spoken again is spoken by a worker, like any other job.
    job.source = Job.Source.JOBS
    job.reason = ""
    job.finished_at = None
    job.save()
    for scene, quoted in zip(rows, quote.scenes, strict=True):
        if scene.spoken_by or scene.credential != quoted.credential:
            # Pieces of a fallback voice can't be mixed with those of the first voice, and
            # pieces that another key paid for are not reused.
            takes.number_render(scene)
    scenes.queue(job, rows, quote)
    # The rows are locked and fully loaded, so writing every column is safe. `bulk_update`
    # would take seconds for 2,000 scenes.
    Scene.objects.bulk_create(
        rows,
        batch_size=500,
        update_conflicts=True,
        unique_fields=["id"],
        update_fields=_COLUMNS,
    )
    for queue, count in Counter(scene.queue for scene in rows).items():
        bells.ring_on_commit(queue, count)


def _has_no_other_scenes(job: Job, rows: list[Scene]) -> bool:
    """Return whether `rows` are all scenes of the job."""
    others = Scene.objects.filter(job=job).exclude(pk__in=[s.pk for s in rows])
    return not others.exists()
