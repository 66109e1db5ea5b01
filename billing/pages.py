"""Routes of pages."""

import datetime

from django.urls import path, register_converter

from billing import views


class MonthConverter:
    """A month, as its first day: 2026-11."""

    regex = r"20\d\d-(?:0[1-9]|1[0-2])"

    def to_python(self, value: str) -> datetime.date:
        """Return the first day."""
        return datetime.date.fromisoformat(f"{value}-01")

    def to_url(self, value: datetime.date) -> str:
        """Return year and month."""
        return f"{value:%Y-%m}"


register_converter(MonthConverter, "month")

urlpatterns = [
    path("usage", views.usage_page, name="usage-page"),
    path("usage.csv", views.usage_file, name="usage-file"),
    path("credits", views.credits_page, name="credits-page"),
    path("credits/notices", views.set_threshold, name="credits-notices"),
    path("statements", views.statements_page, name="statements-page"),
    path("statements/<month:month>", views.statement_page, name="statement-page"),
    path("statements/<month:month>.pdf", views.statement_file, name="statement-file"),
]
