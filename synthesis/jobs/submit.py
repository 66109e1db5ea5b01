"""Submit a job: create its rows and reserve its credits, both or neither.

Also guests' daily tries, and how long the files of a job are kept.
"""

import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.utils import timezone

from accounts.caller import Caller, Role
from accounts.models import Workspace
from accounts.people import storage
from billing import ledger
from billing.credits import token_limits
from billing.errors import InsufficientCredits
from billing.ledger.wallets import spendable, wallet_of
from billing.models import Payer
from kit import quotas
from kit.db.transactions import needs_transaction
from kit.ids import new_id
from kit.requests import client_network
from synthesis.errors import GuestLimit
from synthesis.jobs import scenes
from synthesis.jobs.quotes import Quote
from synthesis.models import Job, Scene
from synthesis.work import bells, turns

GUEST_QUOTA = "guest"
GUEST_RETENTION = timedelta(hours=24)
RESERVED_FOR = timedelta(days=7)
"""After this time an open reservation is checked: see `synthesis.work.dispatch`."""


@needs_transaction
def submit(caller: Caller, quote: Quote) -> Job:
    """Create the job of `quote`, reserve its price, and ring for workers on commit.

    The caller's transaction also holds what must happen together with it, such as the
    idempotency record.

    Raises:
        StorageLimit: the files of the workspace have reached its limit.
        GuestLimit: the guest has used today's tries.
        InsufficientCredits: the wallet has fewer credits than the price.
        TokenLimitReached: the price exceeds the token's monthly limit.
    """
    if quote.cost:
        _check_credits(caller, quote)
    if not caller.is_guest:  # guests share a workspace, and their jobs are short
        turns.lock(caller.workspace.pk)
    job = new_job(caller, quote)
    scenes = scenes_of(job, quote)
    job.save(force_insert=True)
    Scene.objects.bulk_create(scenes, batch_size=500)
    # The wallet is locked last, and so only for a moment: to write thousands of scenes
    # takes seconds, in which others of the workspace could not speak.
    reserve_price(caller, job)
    for queue, count in Counter(scene.queue for scene in quote.scenes).items():
        bells.ring_on_commit(queue, count)
    return job


def new_job(caller: Caller, quote: Quote, *, job_id: uuid.UUID | None = None) -> Job:
    """Return a new job, not saved yet; count the try of a guest.

    Raises:
        GuestLimit: the guest has used today's tries.
    """
    storage.require_room(caller)
    now = timezone.now()
    at_once = quote.order.source == Job.Source.SPEECH
    job = Job(
        id=job_id or new_id(),
        status=Job.Status.PROCESSING if at_once else Job.Status.QUEUED,
        workspace=caller.workspace,
        environment=caller.environment,
        created_by=caller.user,
        token=caller.token,
        source=quote.order.source,
        title=quote.order.title,
        format=quote.order.format,
        fallback=list(quote.fallback),
        fallback_prices=dict(quote.fallback_prices),
        webhook_url=quote.order.webhook_url,
        metadata=quote.order.metadata,
        characters=quote.characters,
        cost=quote.cost,
        billed_to=_payer(caller, quote),
        expires_at=now
        + (GUEST_RETENTION if caller.is_guest else retention_of(caller.workspace)),
        created_at=now,
    )
    if caller.is_guest:
        take_guest_try(caller)
    return job


def reserve_price(caller: Caller, job: Job) -> None:
    """Reserve the price of a new job, and save which kind of credits pays.

    Raises:
        InsufficientCredits: the wallet has fewer credits than the price.
        TokenLimitReached: the price exceeds the token's monthly limit.
    """
    if not job.cost:
        return
    payer = reserve(caller, job, job.cost, round_number=1)
    if payer != job.billed_to:
        job.billed_to = payer
        job.save(update_fields=["billed_to"])


def scenes_of(job: Job, quote: Quote) -> list[Scene]:
    """Return the scenes of a new job with their turns, not saved yet."""
    rows = [
        Scene(job=job, workspace_id=job.workspace_id, index=index)
        for index in range(1, len(quote.scenes) + 1)
    ]
    scenes.queue(job, rows, quote)
    return rows


def reserve(caller: Caller, job: Job, cost: int, *, round_number: int) -> Payer:
    """Reserve `cost` credits for one round of `job`; return which kind of credits pays.

    Raises:
        InsufficientCredits: the wallet has fewer credits than `cost`.
        TokenLimitReached: `cost` exceeds the token's monthly limit.
    """
    reservation = ledger.reserve(
        wallet_of(job.workspace, job.environment),
        cost,
        key=round_key(job, round_number),
        job=str(job.pk),
        deadline=timezone.now() + RESERVED_FOR,
        user_id=caller.user.pk if caller.user else None,
    )
    token_limits.count(caller.token, reservation, job.environment)
    if reservation.split.credits:
        return Payer.CREDITS
    return Payer.SUBSCRIPTION


def round_key(job: Job, number: int) -> str:
    """Return the ledger's idempotency key for the reservation of a round."""
    return f"job:{job.pk}:{number}"


def take_guest_try(caller: Caller) -> None:
    """Count one free try of the guest for today (UTC).

    Raises:
        GuestLimit: the guest has used today's tries.
    """
    network = client_network(caller.address)
    if not quotas.take(
        GUEST_QUOTA, network, limit=settings.GUEST_PER_DAY, period=quotas.today()
    ):
        raise GuestLimit(retry_after=quotas.seconds_left_today())


def give_back_guest_try(caller: Caller, taken_at: datetime) -> None:
    """Give back a free try, since it was answered with an error."""
    day = taken_at.astimezone(UTC).date()
    quotas.give_back(GUEST_QUOTA, client_network(caller.address), period=day, amount=1)


def guest_tries_left(address: str) -> int:
    """Return the number of free tries left today for a guest at `address`."""
    used = quotas.used(GUEST_QUOTA, client_network(address), period=quotas.today())
    return max(0, int(settings.GUEST_PER_DAY) - used)


def renew_retention(job: Job) -> None:
    """Restart the retention time of a job that continues; the caller saves the job."""
    if job.expires_at is not None:
        renewed = timezone.now() + retention_of(job.workspace)
        job.expires_at = max(job.expires_at, renewed)


def retention_of(workspace: Workspace) -> timedelta:
    """Return how long files of jobs are kept: by the workspace's plan, else by settings."""
    days = workspace.retention_days
    return timedelta(days=settings.RETENTION_DAYS if days is None else days)


def _check_credits(caller: Caller, quote: Quote) -> None:
    """Refuse an order that is too expensive before its rows are written.

    Only the reservation decides. No lock is taken.

    Raises:
        InsufficientCredits: the wallet has fewer credits than the price.
    """
    available = spendable(wallet_of(caller.workspace, caller.environment))
    if available < quote.cost:
        raise InsufficientCredits(needed=quote.cost, available=available)


def _payer(caller: Caller, quote: Quote) -> Payer:
    if caller.role == Role.GUEST:
        return Payer.GUEST
    if quote.is_by_own_keys:
        return Payer.OWN_KEY
    if caller.role == Role.ADMIN:
        return Payer.ADMIN
    return Payer.CREDITS  # until the reservation decides
