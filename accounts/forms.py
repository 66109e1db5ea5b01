"""Forms of the pages."""

from typing import Any

from django import forms


class EmailForm(forms.Form):
    """Whom to mail a login code."""

    email = forms.EmailField(
        label="Email address",
        max_length=254,
        widget=forms.EmailInput(
            attrs={"class": "input", "autocomplete": "email", "autofocus": True}
        ),
    )


class CodeForm(forms.Form):
    """The code that was mailed."""

    code = forms.CharField(
        label="Code",
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

    def clean_code(self) -> str:
        """Return the digits alone, as people copy them with spaces."""
        return "".join(self.cleaned_data["code"].split())


class SecondFactorForm(forms.Form):
    """A code of the authenticator app, or a recovery code."""

    code = forms.CharField(
        label="Code",
        max_length=30,
        widget=forms.TextInput(
            attrs={"class": "input", "autocomplete": "one-time-code", "autofocus": True}
        ),
    )


def add_refusal(form: forms.Form, error: Any) -> None:
    """Show in `form` what a rule has refused."""
    form.add_error(None, str(error))
