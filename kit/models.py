"""Tables for idempotency keys, quotas and mails, and the base of all claimable rows."""

from django.db import models
from django.db.models.functions import Now

from kit.ids import new_id


class IdempotencyRecord(models.Model):
    """The answer to the first request with an Idempotency-Key.

    `status` is null while that request is still running. `subject` then names what it
    works on, so that the code that ends this work can also complete or delete the row.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    scope = models.CharField(
        max_length=200,
        help_text="workspace or guest network, environment, method and path",
    )
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64, help_text="SHA-256 of the raw body")
    status = models.PositiveSmallIntegerField(null=True)
    body = models.TextField(
        blank=True, help_text="JSON as sent; a JSON column would sort its keys"
    )
    subject = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["scope", "key"], name="idempotency_once")
        ]
        indexes = [
            models.Index(fields=["created_at"], name="idempotency_age"),
            models.Index(
                fields=["subject"],
                condition=~models.Q(subject=""),
                name="idempotency_subject",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.scope} {self.key}"


class QuotaCounter(models.Model):
    """How often something was done in a period; counted exactly, also concurrently."""

    name = models.CharField(max_length=60, help_text="what is counted")
    subject = models.CharField(max_length=120, help_text="for whom it is counted")
    period = models.DateField(help_text="first day of the period, UTC")
    used = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["name", "subject", "period"], name="quota_once"
            )
        ]
        indexes = [models.Index(fields=["period"], name="quota_age")]

    def __str__(self) -> str:
        return f"{self.name} of {self.subject} on {self.period}: {self.used}"


class Claimable(models.Model):
    """A unit of work that one process at a time may hold: see `kit.work.claims`.

    A `queued` row may be claimed from `ready_at` on. A `processing` row belongs to the
    holder of `fence` until `lease_until`; after that, any process may requeue it.
    """

    class Status(models.TextChoices):
        QUEUED = "queued"
        PROCESSING = "processing"
        COMPLETED = "completed"
        FAILED = "failed"
        CANCELED = "canceled"

    status = models.CharField(
        max_length=12, choices=Status.choices, default=Status.QUEUED
    )
    ready_at = models.DateTimeField(db_default=Now())
    lease_until = models.DateTimeField(null=True, blank=True)
    fence = models.PositiveIntegerField(
        default=0, help_text="number of claims; only the newest holder may settle"
    )
    attempts = models.PositiveIntegerField(
        default=0, help_text="number of tries that failed with an error"
    )
    crashes = models.PositiveIntegerField(
        default=0, help_text="number of times that its worker was lost"
    )
    strikes = models.PositiveIntegerField(
        default=0,
        help_text="number of times that it killed a child process of a live worker",
    )

    class Meta:
        abstract = True


class Mail(Claimable):
    """A mail of the outbox, which a worker sends: see `kit.mail.outbox`."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    to = models.EmailField()
    subject = models.CharField(max_length=200)
    encrypted_text = models.BinaryField(
        help_text="encrypted, since it may contain a login code; removed once settled"
    )
    send_until = models.DateTimeField(help_text="not sent after this time")
    created_at = models.DateTimeField(db_default=Now())
    settled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["ready_at"],
                condition=models.Q(status="queued"),
                name="mail_waiting",
            ),
            models.Index(
                fields=["lease_until"],
                condition=models.Q(status="processing"),
                name="mail_under_way",
            ),
            models.Index(fields=["created_at"], name="mail_age"),
        ]

    def __str__(self) -> str:
        return f"{self.subject}, to {self.to}"
