"""Forms of the account pages."""

from datetime import datetime
from typing import Any

from django import forms
from django.utils import timezone

from kit.errors import Invalid
from kit.rest.lines import one_line


class EmailForm(forms.Form):
    email = forms.EmailField(
        label="Email address",
        max_length=254,
        widget=forms.EmailInput(
            attrs={"class": "input", "autocomplete": "email", "autofocus": True}
        ),
    )


class CodeForm(forms.Form):
    code = forms.CharField(
        label="Code",
        validators=[one_line],
        max_length=20,
        widget=forms.TextInput(
            attrs={
                "class": "input",
                "inputmode": "numeric",
                "autocomplete": "one-time-code",
                "autofocus": True,
            }
        ),
    )


class SecondFactorForm(forms.Form):
    """A code of the authenticator app, or a recovery code."""

    code = forms.CharField(
        label="Code",
        validators=[one_line],
        max_length=30,
        widget=forms.TextInput(
            attrs={"class": "input", "autocomplete": "one-time-code", "autofocus": True}
        ),
    )


class NameForm(forms.Form):
    name = forms.CharField(
        label="Name",
        max_length=100,
        validators=[one_line],
        widget=forms.TextInput(attrs={"class": "input"}),
    )


class InvitationForm(forms.Form):
    email = forms.EmailField(
        label="Email address",
        max_length=254,
        widget=forms.EmailInput(attrs={"class": "input", "autocomplete": "off"}),
    )
    role = forms.ChoiceField(
        label="Role",
        choices=[("member", "member"), ("admin", "admin")],
        widget=forms.Select(attrs={"class": "select"}),
    )


class TokenForm(forms.Form):
    name = forms.CharField(
        label="Name",
        max_length=100,
        validators=[one_line],
        help_text="What it is for.",
        widget=forms.TextInput(attrs={"class": "input", "autocomplete": "off"}),
    )
    environment = forms.ChoiceField(
        label="Environment",
        required=False,
        choices=[
            ("", "as each request says"),
            ("PRODUCTION", "production"),
            ("SANDBOX", "sandbox"),
        ],
        widget=forms.Select(attrs={"class": "select"}),
    )
    expires_at = forms.DateTimeField(
        label="Ends (UTC)",
        required=False,
        widget=forms.DateTimeInput(attrs={"class": "input", "type": "datetime-local"}),
    )
    monthly_credit_limit = forms.IntegerField(
        label="Most credits a month",
        required=False,
        min_value=0,
        max_value=10**15,
        widget=forms.NumberInput(attrs={"class": "input"}),
    )

    def clean_expires_at(self) -> datetime | None:
        """Require an expiry in the future."""
        moment: datetime | None = self.cleaned_data["expires_at"]
        if moment is not None and moment <= timezone.now():
            raise forms.ValidationError("This time is in the past.")
        return moment


def add_app_error(form: forms.Form, error: Any) -> None:
    """Add the message of an AppError to `form`, at its field if it is about one."""
    fields = error.fields if isinstance(error, Invalid) else {}
    about = {name: why for name, why in fields.items() if name in form.fields}
    for name, reasons in about.items():
        assert isinstance(reasons, list)
        form.add_error(name, reasons)
    if not about:
        form.add_error(None, str(error))
