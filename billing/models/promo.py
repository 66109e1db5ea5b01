"""Promo codes and their redemptions."""

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from accounts.models import Workspace


class PromoCode(models.Model):
    """A code that grants credits, once to each user, up to `max_uses` times."""

    code = models.CharField(
        max_length=40,
        unique=True,
        validators=[
            RegexValidator(r"^[A-Z0-9-]{4,40}\Z", "4 to 40 capitals, digits and -.")
        ],
        help_text="capitals, digits and -; users may type it in any letter case",
    )
    credits = models.PositiveBigIntegerField(
        validators=[MinValueValidator(1), MaxValueValidator(1_000_000_000)]
    )
    max_uses = models.PositiveIntegerField(validators=[MinValueValidator(1)])
    used = models.PositiveIntegerField(default=0, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    is_enabled = models.BooleanField(default=True)
    note = models.CharField(max_length=200, blank=True, help_text="for operators")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(code__regex=r"^[A-Z0-9-]{4,40}$"),
                name="promo_code_is_plain",
            ),
            models.CheckConstraint(
                condition=Q(credits__gte=1, credits__lte=1_000_000_000),
                name="promo_code_credits_can_be_granted",
            ),
            models.CheckConstraint(
                condition=Q(used__lte=F("max_uses")), name="promo_code_used_no_more"
            ),
        ]

    def __str__(self) -> str:
        return self.code


class PromoRedemption(models.Model):
    """One use of a promo code by a user.

    It is kept when the user's account is deleted, and holds no name or address.
    """

    code = models.ForeignKey(
        PromoCode, models.PROTECT, related_name="redemptions", db_index=False
    )
    workspace = models.ForeignKey(Workspace, models.PROTECT, related_name="+")
    user_id = models.UUIDField()
    person = models.CharField(
        max_length=64, help_text="HMAC of the mailbox: see accounts.people.welcome"
    )
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["code", "user_id"], name="promo_code_once_per_user"
            ),
            models.UniqueConstraint(
                fields=["code", "person"], name="promo_code_once_per_person"
            ),
            models.UniqueConstraint(
                fields=["code", "workspace"], name="promo_code_once_per_workspace"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.code_id} · {self.workspace_id}"
