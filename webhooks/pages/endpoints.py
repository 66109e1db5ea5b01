"""Pages of webhooks: endpoints, their health, what was sent and what came back."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import (
    require_http_methods,
    require_POST,
    require_safe,
)

from accounts.caller import Caller
from accounts.errors import NotAllowed
from accounts.http.freshness import is_fresh
from accounts.http.next_page import with_next
from accounts.http.visits import for_people
from accounts.roles import Act, may
from kit.errors import AppError, Invalid
from kit.secrets import Secret
from webhooks import endpoints, snippets
from webhooks.events import event_types
from webhooks.models import Delivery, Endpoint
from webhooks.models.querysets import DeliveryQuerySet, EndpointQuerySet
from webhooks.pages.forms import EndpointForm, LogForm, NewEndpointForm, SinceForm
from webhooks.permissions import may_manage
from webhooks.sending import replay, signing

_SHOWN = 50  # deliveries on a page


@require_http_methods(["GET", "HEAD", "POST"])
@for_people
def overview(request: HttpRequest, caller: Caller) -> HttpResponse:
    """List the endpoints; make one."""
    form = NewEndpointForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            _demand_right(caller)
            with transaction.atomic(durable=True):
                endpoint, secret = endpoints.create(
                    caller.workspace, **form.cleaned_data
                )
        except AppError as error:
            _add_errors(form, error)
        else:
            return _secret_page(request, endpoint, secret)
    return render(
        request,
        "webhooks/overview.html",
        {
            "endpoints": _with_waiting(Endpoint.objects.visible_to(caller)),
            "form": form,
            "may_manage": may_manage(caller),
            "sees_secret": may(caller.member_role, Act.SEE_DEFAULT_SECRET),
            "snippets": snippets.all_snippets(),
        },
        status=400 if form.errors else 200,
    )


@require_safe
@for_people
def events_page(request: HttpRequest, caller: Caller) -> HttpResponse:
    """Show each type of event with an example of its data."""
    return render(request, "webhooks/events.html", {"types": event_types().values()})


@require_http_methods(["GET", "HEAD", "POST"])
@for_people
def default_secret_page(request: HttpRequest, caller: Caller) -> HttpResponse:
    """Show owners what signs events to jobs' own addresses; change it."""
    if not may(caller.member_role, Act.SEE_DEFAULT_SECRET):
        raise PermissionDenied
    if not is_fresh(request):
        messages.info(request, "Log in again to see the default secret.")
        return redirect(with_next("login", request.path))
    signer = signing.default_signer(caller.workspace.pk)
    if request.method == "POST":
        try:
            with transaction.atomic(durable=True):
                signer = signing.rotate_default(caller.workspace.pk)
        except AppError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, "The secret was changed.")
    return render(
        request,
        "webhooks/default_secret.html",
        {
            "signer": signer,
            "secret": signing.secret_of(signer).reveal_text(),
        },
    )


@require_http_methods(["GET", "HEAD", "POST"])
@for_people
def endpoint_page(
    request: HttpRequest, caller: Caller, endpoint_id: UUID
) -> HttpResponse:
    """Show an endpoint, how it fares and what was sent to it; change it."""
    endpoint = _endpoint(caller, endpoint_id)
    initial = {
        "url": endpoint.url,
        "description": endpoint.description,
        "events": endpoint.events,
    }
    form = EndpointForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            _demand_right(caller)
            with transaction.atomic(durable=True):
                endpoints.change(endpoint.pk, **form.cleaned_data)
        except AppError as error:
            _add_errors(form, error)
        else:
            messages.success(request, "Saved.")
            return redirect("webhook-page", endpoint.pk)
    deliveries = Delivery.objects.visible_to(caller).filter(endpoint=endpoint)
    return render(
        request,
        "webhooks/endpoint.html",
        {
            "endpoint": endpoint,
            "form": form,
            "since_form": SinceForm(initial={"hours": 24}),
            "may_manage": may_manage(caller),
        }
        | _log(request, deliveries),
        status=400 if form.errors else 200,
    )


@require_safe
@for_people
def log_page(request: HttpRequest, caller: Caller) -> HttpResponse:
    """Show what was sent to all endpoints, and to jobs' own addresses."""
    return render(
        request,
        "webhooks/log.html",
        {
            "since_form": SinceForm(initial={"hours": 24}),
            "may_manage": may_manage(caller),
            "shows_addresses": True,
        }
        | _log(request, Delivery.objects.visible_to(caller)),
    )


@require_safe
@for_people
def delivery_page(
    request: HttpRequest, caller: Caller, delivery_id: UUID
) -> HttpResponse:
    """Show what was sent and what came back."""
    delivery = _delivery(caller, delivery_id)
    return render(
        request,
        "webhooks/delivery.html",
        {
            "delivery": delivery,
            "tries": delivery.tries.order_by("-pk")[:_SHOWN],
            "may_manage": may_manage(caller),
        },
    )


@require_POST
@for_people
def act(
    request: HttpRequest, caller: Caller, endpoint_id: UUID, verb: str
) -> HttpResponse:
    """Do what a button on an endpoint's page says."""
    endpoint = _endpoint(caller, endpoint_id)
    if (deed := _DEEDS.get(verb)) is None:
        raise Http404
    try:
        _demand_right(caller)
        with transaction.atomic(durable=True):
            return deed(request, endpoint)
    except AppError as error:
        messages.error(request, str(error))
        return redirect("webhook-page", endpoint.pk)


