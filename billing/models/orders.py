"""Orders: what a workspace wanted to buy, what was paid for it, and what was paid back."""

from decimal import Decimal

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from accounts.caller import Caller
from accounts.models import Workspace
from billing.models.ledger import ENVIRONMENTS
from billing.models.products import Pack, Plan
from billing.models.subscriptions import Store, Subscription
from kit.ids import new_id
from kit.models import Claimable


class OrderQuerySet(models.QuerySet["Order"]):
    """Orders."""

    def for_workspace(self, workspace: Workspace) -> "OrderQuerySet":
        """Return the orders of `workspace`, in both environments."""
        return self.filter(workspace=workspace)

    def visible_to(self, caller: Caller) -> "OrderQuerySet":
        """Return the orders of the caller's workspace in its environment, newest first."""
        return (
            self.for_workspace(caller.workspace)
            .filter(environment=caller.environment.value)
            .select_related("pack", "plan")
            .order_by("-pk")
        )


class Order(models.Model):
    """One payment, from the wish to buy to the receipt.

    A checkout and an automatic top-up begin as `pending`; renewals and purchases in an app
    are written when they are paid. Amounts are in minor units of `currency`.
    """

    class Kind(models.TextChoices):
        CHECKOUT = "checkout"
        TOP_UP = "top_up"
        RENEWAL = "renewal"
        IN_APP = "in_app"

    class Status(models.TextChoices):
        PENDING = "pending"
        PAID = "paid"
        FAILED = "failed"
        EXPIRED = "expired"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    workspace = models.ForeignKey(Workspace, models.PROTECT, related_name="orders")
    user_id = models.UUIDField(null=True, help_text="user ID of the buyer, if known")
    environment = models.CharField(max_length=10, choices=ENVIRONMENTS)
    store = models.CharField(max_length=12, choices=Store.choices)
    kind = models.CharField(max_length=8, choices=Kind.choices, default=Kind.CHECKOUT)
    pack = models.ForeignKey(Pack, models.PROTECT, null=True, related_name="orders")
    plan = models.ForeignKey(Plan, models.PROTECT, null=True, related_name="orders")
    subscription = models.ForeignKey(
        Subscription, models.PROTECT, null=True, related_name="orders"
    )
    period = models.PositiveIntegerField(
        null=True, help_text="number of the subscription's period that it paid"
    )
    status = models.CharField(
        max_length=7, choices=Status.choices, default=Status.PENDING
    )
    amount = models.PositiveIntegerField(help_text="price when it was ordered")
    currency = models.CharField(max_length=3)
    checkout_id = models.CharField(
        max_length=200, blank=True, help_text="the gateway's ID of the page to pay at"
    )
    checkout_url = models.TextField(blank=True, editable=False)
    money_id = models.CharField(
        max_length=200, blank=True, help_text="the gateway's ID of the payment"
    )
    paid_amount = models.PositiveIntegerField(null=True, help_text="with tax")
    tax = models.PositiveIntegerField(default=0, help_text="part of what was paid")
    discount = models.PositiveIntegerField(
        default=0, help_text="by promotion codes of the shop, already deducted"
    )
    refunded = models.PositiveIntegerField(
        default=0, help_text="paid back or disputed, in all"
    )
    look_up_at = models.DateTimeField(
        null=True,
        editable=False,
        help_text="when the gateway is asked next, if it is still pending then",
    )
    review = models.TextField(
        blank=True, help_text="why an operator has to look at it; empty: no need"
    )
    error = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    paid_at = models.DateTimeField(null=True, blank=True)

    objects = OrderQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(pack__isnull=True) ^ Q(plan__isnull=True),
                name="order_of_a_pack_or_a_plan",
            ),
            models.CheckConstraint(
                condition=Q(environment__in=[value for value, _ in ENVIRONMENTS]),
                name="order_environment_known",
            ),
            models.CheckConstraint(
                condition=Q(currency__regex=r"^[A-Z]{3}$"),
                name="order_currency_has_three_capitals",
            ),
            models.CheckConstraint(
                condition=Q(
                    ~Q(money_id=""),
                    status="paid",
                    paid_at__isnull=False,
                    paid_amount__isnull=False,
                )
                | Q(
                    status__in=["pending", "failed", "expired"],
                    paid_at=None,
                    paid_amount=None,
                    refunded=0,
                ),
                name="order_is_paid_or_not",
            ),
            models.CheckConstraint(
                condition=Q(refunded=0) | Q(refunded__lte=F("paid_amount")),
                name="order_refunded_no_more_than_paid",
            ),
            models.UniqueConstraint(
                fields=["store", "environment", "money_id"],
                condition=~Q(money_id=""),
                name="order_of_payment_once",
            ),
            models.UniqueConstraint(
                fields=["store", "environment", "checkout_id"],
                condition=~Q(checkout_id=""),
                name="order_of_checkout_once",
            ),
            models.UniqueConstraint(
                fields=["workspace", "environment"],
                condition=Q(kind="top_up", status="pending"),
                name="one_top_up_under_way",
            ),
        ]
        indexes = [
            models.Index(
                fields=["workspace", "environment", "-id"], name="order_newest"
            ),
            models.Index(
                fields=["look_up_at"],
                condition=Q(status="pending", look_up_at__isnull=False),
                name="order_to_look_up",
            ),
            models.Index(
                fields=["subscription", "period"],
                condition=Q(subscription__isnull=False),
                name="order_of_subscription",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.product} · {self.status}"

    @property
    def product(self) -> Pack | Plan:
        """The pack or the plan."""
        product = self.pack or self.plan
        assert product is not None
        return product

    @property
    def price(self) -> str:
        """What was paid, or is to be paid, such as `2.99 USD`."""
        return self._money(
            self.amount if self.paid_amount is None else self.paid_amount
        )

    @property
    def amounts(self) -> list[tuple[str, str]]:
        """The lines of the receipt of a paid order; the last one is what was paid."""
        paid = self.paid_amount or 0
        lines = [(self.product.name, paid - self.tax + self.discount)]
        lines += [("Discount", -self.discount)] if self.discount else []
        lines += [("Tax", self.tax)] if self.tax else []
        if self.refunded:
            lines += [("Paid", paid), ("Paid back", -self.refunded)]
            lines += [("Remaining", paid - self.refunded)]
        else:
            lines += [("Paid", paid)]
        return [(name, self._money(amount)) for name, amount in lines]

    @property
    def state(self) -> str:
        """The status, in words for the buyer."""
        if self.refunded:
            is_partial = self.refunded < (self.paid_amount or 0)
            return "Partly paid back" if is_partial else "Paid back"
        if self.review and self.status != self.Status.PAID:
            return "In review"
        return str(self.get_status_display())

    def _money(self, amount: int) -> str:
        return f"{Decimal(amount).scaleb(-2):,.2f} {self.currency}"

    @property
    def is_final(self) -> bool:
        """Whether nothing more is expected to happen by itself."""
        return self.status != self.Status.PENDING or bool(self.review)

    @property
    def source(self) -> str:
        """The source of the lot that a pack was granted as."""
        return f"purchase:{self.store}:{self.money_id}"


class Refund(Claimable):
    """Money that was paid back, or that a dispute has taken.

    A refund that an operator makes is a row that a worker passes on to the gateway. All
    others are written as `completed`, when the gateway reports them.
    """

    class Kind(models.TextChoices):
        REFUND = "refund"
        DISPUTE = "dispute"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    order = models.ForeignKey(Order, models.PROTECT, related_name="refunds")
    kind = models.CharField(max_length=7, choices=Kind.choices, default=Kind.REFUND)
    external_id = models.CharField(
        max_length=200, blank=True, help_text="the gateway's ID of it"
    )
    amount = models.PositiveIntegerField(
        help_text="minor units of the order's currency"
    )
    credits = models.PositiveBigIntegerField(default=0, help_text="taken back for it")
    postings = models.JSONField(
        default=list,
        editable=False,
        help_text="source, key and credits of each posting in the ledger",
    )
    is_reversed = models.BooleanField(
        default=False, help_text="it failed, or the dispute was won: they came back"
    )
    reason = models.CharField(max_length=500, blank=True)
    ticket = models.CharField(max_length=100, blank=True)
    actor = models.CharField(max_length=254, blank=True, help_text="the operator")
    error = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["order", "kind", "external_id"],
                condition=~Q(external_id=""),
                name="refund_of_gateway_once",
            ),
            models.CheckConstraint(
                condition=Q(amount__gt=0), name="refund_of_something"
            ),
        ]
        indexes = [
            models.Index(
                fields=["ready_at"], condition=Q(status="queued"), name="refund_waiting"
            ),
            models.Index(
                fields=["lease_until"],
                condition=Q(status="processing"),
                name="refund_under_way",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.amount}"

    @property
    def key(self) -> str:
        """Key of the posting in the ledger, and the gateway's idempotency key."""
        return f"refund:{self.pk}"


class GatewayCustomerQuerySet(models.QuerySet["GatewayCustomer"]):
    """Customers of gateways."""

    def for_workspace(self, workspace: Workspace) -> "GatewayCustomerQuerySet":
        """Return the customers that `workspace` is, in both environments."""
        return self.filter(workspace=workspace)


class GatewayCustomer(models.Model):
    """The customer of a gateway that a workspace is: its saved card and its portal."""

    workspace = models.ForeignKey(Workspace, models.PROTECT, related_name="+")
    environment = models.CharField(max_length=10, choices=ENVIRONMENTS)
    store = models.CharField(max_length=12, choices=Store.choices)
    external_id = models.CharField(max_length=200)
    created_at = models.DateTimeField(db_default=Now())

    objects = GatewayCustomerQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "environment", "store"],
                name="one_gateway_customer",
            ),
            models.UniqueConstraint(
                fields=["store", "environment", "external_id"],
                name="gateway_customer_of_one_workspace",
            ),
        ]

    def __str__(self) -> str:
        return self.external_id
