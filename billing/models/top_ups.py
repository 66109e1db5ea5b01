"""Automatic top-ups: buy a pack by the saved card when credits run low."""

from django.db import models
from django.db.models import Q

from accounts.models import Workspace
from billing.models.products import Pack


class TopUpQuerySet(models.QuerySet["TopUp"]):
    """Automatic top-ups."""

    def for_workspace(self, workspace: Workspace) -> "TopUpQuerySet":
        """Return the top-up of `workspace`, if it has one."""
        return self.filter(workspace=workspace)


class TopUp(models.Model):
    """A workspace's automatic top-up of its production wallet."""

    workspace = models.OneToOneField(
        Workspace, models.PROTECT, primary_key=True, related_name="top_up"
    )
    is_enabled = models.BooleanField(default=False)
    below = models.PositiveBigIntegerField(
        help_text="a pack is bought when fewer credits can be spent"
    )
    pack = models.ForeignKey(Pack, models.PROTECT, related_name="+")
    monthly_cap = models.PositiveIntegerField(
        help_text="the most that is charged in a month (UTC), in minor units"
    )
    error = models.CharField(
        max_length=200, blank=True, help_text="why it was switched off"
    )
    updated_at = models.DateTimeField(auto_now=True)

    objects = TopUpQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(is_enabled=False) | Q(error=""),
                name="top_up_on_or_explained",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.pack} below {self.below:,}"
