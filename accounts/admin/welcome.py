"""Sign-up credits in the back office: who got them."""

from django.contrib import admin
from unfold.admin import ModelAdmin

from accounts.models import WelcomedPerson
from kit.back_office import ReadOnly


@admin.register(WelcomedPerson)
class WelcomedPersonAdmin(ReadOnly, ModelAdmin):
    """Who was given the sign-up grant, without a name."""

    list_display = ["digest", "created_at"]
    search_fields = ["=digest"]
    ordering = ["-created_at"]
    show_full_result_count = False
    fields = list_display
    readonly_fields = fields
