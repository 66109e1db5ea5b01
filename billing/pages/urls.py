"""Routes of the billing pages."""

import datetime

from django.urls import path, register_converter

from billing.pages import credits, demo, orders, statements, usage


class MonthConverter:
    """Converts a month, such as 2026-11, to its first day."""

    regex = r"20\d\d-(?:0[1-9]|1[0-2])"

    def to_python(self, value: str) -> datetime.date:
        return datetime.date.fromisoformat(f"{value}-01")

    def to_url(self, value: datetime.date) -> str:
        return f"{value:%Y-%m}"


register_converter(MonthConverter, "month")

urlpatterns = [
    path("usage", usage.usage_page, name="usage-page"),
    path("usage.csv", usage.usage_file, name="usage-file"),
    path("credits", credits.credits_page, name="credits-page"),
    path("credits/notices", credits.set_threshold, name="credits-notices"),
    path("credits/top-up", credits.set_top_up, name="top-up"),
    path("buy", orders.buy, name="buy"),
    path("billing/portal", orders.portal, name="portal"),
    path("orders", orders.orders_page, name="orders-page"),
    path("orders/<uuid:order_id>", orders.order_page, name="order-page"),
    path("orders/<uuid:order_id>.pdf", orders.receipt_file, name="receipt-file"),
    path("demo-pay/<uuid:order_id>", demo.pay, name="demo-pay"),
    path("statements", statements.statements_page, name="statements-page"),
    path("statements/<month:month>", statements.statement_page, name="statement-page"),
    path(
        "statements/<month:month>.pdf", statements.statement_file, name="statement-file"
    ),
]
