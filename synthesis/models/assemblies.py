"""The model `Assembly`: a file made of a whole job."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from kit.ids import new_id
from kit.models import Claimable
from synthesis.models.jobs import Job


class Assembly(Claimable):
    """A file made of a whole job: joined audio, an audiobook with chapters, or a zip."""

    class Kind(models.TextChoices):
        ZIP = "zip"
        AUDIO = "audio"
        M4B = "m4b"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    job = models.ForeignKey(Job, models.CASCADE, related_name="assemblies")
    kind = models.CharField(max_length=8, choices=Kind.choices)
    version = models.CharField(
        max_length=64, help_text="digest of the renders that it is made of"
    )
    file = models.CharField(max_length=300, blank=True, help_text="name in the storage")
    stored_bytes = models.PositiveBigIntegerField(default=0, help_text="its size")
    superseded_at = models.DateTimeField(
        null=True, blank=True, help_text="when the job changed; removed an hour later"
    )
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name_plural = "assemblies"
        constraints = [
            models.UniqueConstraint(
                fields=["job", "kind", "version"],
                condition=Q(superseded_at=None),
                name="assembly_once",
            )
        ]
        indexes = [
            models.Index(
                fields=["superseded_at"],
                condition=Q(superseded_at__isnull=False),
                name="assembly_superseded",
            )
        ]

    def __str__(self) -> str:
        return f"{self.job_id} · {self.kind}"
