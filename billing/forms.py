"""What people fill in."""

from django import forms


class PromoForm(forms.Form):
    """A promo code."""

    code = forms.CharField(
        max_length=60,
        label="Promo code",
        widget=forms.TextInput(
            attrs={"class": "input", "autocomplete": "off", "spellcheck": "false"}
        ),
    )
