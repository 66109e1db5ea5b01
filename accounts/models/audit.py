"""The audit log of operators' actions, which is append-only."""

from django.db import models
from django.db.models.functions import Now

from accounts.models import second_factor  # noqa: F401 - more tables of this app
from kit.ids import new_id


class AuditEntry(models.Model):
    """An action of an operator. Triggers refuse to change or delete it before its time.

    It refers to users and rows without foreign keys, so it stays when they are deleted.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    actor_id = models.UUIDField(null=True, help_text="id of a user; empty for commands")
    actor_email = models.CharField(max_length=254, blank=True)
    ip = models.GenericIPAddressField(null=True, blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    action = models.CharField(max_length=40)
    model = models.CharField(max_length=80, blank=True)
    object_id = models.CharField(max_length=64, blank=True)
    object_name = models.CharField(max_length=200, blank=True)
    before = models.JSONField(null=True, help_text="secrets are masked")
    after = models.JSONField(null=True)
    reason = models.TextField(blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name_plural = "audit log"
        indexes = [
            models.Index(fields=["actor_id", "-id"], name="audit_by_actor"),
            models.Index(fields=["model", "object_id", "-id"], name="audit_by_object"),
        ]

    def __str__(self) -> str:
        return f"{self.actor_email or 'command line'}: {self.action} {self.object_name}"
