"""Users."""

from typing import ClassVar, Self

from django.contrib.auth.models import (
    AbstractBaseUser,
    BaseUserManager,
    PermissionsMixin,
)
from django.db import models
from django.db.models.functions import Lower, Now

from kit.ids import new_id


class User(AbstractBaseUser, PermissionsMixin):
    """A user, identified by an email address; created by `accounts.people.signup.sign_up`.

    Users have no password. Setting a new unusable one still ends all their sessions.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    email = models.EmailField(unique=True)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False, help_text="may use the admin")
    is_blocked = models.BooleanField(
        default=False, help_text="refused in pages and API from the next request on"
    )
    preferences = models.JSONField(default=dict, blank=True)
    closed_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="when the user closed the account; a login within 7 days reopens it",
    )
    created_at = models.DateTimeField(db_default=Now())

    objects: ClassVar[BaseUserManager[Self]] = BaseUserManager()

    EMAIL_FIELD = USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(email=Lower("email")), name="address_in_lower_case"
            )
        ]
        indexes = [
            models.Index(
                fields=["closed_at"],
                condition=models.Q(closed_at__isnull=False),
                name="user_closed",
            )
        ]

    def __str__(self) -> str:
        return self.email
