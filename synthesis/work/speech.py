"""Speech at once: a job of one scene, spoken by the web process during the request."""

import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, TypeVar

from django.core.files.storage import default_storage
from django.db import OperationalError, transaction
from django.utils import timezone

from accounts.caller import Caller
from kit import idempotency
from kit.db import connections
from kit.db.admission import admitted
from kit.db.transactions import one_transaction
from kit.errors import AppError
from kit.ids import new_id
from kit.work import claims
from providers.contract.base import Failure, ProviderError
from providers.errors import OwnKeyMissing, OwnKeyRefused, OwnKeySuspended
from providers.limits import upstreams
from providers.limits.ceilings import CEILING
from providers.limits.upstreams import UpstreamUnavailable
from providers.models import Provider
from synthesis.errors import (
    INTERNAL_ERROR,
    PROVIDER_UNAVAILABLE,
    EmptyText,
    Expired,
    JobCanceled,
    ProviderCeiling,
    ProviderFailed,
    ProviderUnavailable,
)
from synthesis.jobs import quotes, submit
from synthesis.jobs.quotes import Order, QuotedScene
from synthesis.models import Job, Scene
from synthesis.text.splitting import Shifts
from synthesis.work import claiming, gates, settlement
from synthesis.work.rendering import Rendered, read_words, render

_DATABASE_PATIENCE = 20.0  # seconds
_DATABASE_PAUSE = 0.2  # seconds
R = TypeVar("R")

logger = logging.getLogger(__name__)

