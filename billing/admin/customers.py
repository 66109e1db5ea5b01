"""Admin of the mobile app's customers and their IDs."""

from django.contrib import admin
from unfold.admin import ModelAdmin, TabularInline

from billing.models import MobileCustomer, MobileCustomerId
from kit.back_office import ReadOnly


class IdsInline(ReadOnly, TabularInline):
    """The IDs of a customer."""

    model = MobileCustomerId
    fields = ["id", "created_at"]
    readonly_fields = fields
    extra = 0


@admin.register(MobileCustomer)
class MobileCustomerAdmin(ReadOnly, ModelAdmin):
    """Read customers of the app; they are found by any of their IDs."""

    list_display = ["customer_id", "workspace", "welcomed_at", "read_at", "created_at"]
    search_fields = ["=ids__id", "=workspace__id"]
    list_select_related = ["workspace"]
    show_full_result_count = False
    ordering = ["-pk"]
    inlines = [IdsInline]
    fields = list_display
    readonly_fields = fields
