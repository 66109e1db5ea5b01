"""Samples of voices: one recording per voice."""

import hashlib

from django.db import models
from django.db.models.functions import Now

from kit.models import Claimable
from providers.models.catalogue import Voice


class Sample(Claimable):
    """A sample sentence in a voice, made once by `synthesis.samples.making` and kept.

    Visitors can trigger samples of the built-in voices, operators those of any voice.
    """

    HOLDER = "sample:"
    """Prefix of a sample's holder names; holder names of scenes never start with it."""

    voice = models.OneToOneField(
        Voice, models.CASCADE, primary_key=True, related_name="sample"
    )
    file = models.CharField(max_length=300, blank=True, help_text="name in the storage")
    error_code = models.CharField(max_length=40, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(status="completed") | ~models.Q(file=""),
                name="sample_completed_has_audio",
            ),
            models.CheckConstraint(
                condition=~models.Q(status="processing")
                | models.Q(lease_until__isnull=False),
                name="sample_processing_is_leased",
            ),
        ]
        indexes = [
            models.Index(
                fields=["ready_at"],
                condition=models.Q(status="queued"),
                name="sample_waiting",
            ),
            models.Index(
                fields=["lease_until"],
                condition=models.Q(status="processing"),
                name="sample_under_way",
            ),
        ]

    def __str__(self) -> str:
        return f"sample of {self.voice_id}"

    @property
    def holder(self) -> str:
        """The holder name of the current claim, for `providers.limits.upstreams`."""
        voice = hashlib.sha256(self.voice_id.encode()).hexdigest()[:32]
        return f"{self.HOLDER}{voice}:{self.fence}"
