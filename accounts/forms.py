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


class NameForm(forms.Form):
    """The name of a workspace."""

    name = forms.CharField(
        label="Name", max_length=100, widget=forms.TextInput(attrs={"class": "input"})
    )


class InvitationForm(forms.Form):
    """Whom to invite to a workspace."""

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


def add_refusal(form: forms.Form, error: Any) -> None:
    """Show in `form` what a rule has refused."""
    form.add_error(None, str(error))
