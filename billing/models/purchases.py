"""Purchases of packs: the lot, the store and the amount paid."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from billing.models.ledger import ENVIRONMENTS, Lot
from billing.models.products import Pack
from billing.models.subscriptions import Store


class Purchase(models.Model):
    """A pack that was paid for, and the lot that was granted for it."""

    id = models.BigAutoField(primary_key=True)
    lot = models.OneToOneField(
        Lot, models.PROTECT, related_name="purchase", db_constraint=False
    )
    pack = models.ForeignKey(Pack, models.PROTECT, related_name="purchases")
    environment = models.CharField(max_length=10, choices=ENVIRONMENTS)
    store = models.CharField(max_length=12, choices=Store.choices)
    external_id = models.CharField(
        max_length=200, help_text="the store's ID of the payment"
    )
    amount = models.PositiveIntegerField(help_text="paid, in minor units")
    currency = models.CharField(max_length=3)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["store", "environment", "external_id"],
                name="purchase_of_store_once",
            ),
            models.CheckConstraint(
                condition=~Q(external_id=""), name="purchase_is_named_by_its_store"
            ),
            models.CheckConstraint(
                condition=Q(currency__regex=r"^[A-Z]{3}$"),
                name="purchase_currency_has_three_capitals",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.pack_id} · {self.external_id}"
