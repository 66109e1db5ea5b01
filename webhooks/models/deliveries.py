"""Events, their deliveries to endpoints, and every attempt."""

import uuid
import zlib

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from accounts.models import Workspace
from kit.ids import new_id
from kit.models import Claimable
from webhooks.models.endpoints import Endpoint
from webhooks.models.querysets import DeliveryQuerySet


class Event(models.Model):
    """An event that is sent to all endpoints that subscribe to its type.

    The body is the bytes that are signed and sent; a trigger refuses to change them. The
    id is the `webhook-id` of all its deliveries.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="+")
    type = models.CharField(max_length=60)
    environment = models.CharField(
        max_length=10, blank=True, help_text="in which it happened; empty: in neither"
    )
    body = models.BinaryField(editable=False)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [models.Index(fields=["created_at"], name="event_age")]

    def __str__(self) -> str:
        return f"{self.type} {self.id}"

    @property
    def text(self) -> str:
        """The body as text."""
        return bytes(self.body).decode()


class Delivery(Claimable):
    """The delivery of one event to one address.

    `queued` waits for its next attempt, `completed` has arrived, `failed` has used up its
    attempts, `canceled` was not sent because the endpoint is off. `attempts` counts the
    failures since it was queued or replayed; the retry schedule depends on it.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="+")
    event = models.ForeignKey(Event, models.CASCADE, related_name="deliveries")
    endpoint = models.ForeignKey(
        Endpoint,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="deliveries",
        help_text="empty: it is sent to `url`, an address for this event only",
    )
    url = models.CharField(max_length=2048, blank=True)
    lane = models.CharField(
        max_length=60,
        help_text="only a few deliveries of a lane are sent at the same time",
    )
    created_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "deliveries"
        constraints = [
            models.UniqueConstraint(
                fields=["event", "endpoint"], name="delivery_once_per_endpoint"
            ),
            models.CheckConstraint(
                condition=Q(endpoint__isnull=False, url="")
                | (Q(endpoint__isnull=True) & ~Q(url="")),
                name="delivery_has_one_address",
            ),
        ]
        indexes = [
            models.Index(
                fields=["lane", "ready_at", "id"],
                condition=Q(status="queued"),
                name="delivery_next",
            ),
            models.Index(
                fields=["lease_until"],
                condition=Q(status="processing"),
                name="delivery_leased",
            ),
            models.Index(fields=["endpoint", "-id"], name="delivery_of_endpoint"),
            models.Index(fields=["workspace", "-id"], name="delivery_of_workspace"),
        ]

    def __str__(self) -> str:
        return str(self.id)

    @property
    def address(self) -> str:
        """The URL that it is sent to now: that of its endpoint, or its own."""
        return self.endpoint.url if self.endpoint else self.url


class Attempt(models.Model):
    """One call to a customer's server, and its result."""

    class Failure(models.TextChoices):
        """Why there was no answer. Coarse on purpose: it must not reveal our network."""

        UNREACHABLE = "unreachable", "the address could not be reached"
        TLS = "tls", "no secure connection could be made"
        TIMEOUT = "timeout", "there was no answer in time"
        BROKEN = "broken", "the connection was closed without a valid answer"
        URL = "url", "this address is not allowed"
        INTERNAL = "internal", "something went wrong on our side"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    delivery = models.ForeignKey(Delivery, models.CASCADE, related_name="tries")
    url = models.CharField(max_length=2048)
    started_at = models.DateTimeField(help_text="also the signed `webhook-timestamp`")
    duration_ms = models.PositiveIntegerField()
    address = models.CharField(
        max_length=45, blank=True, help_text="IP address that was called"
    )
    status = models.PositiveSmallIntegerField(
        null=True, help_text="HTTP status of the answer"
    )
    failure = models.CharField(max_length=12, choices=Failure.choices, blank=True)
    answer = models.TextField(blank=True, help_text="beginning of the answer's body")
    next_at = models.DateTimeField(
        null=True, blank=True, help_text="when the next attempt was due"
    )

    class Meta:
        indexes = [models.Index(fields=["delivery", "id"], name="attempt_list")]

    def __str__(self) -> str:
        return f"{self.started_at:%Y-%m-%d %H:%M:%S} {self.status or self.failure}"

    @property
    def is_success(self) -> bool:
        """Whether the event has arrived."""
        return is_success(self.status)


class Turn(models.Model):
    """When a lane or a workspace was last served; the least recently served is next.

    Only `webhooks.sending.claiming` reads and writes it.
    """

    name = models.CharField(primary_key=True, max_length=60)
    served_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["served_at"], name="turn_age")]

    def __str__(self) -> str:
        return f"{self.name} at {self.served_at:%H:%M:%S}"


def is_success(status: int | None) -> bool:
    """Return whether an HTTP status means that the event has arrived: only 2xx does."""
    return status is not None and 200 <= status < 300


def lane_of_url(workspace_id: uuid.UUID, url: str) -> str:
    """Return the lane of deliveries to a job's own address, which has no endpoint.

    Addresses on one host share a lane. A workspace has sixteen such lanes, for any number
    of hosts.
    """
    host = url.partition("://")[2].partition("/")[0].lower()
    return f"jobs:{workspace_id}:{zlib.crc32(host.encode()) % 16}"
