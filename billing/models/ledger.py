"""Wallets, their lots of credits, and the reservations that hold credits for work.

Amounts are whole credits. Only `billing.ledger` writes these tables. The database
enforces the same rules with checks, composite foreign keys and triggers (see the
migration `guards`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from django.db import models
from django.db.models import F, Q, Value
from django.db.models.functions import Now

from accounts.caller import Environment
from accounts.models import Workspace
from billing.models.querysets import LotQuerySet, ReservationQuerySet
from kit.ids import new_id

LOW_AT = 1_000  # credits: a wallet's first threshold of `credits.low`
ENVIRONMENTS = [(environment.value, environment.value) for environment in Environment]


@dataclass(frozen=True, slots=True)
class Split:
    """Credits by their source: the month's allowance, or all other lots."""

    subscription: int = 0
    credits: int = 0

    @classmethod
    def of(cls, parts: Iterable[tuple[str, int]]) -> "Split":
        """Return the sum of `parts`, which are pairs of a lot's kind and credits."""
        subscription = credits = 0
        for kind, amount in parts:
            if kind == Lot.Kind.ALLOWANCE:
                subscription += amount
            else:
                credits += amount
        return cls(subscription, credits)

    def __add__(self, other: "Split") -> "Split":
        return Split(
            self.subscription + other.subscription, self.credits + other.credits
        )


class Wallet(models.Model):
    """The credits of a workspace in one environment.

    The lock of its row puts all postings in order. The statement that writes the entries
    also updates every column here from them.
    """

    id = models.BigAutoField(primary_key=True)
    workspace = models.ForeignKey(
        Workspace, models.PROTECT, related_name="wallets", db_index=False
    )
    environment = models.CharField(max_length=10, choices=ENVIRONMENTS)
    available = models.BigIntegerField(
        default=0,
        help_text="in lots; may include lots that have expired and are not processed yet",
    )
    reserved = models.BigIntegerField(default=0, help_text="held for work under way")
    debt = models.BigIntegerField(
        default=0, help_text="owed after a refund of credits already used"
    )
    granted = models.BigIntegerField(
        default=0, help_text="total ever, less what was taken back or lapsed"
    )
    consumed = models.BigIntegerField(default=0, help_text="total ever used")
    low_at = models.PositiveBigIntegerField(
        default=LOW_AT,
        db_default=LOW_AT,
        help_text="notify when fewer credits than this can be spent; 0: never",
    )
    is_low = models.BooleanField(
        default=True,
        db_default=True,
        help_text="fewer than that could be spent after the last posting",
    )
    seq = models.BigIntegerField(default=0, help_text="number of its last transaction")
    chain_hash = models.BinaryField(
        default=b"", db_default=b"", help_text="of its last transaction"
    )
    last_activity_at = models.DateTimeField(
        db_default=Now(), help_text="last use or purchase"
    )
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "environment"], name="one_wallet_each"
            ),
            # The composite foreign keys of its rows refer to this.
            models.UniqueConstraint(
                fields=["id", "environment"], name="wallet_in_environment"
            ),
            models.CheckConstraint(
                condition=Q(environment__in=[value for value, _ in ENVIRONMENTS]),
                name="wallet_environment_known",
            ),
            models.CheckConstraint(
                condition=Q(available__gte=0, reserved__gte=0, debt__gte=0),
                name="wallet_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(
                    granted=F("consumed") + F("available") + F("reserved") - F("debt")
                ),
                name="wallet_adds_up",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.workspace_id} · {self.environment.lower()}"


class LotKind(models.TextChoices):
    """Source of the credits of a lot."""

    ALLOWANCE = "allowance"  # of a plan; ends with its month
    PROMO = "promo"  # sign-up and promotional grants
    PACK = "pack"  # bought; never ends
    ADJUST = "adjust"  # added by an operator as a correction