_UNAVAILABLE = {
    Failure.BUSY,
    Failure.RATE_LIMITED,
    Failure.DOWN,
    Failure.TIMEOUT,
    Failure.ABORTED,
    Failure.QUOTA,
    Failure.SWITCHED_OFF,
}
_OWN_KEY: dict[Failure, type[AppError]] = {
    Failure.OWN_KEY_REFUSED: OwnKeyRefused,
    Failure.OWN_KEY_MISSING: OwnKeyMissing,
    Failure.OWN_KEY_SUSPENDED: OwnKeySuspended,
}


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was answered, with the names of the files. A replay is made of it.

    So it stays the first answer, also after the scene was changed and spoken again.
    """

    job: str  # id
    voice: str  # the one that spoke
    format: str
    audio: str  # name in the storage
    words: str  # name in the storage
    shifts: Shifts
    timing: str
    duration_ms: int
    characters: int
    cost: int  # credits
    cost_to_subscription: int  # the part that an allowance paid
    billed_to: str


@dataclass(frozen=True, slots=True)
class Spoken:
    """Speech at once, with the contents of its files."""

    receipt: Receipt
    audio: bytes
    words: list[dict[str, Any]]


def speak_now(
    caller: Caller, order: Order, key: idempotency.Key | None
) -> tuple[Spoken, bool]:
    """Speak an order of one scene and charge for it.

    Return the speech, and whether it replays the answer to an earlier request with `key`.
    The credits are reserved before the provider is called, and captured after the audio
    is stored. No transaction is open in between.

    Raises:
        GuestLimit, InsufficientCredits: refused, and nothing is written.
        EmptyText: the voice can say nothing of the text.
        ProviderFailed, ProviderUnavailable: nothing is charged.
        OwnKeyRefused, OwnKeyMissing: the workspace's own key was refused or removed.
        JobCanceled: the job was canceled meanwhile; nothing is charged.
        IdempotencyMismatch, IdempotencyInProgress: see `kit.idempotency`.
    """
    begun = _begin(caller, order, key)
    if isinstance(begun, idempotency.Answer):
        return _read_again(Receipt(**begun.body)), True
    fail = partial(_fail, caller, begun)
    try:
        with claims.keep_lease(begun) as lease:
            rendered = _until_database_answers(
                partial(_render, begun, lease, format=order.format), lease
            )
            receipt = _until_database_answers(
                partial(_complete, begun, rendered, key), lease
            )
    except claims.LeaseLost as lost:
        raise JobCanceled from lost
    except UpstreamUnavailable as unavailable:
        fail(PROVIDER_UNAVAILABLE)
        raise _refusal(begun.provider, unavailable) from unavailable
    except ProviderError as error:
        fail(error.kind)
        logger.warning("speech %s, %s: %s", begun.job_id, begun.provider, error)
        if error.kind == Failure.UNSPEAKABLE:
            raise EmptyText from error
        if error.kind in _OWN_KEY:
            raise _OWN_KEY[error.kind](provider=begun.provider) from error
        is_down = error.kind in _UNAVAILABLE
        raise (ProviderUnavailable if is_down else ProviderFailed) from error
    except BaseException:
        fail(INTERNAL_ERROR)
        raise
    return _read(receipt), False


def _receipt(job: Job, scene: Scene, rendered: Rendered) -> Receipt:
    return Receipt(
        job=str(job.pk),
        voice=scene.speaker,
        format=job.format,
        audio=rendered.audio,
        words=rendered.words,
        shifts=scene.shifts,
        timing=rendered.timing,
        duration_ms=rendered.duration_ms,
        characters=job.characters,
        cost=job.charged,
        cost_to_subscription=job.charged_to_subscription,
        billed_to=job.billed_to,
    )


def _read_again(receipt: Receipt) -> Spoken:
    """Return what was answered before.

    Raises:
        Expired: the job was deleted, or its files are past their retention.
    """
    if not Job.objects.filter(pk=receipt.job, is_deleted=False).exists():
        raise Expired
    try:
        return _read(receipt)
    except FileNotFoundError as error:
        raise Expired from error


def _read(receipt: Receipt) -> Spoken:
    with default_storage.open(receipt.audio) as file:
        audio = file.read()
    return Spoken(receipt, audio, read_words(receipt.words)["words"])


@admitted
@one_transaction
def _begin(
    caller: Caller, order: Order, key: idempotency.Key | None
) -> Scene | idempotency.Answer:
    """Create the job and its leased scene, or return the stored answer for `key`."""
    job_id = new_id()
    if key and (first := idempotency.begin(key, subject=str(job_id))):
        return first
    quote = quotes.quote(caller, order)
    is_limited = _check_room(quote.scenes[0])
    job = submit.new_job(caller, quote, job_id=job_id)
    (scene,) = submit.scenes_of(job, quote)
    job.save(force_insert=True)
    submit.reserve_price(caller, job)
    if is_limited:
        # Last, when nothing is waited for any more: not even the wallet, which another
        # request may hold for long. No scene is started until our row is committed.
        gates.lock(scene.queue)
        _check_limits(scene.queue, scene.provider, scene.credential)
    scene.status = Scene.Status.PROCESSING
    scene.fence = 1
    scene.lease_until = timezone.now() + claims.LEASE
    scene.save(force_insert=True)
    return scene


def _render(scene: Scene, lease: claims.Lease, *, format: str) -> Rendered:  # noqa: A002
    """Render a scene, with one retry if a kept connection to the provider was closed.

    The retry is made here, since no worker retries the scene and the client waits. The
    provider may have processed and billed the first call, so there is only one retry. The
    customer is charged once either way.

    Raises: as `synthesis.work.rendering.render`.
    """
    try:
        return render(scene, lease, format=format)
    except ProviderError as error:
        if error.kind is not Failure.ABORTED:
            raise
        logger.info("speech %s, %s: %s", scene.job_id, scene.provider, error)
    scene.attempts += 1  # marks a retry: it uses the allowance and a new connection
    return render(scene, lease, format=format)


def _complete(scene: Scene, rendered: Rendered, key: idempotency.Key | None) -> Receipt:
    """Settle a rendered scene, store its receipt for `key`, and return it."""
    with connections.reserved():
        try:
            with transaction.atomic(durable=True):
                job = settlement.complete(scene, rendered)
                receipt = _receipt(job, scene, rendered)
                if key is not None:
                    idempotency.finish(key, idempotency.Answer(200, asdict(receipt)))
        except claims.LeaseLost:
            # If the connection broke in the commit of the last try, it is committed.
            done = Scene.objects.filter(pk=scene.pk, fence=scene.fence)
            if not done.filter(status=Scene.Status.COMPLETED).exists():
                raise
            receipt = _receipt(Job.objects.get(pk=scene.job_id), scene, rendered)
    return receipt


def _until_database_answers(step: Callable[[], R], lease: claims.Lease) -> R:
    """Run `step`, again if the database was unavailable, and return its result.

    The vendor bills the audio, so it isn't given up for an outage of a few seconds. A step
    that is repeated finds the pieces that are stored, and calls the vendor for the rest.
    """
    until = time.monotonic() + _DATABASE_PATIENCE
    while True:
        try:
            return step()
        except OperationalError:
            lease.check()
            if time.monotonic() > until:
                raise
            logger.warning("the database is unavailable; trying again", exc_info=True)
            time.sleep(_DATABASE_PAUSE)


def _fail(caller: Caller, scene: Scene, error_code: str) -> None:
    try:
        with connections.reserved(), transaction.atomic(durable=True):
            settlement.fail(scene, error_code)
            if caller.is_guest:
                submit.give_back_guest_try(caller, scene.job.created_at)
    except claims.LeaseLost:
        logger.info("scene %s was settled by another process", scene.pk)


def _check_room(quoted: QuotedScene) -> bool:
    """Return whether the provider has limits of concurrent calls.

    Only the credential that would call it counts: failures and limits of our key don't
    affect an own key, and the reverse.

    Raises:
        ProviderUnavailable: the provider may not be called at this moment.
    """
    slug, credential = quoted.provider, quoted.credential
    if row := upstreams.unavailable(slug).get((slug, credential)):
        unavailable = UpstreamUnavailable(row.reason, row.open_until or timezone.now())
        raise ProviderUnavailable(retry_after=unavailable.seconds)
    is_limited = Provider.objects.limited().filter(pk=slug).exists()
    if is_limited:
        _check_limits(quoted.queue, slug, credential)
    return is_limited


def _check_limits(queue: str, provider: str, credential: str) -> None:
    """Raise ProviderUnavailable if too many scenes are being spoken with a credential."""
    if claiming.limits_reached(queue).includes(provider, credential):
        raise ProviderUnavailable(retry_after=1)


def _refusal(provider: str, unavailable: UpstreamUnavailable) -> AppError:
    if unavailable.reason == CEILING:
        return ProviderCeiling(provider=provider, retry_after=unavailable.seconds)
    return ProviderUnavailable(retry_after=unavailable.seconds)
