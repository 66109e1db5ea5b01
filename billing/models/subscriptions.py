"""Subscriptions: which plan a workspace has, until when, and who collects for it."""

from datetime import datetime

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from accounts.models import Workspace
from billing.models.ledger import ENVIRONMENTS
from billing.models.products import Plan, Term
from kit.ids import new_id


class Store(models.TextChoices):
    """Who takes the money."""

    STRIPE = "stripe"
    APP_STORE = "app_store"
    PLAY_STORE = "play_store"
    NOWPAYMENTS = "nowpayments"
    BTCPAY = "btcpay"
    DEMO = "demo"
    OPERATOR = "operator"  # nobody: given by an operator, and renewed by us

    @property
    def is_in_app(self) -> bool:
        """Whether it is bought inside an app."""
        return self in (Store.APP_STORE, Store.PLAY_STORE)


class SubscriptionQuerySet(models.QuerySet["Subscription"]):
    """Subscriptions."""

    def for_workspace(self, workspace: Workspace) -> "SubscriptionQuerySet":
        """Return those of `workspace`, in both environments."""
        return self.filter(workspace=workspace)

    def current(self) -> "SubscriptionQuerySet":
        """Return those in force: one at most for each workspace and environment."""
        return self.filter(status__in=Subscription.IN_FORCE)


class SubscriptionStatus(models.TextChoices):
    """How a subscription stands."""

    TRIALING = "trialing"
    ACTIVE = "active"
    PAST_DUE = "past_due"  # the next period is not paid yet
    CANCELED = "canceled"  # stopped before its time
    ENDED = "ended"  # its time ran out


class Subscription(models.Model):
    """A plan that a workspace has, paid for period by period.

    Only `billing.plans.subscriptions` writes it. A month of allowance is known by `period`
    and the month's place in it.
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
        max_length=200, blank=True, help_text="what the store calls it"
    )
    store_account = models.CharField(
        max_length=200, blank=True, help_text="who buys there: one trial each"
    )
    term = models.CharField(
        max_length=8, choices=Term.choices, help_text="of the present period"
    )
    period = models.PositiveIntegerField(
        default=1, help_text="number of the present one"
    )
    period_start = models.DateTimeField()
    period_end = models.DateTimeField()
    anchor_day = models.PositiveSmallIntegerField(
        help_text="day on which months begin; shorter months have their last"
    )
    cancel_at_period_end = models.BooleanField(default=False)
    due_at = models.DateTimeField(
        null=True, help_text="when the calendar looks at it next; empty: it is over"
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
        """When the next period begins; None if none will."""
        if self.cancel_at_period_end or not self.is_in_force:
            return None
        return self.period_end
