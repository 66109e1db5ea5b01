"""Postings: the transactions of the ledger and their entries, which never change.

Amounts are whole credits. Only `billing.ledger` writes these tables. The database
enforces the same rules with checks, composite foreign keys and triggers (see the
migration `guards`).
"""

from typing import TypeAlias

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from billing.models.ledger import ENVIRONMENTS, Lot, Reservation, Wallet
from billing.models.querysets import EntryQuerySet
from kit.ids import new_id

LONGEST_REASON = 500  # characters
LONGEST_TICKET = 100


class TransactionKind(models.TextChoices):
    """What a transaction does."""

    GRANT = "grant"
    RESERVE = "reserve"
    CAPTURE = "capture"
    RELEASE = "release"
    EXPIRE = "expire"
    REFUND = "refund"
    REVERSE = "reverse"
    ADJUST = "adjust"


class LedgerTransaction(models.Model):
    """One posting. Its entries sum to zero. It and its entries never change."""

    Kind: TypeAlias = TransactionKind

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    wallet = models.ForeignKey(
        Wallet,
        models.PROTECT,
        related_name="transactions",
        db_constraint=False,
        db_index=False,
    )
    environment = models.CharField(max_length=10, choices=ENVIRONMENTS)
    seq = models.BigIntegerField(help_text="from 1, without gaps, in the wallet")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    key = models.CharField(
        max_length=255, help_text="idempotency key: a repeated key posts nothing"
    )
    fingerprint = models.CharField(
        max_length=32, help_text="digest of what the key was first used for"
    )
    reservation = models.ForeignKey(
        Reservation,
        models.PROTECT,
        related_name="transactions",
        null=True,
        blank=True,
        db_constraint=False,
    )
    actor = models.CharField(
        max_length=254, blank=True, help_text="the operator; empty: the system"
    )
    reason = models.CharField(max_length=LONGEST_REASON, blank=True)
    ticket = models.CharField(
        max_length=LONGEST_TICKET,
        blank=True,
        db_default="",
        help_text="the request that the operator answers",
    )
    created_at = models.DateTimeField(db_default=Now())
    chain_hash = models.BinaryField(
        help_text="SHA-256 of this posting and of the hash before it in the wallet"
    )

    class Meta:
        constraints = [
            # The key comes first: operators search for it without knowing the wallet.
            models.UniqueConstraint(
                fields=["key", "wallet"], name="ledger_transaction_once"
            ),
            models.UniqueConstraint(
                fields=["wallet", "seq"], name="ledger_transaction_numbered"
            ),
            models.CheckConstraint(
                condition=Q(kind__in=TransactionKind.values),
                name="ledger_transaction_kind_known",
            ),
            models.CheckConstraint(
                condition=~Q(kind="adjust")
                | (~Q(actor="") & ~Q(reason="") & ~Q(ticket="")),
                name="ledger_transaction_adjust_explained",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"


class EntryBucket(models.TextChoices):
    """Where credits are, where they come from, or where they go."""

    AVAILABLE = "available"
    RESERVED = "reserved"
    DEBT = "debt"
    FUNDING = "funding"
    USAGE = "usage"
    BREAKAGE = "breakage"  # lapsed
    REFUND = "refund"
    ADJUST = "adjust"  # taken away by an operator


class LedgerEntry(models.Model):
    """One side of a transfer: `amount` credits into a bucket (> 0) or out of it (< 0).

    The first three buckets belong to the wallet. The others say where credits come from and
    where they go. A debt is the negative sum of its entries.
    """

    Bucket: TypeAlias = EntryBucket

    OF_THE_WALLET = (Bucket.AVAILABLE, Bucket.RESERVED, Bucket.DEBT)

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    transaction = models.ForeignKey(
        LedgerTransaction, models.PROTECT, related_name="entries"
    )
    wallet = models.ForeignKey(
        Wallet, models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    seq = models.BigIntegerField(help_text="number of its transaction")
    lot = models.ForeignKey(
        Lot,
        models.PROTECT,
        related_name="entries",
        null=True,
        blank=True,
        db_constraint=False,
        db_index=False,
    )
    bucket = models.CharField(max_length=10, choices=Bucket.choices)
    amount = models.BigIntegerField()
    balance_after = models.BigIntegerField(
        help_text="available credits of the wallet, less its debt, after this entry"
    )

    objects = EntryQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "ledger entries"
        constraints = [
            models.CheckConstraint(condition=~Q(amount=0), name="entry_not_zero"),
            models.CheckConstraint(
                condition=Q(bucket__in=EntryBucket.values),
                name="entry_bucket_known",
            ),
            # An operator may take more than all lots hold: that debt belongs to no lot.
            models.CheckConstraint(
                condition=Q(lot__isnull=False) | Q(bucket__in=["debt", "adjust"]),
                name="entry_of_a_lot",
            ),
        ]
        indexes = [
            models.Index(fields=["wallet", "-seq", "-id"], name="entry_statement"),
            models.Index(
                fields=["lot"], condition=Q(bucket="funding"), name="entry_of_grant"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.bucket} {self.amount:+d}"
