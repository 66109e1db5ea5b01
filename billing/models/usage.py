"""Usage: each charge for a spoken scene. Rows are written once and never changed."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from accounts.models import Workspace
from billing.models.ledger import ENVIRONMENTS, Reservation


class Payer(models.TextChoices):
    """Source that a charge was billed to; `credits` if any part came from there."""

    SUBSCRIPTION = "subscription"
    CREDITS = "credits"
    OWN_KEY = "own_key"
    GUEST = "guest"
    ADMIN = "admin"


class UsageQuerySet(models.QuerySet["Usage"]):
    """Charges."""

    def for_workspace(self, workspace: Workspace) -> "UsageQuerySet":
        """Return the charges of `workspace`, in both environments."""
        return self.filter(workspace=workspace)


class Usage(models.Model):
    """One charge for a spoken scene, written in the transaction that captures its price.

    Jobs, scenes, users and tokens are stored without foreign keys: the row is kept when
    they are deleted, and costs the capture one insert with two small indexes.
    """

    id = models.BigAutoField(primary_key=True)
    workspace = models.ForeignKey(
        Workspace, models.PROTECT, related_name="+", db_index=False
    )
    environment = models.CharField(max_length=10, choices=ENVIRONMENTS)
    user_id = models.UUIDField(
        null=True, help_text="the user who asked; empty: unknown"
    )
    token_id = models.UUIDField(null=True, help_text="the API token, if one was used")
    job = models.CharField(max_length=64)
    scene = models.CharField(max_length=64)
    render = models.PositiveIntegerField(
        help_text="1 for the first time that the scene is spoken, and so on"
    )
    provider = models.CharField(max_length=40)
    voice = models.CharField(max_length=200)
    characters = models.PositiveBigIntegerField()
    credits = models.PositiveBigIntegerField()
    from_subscription = models.PositiveBigIntegerField(
        help_text="credits paid by an allowance"
    )
    from_credits = models.PositiveBigIntegerField()
    billed_to = models.CharField(max_length=12, choices=Payer.choices)
    created_at = models.DateTimeField(db_default=Now())
    content_hash = models.BinaryField(help_text="SHA-256 of the row")

    objects = UsageQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "usage"
        constraints = [
            models.UniqueConstraint(
                fields=["scene", "render"], name="usage_of_render_once"
            ),
            models.CheckConstraint(
                condition=Q(credits=F("from_subscription") + F("from_credits")),
                name="usage_adds_up",
            ),
            models.CheckConstraint(
                condition=Q(billed_to__in=Payer.values), name="usage_payer_known"
            ),
            models.CheckConstraint(
                condition=Q(credits=0)
                | Q(billed_to="subscription", from_credits=0)
                | Q(billed_to="credits", from_credits__gt=0),
                name="usage_payer_fits",
            ),
            models.CheckConstraint(
                condition=Q(environment__in=[value for value, _ in ENVIRONMENTS]),
                name="usage_environment_known",
            ),
        ]
        indexes = [
            models.Index(
                fields=["workspace", "environment", "created_at"], name="usage_history"
            )
        ]

    def __str__(self) -> str:
        return f"{self.scene}:{self.render}"


class TokenSpending(models.Model):
    """Credits that a limited token has spent or holds in a month (UTC) of one environment.

    Only `billing.credits.token_limits` writes it, under the lock of the wallet.
    """

    id = models.BigAutoField(primary_key=True)
    token_id = models.UUIDField()
    environment = models.CharField(max_length=10, choices=ENVIRONMENTS)
    month = models.DateField(help_text="its first day")
    credits = models.PositiveBigIntegerField()

    class Meta:
        verbose_name_plural = "token spending"
        constraints = [
            models.UniqueConstraint(
                fields=["token_id", "environment", "month"], name="token_spending_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.token_id} in {self.month:%Y-%m}: {self.credits}"


class TokenReservation(models.Model):
    """A reservation that counts against a limited token until it is released."""

    id = models.BigAutoField(primary_key=True)
    reservation = models.ForeignKey(Reservation, models.CASCADE, related_name="+")
    spending = models.ForeignKey(TokenSpending, models.CASCADE, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["reservation", "spending"], name="token_reservation_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.reservation_id} · {self.spending_id}"
