"""Querysets of endpoints and deliveries; requests use `for_workspace` or `visible_to`."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Count, OuterRef, Q, Subquery, Value
from django.db.models.functions import Coalesce, Now, NullIf

from webhooks.events import hidden_types

if TYPE_CHECKING:
    from accounts.caller import Caller
    from accounts.models import Workspace
    from webhooks.models import Delivery, Endpoint  # noqa: F401

_ENDED_WITHOUT_SUCCESS = ("failed", "canceled")


class EndpointQuerySet(models.QuerySet["Endpoint"]):
    """Endpoints."""

    def for_workspace(self, workspace: Workspace) -> EndpointQuerySet:
        """Return the endpoints that members of `workspace` may see."""
        return self.filter(workspace=workspace, deleted_at=None)

    def visible_to(self, caller: Caller) -> EndpointQuerySet:
        """Return the endpoints that `caller` may see and change.

        A token that is bound to an environment sees only endpoints of that environment: an
        endpoint for both would show it events of the other.
        """
        mine = self.for_workspace(caller.workspace)
        if caller.token is not None and caller.token.environment:
            return mine.filter(environment=caller.token.environment)
        return mine

    def subscribed(self, workspace_id: uuid.UUID, event_type: str) -> EndpointQuerySet:
        """Return the endpoints that subscribe to this type of event, disabled ones too."""
        return self.filter(
            workspace_id=workspace_id, deleted_at=None, events__contains=[event_type]
        )


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    """Deliveries."""

    def for_workspace(self, workspace: Workspace) -> DeliveryQuerySet:
        """Return the deliveries that members of `workspace` may see."""
        return self.filter(workspace=workspace, endpoint__deleted_at=None)

    def visible_to(self, caller: Caller) -> DeliveryQuerySet:
        """Return the deliveries that `caller` may see and send again.

        A token that is bound to an environment sees only that environment. Members without
        the permission to see money don't see deliveries about money.
        """
        mine = self.for_workspace(caller.workspace)
        if hidden := hidden_types(caller):
            mine = mine.exclude(event__type__in=hidden)
        if caller.token is not None and caller.token.environment:
            return mine.filter(event__environment=caller.token.environment)
        return mine

    def with_last_attempt(self) -> DeliveryQuerySet:
        """Add `tried`, `last_status` and `last_failure`, and join event and endpoint."""
        attempts = self.model._meta.get_field("tries").related_model._default_manager
        of_delivery = attempts.filter(delivery=OuterRef("pk")).order_by("-id")
        count = of_delivery.order_by().values("delivery").annotate(count=Count("pk"))
        return self.select_related("event", "endpoint").annotate(
            tried=Coalesce(Subquery(count.values("count")), 0),
            last_status=Subquery(of_delivery.values("status")[:1]),
            last_failure=NullIf(Subquery(of_delivery.values("failure")[:1]), Value("")),
        )

    def waiting(self) -> DeliveryQuerySet:
        """Return the queued deliveries that are due."""
        return self.filter(status="queued", ready_at__lte=Now())

    def open(self) -> DeliveryQuerySet:
        """Return the deliveries whose endpoint is enabled, or that have no endpoint."""
        return self.filter(
            Q(endpoint=None)
            | Q(endpoint__is_enabled=True, endpoint__deleted_at__isnull=True)
        )

    def waiting_by_lane(self, lanes: list[str]) -> dict[str, int]:
        """Return the number of queued deliveries of each lane; 0 is left out."""
        rows = self.filter(status="queued", lane__in=lanes).order_by()
        return dict(rows.values_list("lane").annotate(count=Count("pk")))

    def unfinished(self) -> DeliveryQuerySet:
        """Return the deliveries that are queued or being sent."""
        return self.filter(status__in=("queued", "processing"))

    def undelivered(self, since: datetime) -> DeliveryQuerySet:
        """Return the deliveries created since a time that failed or were canceled."""
        return self.filter(Q(status__in=_ENDED_WITHOUT_SUCCESS), created_at__gte=since)
