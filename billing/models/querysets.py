"""Querysets of the ledger's tables."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import models
from django.db.models import DateTimeField, ExpressionWrapper, F, Q
from django.db.models.functions import Greatest, Now

if TYPE_CHECKING:
    from accounts.models import Workspace
    from billing.models import LedgerEntry, Lot, Reservation, Wallet  # noqa: F401


class LotQuerySet(models.QuerySet["Lot"]):
    """Lots of credits."""

    def ended(self) -> "LotQuerySet":
        """Return the lots that have expired and still hold credits."""
        return self.filter(available__gt=0, expires_at__lte=Now())

    def ending(self, within: timedelta) -> "models.QuerySet[Any]":
        """Return the spendable lots that expire `within` that time, with `lapses_at`."""
        return self.filter(
            available__gt=0,
            effective_at__lte=Now(),
            expires_at__gt=Now(),
            expires_at__lte=Now() + within,
        ).annotate(lapses_at=F("expires_at"))

    def idle(
        self, after: timedelta, *, lapse_after: timedelta
    ) -> "models.QuerySet[Any]":
        """Return the lots that may lapse, without activity for `after`.

        Annotated with `lapses_at`: `lapse_after` after the last activity.
        """
        used = Greatest("wallet__last_activity_at", "effective_at")
        return self.filter(
            Q(expires_at=None) | Q(expires_at__gt=Now()),
            available__gt=0,
            lapses=True,
            effective_at__lte=Now() - after,
            wallet__last_activity_at__lte=Now() - after,
        ).annotate(
            lapses_at=ExpressionWrapper(
                used + lapse_after, output_field=DateTimeField()
            )
        )


class ReservationQuerySet(models.QuerySet["Reservation"]):
    """Reservations."""

    def open(self) -> "ReservationQuerySet":
        """Return the reservations that still hold credits."""
        return self.filter(amount__gt=F("captured") + F("released"))

    def stale(self) -> "ReservationQuerySet":
        """Return the open reservations past their deadline, the oldest deadline first."""
        return self.open().filter(deadline__lt=Now()).order_by("deadline")


class EntryQuerySet(models.QuerySet["LedgerEntry"]):
    """Entries of the ledger."""

    def statement(self, wallet: "Wallet") -> "EntryQuerySet":
        """Return the entries in the wallet's own buckets, newest first.

        Transaction, reservation and lot are joined.
        """
        return (
            self.filter(wallet=wallet, bucket__in=self.model.OF_THE_WALLET)
            .select_related("transaction__reservation", "lot")
            .order_by("-seq", "-id")
        )

    def used_by(self, user_id: UUID | None) -> "EntryQuerySet":
        """Keep the entries of reservations that a user asked for; all, if it is None."""
        if user_id is None:
            return self
        return self.filter(transaction__reservation__user_id=user_id)

    def of_job(self, workspace: "Workspace", job: str) -> "EntryQuerySet":
        """Return every entry of a job of the workspace, newest first.

        It has both sides of each transfer, so the amounts sum to zero.
        """
        # Filtered by job only: with the wallet too, PostgreSQL may scan all its entries.
        return (
            self.filter(
                transaction__reservation__job=job,
                transaction__reservation__wallet__workspace=workspace,
            )
            .select_related("transaction__reservation", "lot")
            .order_by("-seq", "-id")
        )
