"""Make voice samples: one sentence in each voice, spoken once and stored.

A row of `providers.Sample` requests a sample. A worker claims it, calls the provider with
our key within the limits of scenes, and stores the audio before it updates the row.
Visitors can request samples of built-in voices only, each once, so they cost nothing.
"""

import hashlib
import logging
import time
from functools import partial

from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import QuerySet

from kit import quotas
from kit.db import connections
from kit.db.transactions import one_transaction
from kit.errors import NotFound, RateLimited
from kit.files.storage import draft_folder, save_path
from kit.ids import new_id
from kit.work import claims
from kit.work.loop import Failed, NotNow, Work
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
from synthesis.work import calling, claiming, gates
from synthesis.work.rendering import origin_of

MAKE = "synthesis.tasks.make_samples"
MAX_PER_DAY = 200
"""The number of samples that one client network may request a day."""
_MAX_CONCURRENT = 2  # samples at once in each queue, since samples are never urgent
_POLL_INTERVAL = 0.05  # seconds
_LOCAL = [slug for slug in ADAPTERS if get_adapter(slug).is_local]

logger = logging.getLogger(__name__)


def find(voice_id: str, *, network: str, patience: float) -> Sample:
    """Return the sample of a voice; one of a built-in voice is requested if missing.

    Waits up to `patience` seconds for a worker. After that the sample may be unfinished.

    Raises:
        NotFound: there is no such voice, or it has no sample.
        RateLimited: clients in `network` requested too many samples today.
    """
    if not voice_id.isprintable():
        raise NotFound
    voice = Voice.objects.on_offer().with_samples().filter(pk=voice_id).first()
    if voice is None or samples.sample_path(voice) is None:
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
        connections.give_back()
        time.sleep(_POLL_INTERVAL)


def work(queue: str) -> int:
    """Make the samples that wait in `queue`; return how many were claimed."""
    return works[queue]()


def sweep() -> None:
    """Take back samples with expired leases, then ring for those that wait.

    Samples whose workers died too often are given up.
    """
    for each in works.values():
        each.sweep()


def _ask(voice: Voice, network: str) -> None:
    with transaction.atomic(durable=True):
        if not quotas.take("sample", network, limit=MAX_PER_DAY, period=quotas.today()):
            raise RateLimited(retry_after=quotas.seconds_left_today())
        if samples.queue([voice]):
            works[Scene.Queue.LOCAL].ring_on_commit()


def _samples_of(queue: str) -> QuerySet[Sample]:
    rows = Sample.objects.all()
    if queue == Scene.Queue.LOCAL:
        return rows.filter(voice__provider__in=_LOCAL)
    return rows.exclude(voice__provider__in=_LOCAL)


def _startable(queue: str) -> QuerySet[Sample]:
    """Return the samples whose provider has not reached its limits."""
    reached = claiming.limits_reached(queue)
    closed = reached.providers | {
        provider for provider, key in reached.upstreams if key == PLATFORM
    }
    return works[queue].due().exclude(voice__provider__in=closed)


def _waiting(queue: str) -> int:
    is_any = works[queue].due().exists() and _startable(queue).exists()
    return int(is_any)  # one worker is enough, since samples are never urgent


@one_transaction
def _claim(queue: str) -> Sample | None:
    gates.lock(queue)
    making = _samples_of(queue).filter(status=Sample.Status.PROCESSING)
    if making.count() >= _MAX_CONCURRENT:
        return None
    return claims.claim(_startable(queue))


def _make(sample: Sample, _: claims.Lease) -> str:
    """Speak and store a sample; return its name in the storage."""
    try:
        return _speak_and_store(sample)
    except UpstreamUnavailable as unavailable:
        logger.info("sample of %s waits: %s", sample.voice_id, unavailable)
        raise NotNow(unavailable.until) from unavailable
    except ProviderError as error:
        logger.warning("sample of %s: %s", sample.voice_id, error)
        # A call that may be billed is repeated once at most.
        is_last = not error.kind.is_retryable or (
            error.may_be_billed and sample.attempts > 0
        )
        raise Failed(error.kind, is_last=is_last) from error


def _complete(sample: Sample, name: str) -> dict[str, str]:
    """Return the columns of a finished sample; delete the old file on commit."""
    if sample.file:
        transaction.on_commit(partial(default_storage.delete, sample.file))
    return {"file": name, "error_code": ""}


def _explain(error: Exception) -> dict[str, str]:
    return {"error_code": error.code if isinstance(error, Failed) else INTERNAL_ERROR}


def _speak_and_store(sample: Sample) -> str:
    voice = Voice.objects.enabled().filter(pk=sample.voice_id).first()
    if voice is None:
        raise ProviderError(Failure.SWITCHED_OFF)
    if not access.is_available(voice.provider):
        raise ProviderError(Failure.BAD_KEY, "no platform key")
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
            joined.blocks(),
            rate=rate,
            format="mp3",
            target=whole,
            title=voice.name,
            origin=origin_of([voice.pk]),
        )
        digest = hashlib.sha256(voice.pk.encode()).hexdigest()[:32]
        name = f"samples/{digest}-{new_id()}.mp3"
        save_path(default_storage, name, whole)
    answered.record_success()
    return name


works = {
    queue: Work(
        task=MAKE,
        queue=queue,
        args=(queue,),
        rows=partial(_samples_of, queue),
        order=("ready_at", "voice"),
        claim=partial(_claim, queue),
        waiting=partial(_waiting, queue),
        perform=_make,
        complete=_complete,
        explain=_explain,
        pauses=(60,),
    )
    for queue in map(str, (Scene.Queue.LOCAL, Scene.Queue.REMOTE))
}