class Lot(models.Model):
    """Credits that were added together, are drawn in one order and expire together."""

    Kind: TypeAlias = LotKind

    id = models.BigAutoField(primary_key=True)
    wallet = models.ForeignKey(
        Wallet, models.PROTECT, related_name="lots", db_constraint=False
    )
    environment = models.CharField(max_length=10, choices=ENVIRONMENTS)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    priority = models.PositiveSmallIntegerField(help_text="the lowest is drawn first")
    granted = models.BigIntegerField()
    available = models.BigIntegerField()
    reserved = models.BigIntegerField(default=0)
    consumed = models.BigIntegerField(default=0)
    expired = models.BigIntegerField(default=0)
    revoked = models.BigIntegerField(default=0, help_text="taken back by refunds")
    adjusted = models.BigIntegerField(
        default=0, db_default=0, help_text="taken away by operators"
    )
    repaid = models.BigIntegerField(
        default=0,
        db_default=0,
        help_text="repaid a debt; below 0: taking the lot back left a debt",
    )
    effective_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField(null=True, blank=True)
    lapses = models.BooleanField(
        default=False,
        db_default=False,
        help_text="ends after 365 days without use or purchase",
    )
    source = models.CharField(
        max_length=200,
        help_text="identifies what paid for it; used once per environment",
    )
    restores = models.ForeignKey(
        "self",
        models.PROTECT,
        related_name="restored_by",
        null=True,
        blank=True,
        db_constraint=False,
        db_index=False,
        help_text="the lot whose refund it undoes",
    )
    created_at = models.DateTimeField(db_default=Now())

    objects = LotQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["source", "environment"], name="lot_source_once"
            ),
            models.UniqueConstraint(fields=["id", "wallet"], name="lot_in_wallet"),
            models.UniqueConstraint(
                fields=["id", "environment"], name="lot_in_environment"
            ),
            models.CheckConstraint(
                condition=Q(kind__in=LotKind.values),
                name="lot_kind_known",
            ),
            models.CheckConstraint(
                condition=Q(
                    granted__gt=0,
                    available__gte=0,
                    reserved__gte=0,
                    consumed__gte=0,
                    expired__gte=0,
                    revoked__gte=0,
                    adjusted__gte=0,
                ),
                name="lot_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(
                    revoked__lte=F("granted"), repaid__gte=F("revoked") * Value(-1)
                ),
                name="lot_revoked_within",
            ),
            models.CheckConstraint(
                condition=Q(kind="promo")
                | Q(kind="allowance", expires_at__isnull=False, lapses=False)
                | Q(kind__in=["pack", "adjust"], expires_at=None, lapses=False),
                name="lot_term_of_kind",
            ),
            models.CheckConstraint(
                condition=Q(
                    granted=F("available")
                    + F("reserved")
                    + F("consumed")
                    + F("expired")
                    + F("revoked")
                    + F("adjusted")
                    + F("repaid")
                ),
                name="lot_adds_up",
            ),
        ]
        indexes = [
            models.Index(
                fields=["wallet", "priority", "expires_at", "id"],
                condition=Q(available__gt=0),
                name="lot_draw",
            ),
            # For the scheduled tasks: lots that expire, and lots that may lapse unused.
            models.Index(
                fields=["expires_at"],
                condition=Q(available__gt=0, expires_at__isnull=False),
                name="lot_ending",
            ),
            models.Index(
                fields=["effective_at"],
                condition=Q(available__gt=0, lapses=True),
                name="lot_lapsing",
            ),
            models.Index(
                fields=["restores"],
                condition=Q(restores__isnull=False),
                name="lot_restoring",
            ),
        ]

    def __str__(self) -> str:
        return self.source

    @property
    def refundable(self) -> int:
        """Credits that a refund can still take back, as credits or as a debt."""
        # Below zero if credits came back after a full refund.
        return max(0, self.granted - self.revoked - self.expired - self.adjusted)


class Reservation(models.Model):
    """Credits held for one priced round of work: captured in parts, the rest released.

    It is open while credits are left. It names its job by a text, not by a foreign key.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    wallet = models.ForeignKey(Wallet, models.PROTECT, related_name="reservations")
    key = models.CharField(max_length=200)
    job = models.CharField(max_length=64)
    user_id = models.UUIDField(
        null=True, blank=True, help_text="the user who asked; empty: unknown"
    )
    amount = models.BigIntegerField()
    captured = models.BigIntegerField(default=0)
    released = models.BigIntegerField(default=0)
    deadline = models.DateTimeField(
        help_text="if it is still open then, the cleanup task checks it"
    )
    created_at = models.DateTimeField(db_default=Now())

    objects = ReservationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["key"], name="reservation_once"),
            models.UniqueConstraint(
                fields=["id", "wallet"], name="reservation_in_wallet"
            ),
            models.CheckConstraint(
                condition=Q(
                    amount__gt=0,
                    captured__gte=0,
                    released__gte=0,
                    amount__gte=F("captured") + F("released"),
                ),
                name="reservation_adds_up",
            ),
        ]
        indexes = [
            models.Index(
                fields=["deadline"],
                condition=Q(amount__gt=F("captured") + F("released")),
                name="reservation_open",
            ),
            models.Index(fields=["job"], name="reservation_of_job"),
            models.Index(fields=["user_id", "wallet"], name="reservation_of_user"),
        ]

    def __str__(self) -> str:
        return self.key

    @property
    def left(self) -> int:
        """Credits that are still held: neither captured nor released."""
        return self.amount - self.captured - self.released

    @cached_property
    def split(self) -> Split:
        """The sources of the held credits, over all slices."""
        return Split.of(self.slices.values_list("lot__kind", "amount"))


class ReservationSlice(models.Model):
    """The part of a reservation that one lot pays. Slices are captured by `ordinal`."""

    id = models.BigAutoField(primary_key=True)
    wallet = models.ForeignKey(
        Wallet, models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    reservation = models.ForeignKey(
        Reservation,
        models.PROTECT,
        related_name="slices",
        db_constraint=False,
        db_index=False,
    )
    lot = models.ForeignKey(
        Lot,
        models.PROTECT,
        related_name="slices",
        db_constraint=False,
        db_index=False,
    )
    ordinal = models.PositiveIntegerField()
    amount = models.BigIntegerField()

    class Meta:
        ordering = ["ordinal"]
        constraints = [
            models.UniqueConstraint(
                fields=["reservation", "ordinal"], name="slice_place"
            ),
            models.CheckConstraint(condition=Q(amount__gt=0), name="slice_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.reservation_id} · {self.ordinal}"