@require_POST
@for_people
def replay_log(request: HttpRequest, caller: Caller) -> HttpResponse:
    """Send again what did not arrive anywhere."""
    form = SinceForm(request.POST)
    if not form.is_valid():
        raise Http404
    try:
        _demand_right(caller)
        with transaction.atomic(durable=True):
            count = replay.replay_all_failed(
                Delivery.objects.visible_to(caller), since=form.since
            )
    except AppError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"Deliveries that are sent again: {count}.")
    return redirect("deliveries-page")


@require_POST
@for_people
def replay_delivery(
    request: HttpRequest, caller: Caller, delivery_id: UUID
) -> HttpResponse:
    """Send one delivery again."""
    delivery = _delivery(caller, delivery_id)
    try:
        _demand_right(caller)
        with transaction.atomic(durable=True):
            replay.replay(delivery.pk)
    except AppError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, "It is sent again.")
    return redirect("delivery-page", delivery.pk)


def _switch_on(request: HttpRequest, endpoint: Endpoint) -> HttpResponse:
    endpoints.change(endpoint.pk, is_enabled=True)
    messages.success(request, "Switched on. What was missed can be sent again below.")
    return redirect("webhook-page", endpoint.pk)


def _switch_off(request: HttpRequest, endpoint: Endpoint) -> HttpResponse:
    endpoints.change(endpoint.pk, is_enabled=False)
    messages.success(request, "Switched off. Events are kept for 30 days.")
    return redirect("webhook-page", endpoint.pk)


def _delete(request: HttpRequest, endpoint: Endpoint) -> HttpResponse:
    endpoints.delete(endpoint.pk)
    messages.success(request, f"Removed {endpoint.url}.")
    return redirect("webhooks-page")


def _rotate(request: HttpRequest, endpoint: Endpoint) -> HttpResponse:
    endpoint, secret = endpoints.rotate(endpoint.pk)
    return _secret_page(request, endpoint, secret)


def _send_test(request: HttpRequest, endpoint: Endpoint) -> HttpResponse:
    return redirect("delivery-page", endpoints.send_test(endpoint.pk).pk)


def _replay_failed(request: HttpRequest, endpoint: Endpoint) -> HttpResponse:
    form = SinceForm(request.POST)
    if not form.is_valid():
        raise Http404
    count = replay.replay_failed(endpoint.pk, since=form.since)
    messages.success(request, f"Deliveries that are sent again: {count}.")
    return redirect("webhook-page", endpoint.pk)


_DEEDS: dict[str, Callable[[HttpRequest, Endpoint], HttpResponse]] = {
    "on": _switch_on,
    "off": _switch_off,
    "delete": _delete,
    "rotate": _rotate,
    "test": _send_test,
    "replay": _replay_failed,
}


def _secret_page(
    request: HttpRequest, endpoint: Endpoint, secret: Secret
) -> HttpResponse:
    """Show a new secret, in this answer alone."""
    return render(
        request,
        "webhooks/secret.html",
        {"endpoint": endpoint, "secret": secret.reveal_text()},
    )


def _log(request: HttpRequest, deliveries: DeliveryQuerySet) -> dict[str, Any]:
    """Return what a page needs to show a part of the log, as the query asks for it."""
    form = LogForm(request.GET)
    form.is_valid()  # what it does not know is no filter
    wanted = {name: value for name, value in form.cleaned_data.items() if value}
    if status := wanted.get("status"):
        deliveries = deliveries.filter(status=status)
    if name := wanted.get("type"):
        deliveries = deliveries.filter(event__type=name)
    if before := _as_uuid(request.GET.get("before", "")):
        deliveries = deliveries.filter(pk__lt=before)
    found = list(deliveries.with_last_attempt().order_by("-pk")[: _SHOWN + 1])
    older = ""
    if len(found) > _SHOWN:
        older = urlencode(wanted | {"before": found[_SHOWN - 1].pk})
    return {
        "deliveries": found[:_SHOWN],
        "older": older,
        "log_form": LogForm(initial=wanted),
        "is_filtered": bool(wanted or before),
    }


def _with_waiting(endpoints: EndpointQuerySet) -> list[Endpoint]:
    """Return endpoints, newest first, with the number of deliveries that wait."""
    rows = list(endpoints.order_by("-pk"))
    waiting = Delivery.objects.waiting_by_lane([row.lane for row in rows])
    for row in rows:
        row.waiting = waiting.get(row.lane, 0)
    return rows


def _demand_right(caller: Caller) -> None:
    if not may_manage(caller):
        raise NotAllowed


def _add_errors(form: EndpointForm, error: AppError) -> None:
    if isinstance(error, Invalid):
        for field, reasons in error.fields.items():
            assert isinstance(reasons, list)
            form.add_error(field, reasons)
    else:
        form.add_error(None, str(error))


def _endpoint(caller: Caller, endpoint_id: UUID) -> Endpoint:
    mine = Endpoint.objects.visible_to(caller)
    if found := _with_waiting(mine.filter(pk=endpoint_id)):
        return found[0]
    raise Http404


def _delivery(caller: Caller, delivery_id: UUID) -> Delivery:
    mine = Delivery.objects.visible_to(caller)
    if found := mine.with_last_attempt().filter(pk=delivery_id).first():
        return found
    raise Http404


def _as_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
