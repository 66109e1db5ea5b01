"""Pages of webhook endpoints."""

from collections.abc import Callable
from uuid import UUID

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import (
    require_http_methods,
    require_POST,
    require_safe,
)

from accounts.caller import Caller
from accounts.http.current_workspace import login_required
from accounts.roles import Permission, has_permission
from kit.errors import AppError
from webhooks import endpoints, snippets
from webhooks.events import event_types
from webhooks.models import Delivery, Endpoint
from webhooks.pages.deliveries import log
from webhooks.pages.forms import EndpointForm, NewEndpointForm, SinceForm
from webhooks.pages.requests import (
    add_errors,
    endpoint_of,
    require_manage_permission,
    secret_page,
    with_waiting,
)
from webhooks.permissions import can_manage
from webhooks.sending import replay


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def overview(request: HttpRequest, caller: Caller) -> HttpResponse:
    """List the endpoints, and create one."""
    form = NewEndpointForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            require_manage_permission(caller)
            with transaction.atomic(durable=True):
                endpoint, secret = endpoints.create(
                    caller.workspace, **form.cleaned_data
                )
        except AppError as error:
            add_errors(form, error)
        else:
            return secret_page(request, endpoint, secret)
    return render(
        request,
        "webhooks/overview.html",
        {
            "endpoints": with_waiting(Endpoint.objects.visible_to(caller)),
            "form": form,
            "can_manage": can_manage(caller),
            "sees_secret": has_permission(
                caller.member_role, Permission.SEE_DEFAULT_SECRET
            ),
            "snippets": snippets.all_snippets(),
        },
        status=400 if form.errors else 200,
    )


@require_safe
@login_required
def events_page(request: HttpRequest, caller: Caller) -> HttpResponse:
    """Show each event type with an example of its data."""
    return render(request, "webhooks/events.html", {"types": event_types().values()})


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def endpoint_page(
    request: HttpRequest, caller: Caller, endpoint_id: UUID
) -> HttpResponse:
    """Show an endpoint, its health and its deliveries; change it."""
    endpoint = endpoint_of(caller, endpoint_id)
    initial = {
        "url": endpoint.url,
        "description": endpoint.description,
        "events": endpoint.events,
    }
    form = EndpointForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            require_manage_permission(caller)
            with transaction.atomic(durable=True):
                endpoints.change(endpoint.pk, **form.cleaned_data)
        except AppError as error:
            add_errors(form, error)
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
            "can_manage": can_manage(caller),
        }
        | log(request, deliveries),
        status=400 if form.errors else 200,
    )


@require_POST
@login_required
def action(
    request: HttpRequest, caller: Caller, endpoint_id: UUID, verb: str
) -> HttpResponse:
    """Run the action of a button on an endpoint's page."""
    endpoint = endpoint_of(caller, endpoint_id)
    if (run := _ENDPOINT_ACTIONS.get(verb)) is None:
        raise Http404
    try:
        require_manage_permission(caller)
        with transaction.atomic(durable=True):
            return run(request, endpoint)
    except AppError as error:
        messages.error(request, str(error))
        return redirect("webhook-page", endpoint.pk)


def _switch_on(request: HttpRequest, endpoint: Endpoint) -> HttpResponse:
    endpoints.change(endpoint.pk, is_enabled=True)
    messages.success(request, "Switched on. You can send missed events again below.")
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
    return secret_page(request, endpoint, secret)


def _send_test(request: HttpRequest, endpoint: Endpoint) -> HttpResponse:
    return redirect("delivery-page", endpoints.send_test(endpoint.pk).pk)


def _replay_failed(request: HttpRequest, endpoint: Endpoint) -> HttpResponse:
    form = SinceForm(request.POST)
    if not form.is_valid():
        raise Http404
    count = replay.replay_failed(endpoint.pk, since=form.since)
    messages.success(request, f"Deliveries that will be sent again: {count}.")
    return redirect("webhook-page", endpoint.pk)


_ENDPOINT_ACTIONS: dict[str, Callable[[HttpRequest, Endpoint], HttpResponse]] = {
    "on": _switch_on,
    "off": _switch_off,
    "delete": _delete,
    "rotate": _rotate,
    "test": _send_test,
    "replay": _replay_failed,
}
