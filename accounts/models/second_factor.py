"""The second factor of operators: authenticator apps and recovery codes."""

from django.db import models
from django.db.models.functions import Now

from accounts.models.users import User


class SecondFactor(models.Model):
    """An operator's authenticator app.

    One that waits for its first code opens nothing, and leaves the one before in force.
    """

    user = models.OneToOneField(
        User, models.CASCADE, primary_key=True, related_name="second_factor"
    )
    sealed_seed = models.BinaryField(
        default=b"", help_text="of TOTP (RFC 6238), encrypted"
    )
    pending_seed = models.BinaryField(
        default=b"", help_text="of the app that is being set up; empty: none is"
    )
    confirmed_at = models.DateTimeField(null=True, blank=True)
    last_step = models.BigIntegerField(
        default=0, help_text="time step of the last code taken: none works twice"
    )
    failures = models.PositiveIntegerField(default=0, help_text="wrong codes in a row")
    rests_until = models.DateTimeField(
        null=True, blank=True, help_text="after wrong codes, none is looked at before"
    )
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"second factor of {self.user_id}"


class RecoveryCode(models.Model):
    """A code that stands in for a lost authenticator, once."""

    user = models.ForeignKey(User, models.CASCADE, related_name="recovery_codes")
    digest = models.CharField(max_length=64, help_text="HMAC of the code, hexadecimal")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "digest"], name="recovery_code_once"
            )
        ]

    def __str__(self) -> str:
        return f"recovery code of {self.user_id}"
