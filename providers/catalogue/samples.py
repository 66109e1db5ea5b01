"""Samples of voices: where they are, and asking for them; making is for those above."""

from collections.abc import Iterable
from urllib.parse import quote

from django.db.models.functions import Now

from kit.db.transactions import needs_transaction
from providers.contract.registry import get_adapter
from providers.models import Sample, Voice


def sample_path(voice: Voice) -> str | None:
    """Return the path at which a voice's sample is heard; None if there is none.

    `voice` comes from `with_samples`. Those of built-in voices are made when they are
    first asked for.
    """
    sample: Sample | None = getattr(voice, "sample", None)
    has_failed = sample is not None and sample.status == Sample.Status.FAILED
    is_local = get_adapter(voice.provider_id).is_local
    if (sample is not None and sample.file) or (is_local and not has_failed):
        return f"/samples/{quote(voice.pk)}.mp3"
    return None


@needs_transaction
def queue(voices: Iterable[Voice], *, again: bool = False) -> int:
    """Have samples made that are missing, or `again` all of them; return how many.

    What is there is heard until it is replaced.
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
