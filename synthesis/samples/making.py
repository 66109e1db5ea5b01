"""Making samples: a sentence in each voice, spoken once and kept.

A row of `providers.Sample` asks for one; a worker claims it, speaks with our own key within
the limits that scenes have, and stores the audio before it says so. Visitors can ask for
built-in voices alone, so they spend nobody's money, and each voice but once.
"""

import hashlib
import logging
import time
from datetime import datetime, timedelta

from django.core.files.storage import default_storage
from django.db import connection, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from kit import quotas
from kit.errors import NotFound, RateLimited
from kit.ids import new_id
from kit.storage import draft_folder, save_path
from kit.work import bells, claims
from providers.catalogue import access, samples
from providers.contract.base import Failure, ProviderError, SpeechRequest
from providers.contract.registry import ADAPTERS, get_adapter
from providers.limits.upstreams import UpstreamUnavailable
from providers.models import Sample, Voice
from providers.models.querysets import PLATFORM
from synthesis import audio
from synthesis.errors import INTERNAL_ERROR
from synthesis.models import Scene
from synthesis.samples.texts import text_for
from synthesis.work import calling, claiming

MAKE = "synthesis.tasks.make_samples"
MOST_A_DAY = 200
"""Samples that one client address may have made a day."""
_MOST_AT_ONCE = 2  # makers, of each kind: samples are never urgent
_MOST_TRIES = 3
_MOST_CRASHES = 3
_PAUSE = timedelta(minutes=1)
_LOOK = 0.05  # seconds between two looks at what a worker is making
_LOCAL = [slug for slug in ADAPTERS if get_adapter(slug).is_local]

logger = logging.getLogger(__name__)


def find(voice_id: str, *, network: str, patience: float) -> Sample:
    """Return a voice's sample; one of a built-in voice is made if it is missing.

    Waits `patience` seconds for a worker. What it returns then may not be completed.

    Raises:
        NotFound: there is no such voice, or it has no sample.
        RateLimited: a client in `network` had too many made today.
    """
    if not voice_id.isprintable():
        raise NotFound
    voice = Voice.objects.on_offer().with_samples().filter(pk=voice_id).first()
    if voice is None or samples.path_of(voice) is None:
        raise NotFound
    sample: Sample | None = getattr(voice, "sample", None)
    if sample is not None and sample.file:
        return sample
    if sample is None:
        _ask(voice, network)
    until = time.monotonic() + patience
    while True:
        sample = Sample.objects.get(voice=voice)
        if sample.file or time.monotonic() >= until:
            return sample
        connection.close()  # for those who query meanwhile
        time.sleep(_LOOK)


def work(queue: str) -> int:
    """Make the samples that wait in `queue`; return how many were tried."""
    count = 0
    while (sample := _claim(queue)) is not None:
        count += 1
        _make(sample)
    return count


def sweep() -> None:
    """Take back what silent makers left, give up what ends them, ring for the rest."""
    claims.take_back(Sample.objects.all())
    Sample.objects.filter(
        status=Sample.Status.QUEUED, crashes__gte=_MOST_CRASHES
    ).update(status=Sample.Status.FAILED, error_code=INTERNAL_ERROR)
    for queue in Scene.Queue:
        if claims.due(_of(queue)).exists() and _startable(queue).exists():
            bells.ring_if_quiet(MAKE, queue, 1, args=[queue])


def _ask(voice: Voice, network: str) -> None:
    with transaction.atomic(durable=True):
        if not quotas.take("sample", network, limit=MOST_A_DAY, period=quotas.today()):
            raise RateLimited(retry_after=quotas.seconds_left_today())
        if samples.ask([voice]):
            bells.ring_on_commit(MAKE, Scene.Queue.LOCAL, args=[Scene.Queue.LOCAL])


def _of(queue: str) -> QuerySet[Sample]:
    rows = Sample.objects.all()
    if queue == Scene.Queue.LOCAL:
        return rows.filter(voice__provider__in=_LOCAL)
    return rows.exclude(voice__provider__in=_LOCAL)


