"""Create, change, test, disable and delete webhook endpoints."""

import uuid
from collections.abc import Sequence

from django.utils import timezone

from accounts.errors import InvalidEnvironment
from accounts.models import ApiToken, Workspace
from kit.db.transactions import needs_transaction
from kit.errors import Invalid, NotFound
from kit.ids import new_id
from kit.secrets import Secret
from webhooks import notices
from webhooks.emit import send_to
from webhooks.errors import EndpointDisabled, TooManyEndpoints
from webhooks.events import TEST, event_types
from webhooks.models import Delivery, Endpoint
from webhooks.sending import addresses, signing

MAX_ENDPOINTS = 20
"""Most endpoints of one workspace."""


@needs_transaction
def create(
    workspace: Workspace,
    *,
    url: str,
    events: Sequence[str],
    description: str = "",
    environment: str = "",
    maker: ApiToken | None = None,
) -> tuple[Endpoint, Secret]:
    """Create an endpoint; return it with its secret, which is shown only now.

    It gets events of `environment`, or of both if that is empty. If the token of the
    request, `maker`, is bound to an environment, so is the endpoint.

    Raises:
        InvalidEnvironment: `maker` is bound to the other environment.
        UnusableURL: the URL is not allowed.
        Invalid: an event type is unknown, or there is none.
        TooManyEndpoints: the workspace has the maximum number of endpoints.
    """
    if maker and maker.environment:
        if environment not in ("", maker.environment):
            raise InvalidEnvironment
        environment = maker.environment
    addresses.parse(url)
    # Locked, so that two requests at the same time are counted correctly.
    Workspace.objects.select_for_update(no_key=True).get(pk=workspace.pk)
    if Endpoint.objects.for_workspace(workspace).count() >= MAX_ENDPOINTS:
        raise TooManyEndpoints(limit=MAX_ENDPOINTS)
    endpoint = Endpoint(
        id=new_id(),
        workspace=workspace,
        url=url,
        events=_validated(events),
        description=description,
        environment=environment,
        created_at=timezone.now(),
    )
    secret = signing.new_secret()
    signing.set_secret(endpoint, secret)
    endpoint.save(force_insert=True)
    return endpoint, secret


@needs_transaction
def change(
    endpoint_id: uuid.UUID,
    *,
    url: str | None = None,
    events: Sequence[str] | None = None,
    description: str | None = None,
    is_enabled: bool | None = None,
) -> Endpoint:
    """Change the given fields of an endpoint, and return it.

    Enabling it resets its failures, and so does a new URL. Queued deliveries are sent to a
    new URL at once.

    Raises:
        UnusableURL, Invalid: as for `create`.
        NotFound: it has been removed.
    """
    endpoint = lock(endpoint_id)
    if url is not None:
        addresses.parse(url)
        if url != endpoint.url:
            endpoint.url, endpoint.rests_until = url, None
            endpoint.failing_since, endpoint.failures = None, 0
    if events is not None:
        endpoint.events = _validated(events)
    if description is not None:
        endpoint.description = description
    health = ["rests_until", "failing_since", "failures"]
    endpoint.save(update_fields=["url", "events", "description", *health])
    if is_enabled is not None and is_enabled != endpoint.is_enabled:
        if is_enabled:
            _switch_on(endpoint)
        else:
            switch_off(endpoint.pk, Endpoint.Off.OWNER)
        endpoint.refresh_from_db()
    return endpoint


@needs_transaction
def switch_off(endpoint_id: uuid.UUID, why: Endpoint.Off) -> None:
    """Disable an endpoint, and mail its owners unless they did it.

    Queued deliveries are canceled, and can be replayed later.
    """
    now = timezone.now()
    # No mail for an endpoint that was deleted while it was called: its owner knows.
    switched = Endpoint.objects.filter(
        pk=endpoint_id, is_enabled=True, deleted_at=None
    ).update(is_enabled=False, disabled_because=why, disabled_at=now)
    if switched:
        _cancel_waiting(endpoint_id)
        if why != Endpoint.Off.OWNER:
            notices.notify_disabled(
                Endpoint.objects.select_related("workspace").get(pk=endpoint_id)
            )


@needs_transaction
def delete(endpoint_id: uuid.UUID) -> None:
    """Delete an endpoint at once; a scheduled task deletes its deliveries later.

    Safe to repeat.
    """
    Endpoint.objects.filter(pk=endpoint_id, deleted_at=None).update(
        deleted_at=timezone.now()
    )
    _cancel_waiting(endpoint_id)


@needs_transaction
def rotate(endpoint_id: uuid.UUID) -> tuple[Endpoint, Secret]:
    """Give an endpoint a new secret; the old one signs too for 24 hours.

    Raises:
        RotationInProgress: the last rotation was less than 24 h ago.
        NotFound: it has been removed.
    """
    endpoint = lock(endpoint_id)
    return endpoint, signing.rotate(endpoint)


@needs_transaction
def send_test(endpoint_id: uuid.UUID) -> Delivery:
    """Send a test event to this endpoint only; return the delivery.

    Raises:
        EndpointDisabled: it is disabled.
        NotFound: it has been removed.
    """
    endpoint = lock(endpoint_id)
    if not endpoint.is_enabled:
        raise EndpointDisabled
    data = {
        **TEST.example,
        "endpoint_id": str(endpoint.pk),
        "environment": endpoint.environment or None,
    }
    event = send_to(endpoint.workspace_id, TEST, data, [endpoint])
    return Delivery.objects.get(event=event)


@needs_transaction
def lock(endpoint_id: uuid.UUID) -> Endpoint:
    """Return an endpoint, locked until the transaction ends.

    Raises:
        NotFound: it has been removed.
    """
    rows = Endpoint.objects.select_for_update().filter(pk=endpoint_id, deleted_at=None)
    if endpoint := rows.first():
        return endpoint
    raise NotFound


def _switch_on(endpoint: Endpoint) -> None:
    endpoint.is_enabled = True
    endpoint.disabled_because = ""
    endpoint.disabled_at = endpoint.failing_since = endpoint.rests_until = None
    endpoint.failures = 0
    endpoint.save(
        update_fields=[
            "is_enabled",
            "disabled_because",
            "disabled_at",
            "failing_since",
            "rests_until",
            "failures",
        ]
    )


def _cancel_waiting(endpoint_id: uuid.UUID) -> None:
    Delivery.objects.filter(endpoint=endpoint_id, status=Delivery.Status.QUEUED).update(
        status=Delivery.Status.CANCELED, finished_at=timezone.now()
    )


def _validated(events: Sequence[str]) -> list[str]:
    """Validate names of event types; return each once, in the order of declaration."""
    if not events:
        raise Invalid({"events": ["Choose at least one event type."]})
    if unknown := sorted(set(events) - event_types().keys()):
        raise Invalid({"events": [f"There is no event type {unknown[0]!r}."]})
    return [name for name in event_types() if name in events]
