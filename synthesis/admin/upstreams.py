"""Admin class of upstreams: their state, their failures, and an action to call them again.

The model belongs to providers, but the calls in flight are counted from scenes.
"""

from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils.timesince import timesince
from unfold.admin import ModelAdmin
from unfold.decorators import display

from kit.back_office import ReadOnly
from providers.limits import ceilings, upstreams
from providers.models import Upstream
from providers.models.querysets import PLATFORM
from synthesis.models import Scene


class UpstreamAdmin(ReadOnly, ModelAdmin):
    list_display = [
        "provider",
        "region",
        "credential",
        "shown_state",
        "reason",
        "failing_for",
        "in_flight",
        "calls",
        "failed",
        "mean_seconds",
        "spent_today",
    ]
    list_filter = ["provider", "reason"]
    list_select_related = ["provider"]
    search_fields = ["provider__slug", "credential"]
    fields = [
        *("provider", "region", "credential", "shown_state", "reason"),
        *("failing_since", "open_until", "openings", "probe", "in_a_row"),
        *("in_flight", "calls", "mean_seconds", "failed_by_kind", "last_failures"),
        *("retry_allowance", "spent_today"),
    ]
    readonly_fields = fields
    actions = ["call_again"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Upstream]:
        """Add the count of calls in flight to the query of the list."""
        leased = (
            Scene.objects.filter(
                status=Scene.Status.PROCESSING,
                provider=OuterRef("provider"),
                credential=OuterRef("credential"),
            )
            .order_by()
            .values("provider")
            .annotate(count=Count("pk"))
            .values("count")
        )
        rows: QuerySet[Upstream] = super().get_queryset(request)
        return rows.annotate(leased=Coalesce(Subquery(leased), 0))

    @display(
        description="state",
        label={"closed": "success", "half-open": "warning", "open": "danger"},
    )
    def shown_state(self, row: Upstream) -> str:
        return row.state

    @admin.display(description="failing for", ordering="failing_since")
    def failing_for(self, row: Upstream) -> str:
        return timesince(row.failing_since) if row.failing_since else ""

    @admin.display(description="in flight", ordering="leased")
    def in_flight(self, row: Any) -> int:
        return int(row.leased)

    @admin.display(description="failed")
    def failed(self, row: Upstream) -> int:
        return sum(row.failures.values())

    @admin.display(description="s per call")
    def mean_seconds(self, row: Upstream) -> str:
        return f"{row.seconds / row.calls:.2f}" if row.calls else ""

    @admin.display(description="failed, by kind")
    def failed_by_kind(self, row: Upstream) -> str:
        counts = sorted(row.failures.items(), key=lambda pair: -pair[1])
        return ", ".join(f"{kind}: {count}" for kind, count in counts)

    @admin.display(description="last failures")
    def last_failures(self, row: Upstream) -> str:
        return "\n".join(f"{seen['at']} {seen['kind']}" for seen in row.recent)

    @admin.display(description="spent today")
    def spent_today(self, row: Upstream) -> int | str:
        """Return the cost in credits of today's calls (UTC) with our key, per provider."""
        if row.credential != PLATFORM:
            return ""
        return ceilings.spent_today(row.provider_id)

    @admin.action(description="Call again now", permissions=["operate"])
    def call_again(self, request: HttpRequest, rows: QuerySet[Upstream]) -> None:
        """Close the breaker of the selected upstreams, after a problem was solved."""
        count = 0
        for row in rows:
            upstreams.reset(row)
            self.log_change(request, row, "closed its breaker")
            count += 1
        self.message_user(request, f"Breakers closed: {count}.", messages.SUCCESS)
