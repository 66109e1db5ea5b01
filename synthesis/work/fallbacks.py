"""Fallback voices: who speaks when the voice that was asked for can't.

Only voices that the customer named are taken, in that order. None is dearer than quoted,
and none is paid with our key where the customer's own was to be used.
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
from synthesis.work import bells, settlement


@one_transaction
def give_up(scene: Scene, error_code: str) -> None:
    """Hand a scene that we hold to its next fallback voice; fail it if there is none.

    What was our own fault, no other voice would mend.

    Raises:
        LeaseLost: somebody else holds the scene now, or it was canceled.
    """
    job = settlement.lock_job(scene)
    held = claims.lock_held(scene)
    if error_code == INTERNAL_ERROR or not _take_next(job, held):
        settlement.fail_held(job, held, error_code)


def _take_next(job: Job, held: Scene) -> bool:
    """Queue a locked scene for the next voice that may speak; return whether one may.

    Whose key speaks and what it may cost was said when the job was submitted, and holds.
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
    """Whether the workspace brings a key for the voice that its provider takes."""
    row = using.keys_by_provider(job.workspace).get(voice.provider_id)
    return row is not None and not row.failure


def _may_be_ours(job: Job, held: Scene, voice: Voice) -> bool:
    """Whether our key may speak for what the scene was quoted.

    The scene may have changed to a cheaper voice since then, or be paid by nobody.
    """
    is_sandbox = job.environment == Environment.SANDBOX
    if is_sandbox and not voices.is_in_sandbox(voice.provider):
        return False
    if not access.is_available(voice.provider):
        return False
    if job.billed_to in (Payer.GUEST, Payer.ADMIN):
        return True
    today = voice.provider.cost_multiplier
    quoted = Decimal(job.fallback_prices.get(voice.pk, today))
    return price(held.characters, quoted) <= held.cost


def _hand_over(held: Scene, voice: Voice, credential: str) -> None:
    """Begin a locked scene anew with another voice; its pieces are not mixed."""
    held.credential = credential
    held.spoken_by = voice.pk
    held.provider = voice.provider_id
    held.queue = quotes.queue_of(voice.provider_id)
    held.spoken_cost = (
        min(held.cost, price(held.characters, voice.provider.cost_multiplier))
        if credential == PLATFORM
        else 0
    )
    held.render += 1
    held.status = Scene.Status.QUEUED
    held.lease_until = None
    held.ready_at = timezone.now()
    held.attempts = held.crashes = held.strikes = 0
    held.save()
    bells.ring_on_commit(held.queue, 1)
