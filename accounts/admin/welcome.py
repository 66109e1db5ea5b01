"""Recipients of the sign-up grant in the admin."""

from django.contrib import admin
from unfold.admin import ModelAdmin

from accounts.models import WelcomedPerson
from kit.back_office import ReadOnly


@admin.register(WelcomedPerson)
class WelcomedPersonAdmin(ReadOnly, ModelAdmin):
    """Anonymous recipients of the sign-up grant."""

    list_display = ["digest", "created_at"]
    search_fields = ["=digest"]
    ordering = ["-created_at"]
    show_full_result_count = False
    fields = list_display
    readonly_fields = fields
