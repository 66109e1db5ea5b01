"""Simulate time passing: times in waiting rows are moved into the past."""

from datetime import timedelta

from django.db.models import F

from providers.models import Upstream
from synthesis.models import Scene


def let_pass(seconds: float) -> None:
    """Move the times of all waiting rows `seconds` into the past."""
    ago = timedelta(seconds=seconds)
    Scene.objects.filter(status="queued").update(ready_at=F("ready_at") - ago)
    Upstream.objects.update(
        failing_since=F("failing_since") - ago,
        open_until=F("open_until") - ago,
        window_at=F("window_at") - ago,
        retries_at=F("retries_at") - ago,
    )
