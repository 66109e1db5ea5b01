"""Admin of subscriptions, and the action to set a plan."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import action
from unfold.widgets import UnfoldAdminSelectWidget

from accounts.models import User
from billing.admin.corrections import AuditForm, FormActions
from billing.models import Plan, Subscription, SubscriptionPeriod, Wallet
from billing.plans import subscriptions
from kit.back_office import ReadOnly


class SetPlanForm(AuditForm):
    """Set or end a workspace's plan."""

    plan = forms.ModelChoiceField(
        Plan.objects.all(),
        required=False,
        empty_label="None: end it now",
        widget=UnfoldAdminSelectWidget,
        help_text="The plan renews by itself, without payment.",
    )
    field_order = ["key", "plan", "reason"]


class PlanActions(FormActions):
    """The action of a wallet that sets its workspace's plan. Put it first in the bases."""

    def has_set_plan_permission(self, request: HttpRequest, *args: Any) -> bool:
        """Return whether the operator has the permission to set plans."""
        user = request.user
        return isinstance(user, User) and user.has_perm("billing.change_subscription")

    @action(description="Set plan", url_path="set-plan", permissions=["set_plan"])
    def set_plan(self, request: HttpRequest, object_id: str) -> HttpResponse:
        wallet = self.get_object(request, object_id)
        if not isinstance(wallet, Wallet):
            raise Http404
        current = subscriptions.current_of(wallet.workspace, wallet.environment)
        has = f"{current.plan} until {current.period_end:%Y-%m-%d}" if current else ""

        def run(asked: dict[str, Any], operator: User) -> str:
            plan = asked["plan"]
            subscriptions.set_plan(
                wallet.workspace, plan, environment=wallet.environment
            )
            return f"Set plan {plan.key if plan else 'none'}"

        return self.ask(
            *(request, wallet, SetPlanForm, run),
            title="Set plan",
            about=f"{wallet.workspace}, {wallet.environment.lower()}, has"
            f" {has or 'no plan'}.",
        )


class PeriodInline(ReadOnly, TabularInline):
    """The periods of a subscription, in the order of time."""

    model = SubscriptionPeriod
    fields = [
        *("number", "plan", "is_trial", "term", "period_start", "period_end"),
        *("months_done", "due_at", "created_at"),
    ]
    readonly_fields = fields
    extra = 0


@admin.register(Subscription)
class SubscriptionAdmin(ReadOnly, ModelAdmin):
    """Subscriptions. Operators set and end plans on the page of the wallet."""

    list_display = [
        "workspace",
        "environment",
        "plan",
        "status",
        "store",
        "period_end",
        "cancel_at_period_end",
    ]
    list_filter = ["status", "store", "environment", "plan"]
    list_select_related = ["workspace", "plan"]
    search_fields = [
        "workspace__name",
        "workspace__members__email",
        "=workspace__id",
        "=external_id",
        "=store_account",
    ]
    ordering = ["-id"]
    inlines = [PeriodInline]
    show_full_result_count = False
    fields = [
        *list_display,
        "term",
        "period",
        "period_start",
        "anchor_day",
        "due_at",
        "ended_at",
        "external_id",
        "store_account",
        "created_at",
    ]
    readonly_fields = fields
