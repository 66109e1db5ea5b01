"""Shared code of the webhook pages: endpoint, permission, secret and form errors."""

from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from accounts.caller import Caller
from accounts.errors import NotAllowed
from kit.errors import AppError, Invalid
from kit.secrets import Secret
from webhooks.models import Delivery, Endpoint
from webhooks.models.querysets import EndpointQuerySet
from webhooks.pages.forms import EndpointForm
from webhooks.permissions import can_manage

SHOWN = 50  # deliveries on a page


def secret_page(
    request: HttpRequest, endpoint: Endpoint, secret: Secret
) -> HttpResponse:
    """Show a new secret; only this answer has it."""
    return render(
        request,
        "webhooks/secret.html",
        {"endpoint": endpoint, "secret": secret.reveal_text()},
    )


def with_waiting(endpoints: EndpointQuerySet) -> list[Endpoint]:
    """Return endpoints, newest first, with `waiting`: their queued deliveries."""
    rows = list(endpoints.order_by("-pk"))
    waiting = Delivery.objects.waiting_by_lane([row.lane for row in rows])
    for row in rows:
        row.waiting = waiting.get(row.lane, 0)
    return rows


def require_manage_permission(caller: Caller) -> None:
    if not can_manage(caller):
        raise NotAllowed


def add_errors(form: EndpointForm, error: AppError) -> None:
    if isinstance(error, Invalid):
        for field, reasons in error.fields.items():
            assert isinstance(reasons, list)
            form.add_error(field, reasons)
    else:
        form.add_error(None, str(error))


def endpoint_of(caller: Caller, endpoint_id: UUID) -> Endpoint:
    mine = Endpoint.objects.visible_to(caller)
    if found := with_waiting(mine.filter(pk=endpoint_id)):
        return found[0]
    raise Http404


def as_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
