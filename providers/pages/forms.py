"""Forms of the voice gallery and of own keys; the rules validate the rest."""

from collections.abc import Iterable
from operator import itemgetter
from typing import Any

from django import forms

from kit.rest.lines import one_line
from providers.catalogue.languages import name_of, primary
from providers.catalogue.regions import region_choices
from providers.contract.registry import get_adapter
from providers.models import Provider


class GalleryForm(forms.Form):
    """Filters of the voice gallery; invalid ones find no voice."""

    q = forms.CharField(
        label="Search",
        required=False,
        max_length=100,
        validators=[one_line],
        widget=forms.TextInput(
            attrs={"class": "input", "type": "search", "autocomplete": "off"}
        ),
    )
    language = forms.ChoiceField(
        label="Language",
        required=False,
        widget=forms.Select(attrs={"class": "select"}),
    )
    gender = forms.ChoiceField(
        label="Gender",
        required=False,
        choices=[
            ("", "Any"),
            ("female", "Female"),
            ("male", "Male"),
            ("neutral", "Neutral"),
        ],
        widget=forms.Select(attrs={"class": "select"}),
    )
    provider = forms.ChoiceField(
        label="Provider",
        required=False,
        widget=forms.Select(attrs={"class": "select"}),
    )

    def __init__(
        self,
        *args: Any,
        languages: Iterable[str],
        providers: Iterable[Provider],
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        named = {(primary(tag), name_of(tag)) for tag in languages}
        slugs = [(provider.slug, provider.name) for provider in providers]
        for name, choices in (
            ("language", sorted(named, key=itemgetter(1))),
            ("provider", slugs),
        ):
            field = self.fields[name]
            assert isinstance(field, forms.ChoiceField)
            field.choices = [("", "Any"), *choices]


class KeyForm(forms.Form):
    """A new own key. The page never shows an entered key again."""

    provider = forms.ChoiceField(
        label="Provider", widget=forms.Select(attrs={"class": "select"})
    )
    key = forms.CharField(
        label="Key",
        strip=True,
        validators=[one_line],
        widget=forms.PasswordInput(
            attrs={
                "class": "input",
                "autocomplete": "off",
                "spellcheck": "false",
                "aria-describedby": "key-hint",
            }
        ),
    )
    region = forms.ChoiceField(
        label="Region",
        required=False,
        widget=forms.Select(
            attrs={"class": "select", "aria-describedby": "region-hint"}
        ),
    )

    def __init__(
        self, *args: Any, providers: Iterable[Provider], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        accepting = [row for row in providers if get_adapter(row.slug).own_key]
        regions = [(row.name, region_choices(row.slug)) for row in accepting]
        for name, choices in (
            ("provider", [(row.slug, row.name) for row in accepting]),
            ("region", [("", "Default"), *(pair for pair in regions if pair[1])]),
        ):
            field = self.fields[name]
            assert isinstance(field, forms.ChoiceField)
            field.choices = choices
