"""QuerySets of the providers app."""

from typing import TYPE_CHECKING, Self

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from providers.contract.registry import ADAPTERS, COMPATIBLE_PREFIX

if TYPE_CHECKING:
    from accounts.models import Workspace
    from providers.models import (  # noqa: F401 - names in annotations
        Provider,
        ProviderKey,
        Upstream,
        Voice,
    )

PLATFORM = "platform"
"""The credential of this installation; all others are workspaces' own keys."""


class ProviderQuerySet(models.QuerySet["Provider"]):
    """Queries for providers."""

    def on_offer(self) -> Self:
        """Keep the enabled providers that have an adapter."""
        return self.with_adapter().filter(is_enabled=True)

    def with_adapter(self) -> Self:
        """Keep the providers that have an adapter."""
        return self.filter(Q(slug__in=ADAPTERS) | Q(slug__startswith=COMPATIBLE_PREFIX))

    def operator_servers(self) -> Self:
        """Keep the OpenAI-compatible servers that operators run themselves."""
        return self.filter(Q(slug="compatible") | Q(slug__startswith=COMPATIBLE_PREFIX))

    def limited(self) -> Self:
        """Keep the providers with a limit on concurrent scenes."""
        return self.exclude(max_concurrent=None, max_concurrent_per_key=None)


class VoiceQuerySet(models.QuerySet["Voice"]):
    """Queries for voices."""

    def on_offer(self) -> Self:
        """Keep the voices that can be chosen; selects their providers too."""
        return self.enabled().filter(
            Q(provider__in=ADAPTERS) | Q(provider__slug__startswith=COMPATIBLE_PREFIX),
            is_offered=True,
        )

    def enabled(self) -> Self:
        """Keep the enabled voices of enabled providers; selects the providers too."""
        rows = self.filter(is_enabled=True, provider__is_enabled=True)
        return rows.select_related("provider")

    def with_samples(self) -> Self:
        """Select the voices' samples and providers too."""
        return self.select_related("provider", "sample")

    def matching(
        self, *, provider: str = "", language: str = "", gender: str = "", q: str = ""
    ) -> Self:
        """Keep the voices that match every non-empty argument; case doesn't matter.

        A `language` also matches its regional forms: `en` finds `en-US`.
        """
        found = self
        if provider:
            found = found.filter(provider=provider.lower())
        if language:
            found = found.filter(
                Q(language__iexact=language) | Q(language__istartswith=f"{language}-")
            )
        if gender:
            found = found.filter(gender=gender.lower())
        if q:
            found = found.filter(
                Q(id__icontains=q) | Q(name__icontains=q) | Q(description__icontains=q)
            )
        return found


class ProviderKeyQuerySet(models.QuerySet["ProviderKey"]):
    """Queries for workspaces' own keys."""

    def for_workspace(self, workspace: "Workspace") -> Self:
        """Keep the keys of `workspace`; doesn't load the encrypted key."""
        return self.filter(workspace=workspace).defer("encrypted_key")


class UpstreamQuerySet(models.QuerySet["Upstream"]):
    """Queries for upstreams."""

    def unavailable(self) -> Self:
        """Keep the open upstreams, and half-open ones that already have a probe."""
        return self.filter(
            Q(open_until__gt=Now()) | ~Q(probe=""), failing_since__isnull=False
        )
