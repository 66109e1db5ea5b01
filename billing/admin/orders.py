"""Admin of orders, refunds, the gateways' inbox and their customers."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import action
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminTextInputWidget

from accounts.models import User
from billing.admin.corrections import AuditForm, FormActions, PostingForm
from billing.credits import approvals
from billing.models import (
    GatewayCustomer,
    InboxEvent,
    Order,
    Reconciliation,
    Refund,
    TopUp,
)
from billing.payments import inbox, orders, reconciliation, refunds
from kit.back_office import ReadOnly
from kit.rest.lines import one_line


class MoneyForm(PostingForm):
    """Pay back a part of an order."""

    amount = forms.IntegerField(
        min_value=1,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="In minor units: 299 is 2.99. The share of the credits is taken back.",
    )
    field_order = ["key", "amount", "reason", "ticket"]


class AcceptForm(AuditForm):
    """Accept a payment that is not what the order asked for."""

    money_id = forms.CharField(
        max_length=200,
        validators=[one_line],
        widget=UnfoldAdminTextInputWidget,
        help_text="The gateway's ID of the payment. Its credits are granted once.",
    )
    field_order = ["key", "money_id", "reason"]


class InReview(admin.SimpleListFilter):
    """Orders that an operator has to look at."""

    title = "review"
    parameter_name = "review"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the choices."""
        return [("1", "to be reviewed")]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Order]
    ) -> QuerySet[Order]:
        """Return the chosen rows."""
        return queryset.exclude(review="") if self.value() else queryset


class RefundInline(ReadOnly, TabularInline):
    """The refunds and disputes of an order."""

    model = Refund
    fields = [
        *("kind", "amount", "credits", "status", "is_reversed", "external_id"),
        *("reason", "ticket", "error", "created_at"),
    ]
    readonly_fields = fields
    extra = 0


@admin.register(Order)
class OrderAdmin(ReadOnly, FormActions):
    """Orders: find, pay back, decide about those in review."""

    list_display = [
        *("product", "workspace", "store", "environment", "status", "price"),
        *("refunded", "is_in_review", "created_at"),
    ]
    list_filter = ["status", InReview, "store", "environment", "kind"]
    list_select_related = ["workspace", "pack", "plan"]
    search_fields = [
        *("=id", "=money_id", "=checkout_id", "=workspace__id", "workspace__name"),
        *("=workspace__members__email", "=subscription__external_id"),
    ]
    ordering = ["-id"]
    show_full_result_count = False
    inlines = [RefundInline]
    fields = [
        *("workspace", "environment", "store", "kind", "pack", "plan", "status"),
        *("amount", "paid_amount", "tax", "discount", "refunded", "currency"),
        *("money_id", "checkout_id", "subscription", "period", "user_id"),
        *("review", "error", "created_at", "paid_at"),
    ]
    readonly_fields = fields
    actions_detail = ["refund", "accept", "dismiss"]

    @admin.display(description="in review", boolean=True)
    def is_in_review(self, order: Order) -> bool:
        return bool(order.review)

    @action(description="Refund", url_path="refund", permissions=["operate"])
    def refund(self, request: HttpRequest, object_id: str) -> HttpResponse:
        order = self._order(request, object_id)

        def run(asked: dict[str, Any], operator: User) -> str:
            is_new = refunds.request(
                order.pk,
                asked["amount"],
                key=asked["key"],
                reason=asked["reason"],
                ticket=asked["ticket"],
                actor=approvals.actor(operator.pk),
            )
            return f"Refund {asked['amount']}" if is_new else ""

        return self.ask(
            *(request, order, MoneyForm, run),
            title="Refund",
            about=f"{order.product} of {order.workspace}: {order.price} were paid,"
            f" {order.refunded} (in minor units) paid back or disputed. A gateway that"
            " can't pay back at our request has to be used by hand first.",
        )

    @action(description="Accept", url_path="accept", permissions=["operate"])
    def accept(self, request: HttpRequest, object_id: str) -> HttpResponse:
        order = self._order(request, object_id)

        def run(asked: dict[str, Any], operator: User) -> str:
            orders.accept(order.pk, asked["money_id"])
            return f"Accepted {asked['money_id']}"

        return self.ask(
            *(request, order, AcceptForm, run),
            title="Accept",
            about=f"{order.review} If you accept it, {order.product} is granted.",
        )

    @action(description="Dismiss", url_path="dismiss", permissions=["operate"])
    def dismiss(self, request: HttpRequest, object_id: str) -> HttpResponse:
        order = self._order(request, object_id)

        def run(asked: dict[str, Any], operator: User) -> str:
            orders.dismiss(order.pk)
            return "Dismissed the review"

        return self.ask(
            *(request, order, AuditForm, run),
            title="Dismiss",
            about=f"{order.review} If you dismiss it, nothing is granted. Pay back what"
            " was paid at the gateway.",
        )

    def _order(self, request: HttpRequest, object_id: str) -> Order:
        order = self.get_object(request, object_id)
        if not isinstance(order, Order):
            raise Http404
        return order


