"""Pages of deliveries: the log, one delivery, and replay."""

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import (
    require_POST,
    require_safe,
)

from accounts.caller import Caller
from accounts.http.current_workspace import login_required
from kit.errors import AppError
from webhooks.models import Delivery
from webhooks.models.querysets import DeliveryQuerySet
from webhooks.pages.forms import LogForm, SinceForm
from webhooks.pages.requests import SHOWN, as_uuid, require_manage_permission
from webhooks.permissions import can_manage
from webhooks.sending import replay


@require_safe
@login_required
def log_page(request: HttpRequest, caller: Caller) -> HttpResponse:
    """Show the deliveries to all endpoints, and to jobs' own addresses."""
    return render(
        request,
        "webhooks/log.html",
        {
            "since_form": SinceForm(initial={"hours": 24}),
            "can_manage": can_manage(caller),
            "shows_addresses": True,
        }
        | log(request, Delivery.objects.visible_to(caller)),
    )


@require_safe
@login_required
def delivery_page(
    request: HttpRequest, caller: Caller, delivery_id: UUID
) -> HttpResponse:
    """Show a delivery with its body and its attempts."""
    delivery = _delivery(caller, delivery_id)
    return render(
        request,
        "webhooks/delivery.html",
        {
            "delivery": delivery,
            "tries": delivery.tries.order_by("-pk")[:SHOWN],
            "can_manage": can_manage(caller),
        },
    )


@require_POST
@login_required
def replay_log(request: HttpRequest, caller: Caller) -> HttpResponse:
    """Send all failed deliveries again."""
    form = SinceForm(request.POST)
    if not form.is_valid():
        raise Http404
    try:
        require_manage_permission(caller)
        with transaction.atomic(durable=True):
            count = replay.replay_all_failed(
                Delivery.objects.visible_to(caller), since=form.since
            )
    except AppError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"Deliveries that will be sent again: {count}.")
    return redirect("deliveries-page")


@require_POST
@login_required
def replay_delivery(
    request: HttpRequest, caller: Caller, delivery_id: UUID
) -> HttpResponse:
    """Send one delivery again."""
    delivery = _delivery(caller, delivery_id)
    try:
        require_manage_permission(caller)
        with transaction.atomic(durable=True):
            replay.replay(delivery.pk)
    except AppError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, "The delivery will be sent again.")
    return redirect("delivery-page", delivery.pk)


def log(request: HttpRequest, deliveries: DeliveryQuerySet) -> dict[str, Any]:
    """Return the template context for a part of the log, filtered by the query."""
    form = LogForm(request.GET)
    form.is_valid()  # unknown values are ignored
    wanted = {name: value for name, value in form.cleaned_data.items() if value}
    if status := wanted.get("status"):
        deliveries = deliveries.filter(status=status)
    if name := wanted.get("type"):
        deliveries = deliveries.filter(event__type=name)
    if before := as_uuid(request.GET.get("before", "")):
        deliveries = deliveries.filter(pk__lt=before)
    found = list(deliveries.with_last_attempt().order_by("-pk")[: SHOWN + 1])
    older = ""
    if len(found) > SHOWN:
        older = urlencode(wanted | {"before": found[SHOWN - 1].pk})
    return {
        "deliveries": found[:SHOWN],
        "older": older,
        "log_form": LogForm(initial=wanted),
        "is_filtered": bool(wanted or before),
    }


def _delivery(caller: Caller, delivery_id: UUID) -> Delivery:
    mine = Delivery.objects.visible_to(caller)
    if found := mine.with_last_attempt().filter(pk=delivery_id).first():
        return found
    raise Http404
