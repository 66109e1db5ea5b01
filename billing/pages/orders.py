"""Pages of orders: buy, the status of an order, its receipt, past payments."""

import logging
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from accounts.caller import Caller
from accounts.http.current_workspace import login_required
from billing.errors import GatewayFailed, GatewayOff, TooEarly
from billing.models import GatewayCustomer, Order
from billing.pages.requests import require_money_permission
from billing.payments import orders
from kit.errors import AppError

_PAGE = 50

logger = logging.getLogger(__name__)


@login_required
@require_POST
def buy(request: HttpRequest, caller: Caller) -> HttpResponse:
    """Place an order, and lead to its page, which goes on to the gateway."""
    product, gateway = request.POST.get("product", ""), request.POST.get("gateway", "")
    try:
        with transaction.atomic(durable=True):
            order = orders.place(caller, product[:40], gateway[:20])
        orders.pay_page(order)
    except AppError as error:
        messages.error(request, str(error))
        return redirect(reverse("credits-page") + "#offers")
    # Not to the gateway at once: a form may only lead to pages of our own.
    return redirect(reverse("order-page", args=[order.pk]) + "?go")


@login_required
@require_safe
def order_page(request: HttpRequest, caller: Caller, order_id: UUID) -> HttpResponse:
    """Show an order; it follows the order by itself until it is paid."""
    order = _order(caller, order_id)
    if "back" in request.GET:  # from the gateway, whose callback may be slow or lost
        try:
            orders.look_up(order)
        except (GatewayFailed, GatewayOff, TooEarly) as error:
            logger.info("order %s could not be looked up: %s", order.pk, error)
        return redirect("order-page", order_id=order.pk)
    context = {"order": order, "goes_on": "go" in request.GET}
    return render(request, "billing/order.html", context)


@login_required
@require_safe
def orders_page(request: HttpRequest, caller: Caller) -> HttpResponse:
    """List past payments, newest first."""
    require_money_permission(caller)
    rows = Order.objects.visible_to(caller).exclude(status=Order.Status.EXPIRED)
    page = Paginator(rows, _PAGE).get_page(request.GET.get("page"))
    customers = GatewayCustomer.objects.for_workspace(caller.workspace)
    has_portal = customers.filter(environment=caller.environment.value).exists()
    context = {"page": page, "has_portal": has_portal}
    return render(request, "billing/orders.html", context)


@login_required
@require_safe
def portal(request: HttpRequest, caller: Caller) -> HttpResponse:
    """Lead to the gateway's portal: by a link, as a form may lead to our pages only."""
    try:
        return redirect(orders.portal(caller))
    except AppError as error:
        messages.error(request, str(error))
        return redirect("credits-page")


@login_required
@require_safe
def receipt_file(request: HttpRequest, caller: Caller, order_id: UUID) -> HttpResponse:
    """Send the receipt of a paid order as a PDF."""
    # Imported here: loading it takes half a second, which would slow every process start.
    from billing.reports import receipt_pdf

    order = _order(caller, order_id)
    if order.status != Order.Status.PAID:
        raise Http404
    name = f"ozvena-receipt-{order.pk}.pdf"
    return HttpResponse(
        receipt_pdf.render(order),
        content_type="application/pdf",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _order(caller: Caller, order_id: UUID) -> Order:
    """Return an order that the caller may see.

    Raises:
        PermissionDenied: the caller may not see money.
        Http404: there is no such order.
    """
    order = Order.objects.visible_to(caller).filter(pk=order_id).first()
    if order is None:
        raise Http404
    require_money_permission(caller)
    return order
