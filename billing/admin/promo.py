"""Admin of promo codes."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline

from billing.models import PromoCode, PromoRedemption
from kit.back_office import ReadOnly


class RedemptionInline(ReadOnly, TabularInline):
    """Redemptions of a code."""

    model = PromoRedemption
    fields = ["workspace", "user_id", "created_at"]
    readonly_fields = fields
    ordering = ["-id"]
    per_page = 20
    extra = 0


class PromoCodeForm(forms.ModelForm):  # type: ignore[type-arg]
    """A promo code."""

    def clean_max_uses(self) -> int:
        """Validate that `max_uses` is not below the number of redemptions."""
        max_uses: int = self.cleaned_data["max_uses"]
        # Locked until it is saved: a user may redeem it meanwhile.
        kept = PromoCode.objects.select_for_update().filter(pk=self.instance.pk).first()
        if kept and max_uses < kept.used:
            raise forms.ValidationError(f"It was already redeemed {kept.used} times.")
        return max_uses


@admin.register(PromoCode)
class PromoCodeAdmin(ModelAdmin):
    """Promo codes. They are disabled, never deleted."""

    form = PromoCodeForm
    list_display = [
        "code",
        "credits",
        "used",
        "max_uses",
        "expires_at",
        "is_enabled",
        "note",
    ]
    list_filter = ["is_enabled"]
    search_fields = ["code", "note"]
    ordering = ["-id"]
    fields = [
        "code",
        "credits",
        "max_uses",
        "used",
        "expires_at",
        "is_enabled",
        "note",
        "created_at",
    ]
    inlines = [RedemptionInline]

    def get_readonly_fields(
        self, request: HttpRequest, obj: Model | None = None
    ) -> list[str]:
        # Code and credits were announced to users, so they don't change.
        counted = ["used", "created_at"]
        return ["code", "credits", *counted] if obj else counted

    def save_model(
        self, request: HttpRequest, obj: PromoCode, form: Any, change: bool
    ) -> None:
        # Only edited columns: users redeem the code meanwhile, which changes `used`.
        obj.save(update_fields=form.changed_data if change else None)

    def has_delete_permission(self, *args: Any) -> bool:
        return False
