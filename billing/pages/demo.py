"""The page of the demo gateway, on which orders are paid without money."""

from uuid import UUID

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from accounts.caller import Caller
from accounts.http.current_workspace import login_required
from billing.models import Order, Store
from billing.payments import inbox
from billing.payments.gateways.demo import Demo


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def pay(request: HttpRequest, caller: Caller, order_id: UUID) -> HttpResponse:
    """Show what is to be paid, and pay it; 404 except in development."""
    rows = Order.objects.visible_to(caller).filter(store=Store.DEMO)
    order = rows.filter(pk=order_id).first()
    if order is None or not settings.DEVELOPMENT:
        raise Http404
    if request.method == "POST":
        outcome = "canceled" if "cancel" in request.POST else "paid"
        # What a gateway sends to /hooks/demo.
        inbox.receive(Demo.name, Demo().callback(order, outcome))
        return redirect("order-page", order_id=order.pk)
    return render(request, "billing/demo_pay.html", {"order": order})
