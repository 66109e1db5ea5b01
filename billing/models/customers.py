"""Customers of the mobile app, as RevenueCat names them."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from accounts.models import Workspace


class MobileCustomer(models.Model):
    """A customer of the app, who has a workspace of its own, without members."""

    workspace = models.OneToOneField(
        Workspace, models.PROTECT, primary_key=True, related_name="mobile_customer"
    )
    customer_id = models.CharField(
        max_length=200, help_text="the ID by which it was named first"
    )
    welcomed_at = models.DateTimeField(
        null=True, blank=True, help_text="when it got its free credits"
    )
    read_at = models.DateTimeField(
        null=True, blank=True, help_text="when RevenueCat was last asked about it"
    )
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return self.customer_id


class MobileCustomerId(models.Model):
    """An ID of a customer: its original one, or an alias.

    One without a customer was asked for, and RevenueCat did not know it. The look-up itself
    has made it known there since, so that says nothing any more.
    """

    id = models.CharField(max_length=200, primary_key=True)
    customer = models.ForeignKey(
        MobileCustomer, models.CASCADE, null=True, blank=True, related_name="ids"
    )
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=~Q(id=""), name="mobile_customer_id_is_not_empty"
            )
        ]

    def __str__(self) -> str:
        return self.id
