"""Usage: what was spoken, for whom, and what it cost. Written once, never changed."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from accounts.models import Workspace
from billing.models.ledger import ENVIRONMENTS, Reservation


class Payer(models.TextChoices):
    """What a charge was billed to; `credits` when any came from there."""

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
    """One charge: a scene that was spoken, in the transaction that captured its price.

    Jobs, scenes, people and tokens are named without foreign keys: the row outlives them,
    and costs the capture one insert with two small indexes.
    """

    id = models.BigAutoField(primary_key=True)
    workspace = models.ForeignKey(
        Workspace, models.PROTECT, related_name="+", db_index=False
    )
    environment = models.CharField(max_length=10, choices=ENVIRONMENTS)
    user_id = models.UUIDField(null=True, help_text="who asked; empty: nobody known")
    token_id = models.UUIDField(null=True, help_text="by which token, if by one")
    job = models.CharField(max_length=64)
    scene = models.CharField(max_length=64)
    render = models.PositiveIntegerField(
        help_text="which time that the scene was spoken"
    )
    provider = models.CharField(max_length=40)
    voice = models.CharField(max_length=200)
    characters = models.PositiveBigIntegerField()
    credits = models.PositiveBigIntegerField()
    from_subscription = models.PositiveBigIntegerField(
        help_text="the part that an allowance paid"
    )
    from_credits = models.PositiveBigIntegerField()
    billed_to = models.CharField(max_length=12, choices=Payer.choices)
    created_at = models.DateTimeField(db_default=Now())

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
    """What a limited token has spent or holds in a month (UTC) of one environment.

    Written under the lock of the wallet, by `billing.credits.token_limits` alone.
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
    """A reservation that counts against a limited token, until what is left comes back."""

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
