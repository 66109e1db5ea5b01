"""Plans and packs in the back office."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from billing.models import Pack, Plan
from billing.plans import subscriptions


class ProductForm(forms.ModelForm):  # type: ignore[type-arg]
    """A plan or a pack. Programs name both in one field, so no key is used twice."""

    def clean_key(self) -> str:
        """Return the key, which no product of the other kind has."""
        key: str = self.cleaned_data["key"]
        other = Pack if self._meta.model is Plan else Plan
        if other._default_manager.filter(key=key).exists():
            raise forms.ValidationError(f"There is a {other._meta.verbose_name} {key}.")
        return key


class ProductAdmin(ModelAdmin):
    """What plans and packs share."""

    form = ProductForm
    list_filter = ["is_offered"]
    search_fields = ["key", "name"]

    def get_readonly_fields(
        self, request: HttpRequest, obj: Model | None = None
    ) -> list[str]:
        """Keep the key: programs and the ledger know the product by it."""
        return ["key", "created_at"] if obj else ["created_at"]

    def has_delete_permission(self, *args: Any) -> bool:
        """Nobody deletes products; they are taken off sale."""
        return False


@admin.register(Plan)
class PlanAdmin(ProductAdmin):
    """Plans. Edited limits hold at once, an edited allowance from the next month on."""

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
        """Save, and hand edited limits to the workspaces that have the plan."""
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
