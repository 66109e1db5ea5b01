"""Admin of usage, purchases and the spending of limited tokens."""

from django.contrib import admin
from unfold.admin import ModelAdmin
from unfold.paginator import InfinitePaginator

from billing.models import Purchase, TokenSpending, Usage
from kit.back_office import ReadOnly


@admin.register(Usage)
class UsageAdmin(ReadOnly, ModelAdmin):
    """Usage: one charge per spoken scene."""

    list_display = [
        "created_at",
        "workspace",
        "environment",
        "voice",
        "characters",
        "credits",
        "billed_to",
    ]
    list_filter = ["environment", "billed_to", "provider"]
    list_select_related = ["workspace"]
    search_fields = ["=job", "=scene", "=workspace__id", "=user_id", "=token_id"]
    ordering = ["-id"]
    paginator = InfinitePaginator
    show_full_result_count = False
    fields = [
        *list_display,
        "from_subscription",
        "from_credits",
        "provider",
        "job",
        "scene",
        "render",
        "user_id",
        "token_id",
    ]
    readonly_fields = fields


@admin.register(Purchase)
class PurchaseAdmin(ReadOnly, ModelAdmin):
    """Packs that were paid for."""

    list_display = [
        "created_at",
        "pack",
        "store",
        "environment",
        "amount",
        "currency",
        "external_id",
    ]
    list_filter = ["store", "environment", "pack"]
    list_select_related = ["pack"]
    search_fields = ["=external_id", "=lot__wallet__workspace__id"]
    ordering = ["-id"]
    show_full_result_count = False
    fields = [*list_display, "lot"]
    readonly_fields = fields


@admin.register(TokenSpending)
class TokenSpendingAdmin(ReadOnly, ModelAdmin):
    """Credits that limited tokens have spent or hold, by month."""

    list_display = ["token_id", "environment", "month", "credits"]
    list_filter = ["environment", "month"]
    search_fields = ["=token_id"]
    ordering = ["-id"]
    show_full_result_count = False
    fields = list_display
    readonly_fields = list_display
