"""Admin of endpoints and deliveries: read-only, with actions such as replay."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.admin import ModelAdmin, TabularInline
from unfold.paginator import InfinitePaginator

from kit.back_office import ReadOnly
from kit.errors import AppError
from webhooks import endpoints
from webhooks.models import Attempt, Delivery, Endpoint
from webhooks.sending import replay, retention


class AttemptInline(ReadOnly, TabularInline):
    """Attempts of a delivery."""

    model = Attempt
    fields = [
        "started_at",
        "duration_ms",
        "url",
        "address",
        "status",
        "failure",
        "answer",
        "next_at",
    ]
    readonly_fields = fields
    ordering = ["-id"]
    extra = 0


@admin.register(Endpoint)
class EndpointAdmin(ReadOnly, ModelAdmin):
    """The endpoints of all customers, without their secrets."""

    list_display = [
        "url",
        "workspace",
        "environment",
        "is_enabled",
        "disabled_because",
        "failing_since",
        "failures",
        "succeeded_at",
        "created_at",
    ]
    list_filter = ["is_enabled", "disabled_because", "environment"]
    list_select_related = ["workspace"]
    search_fields = ["id", "url", "workspace__id", "workspace__name"]
    show_full_result_count = False
    ordering = ["-id"]
    fields = [
        "id",
        "workspace",
        "url",
        "description",
        "environment",
        "events",
        "is_enabled",
        "disabled_because",
        "disabled_at",
        "failing_since",
        "failures",
        "succeeded_at",
        "rests_until",
        "old_secret_until",
        "deleted_at",
        "created_at",
    ]
    actions = [
        "send_tests",
        "switch_off",
        "switch_on",
        "replay_failed_of_last_day",
        "replay_failed_of_all_time",
    ]

    @admin.action(description="Send a test event", permissions=["operate"])
    def send_tests(self, request: HttpRequest, chosen: QuerySet[Endpoint]) -> None:
        _for_each(
            self, request, chosen, "tested", lambda row: endpoints.send_test(row.pk)
        )

    @admin.action(description="Switch off", permissions=["operate"])
    def switch_off(self, request: HttpRequest, chosen: QuerySet[Endpoint]) -> None:
        """Disable endpoints, and mail their owners."""
        _for_each(
            self,
            request,
            chosen,
            "switched off",
            lambda row: endpoints.switch_off(row.pk, Endpoint.Off.OPERATOR),
        )

    @admin.action(description="Switch on", permissions=["operate"])
    def switch_on(self, request: HttpRequest, chosen: QuerySet[Endpoint]) -> None:
        """Enable endpoints, from the next event on."""
        _for_each(
            self,
            request,
            chosen,
            "switched on",
            lambda row: endpoints.change(row.pk, is_enabled=True),
        )

    @admin.action(
        description="Send failures of the last 24 hours again",
        permissions=["operate"],
    )
    def replay_failed_of_last_day(
        self, request: HttpRequest, chosen: QuerySet[Endpoint]
    ) -> None:
        self._replay_failed(request, chosen, timedelta(days=1))

    @admin.action(description="Send all failures again", permissions=["operate"])
    def replay_failed_of_all_time(
        self, request: HttpRequest, chosen: QuerySet[Endpoint]
    ) -> None:
        self._replay_failed(request, chosen, retention.KEPT)

    def _replay_failed(
        self, request: HttpRequest, chosen: QuerySet[Endpoint], span: timedelta
    ) -> None:
        since = timezone.now() - span
        _for_each(
            self,
            request,
            chosen,
            f"failures since {since:%Y-%m-%d %H:%M} sent again",
            lambda row: replay.replay_failed(row.pk, since=since),
        )


@admin.register(Delivery)
class DeliveryAdmin(ReadOnly, ModelAdmin):
    """Deliveries and their attempts."""

    list_display = [
        "id",
        "type",
        "workspace",
        "goes_to",
        "status",
        "attempts",
        "crashes",
        "ready_at",
        "created_at",
    ]
    list_filter = ["status", "event__type", "event__environment"]
    list_select_related = ["event", "endpoint", "workspace"]
    search_fields = ["id", "event__id", "workspace__id", "endpoint__id"]
    paginator = InfinitePaginator
    show_full_result_count = False
    ordering = ["-id"]
    fields = [
        "id",
        "type",
        "event_id",
        "workspace",
        "endpoint",
        "goes_to",
        "status",
        "attempts",
        "crashes",
        "ready_at",
        "lease_until",
        "created_at",
        "finished_at",
        "body",
    ]
    readonly_fields = fields
    inlines = [AttemptInline]
    actions = ["replay"]

    @admin.display(description="type", ordering="event__type")
    def type(self, delivery: Delivery) -> str:
        return delivery.event.type

    @admin.display(description="goes to")
    def goes_to(self, delivery: Delivery) -> str:
        return delivery.address

    @admin.display(description="body")
    def body(self, delivery: Delivery) -> str:
        return delivery.event.text

    @admin.action(description="Send again", permissions=["operate"])
    def replay(self, request: HttpRequest, chosen: QuerySet[Delivery]) -> None:
        _for_each(
            self, request, chosen, "sent again", lambda row: replay.replay(row.pk)
        )


def _for_each(
    page: Any,
    request: HttpRequest,
    rows: QuerySet[Any],
    what: str,
    run: Callable[[Any], object],
) -> None:
    """Call `run` for each row and log it; show a warning for each that is refused."""
    done = 0
    for row in rows:
        try:
            with transaction.atomic(durable=True):
                run(row)
                page.log_change(request, row, what)
        except AppError as error:
            page.message_user(request, f"{row}: {error}", messages.WARNING)
        else:
            done += 1
    page.message_user(request, f"Done for {done}.", messages.SUCCESS)
