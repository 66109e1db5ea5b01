"""Samples of voices: their paths, and queueing them.

`synthesis.samples.making` makes them.
"""

from collections.abc import Iterable
from urllib.parse import quote

from django.db.models.functions import Now

from kit.db.transactions import needs_transaction
from providers.contract.registry import get_adapter
from providers.models import Sample, Voice


def sample_path(voice: Voice) -> str | None:
    """Return the path of a voice's sample; None if there is none.

    `voice` comes from `with_samples`. Samples of built-in voices are made at their first
    request.
    """
    sample: Sample | None = getattr(voice, "sample", None)
    has_failed = sample is not None and sample.status == Sample.Status.FAILED
    is_local = get_adapter(voice.provider_id).is_local
    if (sample is not None and sample.file) or (is_local and not has_failed):
        return f"/samples/{quote(voice.pk)}.mp3"
    return None


@needs_transaction
def queue(voices: Iterable[Voice], *, again: bool = False) -> int:
    """Queue the missing samples, or with `again` all; return how many are queued.

    An existing sample stays available until the new one replaces it.
    """
    wanted = [voice.pk for voice in voices]
    new = [Sample(voice_id=key) for key in wanted]
    before = set(
        Sample.objects.filter(voice__in=wanted).values_list("voice", flat=True)
    )
    Sample.objects.bulk_create(new, ignore_conflicts=True)
    rows = Sample.objects.filter(voice__in=before)
    if again:
        rows = rows.exclude(status=Sample.Status.PROCESSING)
    else:
        rows = rows.filter(status=Sample.Status.FAILED)
    asked = rows.update(
        status=Sample.Status.QUEUED,
        ready_at=Now(),
        attempts=0,
        crashes=0,
        error_code="",
    )
    return asked + len(set(wanted) - before)
