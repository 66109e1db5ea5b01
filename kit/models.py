"""Records of mechanics: repeated requests, quotas, mails, and what can be claimed."""

from django.db import models
from django.db.models.functions import Now

from kit.ids import new_id


class IdempotencyRecord(models.Model):
    """The first answer to a request that came with an Idempotency-Key.

    `status` is null while the request that made the row still runs; `subject` then names
    what it works on, so that whoever ends that work also settles this row.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    scope = models.CharField(
        max_length=200,
        help_text="workspace or guest network, environment, method, path",
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
    """How often something was done in a period; counted exactly, under concurrency."""

    name = models.CharField(max_length=60, help_text="what is counted")
    subject = models.CharField(max_length=120, help_text="who is counted")
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

    A `queued` row may be claimed from `ready_at` on. A `processing` row is held until
    `lease_until` by whoever got `fence`; past that moment anybody may take it back.
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
        default=0, help_text="grows with each claim; only the newest holder may settle"
    )
    attempts = models.PositiveIntegerField(
        default=0, help_text="tries that ended with an error"
    )
    crashes = models.PositiveIntegerField(
        default=0, help_text="times that the holder vanished without a word"
    )
    strikes = models.PositiveIntegerField(
        default=0,
        help_text="times that it ended a process of its own while its parent lived",
    )

    class Meta:
        abstract = True


class Mail(Claimable):
    """A mail to send: a row of the outbox, which a worker sends (`kit.mail.outbox`)."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    to = models.EmailField()
    subject = models.CharField(max_length=200)
    sealed_text = models.BinaryField(
        help_text="encrypted, for it may hold a login code; emptied once it is settled"
    )
    send_until = models.DateTimeField(help_text="too late to be of use after this")
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
