"""Archives of personal data."""

from django.db import models
from django.db.models.functions import Now

from accounts.models import second_factor  # noqa: F401 - more tables of this app
from accounts.models.users import User
from accounts.models.workspaces import Workspace
from kit.ids import new_id
from kit.models import Claimable


class Export(Claimable):
    """An archive of a user's data, made by a worker: see `accounts.people.exports`."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.ForeignKey(User, models.CASCADE, related_name="exports")
    workspace = models.ForeignKey(
        Workspace,
        models.CASCADE,
        related_name="+",
        null=True,
        blank=True,
        help_text="of the token that requested it; empty: all workspaces of the user",
    )
    environment = models.CharField(
        max_length=10,
        blank=True,
        help_text="of the token that requested it; empty: both",
    )
    file = models.CharField(max_length=300, blank=True, help_text="name in the storage")
    created_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "workspace", "environment"],
                condition=models.Q(status__in=["queued", "processing"]),
                nulls_distinct=False,
                name="one_export_under_way",
            ),
            models.CheckConstraint(
                condition=~models.Q(status="completed")
                | (~models.Q(file="") & models.Q(finished_at__isnull=False)),
                name="export_completed_has_file",
            ),
        ]
        indexes = [
            models.Index(fields=["user", "-id"], name="export_list"),
            models.Index(fields=["created_at"], name="export_age"),
        ]

    def __str__(self) -> str:
        return f"data of {self.user_id}"
