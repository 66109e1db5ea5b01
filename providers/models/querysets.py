"""Questions to the catalogue."""

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
"""The credential that this installation has for all; others are customers' own."""


class ProviderQuerySet(models.QuerySet["Provider"]):
    """Providers."""

    def on_offer(self) -> Self:
        """Keep those that operators have switched on and that have an adapter."""
        return self.with_adapter().filter(is_enabled=True)

    def with_adapter(self) -> Self:
        """Keep those that something here can call."""
        return self.filter(Q(slug__in=ADAPTERS) | Q(slug__startswith=COMPATIBLE_PREFIX))

    def operator_servers(self) -> Self:
        """Keep the servers that operators run themselves."""
        return self.filter(Q(slug="compatible") | Q(slug__startswith=COMPATIBLE_PREFIX))

    def limited(self) -> Self:
        """Keep those that may not do any number of things at once."""
        return self.exclude(max_concurrent=None, max_concurrent_per_key=None)


class VoiceQuerySet(models.QuerySet["Voice"]):
    """Voices."""

    def on_offer(self) -> Self:
        """Keep those that can be chosen, each with its provider at hand."""
        return self.enabled().filter(
            Q(provider__in=ADAPTERS) | Q(provider__slug__startswith=COMPATIBLE_PREFIX),
            is_offered=True,
        )

    def enabled(self) -> Self:
        """Keep those that operators let speak, each with its provider at hand."""
        rows = self.filter(is_enabled=True, provider__is_enabled=True)
        return rows.select_related("provider")

    def with_samples(self) -> Self:
        """Take along what is known of their samples."""
        return self.select_related("provider", "sample")

    def matching(
        self, *, provider: str = "", language: str = "", gender: str = "", q: str = ""
    ) -> Self:
        """Keep those that match every argument that is not empty, whatever the case.

        A `language` matches itself and what it is the beginning of: `en` finds `en-US`.
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
    """Workspaces' own keys."""

    def for_workspace(self, workspace: "Workspace") -> Self:
        """Keep those of `workspace`; the encrypted key stays in the database."""
        return self.filter(workspace=workspace).defer("sealed_key")


class UpstreamQuerySet(models.QuerySet["Upstream"]):
    """Ways to providers."""

    def unavailable(self) -> Self:
        """Keep those that nobody may call now, or that somebody tries already."""
        return self.filter(
            Q(open_until__gt=Now()) | ~Q(probe=""), failing_since__isnull=False
        )
