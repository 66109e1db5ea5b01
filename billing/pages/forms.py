"""Forms of the billing pages."""

from django import forms

from billing.ledger import LARGEST_GRANT
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
