"""Admin of plans and packs."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from billing.models import Pack, Plan
from billing.plans import subscriptions


class ProductForm(forms.ModelForm):  # type: ignore[type-arg]
    """A plan or a pack. Clients name both in one field, so a key can't be used by both."""

    def clean_key(self) -> str:
        """Validate that no product of the other kind has the key."""
        key: str = self.cleaned_data["key"]
        other = Pack if self._meta.model is Plan else Plan
        if other._default_manager.filter(key=key).exists():
            raise forms.ValidationError(f"There is a {other._meta.verbose_name} {key}.")
        return key


class ProductAdmin(ModelAdmin):
    """Base of the admin of plans and packs."""

    form = ProductForm
    list_filter = ["is_offered"]
    search_fields = ["key", "name"]

    def get_readonly_fields(
        self, request: HttpRequest, obj: Model | None = None
    ) -> list[str]:
        # Clients and the ledger identify the product by its key.
        return ["key", "created_at"] if obj else ["created_at"]

    def has_delete_permission(self, *args: Any) -> bool:
        return False  # products are taken off sale instead


@admin.register(Plan)
class PlanAdmin(ProductAdmin):
    """Plans. Edited limits apply at once, an edited allowance from the next month on."""

    list_display = [
        "name",
        "key",
        "monthly_allowance",
        "amount",
        "currency",
        "term",
        "trial_days",
        "is_offered",
    ]
    fieldsets = [
        (None, {"fields": ["key", "name", "is_offered", "created_at"]}),
        (
            "Price",
            {
                "fields": [
                    "monthly_allowance",
                    "amount",
                    "currency",
                    "term",
                    "trial_days",
                ]
            },
        ),
        ("Limits", {"fields": [*Plan.LIMITS]}),
        (
            "At the stores",
            {
                "fields": [
                    "stripe_price",
                    "stripe_test_price",
                    "app_store_product",
                    "play_store_product",
                ]
            },
        ),
    ]

    def save_model(
        self, request: HttpRequest, obj: Plan, form: Any, change: bool
    ) -> None:
        """Save, and copy edited limits to the workspaces that have the plan."""
        super().save_model(request, obj, form, change)
        if change:
            subscriptions.refresh_limits(obj)


@admin.register(Pack)
class PackAdmin(ProductAdmin):
    """Packs of credits."""

    list_display = ["name", "key", "credits", "amount", "currency", "is_offered"]
    fields = [
        "key",
        "name",
        "credits",
        "amount",
        "currency",
        "is_offered",
        "stripe_price",
        "stripe_test_price",
        "app_store_product",
        "play_store_product",
        "created_at",
    ]
