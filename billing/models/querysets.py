"""Questions to the tables of the ledger."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import DateTimeField, ExpressionWrapper, F, Q
from django.db.models.functions import Greatest, Now

if TYPE_CHECKING:
    from accounts.models import Workspace
    from billing.models import LedgerEntry, Lot, Reservation, Wallet  # noqa: F401


class LotQuerySet(models.QuerySet["Lot"]):
    """Lots of credits."""

    def ended(self) -> "LotQuerySet":
        """Return those whose time is over and that still hold something."""
        return self.filter(available__gt=0, expires_at__lte=Now())

    def ending(self, within: timedelta) -> "models.QuerySet[Any]":
        """Return those that can be spent now and end soon, with the time: `lapses_at`."""
        return self.filter(
            available__gt=0,
            effective_at__lte=Now(),
            expires_at__gt=Now(),
            expires_at__lte=Now() + within,
        ).annotate(lapses_at=F("expires_at"))

    def idle(
        self, after: timedelta, *, lapse_after: timedelta
    ) -> "models.QuerySet[Any]":
        """Return those that may lapse and that nobody used for so long: `lapses_at`."""
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

    def of_job(self, workspace: "Workspace", job: str) -> "EntryQuerySet":
        """Return every entry that a job of the workspace caused, newest first.

        Both sides of each: what was held, used, given back or lapsed sums to zero.
        """
        # Through the job alone: by the wallet, too, a plan may walk its whole history.
        return (
            self.filter(
                transaction__reservation__job=job,
                transaction__reservation__wallet__workspace=workspace,
            )
            .select_related("transaction__reservation", "lot")
            .order_by("-seq", "-id")
        )