def _startable(queue: str) -> QuerySet[Sample]:
    """Return the samples that may be made now: not where a provider has its fill."""
    full = claiming.what_is_full()
    closed = full.providers | {
        provider for provider, key in full.upstreams if key == PLATFORM
    }
    return claims.due(_of(queue)).exclude(voice__provider__in=closed)


def _claim(queue: str) -> Sample | None:
    with transaction.atomic(durable=True):
        claiming.close_gate()
        making = _of(queue).filter(status=Sample.Status.PROCESSING)
        if making.count() >= _MOST_AT_ONCE:
            return None
        return claims.claim(_startable(queue).order_by("ready_at", "voice"))


def _make(sample: Sample) -> None:
    """Make a sample that we hold, and settle it; nothing is raised for its failure."""
    try:
        with claims.kept(sample):
            name = _spoken(sample)
        with transaction.atomic(durable=True):
            held = claims.lock_held(sample)
            old = held.file
            _settle(held, Sample.Status.COMPLETED, file=name, error_code="")
        if old:
            default_storage.delete(old)
    except claims.LeaseLost as lost:
        logger.info("dropped %s", lost)
    except UpstreamUnavailable as unavailable:
        logger.info("sample of %s waits: %s", sample.voice_id, unavailable)
        _wait(sample, unavailable.until)
    except ProviderError as error:
        logger.warning("sample of %s: %s", sample.voice_id, error)
        _fail(sample, error.kind, is_last=not error.kind.is_retryable)
    except Exception:
        logger.exception("sample of %s failed", sample.voice_id)
        _fail(sample, INTERNAL_ERROR)


def _wait(sample: Sample, until: datetime) -> None:
    """Put back a sample whose provider is not called now; it costs no try."""
    try:
        with transaction.atomic(durable=True):
            held = claims.lock_held(sample)
            Sample.objects.filter(pk=held.pk).update(
                status=Sample.Status.QUEUED, lease_until=None, ready_at=until
            )
    except claims.LeaseLost as lost:
        logger.info("dropped %s", lost)


def _fail(sample: Sample, error_code: str, *, is_last: bool = False) -> None:
    """Leave a sample for a later try, or for good; what there was of it is kept."""
    try:
        with transaction.atomic(durable=True):
            held = claims.lock_held(sample)
            tries = held.attempts + 1
            is_over = is_last or tries >= _MOST_TRIES
            status = Sample.Status.FAILED if is_over else Sample.Status.QUEUED
            _settle(held, status, error_code=error_code, attempts=tries)
    except claims.LeaseLost as lost:
        logger.info("dropped %s", lost)


def _settle(held: Sample, status: Sample.Status, **fields: object) -> None:
    again = Now() + _PAUSE if status == Sample.Status.QUEUED else Now()
    Sample.objects.filter(pk=held.pk).update(
        status=status, lease_until=None, ready_at=again, **fields
    )


def _spoken(sample: Sample) -> str:
    """Speak and store a sample; return its name in the storage."""
    voice = Voice.objects.switched_on().filter(pk=sample.voice_id).first()
    if voice is None:
        raise ProviderError(Failure.SWITCHED_OFF)
    if not access.is_available(voice.provider):
        raise ProviderError(Failure.BAD_KEY, "no key of ours")
    request = SpeechRequest(text_for(voice.language), voice.provider_voice)
    with draft_folder() as folder:
        draft, whole = folder / "piece", folder / "sample.mp3"
        with draft.open("w+b") as target:
            answered = calling.call(
                voice.provider,
                request,
                target,
                credential=PLATFORM,
                holder=sample.holder,
                is_sandbox=False,
                is_retry=sample.attempts > 0,
            )
        rate = answered.audio.sample_rate
        joined = audio.join([audio.Part(lambda: draft.open("rb"))], rate=rate)
        audio.encode(
            joined.blocks(), rate=rate, format="mp3", target=whole, title=voice.name
        )
        digest = hashlib.sha256(voice.pk.encode()).hexdigest()[:32]
        name = f"samples/{digest}-{new_id()}.mp3"
        save_path(default_storage, name, whole)
    return name
