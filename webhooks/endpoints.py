"""Endpoints: made, changed, tried out, switched off and removed."""

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

MOST = 20
"""Endpoints of one workspace."""


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
    """Make an endpoint; return it with its secret, which is told now and never again.

    It hears of `environment`, or of both if that is empty. A token that makes it, `maker`,
    hands on its own.

    Raises:
        InvalidEnvironment: `maker` is bound to the other environment.
        UnusableURL: we would never call that address.
        Invalid: there is no such type of event, or none is named.
        TooManyEndpoints: the workspace has its share.
    """
    if maker and maker.environment:
        if environment not in ("", maker.environment):
            raise InvalidEnvironment
        environment = maker.environment
    addresses.parse(url)
    # Locked, so that two requests at the same time are counted one after the other.
    Workspace.objects.select_for_update(no_key=True).get(pk=workspace.pk)
    if Endpoint.objects.for_workspace(workspace).count() >= MOST:
        raise TooManyEndpoints(limit=MOST)
    endpoint = Endpoint(
        id=new_id(),
        workspace=workspace,
        url=url,
        events=_known(events),
        description=description,
        environment=environment,
        created_at=timezone.now(),
    )
    secret = signing.new_secret()
    signing.give_secret(endpoint, secret)
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
    """Change what is given, and return the endpoint.

    Switching on forgets past failures, and so does a new address, to which what waits
    goes at once.

    Raises:
        UnusableURL, Invalid: as for a new one.
        NotFound: it has been removed.
    """
    endpoint = lock(endpoint_id)
    if url is not None:
        addresses.parse(url)
        if url != endpoint.url:
            endpoint.url, endpoint.rests_until = url, None
            endpoint.failing_since, endpoint.failures = None, 0
    if events is not None:
        endpoint.events = _known(events)
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
    """Send nothing more to an endpoint, and mail its owners unless they did it.

    What waits is canceled, and can be replayed later.
    """
    now = timezone.now()
    # One that was removed while it was called gets no mail: its owner knows.
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
    """Remove an endpoint at once; its deliveries go when a purge comes by.

    Harmless to repeat.
    """
    Endpoint.objects.filter(pk=endpoint_id, deleted_at=None).update(
        deleted_at=timezone.now()
    )
    _cancel_waiting(endpoint_id)


@needs_transaction
def rotate(endpoint_id: uuid.UUID) -> tuple[Endpoint, Secret]:
    """Give an endpoint a new secret; the old one signs besides for 24 hours.

    Raises:
        RotationInProgress: the last rotation was less than 24 h ago.
        NotFound: it has been removed.
    """
    endpoint = lock(endpoint_id)
    return endpoint, signing.rotate(endpoint)


@needs_transaction
def send_test(endpoint_id: uuid.UUID) -> Delivery:
    """Send a test event to this endpoint alone.

    Raises:
        EndpointDisabled: it is off.
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


def _known(events: Sequence[str]) -> list[str]:
    """Return the names in the order of their declaration, each once."""
    if not events:
        raise Invalid({"events": ["Name at least one type of event."]})
    if unknown := sorted(set(events) - event_types().keys()):
        raise Invalid({"events": [f"There is no event {unknown[0]!r}."]})
    return [name for name in event_types() if name in events]
