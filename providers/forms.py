"""What people type about keys; the rules themselves are in `keys`."""

from collections.abc import Iterable
from typing import Any

from django import forms

from providers.models import Provider
from providers.registry import get_provider


class KeyForm(forms.Form):
    """A key for one of the providers that take one. What was typed is never shown again."""

    provider = forms.ChoiceField(
        label="Provider", widget=forms.Select(attrs={"class": "select"})
    )
    key = forms.CharField(
        label="Key",
        strip=True,
        widget=forms.PasswordInput(
            attrs={
                "class": "input",
                "autocomplete": "off",
                "spellcheck": "false",
                "aria-describedby": "key-hint",
            }
        ),
    )
    region = forms.CharField(
        label="Region",
        required=False,
        widget=forms.TextInput(
            attrs={
                "class": "input",
                "autocomplete": "off",
                "spellcheck": "false",
                "aria-describedby": "region-hint",
            }
        ),
    )

    def __init__(
        self, *args: Any, providers: Iterable[Provider], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["provider"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [
            (provider.slug, provider.name)
            for provider in providers
            if get_provider(provider.slug).own_key
        ]
