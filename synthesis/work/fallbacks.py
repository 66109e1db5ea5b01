"""Fallback voices: switch a scene to another voice when its own can't be used.

Only voices that the customer named are used, in that order. None costs more than quoted,
and a scene that was quoted with the customer's own key is never spoken with ours.
"""

from decimal import Decimal

from django.utils import timezone

from accounts.caller import Environment
from billing.models import Payer
from billing.pricing import price
from kit.db.transactions import one_transaction
from kit.work import claims
from providers.catalogue import access
from providers.keys import using
from providers.models import Voice
from providers.models.querysets import PLATFORM
from synthesis.errors import INTERNAL_ERROR
from synthesis.jobs import quotes, voices
from synthesis.models import Job, Scene
from synthesis.work import bells, settlement, takes, turns


@one_transaction
def give_up(scene: Scene, error_code: str) -> None:
    """Queue a scene that we hold for its next fallback voice, or fail it if none is left.

    An internal error fails the scene at once, since another voice would not solve it.

    Raises:
        LeaseLost: another worker holds the scene now, or it was canceled.
    """
    job = settlement.lock_job(scene)
    held = claims.lock_held(scene)
    if error_code == INTERNAL_ERROR or not _take_next(job, held):
        settlement.fail_held(job, held, error_code)


def _take_next(job: Job, held: Scene) -> bool:
    """Queue a locked scene for the next available voice; return False if there is none.

    The key and the price of each voice stay as they were quoted when the job was
    submitted.
    """
    while held.fallbacks_left:
        name = job.fallback[len(job.fallback) - held.fallbacks_left]
        held.fallbacks_left -= 1
        voice = Voice.objects.on_offer().filter(pk=name).first()
        if voice is None or voice.pk == held.speaker:
            continue
        if job.fallback_prices.get(name, "") is None:
            if _has_own_key(job, voice):
                _hand_over(held, voice, using.credential_of(held.workspace_id))
                return True
        elif not held.is_for_own_key and _may_be_ours(job, held, voice):
            _hand_over(held, voice, PLATFORM)
            return True
    return False


def _has_own_key(job: Job, voice: Voice) -> bool:
    """Return whether the workspace has a working own key for the voice's provider."""
    row = using.keys_by_provider(job.workspace).get(voice.provider_id)
    return row is not None and using.failure_of(row) is None


def _may_be_ours(job: Job, held: Scene, voice: Voice) -> bool:
    """Return whether our key may be used for the voice at the price of the scene.

    The voice may be too expensive now, if the scene was edited to a cheaper voice. Jobs
    of guests and operators cost nothing, so the price doesn't matter.
    """
    is_sandbox = job.environment == Environment.SANDBOX
    if is_sandbox and not voices.is_available_in_sandbox(voice.provider):
        return False
    if not access.is_available(voice.provider):
        return False
    if job.billed_to in (Payer.GUEST, Payer.ADMIN):
        return True
    today = voice.provider.cost_multiplier
    quoted = Decimal(job.fallback_prices.get(voice.pk, today))
    return price(held.characters, quoted) <= held.cost


def _hand_over(held: Scene, voice: Voice, credential: str) -> None:
    """Queue a locked scene again with another voice; its old pieces are not reused."""
    takes.number_render(held)
    held.credential = credential
    held.spoken_by = voice.pk
    held.provider = voice.provider_id
    queue = quotes.queue_of(voice.provider_id)
    if queue != held.queue:
        (held.turn,) = turns.take(held.workspace_id, [(queue, held.characters)])
        held.queue = queue
    held.spoken = 0
    held.spoken_cost = (
        min(held.cost, price(held.characters, voice.provider.cost_multiplier))
        if credential == PLATFORM
        else 0
    )
    held.status = Scene.Status.QUEUED
    held.lease_until = None
    held.ready_at = timezone.now()
    held.attempts = held.crashes = held.strikes = held.unanswered = 0
    held.save()
    bells.ring_on_commit(held.queue, 1)
