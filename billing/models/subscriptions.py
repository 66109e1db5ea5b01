"""Subscriptions: the plan of a workspace, its period, and the store that bills it."""

from datetime import datetime

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from accounts.models import Workspace
from billing.models.ledger import ENVIRONMENTS
from billing.models.products import Plan, Term
from kit.ids import new_id


class Store(models.TextChoices):
    """Store or gateway that collects the payment."""

    STRIPE = "stripe"
    APP_STORE = "app_store"
    PLAY_STORE = "play_store"
    REVENUECAT = "revenuecat"  # a smaller store that RevenueCat reports
    NOWPAYMENTS = "nowpayments"
    BTCPAY = "btcpay"
    DEMO = "demo"
    OPERATOR = "operator"  # no payment: given by an operator, renewed by us

    @property
    def is_in_app(self) -> bool:
        """Whether it is an app store."""
        return self in (Store.APP_STORE, Store.PLAY_STORE, Store.REVENUECAT)


class SubscriptionQuerySet(models.QuerySet["Subscription"]):
    """Subscriptions."""

    def for_workspace(self, workspace: Workspace) -> "SubscriptionQuerySet":
        """Return the subscriptions of `workspace`, in both environments."""
        return self.filter(workspace=workspace)

    def current(self) -> "SubscriptionQuerySet":
        """Return the active subscriptions: at most one per workspace and environment."""
        return self.filter(status__in=Subscription.IN_FORCE)

    def with_months_left(self) -> "SubscriptionQuerySet":
        """Return those with months to grant, also after another plan replaced them."""
        left = SubscriptionPeriod.objects.filter(due_at__isnull=False)
        return self.filter(pk__in=left.values("subscription"))


class SubscriptionStatus(models.TextChoices):
    """Status of a subscription."""

    TRIALING = "trialing"
    ACTIVE = "active"
    PAST_DUE = "past_due"  # the next period is not paid yet
    CANCELED = "canceled"  # ended before its period was over
    ENDED = "ended"  # its period was over


class Subscription(models.Model):
    """A plan that a workspace has, paid for period by period.

    Only `billing.plans.subscriptions` writes it. Plan, term and period are those of the
    running period; `SubscriptionPeriod` has all periods.
    """

    Status = SubscriptionStatus

    IN_FORCE = (Status.TRIALING, Status.ACTIVE, Status.PAST_DUE)

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    workspace = models.ForeignKey(
        Workspace, models.PROTECT, related_name="subscriptions"
    )
    environment = models.CharField(max_length=10, choices=ENVIRONMENTS)
    plan = models.ForeignKey(Plan, models.PROTECT, related_name="subscriptions")
    status = models.CharField(max_length=8, choices=Status.choices)
    store = models.CharField(max_length=12, choices=Store.choices)
    external_id = models.CharField(
        max_length=200, blank=True, help_text="the store's ID of it"
    )
    store_account = models.CharField(
        max_length=200,
        blank=True,
        help_text="the buyer's account there: one trial for each",
    )
    term = models.CharField(
        max_length=8, choices=Term.choices, help_text="of the current period"
    )
    period = models.PositiveIntegerField(
        default=1, help_text="number of the current period"
    )
    period_start = models.DateTimeField()
    period_end = models.DateTimeField()
    anchor_day = models.PositiveSmallIntegerField(
        help_text="day on which months begin; the last day in shorter months"
    )
    cancel_at_period_end = models.BooleanField(default=False)
    due_at = models.DateTimeField(
        null=True,
        help_text="when the scheduled task handles it next; empty: it has ended",
    )
    ended_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    objects = SubscriptionQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "environment"],
                condition=Q(status__in=["trialing", "active", "past_due"]),
                name="one_subscription_in_force",
            ),
            models.UniqueConstraint(
                fields=["store", "environment", "external_id"],
                condition=~Q(external_id=""),
                name="subscription_of_store_once",
            ),
            models.CheckConstraint(
                condition=Q(environment__in=[value for value, _ in ENVIRONMENTS]),
                name="subscription_environment_known",
            ),
            models.CheckConstraint(
                condition=Q(status__in=SubscriptionStatus.values),
                name="subscription_status_known",
            ),
            models.CheckConstraint(
                condition=Q(period_end__gt=F("period_start")),
                name="subscription_period_has_a_length",
            ),
            models.CheckConstraint(
                condition=Q(anchor_day__gte=1, anchor_day__lte=31),
                name="subscription_anchor_is_a_day",
            ),
            models.CheckConstraint(
                condition=Q(
                    status__in=["trialing", "active", "past_due"],
                    due_at__isnull=False,
                    ended_at=None,
                )
                | Q(
                    status__in=["canceled", "ended"],
                    due_at=None,
                    ended_at__isnull=False,
                ),
                name="subscription_is_in_force_or_over",
            ),
        ]
        indexes = [
            models.Index(
                fields=["due_at"],
                condition=Q(due_at__isnull=False),
                name="subscription_due",
            )
        ]

    def __str__(self) -> str:
        return f"{self.plan_id} of {self.workspace_id}: {self.status}"

    @property
    def is_in_force(self) -> bool:
        """Whether the workspace has the plan now."""
        return self.status in self.IN_FORCE

    @property
    def renews_at(self) -> datetime | None:
        """When the next period begins; None if it will not renew."""
        if self.cancel_at_period_end or not self.is_in_force:
            return None
        return self.period_end


class SubscriptionPeriod(models.Model):
    """A period of a subscription that was paid for, given by an operator, or is a trial.

    Only `billing.plans` writes it. A month of allowance is identified by the subscription,
    `number`, and the number of the month in the period.
    """

    id = models.BigAutoField(primary_key=True)
    subscription = models.ForeignKey(
        Subscription, models.PROTECT, related_name="periods", db_index=False
    )
    number = models.PositiveIntegerField(help_text="from 1, in the order of reports")
    plan = models.ForeignKey(Plan, models.PROTECT, related_name="+")
    is_trial = models.BooleanField()
    term = models.CharField(max_length=8, choices=Term.choices)
    period_start = models.DateTimeField()
    period_end = models.DateTimeField()
    anchor_day = models.PositiveSmallIntegerField(
        help_text="day on which months begin; the last day in shorter months"
    )
    months_done = models.PositiveSmallIntegerField(
        default=0, help_text="months that were granted, or had no plan in force"
    )
    due_at = models.DateTimeField(
        null=True, help_text="when its next month begins; empty: none is left to grant"
    )
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["period_start", "number"]
        constraints = [
            models.UniqueConstraint(
                fields=["subscription", "number"], name="subscription_period_once"
            ),
            models.CheckConstraint(
                condition=Q(period_end__gt=F("period_start")),
                name="subscription_period_ends_later",
            ),
        ]
        indexes = [
            models.Index(
                fields=["due_at"],
                condition=Q(due_at__isnull=False),
                name="subscription_period_due",
            )
        ]

    def __str__(self) -> str:
        return f"{self.period_start:%Y-%m-%d} to {self.period_end:%Y-%m-%d}"
