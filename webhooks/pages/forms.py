"""Forms of the webhook pages. The rules are in `webhooks.endpoints`."""

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.utils import timezone

from kit.rest.lines import one_line
from webhooks.events import event_types
from webhooks.models import Delivery


class EndpointForm(forms.Form):
    """An endpoint's address and the events that it gets."""

    url = forms.CharField(
        label="Address",
        max_length=2048,
        validators=[one_line],
        widget=forms.URLInput(
            attrs={
                "class": "input",
                "placeholder": "https://hooks.example.com/ozvena",
                "autocomplete": "off",
            }
        ),
    )
    description = forms.CharField(
        label="Note (optional)",
        max_length=200,
        required=False,
        validators=[one_line],
        widget=forms.TextInput(attrs={"class": "input", "autocomplete": "off"}),
    )
    events = forms.MultipleChoiceField(
        label="Events", widget=forms.CheckboxSelectMultiple
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["events"]
        assert isinstance(field, forms.MultipleChoiceField)
        field.choices = [
            (found.name, found.summary) for found in event_types().values()
        ]


class NewEndpointForm(EndpointForm):
    """A new endpoint; its environment can't be changed later."""

    environment = forms.ChoiceField(
        label="Environment",
        required=False,
        choices=[
            ("", "production and sandbox"),
            ("PRODUCTION", "production"),
            ("SANDBOX", "sandbox"),
        ],
        widget=forms.Select(attrs={"class": "select"}),
    )


class LogForm(forms.Form):
    """Which deliveries to show."""

    status = forms.ChoiceField(
        label="Status",
        required=False,
        choices=[("", "all"), *((name, name) for name in Delivery.Status.values)],
        widget=forms.Select(attrs={"class": "select"}),
    )
    type = forms.ChoiceField(
        label="Event",
        required=False,
        choices=lambda: [("", "all"), *((name, name) for name in event_types())],
        widget=forms.Select(attrs={"class": "select"}),
    )


class SinceForm(forms.Form):
    """The period whose failures are sent again."""

    hours = forms.TypedChoiceField(
        label="Failed in the last",
        coerce=int,
        choices=[
            (1, "hour"),
            (24, "24 hours"),
            (7 * 24, "7 days"),
            (30 * 24, "30 days"),
        ],
        widget=forms.Select(attrs={"class": "select"}),
    )

    @property
    def since(self) -> datetime:
        """Start of the period."""
        return timezone.now() - timedelta(hours=self.cleaned_data["hours"])
