"""The model `Gate`: under which the scenes of one queue are claimed."""

from django.db import models


class Gate(models.Model):
    """What the claims of one queue share: the virtual time, and numbers for metrics."""

    queue = models.CharField(max_length=8, primary_key=True)
    turn = models.PositiveBigIntegerField(
        default=0, help_text="the highest turn that was claimed"
    )
    claims = models.PositiveBigIntegerField(
        default=0, help_text="scenes claimed under it"
    )
    holds = models.PositiveBigIntegerField(default=0)
    seconds = models.FloatField(default=0, help_text="how long it was held, in total")

    def __str__(self) -> str:
        return self.queue
