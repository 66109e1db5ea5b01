"""Questions to the tables of the ledger."""

from typing import TYPE_CHECKING

from django.db import models
from django.db.models import F
from django.db.models.functions import Now

if TYPE_CHECKING:
    from billing.models import LedgerEntry, Lot, Reservation, Wallet  # noqa: F401


class LotQuerySet(models.QuerySet["Lot"]):
    """Lots of credits."""

    def holding(self, wallet: "Wallet") -> "LotQuerySet":
        """Return the wallet's lots that have something available, drawable or not."""
        return self.filter(wallet=wallet, available__gt=0)


class ReservationQuerySet(models.QuerySet["Reservation"]):
    """Reservations."""

    def open(self) -> "ReservationQuerySet":
        """Return those that still hold credits."""
        return self.filter(amount__gt=F("captured") + F("released"))

    def stale(self) -> "ReservationQuerySet":
        """Return the open ones past their deadline, the oldest deadline first."""
        return self.open().filter(deadline__lt=Now()).order_by("deadline")


class EntryQuerySet(models.QuerySet["LedgerEntry"]):
    """Entries of the ledger."""

    def statement(self, wallet: "Wallet") -> "EntryQuerySet":
        """Return the wallet's side of its ledger, newest first, with what names it."""
        return (
            self.filter(wallet=wallet, bucket__in=self.model.OF_THE_WALLET)
            .select_related("transaction__reservation", "lot")
            .order_by("-seq", "-id")
        )
