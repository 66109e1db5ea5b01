"""Serializers of credits, plans, packs, orders and usage."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from billing.ledger import LARGEST_GRANT
from billing.models import (
    LedgerEntry,
    LedgerTransaction,
    Lot,
    Order,
    Pack,
    Plan,
    Store,
    TopUp,
    Wallet,
)
from kit.rest.fields import TextField

BUCKETS = [*Lot.Kind.values, LedgerEntry.Bucket.RESERVED, LedgerEntry.Bucket.DEBT]

OUTER_BUCKETS = (
    LedgerEntry.Bucket.USAGE,
    LedgerEntry.Bucket.BREAKAGE,
    LedgerEntry.Bucket.FUNDING,
    LedgerEntry.Bucket.REFUND,
    LedgerEntry.Bucket.ADJUST,
)
"""Buckets outside of the wallet; shown only for the entries of one job."""


class ExpirySerializer(serializers.Serializer[Any]):
    """The next credits to lapse."""

    credits = serializers.IntegerField()
    at = serializers.DateTimeField()


class CreditsSerializer(serializers.Serializer[Any]):
    """A wallet: `total_granted` - `total_consumed` = `balance` + `reserved`."""

    customer_id = serializers.CharField()
    balance = serializers.IntegerField(
        help_text="Credits that can be spent, less the debt; may be negative."
    )
    total_granted = serializers.IntegerField(
        help_text="Total ever, less what was refunded or lapsed."
    )
    total_consumed = serializers.IntegerField()
    reserved = serializers.IntegerField(help_text="Held for work under way.")
    debt = serializers.IntegerField()
    next_expiry = ExpirySerializer(allow_null=True)


class NoticesSerializer(serializers.ModelSerializer[Wallet]):
    """The threshold for the event `credits.low`."""

    low_at = serializers.IntegerField(
        min_value=0,
        max_value=LARGEST_GRANT,
        help_text="`credits.low` is sent when fewer credits can be spent; 0: never.",
    )

    class Meta:
        model = Wallet
        fields = ("low_at",)


class EntrySerializer(serializers.ModelSerializer[LedgerEntry]):
    """An entry of the wallet's ledger: `credits` into a bucket, or out of it (< 0).

    Spendable credits are in the bucket that they were granted to, held ones in `reserved`:
    a reservation moves credits there, a capture removes them, a release moves them back.
    All entries sum to `balance` + `reserved`.
    """

    kind = serializers.ChoiceField(
        source="transaction.kind", choices=LedgerTransaction.Kind.choices
    )
    credits = serializers.IntegerField(source="amount")
    bucket = serializers.SerializerMethodField()
    job = serializers.SerializerMethodField()
    reason = serializers.CharField(source="transaction.reason")
    created_at = serializers.DateTimeField(source="transaction.created_at")

    class Meta:
        model = LedgerEntry
        fields = (
            "id",
            "kind",
            "credits",
            "bucket",
            "balance_after",
            "job",
            "reason",
            "created_at",
        )

    @extend_schema_field(serializers.ChoiceField(choices=[*BUCKETS, *OUTER_BUCKETS]))
    def get_bucket(self, entry: LedgerEntry) -> str:
        """Return the kind of lot for spendable credits, else the bucket of the ledger."""
        if entry.bucket == LedgerEntry.Bucket.AVAILABLE and entry.lot:
            return entry.lot.kind
        return entry.bucket

    def get_job(self, entry: LedgerEntry) -> str | None:
        """Return the job that the credits are or were held for."""
        reservation = entry.transaction.reservation
        return reservation.job if reservation else None


class LimitsSerializer(serializers.ModelSerializer[Plan]):
    """The limits of a plan."""

    class Meta:
        model = Plan
        fields = Plan.LIMITS


class PlanSerializer(serializers.ModelSerializer[Plan]):
    """A plan on sale; `amount` is what one term costs, in minor units."""

    limits = LimitsSerializer(source="*")

    class Meta:
        model = Plan
        fields = (
            "key",
            "name",
            "monthly_allowance",
            "amount",
            "currency",
            "term",
            "trial_days",
            "limits",
        )


class PackSerializer(serializers.ModelSerializer[Pack]):
    """A pack on sale; `amount` is its price, in minor units."""

    class Meta:
        model = Pack
        fields = ("key", "name", "credits", "amount", "currency")


class CheckoutRequestSerializer(serializers.Serializer[Any]):
    """What to buy, and where to pay."""

    product = TextField(max_length=40, help_text="Key of a pack or a plan.")
    gateway = TextField(max_length=20, help_text="Such as `stripe`.")


class CheckoutSerializer(serializers.Serializer[Any]):
    """An order that was placed."""

    order_id = serializers.UUIDField()
    redirect_url = serializers.CharField(
        help_text="Where it is paid; empty if it is paid already."
    )


class TopUpSerializer(serializers.ModelSerializer[TopUp]):
    """An automatic top-up; `monthly_cap` is in minor units."""

    enabled = serializers.BooleanField(source="is_enabled")
    below = serializers.IntegerField(min_value=1, max_value=LARGEST_GRANT)
    product = TextField(max_length=40, source="pack.key", help_text="Key of a pack.")
    monthly_cap = serializers.IntegerField(min_value=1, max_value=1_000_000_00)
    error = serializers.CharField(
        read_only=True, help_text="Why it was switched off; empty: it was not."
    )

    class Meta:
        model = TopUp
        fields = ("enabled", "below", "product", "monthly_cap", "error")


class PortalSerializer(serializers.Serializer[Any]):
    """Where plans and cards are managed."""

    redirect_url = serializers.CharField()


class OrderSerializer(serializers.ModelSerializer[Order]):
    """One payment; amounts are in minor units of `currency`.

    `amount` is the price, `paid` what was charged: with `tax`, less `discount`.
    """

    product = serializers.CharField(source="product.key")
    gateway = serializers.ChoiceField(source="store", choices=Store.choices)
    redirect_url = serializers.SerializerMethodField()
    paid = serializers.IntegerField(source="paid_amount", allow_null=True)
    is_in_review = serializers.BooleanField(
        source="review", help_text="We look at it: it was not paid as it was ordered."
    )

    class Meta:
        model = Order
        fields = (
            *("id", "kind", "product", "gateway", "status", "is_in_review"),
            *("amount", "currency", "paid", "tax", "discount", "refunded", "error"),
            *("redirect_url", "created_at", "paid_at"),
        )

    def get_redirect_url(self, order: Order) -> str:
        """Return where a pending order is paid."""
        return order.checkout_url if order.status == Order.Status.PENDING else ""


class MonthSerializer(serializers.Serializer[Any]):
    """The current month of a plan, in credits."""

    plan_key = serializers.CharField()
    monthly_limit = serializers.IntegerField()
    current_usage = serializers.IntegerField(help_text="Used or held.")
    remaining_characters = serializers.IntegerField()
    usage_percentage = serializers.IntegerField()
    reset_date = serializers.DateTimeField(help_text="When the next month begins.")


class PurchaseSerializer(serializers.Serializer[Any]):
    """Credits that were bought or given."""

    source = serializers.CharField()  # type: ignore[assignment]
    product_lookup_key = serializers.CharField(required=False)
    characters = serializers.IntegerField()
    price_usd = serializers.FloatField(allow_null=True)


class NonExpiringCreditsSerializer(serializers.Serializer[Any]):
    """Credits other than the allowance: purchases and gifts."""

    balance = serializers.IntegerField()
    total_granted = serializers.IntegerField()
    total_consumed = serializers.IntegerField()
    purchases = PurchaseSerializer(many=True)


class CreditSourcesSerializer(serializers.Serializer[Any]):
    """The credits that pay for speech, by source."""

    subscription = MonthSerializer(allow_null=True)
    non_expiring_tokens = NonExpiringCreditsSerializer()


class StandingSerializer(serializers.Serializer[Any]):
    """Allowance, usage and purchases of a workspace.

    Without a plan it has `lifetime_limit` and `message` instead of the monthly fields.
    """

    user_tier = serializers.ChoiceField(choices=["free", "premium"])
    monthly_limit = serializers.IntegerField(required=False)
    lifetime_limit = serializers.IntegerField(required=False)
    current_usage = serializers.IntegerField()
    remaining_characters = serializers.IntegerField()
    usage_percentage = serializers.IntegerField()
    message = serializers.CharField(required=False)
    reset_date = serializers.DateTimeField(required=False)
    plan_renewal_date = serializers.CharField(
        allow_null=True, help_text="Such as February 5, 2024."
    )
    plan_term = serializers.CharField(allow_null=True)
    plan_term_in_days = serializers.IntegerField(allow_null=True)
    plan_key = serializers.CharField(allow_null=True)
    plan_gross_cost = serializers.FloatField(allow_null=True)
    trialing = serializers.BooleanField()
    credits = CreditSourcesSerializer()


class CreditSplitSerializer(serializers.Serializer[Any]):
    """Credits paid, by source."""

    subscription = serializers.IntegerField()
    credits = serializers.IntegerField()


class HistoryRowSerializer(serializers.Serializer[Any]):
    """Sums of one day, provider, voice or token; `name` is a token's."""

    day = serializers.DateField(required=False)
    provider = serializers.CharField(required=False)
    voice = serializers.CharField(required=False)
    token = serializers.UUIDField(required=False, allow_null=True)
    name = serializers.CharField(required=False)
    scenes = serializers.IntegerField()
    characters = serializers.IntegerField()
    credits = serializers.IntegerField()
    split = CreditSplitSerializer()


class HistorySerializer(serializers.Serializer[Any]):
    """Usage by day, provider, voice or token."""

    group = serializers.ChoiceField(choices=["day", "provider", "voice", "token"])
    results = HistoryRowSerializer(many=True)

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Add `from` and `to`: the first is a keyword of Python."""
        return {
            "from": serializers.DateField(),
            "to": serializers.DateField(),
            **super().get_fields(),
        }
