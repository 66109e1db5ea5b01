"""Speaking again: failed scenes, or one scene with other words. Each is a priced round."""

import uuid
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from django.utils import timezone

from accounts.caller import Caller, Environment
from billing.models import Payer
from kit.errors import NotFound
from synthesis.errors import Expired, JobCanceled, NothingToRetry, SceneBusy
from synthesis.jobs import quotes
from synthesis.jobs.cancel import lock
from synthesis.jobs.quotes import AskedScene, Order, Quote
from synthesis.jobs.submit import keep_on, reserve
from synthesis.models import Job, Scene
from synthesis.work import bells, turns


@dataclass(frozen=True, slots=True)
class Change:
    """What a client wants to be different about a scene; None keeps what is there."""

    text: str | None = None
    voice: str | None = None
    title: str | None = None
    options: Mapping[str, object] | None = None


def retry(caller: Caller, job_id: uuid.UUID, *, max_cost: int | None = None) -> Job:
    """Queue the failed scenes of a job again, at today's price.

    Needs an open transaction. Pieces that were spoken before the failure are kept.

    Raises:
        NothingToRetry: no scene has failed.
        JobCanceled: a canceled job stays as it is.
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
        _in(job, caller), _order([_as_asked(scene) for scene in failed], max_cost)
    )
    _open_round(caller, job, failed, quote)
    return job


def edit(
    caller: Caller,
    job_id: uuid.UUID,
    scene_id: uuid.UUID,
    change: Change,
    *,
    max_cost: int | None = None,
) -> tuple[Job, Scene]:
    """Speak one scene anew, with `change`, and charge for that scene alone.

    Needs an open transaction.

    Raises:
        SceneBusy: it still waits or is being spoken.
        JobCanceled: a canceled job stays as it is.
        Expired: its audio is past its retention.
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
    asked = _as_asked(scene)
    asked = AskedScene(
        text=asked.text if change.text is None else change.text,
        voice=asked.voice if change.voice is None else change.voice,
        title=asked.title if change.title is None else change.title,
        speed=asked.speed,
        options=_options(scene, change),
    )
    quote = quotes.quote(_in(job, caller), _order([asked], max_cost))
    quoted = quote.scenes[0]
    job.characters += quoted.characters - scene.characters
    scene.text, scene.title = quoted.text, quoted.title
    if change.text is not None:
        scene.shifts = quoted.shifts
    scene.voice, scene.provider = quoted.voice, quoted.provider
    scene.options = dict(quoted.options)
    scene.characters, scene.queue = quoted.characters, quoted.queue
    scene.render += 1
    _open_round(caller, job, [scene], quote)
    return job, scene


def _in(job: Job, caller: Caller) -> Caller:
    """Return `caller` where the job is: its wallet pays, whatever the request names."""
    return replace(caller, environment=Environment(job.environment))


def _as_asked(scene: Scene) -> AskedScene:
    return AskedScene(scene.text, scene.voice, scene.title, scene.speed, scene.options)


def _options(scene: Scene, change: Change) -> Mapping[str, object]:
    """Return the options of a changed scene; another voice begins without any."""
    if change.options is not None:
        return change.options
    is_same = change.voice is None or change.voice == scene.voice
    return scene.options if is_same else {}


def _order(scenes: list[AskedScene], max_cost: int | None) -> Order:
    return Order(scenes=scenes, max_cost=max_cost)


def _open_round(caller: Caller, job: Job, scenes: list[Scene], quote: Quote) -> None:
    """Reserve a new priced round for locked `scenes` and queue them."""
    if job.expires_at is not None and job.expires_at <= timezone.now():
        raise Expired
    keep_on(job)
    job.rounds += 1
    if quote.cost:
        payer = reserve(caller, job, quote.cost, round_number=job.rounds)
        if payer == Payer.CREDITS or job.billed_to == Payer.OWN_KEY:
            job.billed_to = payer
    elif quote.is_by_own_keys and not job.charged and _are_all(job, scenes):
        job.billed_to = Payer.OWN_KEY
    job.cost += quote.cost
    job.status = Job.Status.PROCESSING
    job.finished_at = None
    job.save()
    lengths = [scene.characters for scene in scenes]
    given = turns.take(job.workspace_id, lengths)
    now = timezone.now()
    for scene, quoted, turn in zip(scenes, quote.scenes, given, strict=True):
        scene.round = job.rounds
        scene.cost = quoted.cost
        scene.spoken_cost = None
        scene.fallbacks_left = len(job.fallback)
        if scene.spoken_by or scene.credential != quoted.credential:
            # The pieces of a fallback voice are not those of the first, and nobody gets
            # pieces that another's key has paid for.
            scene.render += 1
        scene.spoken_by = ""
        scene.provider, scene.queue = quoted.provider, quoted.queue
        scene.credential = quoted.credential
        scene.is_for_own_key = quoted.is_for_own_key
        scene.turn = turn
        scene.status = Scene.Status.QUEUED
        scene.is_held = job.is_paused
        scene.attempts = scene.crashes = scene.strikes = 0
        scene.ready_at = now
        scene.error_code = scene.audio = scene.words = scene.timing = ""
        scene.duration_ms = scene.finished_at = None
    Scene.objects.bulk_update(
        scenes,
        [
            "text",
            "shifts",
            "title",
            "voice",
            "options",
            "spoken_by",
            "spoken_cost",
            "fallbacks_left",
            "provider",
            "characters",
            "queue",
            "render",
            "round",
            "cost",
            "credential",
            "is_for_own_key",
            "turn",
            "status",
            "is_held",
            "attempts",
            "crashes",
            "strikes",
            "ready_at",
            "error_code",
            "audio",
            "words",
            "timing",
            "duration_ms",
            "finished_at",
        ],
        batch_size=200,
    )
    for queue, count in Counter(scene.queue for scene in scenes).items():
        bells.ring_on_commit(queue, count)


def _are_all(job: Job, scenes: list[Scene]) -> bool:
    """Return whether `scenes` are all that the job has."""
    others = Scene.objects.filter(job=job).exclude(pk__in=[s.pk for s in scenes])
    return not others.exists()
