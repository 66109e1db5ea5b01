"""What was missing in the audio of a chunk, for operators."""

from django.db import models
from django.db.models.functions import Now

from synthesis.models.scenes import Scene


class Flaw(models.Model):
    """Audio that did not hold its whole text. It was never charged as it was."""

    scene = models.ForeignKey(Scene, models.CASCADE, related_name="flaws")
    voice = models.CharField(max_length=200, help_text="that spoke it")
    char_start = models.PositiveIntegerField(help_text="offset in the scene's text")
    char_end = models.PositiveIntegerField()
    detail = models.CharField(max_length=200, help_text="what was missing")
    is_mended = models.BooleanField(
        default=False, help_text="it was spoken completely in smaller cuts"
    )
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.voice}: {self.detail}"
