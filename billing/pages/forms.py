"""Forms of the billing pages."""

from decimal import Decimal
from typing import Any

from django import forms

from billing.ledger import LARGEST_GRANT
from billing.models import TopUp
from billing.plans.products import offered_packs
from kit.rest.lines import one_line


class PromoForm(forms.Form):
    """A promo code."""

    code = forms.CharField(
        max_length=60,
        label="Promo code",
        validators=[one_line],
        widget=forms.TextInput(
            attrs={"class": "input", "autocomplete": "off", "spellcheck": "false"}
        ),
    )


class ThresholdForm(forms.Form):
    """The threshold of the event `credits.low`."""

    low_at = forms.IntegerField(
        min_value=0,
        max_value=LARGEST_GRANT,
        label="Notify my webhooks when fewer credits are left than",
        widget=forms.NumberInput(attrs={"class": "input", "min": 0}),
    )


class TopUpForm(forms.Form):
    """The automatic top-up."""

    is_enabled = forms.BooleanField(required=False, label="Buy a pack automatically")
    below = forms.IntegerField(
        min_value=1,
        max_value=LARGEST_GRANT,
        label="when fewer credits are left than",
        widget=forms.NumberInput(attrs={"class": "input", "min": 1}),
    )
    product = forms.ChoiceField(
        label="Pack", widget=forms.Select(attrs={"class": "select"})
    )
    monthly_cap = forms.DecimalField(
        min_value=1,
        max_value=1_000_000,
        decimal_places=2,
        label="At most in a month",
        widget=forms.NumberInput(attrs={"class": "input", "min": 1, "step": "0.01"}),
    )

    def __init__(self, *args: Any, error: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.error = error  # why it was switched off
        choices = [(pack.key, f"{pack} for {pack.price}") for pack in offered_packs()]
        self.fields["product"].choices = choices  # type: ignore[attr-defined]

    @classmethod
    def of(cls, row: TopUp | None) -> "TopUpForm":
        """Return the form with what is saved, or with a proposal."""
        if row is None:
            return cls(initial={"below": 5_000, "monthly_cap": 20})
        cap = Decimal(row.monthly_cap).scaleb(-2)
        initial = {
            "is_enabled": row.is_enabled,
            "below": row.below,
            "product": row.pack.key,
            "monthly_cap": cap,
        }
        return cls(initial=initial, error=row.error)

    def values(self) -> dict[str, Any]:
        """Return the arguments of `billing.payments.top_ups.save`."""
        return self.cleaned_data | {
            "monthly_cap": int(self.cleaned_data["monthly_cap"].scaleb(2))
        }