@admin.register(Refund)
class RefundAdmin(ReadOnly, ModelAdmin):
    """Refunds and disputes of all orders."""

    list_display = [
        *("order", "kind", "amount", "credits", "status", "is_reversed"),
        *("reason", "error", "created_at"),
    ]
    list_filter = ["status", "kind", "is_reversed", "order__store"]
    list_select_related = ["order__pack", "order__plan"]
    search_fields = ["=id", "=external_id", "=order__id", "=order__money_id", "=ticket"]
    ordering = ["-id"]
    show_full_result_count = False
    fields = [*list_display, "external_id", "ticket", "actor", "postings", "attempts"]
    readonly_fields = fields


@admin.register(InboxEvent)
class InboxEventAdmin(ReadOnly, ModelAdmin):
    """What gateways have reported; those that could not be posted can be retried."""

    list_display = [
        *("gateway", "type", "environment", "status", "result", "error"),
        *("attempts", "received_at"),
    ]
    list_filter = ["status", "gateway", "environment"]
    search_fields = ["=id", "=event_id", "=waits_for", "type"]
    ordering = ["-received_at"]
    show_full_result_count = False
    fields = [
        *("gateway", "environment", "event_id", "type", "status", "result", "error"),
        *("waits_for", "attempts", "crashes", "ready_at", "received_at", "settled_at"),
        "body",
    ]
    readonly_fields = fields
    actions = ["retry"]

    @admin.action(description="Retry now", permissions=["operate"])
    def retry(self, request: HttpRequest, queryset: QuerySet[InboxEvent]) -> None:
        """Post the chosen events again, for example after a fault was repaired."""
        count = 0
        for event in queryset:
            with transaction.atomic():
                if inbox.retry(event.pk):
                    self.log_change(request, event, "Retried.")
                    count += 1
        text = f"{count} are tried again. Those that were posted are not."
        self.message_user(request, text, messages.SUCCESS)


@admin.register(Reconciliation)
class ReconciliationAdmin(ReadOnly, ModelAdmin):
    """What gateways say was paid, compared with what was granted, each night."""

    list_display = [
        *("gateway", "environment", "status", "is_equal", "payments", "recovered"),
        *("since", "until", "created_at"),
    ]
    list_filter = ["gateway", "environment", "status"]
    ordering = ["-id"]
    show_full_result_count = False
    fields = [*list_display, "differences", "error", "attempts", "settled_at"]
    readonly_fields = fields
    actions = ["run_again"]

    @admin.display(description="equal", boolean=True)
    def is_equal(self, row: Reconciliation) -> bool | None:
        done = row.status == Reconciliation.Status.COMPLETED
        return not row.differences if done else None

    @admin.action(description="Reconcile all gateways now", permissions=["operate"])
    def run_again(
        self, request: HttpRequest, queryset: QuerySet[Reconciliation]
    ) -> None:
        """Compare the last 30 days with every gateway."""
        with transaction.atomic():
            count = reconciliation.begin_all(reconciliation.LONGEST)
        self.message_user(request, f"{count} were started.", messages.SUCCESS)


@admin.register(TopUp)
class TopUpAdmin(ReadOnly, ModelAdmin):
    """Automatic top-ups."""

    list_display = [
        *("workspace", "is_enabled", "pack", "below", "monthly_cap", "error"),
        "updated_at",
    ]
    list_filter = ["is_enabled"]
    list_select_related = ["workspace", "pack"]
    search_fields = ["=workspace__id", "workspace__name"]
    ordering = ["-updated_at"]
    fields = list_display
    readonly_fields = fields


@admin.register(GatewayCustomer)
class GatewayCustomerAdmin(ReadOnly, ModelAdmin):
    """Customers of gateways."""

    list_display = ["workspace", "store", "environment", "external_id", "created_at"]
    list_filter = ["store", "environment"]
    list_select_related = ["workspace"]
    search_fields = ["=external_id", "=workspace__id", "workspace__name"]
    ordering = ["-id"]
    show_full_result_count = False
    fields = list_display
    readonly_fields = fields
