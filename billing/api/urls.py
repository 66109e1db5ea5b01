"""Routes of billing below /api/v1/."""

from django.urls import path

from billing.api.credits import CreditsView, EntriesView, NoticesView
from billing.api.orders import CheckoutView, OrdersView, OrderView, PortalView
from billing.api.products import PacksView, PlansView
from billing.api.promo import RedeemView
from billing.api.top_ups import TopUpView
from billing.api.usage import UsageHistoryView, UsageView

urlpatterns = [
    path("credits", CreditsView.as_view()),
    path("credits/entries", EntriesView.as_view()),
    path("credits/notices", NoticesView.as_view()),
    path("plans", PlansView.as_view()),
    path("packs", PacksView.as_view()),
    path("checkout", CheckoutView.as_view()),
    path("billing/portal", PortalView.as_view()),
    path("billing/top-up", TopUpView.as_view()),
    path("orders", OrdersView.as_view()),
    path("orders/<uuid:order_id>", OrderView.as_view()),
    path("usage", UsageView.as_view()),
    path("usage/history", UsageHistoryView.as_view()),
    path("promo-codes/redeem", RedeemView.as_view()),
]
