"""Fallback voices: who speaks when the voice that was asked for can't.

Only voices that the customer named are taken, in that order. None is dearer than quoted,
and none is paid with our key where the customer's own was to be used.
"""

from django.db import transaction
from django.utils import timezone

from accounts.caller import Environment
from billing.pricing import price
from kit import claims
from providers import catalogue, keys
from providers.models import Voice
from providers.querysets import PLATFORM
from synthesis import bells, quotes, settlement
from synthesis.errors import INTERNAL_ERROR
from synthesis.models import Job, Scene


def give_up(scene: Scene, error_code: str) -> None:
    """Hand a scene that we hold to its next fallback voice; fail it if there is none.

    What was our own fault, no other voice would mend.

    Raises:
        LeaseLost: somebody else holds the scene now, or it was canceled.
    """
    with transaction.atomic(durable=True):
        job = settlement.lock_job(scene)
        held = claims.lock_held(scene)
        if error_code == INTERNAL_ERROR or not _take_next(job, held):
            settlement.fail_held(job, held, error_code)


def _take_next(job: Job, held: Scene) -> bool:
    """Queue a locked scene for the next voice that may speak; return whether one may."""
    while held.fallbacks_left:
        name = job.fallback[len(job.fallback) - held.fallbacks_left]
        held.fallbacks_left -= 1
        voice = Voice.objects.on_offer().filter(pk=name).first()
        if voice is None:
            continue
        is_own = _has_own_key(job, voice)
        if _may_speak(job, held, voice, is_own=is_own):
            _hand_over(held, voice, is_own=is_own)
            return True
    return False


def _has_own_key(job: Job, voice: Voice) -> bool:
    """Whether the workspace brings a key for the voice that its provider takes."""
    row = keys.held_by(job.workspace).get(voice.provider_id)
    return row is not None and not row.failure


def _may_speak(job: Job, held: Scene, voice: Voice, *, is_own: bool) -> bool:
    if voice.pk == held.speaker:
        return False
    if held.credential != PLATFORM:
        return voice.provider_id == held.provider
    if is_own:
        return True
    if job.environment == Environment.SANDBOX and not quotes.is_in_sandbox(
        voice.provider
    ):
        return False
    return catalogue.is_available(voice.provider)


def _hand_over(held: Scene, voice: Voice, *, is_own: bool) -> None:
    """Begin a locked scene anew with another voice; its pieces are not mixed.

    With the workspace's own key, it is free from here on.
    """
    if is_own:
        held.credential = keys.credential_of(held.workspace_id)
    held.spoken_by = voice.pk
    held.provider = voice.provider_id
    held.queue = quotes.queue_of(voice.provider_id)
    held.spoken_cost = (
        0
        if held.credential != PLATFORM
        else min(held.cost, price(held.characters, voice.provider.cost_multiplier))
    )
    held.render += 1
    held.status = Scene.Status.QUEUED
    held.lease_until = None
    held.ready_at = timezone.now()
    held.attempts = held.crashes = held.strikes = 0
    held.save()
    bells.ring_on_commit(held.queue)
