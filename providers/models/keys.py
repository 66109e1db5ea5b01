"""Workspaces' own provider keys, encrypted."""

from django.db import models
from django.db.models.functions import Now

from accounts.models import User, Workspace
from kit.ids import new_id
from providers.contract.base import KeyStatus
from providers.models.catalogue import Provider
from providers.models.querysets import (
    ProviderKeyQuerySet,
)


class ProviderKey(models.Model):
    """A workspace's own key for a provider. Only `providers.keys` reads and writes it."""

    class Status(models.TextChoices):
        VALID = KeyStatus.VALID.value
        RESTRICTED = KeyStatus.RESTRICTED.value, "valid for speech only"
        UNKNOWN = KeyStatus.UNKNOWN.value, "can't be checked"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    workspace = models.ForeignKey(
        Workspace, models.CASCADE, related_name="provider_keys"
    )
    provider = models.ForeignKey(Provider, models.CASCADE, related_name="+")
    encrypted_key = models.BinaryField(editable=False)
    last4 = models.CharField(max_length=4)
    region = models.CharField(
        max_length=40, blank=True, help_text="one of the vendor's regions"
    )
    address = models.TextField(
        blank=True,
        help_text="base URL that it was entered for; empty: the vendor's own",
    )
    status = models.CharField(max_length=10, choices=Status.choices)
    checked_at = models.DateTimeField(
        help_text="when the provider last answered a check"
    )
    tried_at = models.DateTimeField(
        null=True, blank=True, help_text="when the nightly check last tried it"
    )
    due_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="when to ring again for a worker to check it",
    )
    failure = models.CharField(
        max_length=20, blank=True, help_text="why it can't be used now"
    )
    failed_at = models.DateTimeField(
        null=True, blank=True, help_text="when it was first rejected"
    )
    created_by = models.ForeignKey(
        User, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(db_default=Now())

    objects = ProviderKeyQuerySet.as_manager()

    class Meta:
        ordering = ["provider"]
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "provider"], name="one_own_key_each"
            ),
            models.CheckConstraint(
                condition=models.Q(region__regex=r"^[a-z0-9-]*$"),
                name="own_key_region_is_a_word",
            ),
            models.CheckConstraint(
                condition=models.Q(failure="", failed_at=None)
                | (~models.Q(failure="") & models.Q(failed_at__isnull=False)),
                name="own_key_failure_dated",
            ),
        ]
        indexes = [
            models.Index(fields=["checked_at"], name="own_key_checks"),
            models.Index(
                fields=["due_at"],
                condition=models.Q(due_at__isnull=False),
                name="own_key_due",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.provider_id} …{self.last4}"
