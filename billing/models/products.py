"""Plans and packs. Operators edit them; `billing.plans.seeds` has the initial ones."""

from decimal import Decimal

from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

_KEY = RegexValidator(r"^[a-z][a-z0-9_]*$", "Lower-case letters, digits and _.")
_CURRENCY = RegexValidator(r"^[A-Z]{3}$", "Three capitals, such as USD.")
_STORE_IDS = (
    "stripe_price",
    "stripe_test_price",
    "app_store_product",
    "play_store_product",
)
_AT_LEAST_ONE = [MinValueValidator(1)]


class Term(models.TextChoices):
    """Billing period: what one payment for a plan covers."""

    MONTHLY = "monthly"
    YEARLY = "yearly"

    @property
    def months(self) -> int:
        """Number of months of allowance."""
        return 12 if self is Term.YEARLY else 1

    @property
    def days(self) -> int:
        """Number of days, rounded for display."""
        return 365 if self is Term.YEARLY else 30


class Product(models.Model):
    """Base of plans and packs: a name, a price, and the product IDs of the stores."""

    key = models.CharField(
        max_length=40,
        unique=True,
        validators=[_KEY],
        help_text="identifier for programs; never changes",
    )
    name = models.CharField(max_length=80)
    amount = models.PositiveIntegerField(
        help_text="price, in the currency's minor units: 299 is 2.99 USD"
    )
    currency = models.CharField(max_length=3, default="USD", validators=[_CURRENCY])
    is_offered = models.BooleanField(
        default=True, help_text="for sale to new customers; existing ones keep it"
    )
    stripe_price = models.CharField(max_length=100, blank=True)
    stripe_test_price = models.CharField(
        max_length=100, blank=True, help_text="for sandbox"
    )
    app_store_product = models.CharField(max_length=100, blank=True)
    play_store_product = models.CharField(max_length=100, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        abstract = True
        ordering = ["amount", "key"]
        constraints = [
            models.CheckConstraint(
                condition=Q(currency__regex=r"^[A-Z]{3}$"),
                name="%(class)s_currency_has_three_capitals",
            ),
            models.CheckConstraint(
                condition=Q(key__regex=r"^[a-z][a-z0-9_]*$"),
                name="%(class)s_key_is_plain",
            ),
            *(
                models.UniqueConstraint(
                    fields=[name], condition=~Q(**{name: ""}), name=f"%(class)s_{name}"
                )
                for name in _STORE_IDS
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def price(self) -> Decimal:
        """The price in whole units of the currency."""
        return Decimal(self.amount).scaleb(-2)


class Plan(Product):
    """A plan: the credits of each month of a subscription, and the workspace's limits."""

    monthly_allowance = models.PositiveBigIntegerField(
        help_text="credits for each month; they expire with it"
    )
    term = models.CharField(max_length=8, choices=Term.choices, default=Term.MONTHLY)
    trial_days = models.PositiveSmallIntegerField(default=0)
    rate_synthesis = models.PositiveIntegerField(
        validators=_AT_LEAST_ONE, help_text="synthesis requests a minute"
    )
    rate_other = models.PositiveIntegerField(
        validators=_AT_LEAST_ONE, help_text="other requests a minute"
    )
    concurrency = models.PositiveIntegerField(
        validators=_AT_LEAST_ONE, help_text="scenes spoken at the same time"
    )
    retention_days = models.PositiveIntegerField(
        validators=_AT_LEAST_ONE, help_text="how long the files of a job are kept"
    )
    storage_mb = models.PositiveIntegerField(
        validators=_AT_LEAST_ONE, help_text="megabytes of files that are kept"
    )

    LIMITS = (
        "rate_synthesis",
        "rate_other",
        "concurrency",
        "retention_days",
        "storage_mb",
    )
    """Columns that `accounts.models.Workspace` has too."""

    class Meta(Product.Meta):
        constraints = [
            *Product.Meta.constraints,
            models.CheckConstraint(
                condition=Q(term__in=Term.values), name="plan_term_known"
            ),
            models.CheckConstraint(
                condition=Q(
                    rate_synthesis__gte=1,
                    rate_other__gte=1,
                    concurrency__gte=1,
                    retention_days__gte=1,
                    storage_mb__gte=1,
                ),
                name="plan_allows_something",
            ),
            models.CheckConstraint(
                condition=Q(monthly_allowance__lte=1_000_000_000_000),
                name="plan_allowance_can_be_granted",
            ),
        ]


class Pack(Product):
    """A pack: credits that are bought once and never expire."""

    credits = models.PositiveBigIntegerField(validators=_AT_LEAST_ONE)

    class Meta(Product.Meta):
        constraints = [
            *Product.Meta.constraints,
            models.CheckConstraint(
                condition=Q(credits__gte=1, credits__lte=1_000_000_000_000),
                name="pack_credits_can_be_granted",
            ),
        ]
