"""Promo codes in the back office."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline

from billing.models import PromoCode, PromoRedemption
from kit.back_office import ReadOnly


class RedemptionInline(ReadOnly, TabularInline):
    """Who has redeemed a code."""

    model = PromoRedemption
    fields = ["workspace", "user_id", "created_at"]
    readonly_fields = fields
    ordering = ["-id"]
    per_page = 20
    extra = 0


class PromoCodeForm(forms.ModelForm):  # type: ignore[type-arg]
    """A promo code."""

    def clean_max_uses(self) -> int:
        """Refuse fewer than have redeemed it."""
        max_uses: int = self.cleaned_data["max_uses"]
        # Locked until it is saved: somebody may redeem it meanwhile.
        kept = PromoCode.objects.select_for_update().filter(pk=self.instance.pk).first()
        if kept and max_uses < kept.used:
            raise forms.ValidationError(f"{kept.used} have redeemed it already.")
        return max_uses


@admin.register(PromoCode)
class PromoCodeAdmin(ModelAdmin):
    """Promo codes. They are switched off rather than deleted."""

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
        """Keep what people were promised."""
        counted = ["used", "created_at"]
        return ["code", "credits", *counted] if obj else counted

    def save_model(
        self, request: HttpRequest, obj: PromoCode, form: Any, change: bool
    ) -> None:
        """Save what was edited alone: others redeem the code meanwhile."""
        obj.save(update_fields=form.changed_data if change else None)

    def has_delete_permission(self, *args: Any) -> bool:
        """Nobody deletes what was redeemed."""
        return False
