"""Endpoints, the events they get, each event's way to each of them, and every attempt."""

import uuid
import zlib

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from accounts.models import Workspace
from kit.ids import new_id
from kit.models import Claimable
from webhooks.models.querysets import DeliveryQuerySet, EndpointQuerySet


class Signer(models.Model):
    """What signs: a sealed secret, and for a while after a rotation the one before it.

    Read and written by `webhooks.sending.signing` alone.
    """

    secret = models.BinaryField(editable=False)
    old_secret = models.BinaryField(null=True, editable=False)
    old_secret_until = models.DateTimeField(
        null=True, editable=False, help_text="both secrets sign until then"
    )

    class Meta:
        abstract = True

    @property
    def has_two_secrets(self) -> bool:
        """Whether the secret before a rotation still signs, too."""
        until = self.old_secret_until
        return until is not None and timezone.now() < until


class Endpoint(Signer):
    """An address of a customer that wants to hear of some types of event."""

    class Off(models.TextChoices):
        """Why an endpoint gets nothing."""

        OWNER = "owner", "switched off by its owner"
        OPERATOR = "operator", "switched off by Ozvena"
        GONE = "gone", "it answered 410"
        FAILING = "failing", "it failed for five days"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="+")
    url = models.CharField(max_length=2048)
    description = models.CharField(max_length=200, blank=True)
    environment = models.CharField(
        max_length=10, blank=True, help_text="it hears of this one; empty: of both"
    )
    events = ArrayField(models.CharField(max_length=60), help_text="types it gets")
    is_enabled = models.BooleanField(default=True)
    disabled_because = models.CharField(max_length=8, choices=Off.choices, blank=True)
    disabled_at = models.DateTimeField(null=True, blank=True)
    failing_since = models.DateTimeField(
        null=True, blank=True, help_text="first failure since the last success"
    )
    failures = models.PositiveIntegerField(
        default=0, help_text="attempts that failed since the last success"
    )
    succeeded_at = models.DateTimeField(null=True, blank=True, help_text="last success")
    rests_until = models.DateTimeField(
        null=True, blank=True, help_text="it asked us to wait (Retry-After)"
    )
    deleted_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    objects = EndpointQuerySet.as_manager()
    waiting = 0  # deliveries; counted for pages

    class Meta:
        indexes = [
            models.Index(
                fields=["workspace", "-id"],
                condition=Q(deleted_at=None),
                name="endpoint_list",
            )
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(is_enabled=True, disabled_because="", disabled_at=None)
                | (
                    Q(is_enabled=False, disabled_at__isnull=False)
                    & ~Q(disabled_because="")
                ),
                name="endpoint_says_why_it_is_off",
            ),
            models.CheckConstraint(
                condition=Q(environment__in=["", "PRODUCTION", "SANDBOX"]),
                name="endpoint_environment_known",
            ),
        ]

    def __str__(self) -> str:
        return self.url

    @property
    def is_resting(self) -> bool:
        """Whether it has asked us to wait, and we do."""
        return self.rests_until is not None and timezone.now() < self.rests_until

    @property
    def lane(self) -> str:
        """Name of the line that deliveries to this endpoint stand in."""
        return f"endpoint:{self.pk}"


class DefaultSigner(Signer):
    """What signs events that go to a job's own `webhook_url`."""

    workspace = models.OneToOneField(
        Workspace, models.CASCADE, primary_key=True, related_name="+"
    )

    def __str__(self) -> str:
        return f"default secret of {self.workspace_id}"


class Event(models.Model):
    """Something that happened, as it is told to everybody who listens.

    The body is the bytes that are sent and signed; a trigger refuses to change them. The
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
        """The body for people to read."""
        return bytes(self.body).decode()


class Delivery(Claimable):
    """One event's way to one address.

    `queued` waits for its next attempt, `completed` has arrived, `failed` has used up its
    attempts, `canceled` was not sent because the endpoint is off. `attempts` counts the
    failures since it was queued or replayed: it is the place in the schedule.
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
        help_text="none: it goes to `url`, an address for this event alone",
    )
    url = models.CharField(max_length=2048, blank=True)
    lane = models.CharField(
        max_length=60, help_text="few deliveries of a lane are sent at the same time"
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
        """Where it goes, as things stand."""
        return self.endpoint.url if self.endpoint else self.url


class Attempt(models.Model):
    """One call to a customer's server and what came of it."""

    class Failure(models.TextChoices):
        """Why there was no answer. Deliberately coarse: it must not map networks."""

        UNREACHABLE = "unreachable", "the address could not be reached"
        TLS = "tls", "no secure connection could be made"
        TIMEOUT = "timeout", "there was no answer in time"
        BROKEN = "broken", "the connection was closed without a valid answer"
        URL = "url", "this address is not one that we call"
        INTERNAL = "internal", "something went wrong on our side"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    delivery = models.ForeignKey(Delivery, models.CASCADE, related_name="tries")
    url = models.CharField(max_length=2048)
    started_at = models.DateTimeField(help_text="also the signed `webhook-timestamp`")
    duration_ms = models.PositiveIntegerField()
    address = models.CharField(
        max_length=45, blank=True, help_text="that the name stood for"
    )
    status = models.PositiveSmallIntegerField(null=True, help_text="of the answer")
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
    """When a lane or a workspace was last served: of several, the one longest ago is next.

    Written and read by `webhooks.sending.claiming` alone.
    """

    name = models.CharField(primary_key=True, max_length=60)
    served_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["served_at"], name="turn_age")]

    def __str__(self) -> str:
        return f"{self.name} at {self.served_at:%H:%M:%S}"


def is_success(status: int | None) -> bool:
    """Whether an answer with this status means that the event has arrived: 2xx alone."""
    return status is not None and 200 <= status < 300


def lane_of_url(workspace_id: uuid.UUID, url: str) -> str:
    """Return the lane of deliveries to an address that no endpoint has.

    Addresses on one host share a lane. A workspace has sixteen of them, however many
    hosts its jobs name.
    """
    host = url.partition("://")[2].partition("/")[0].lower()
    return f"jobs:{workspace_id}:{zlib.crc32(host.encode()) % 16}"
