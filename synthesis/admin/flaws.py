"""Admin class of flaws: what voices left out, and whether it was spoken again."""

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html
from unfold.admin import ModelAdmin

from kit.back_office import ReadOnly
from synthesis.models import Flaw


@admin.register(Flaw)
class FlawAdmin(ReadOnly, ModelAdmin):
    list_display = ["created_at", "voice", "detail", "is_mended", "scene_link"]
    list_filter = ["is_mended"]
    search_fields = ["voice", "scene__id"]
    show_full_result_count = False
    ordering = ["-id"]

    @admin.display(description="scene")
    def scene_link(self, flaw: Flaw) -> str:
        """Link to the scene."""
        url = reverse("admin:synthesis_scene_change", args=[flaw.scene_id])
        return format_html('<a href="{}">{}</a>', url, flaw.scene_id)
