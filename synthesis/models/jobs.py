"""The model `Job`: a text to synthesize, with its price and its state."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from accounts.models import ApiToken, User, Workspace
from billing.models import Payer
from kit.ids import new_id
from synthesis.models.querysets import JobQuerySet


class Job(models.Model):
    """A text to synthesize: one or more scenes, priced before they are spoken."""

    class Status(models.TextChoices):
        QUEUED = "queued"
        PROCESSING = "processing"
        COMPLETED = "completed"
        PARTIAL = "partial"
        FAILED = "failed"
        CANCELED = "canceled"

    class Source(models.TextChoices):
        JOBS = "jobs"
        SPEECH = "speech"  # spoken at once, by the web process that took the request

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    workspace = models.ForeignKey(Workspace, models.PROTECT, related_name="jobs")
    environment = models.CharField(max_length=10)
    created_by = models.ForeignKey(
        User, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    token = models.ForeignKey(
        ApiToken, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    source = models.CharField(max_length=8, choices=Source.choices, default=Source.JOBS)
    title = models.CharField(max_length=200, blank=True)
    format = models.CharField(max_length=8, default="mp3")
    fallback = models.JSONField(default=list, blank=True, help_text="voices, in order")
    fallback_prices = models.JSONField(
        default=dict,
        blank=True,
        help_text="quoted credits per character of each; null: spoken with an own key",
    )
    webhook_url = models.CharField(max_length=2048, blank=True)
    metadata = models.JSONField(null=True, blank=True)
    status = models.CharField(
        max_length=12, choices=Status.choices, default=Status.QUEUED
    )
    is_paused = models.BooleanField(default=False)
    reason = models.CharField(
        max_length=40,
        blank=True,
        help_text="why it was canceled, or why the last change was not spoken",
    )
    rounds = models.PositiveIntegerField(default=1, help_text="priced rounds so far")
    characters = models.PositiveBigIntegerField()
    cost = models.PositiveBigIntegerField(help_text="credits reserved, over all rounds")
    charged = models.PositiveBigIntegerField(default=0, help_text="credits captured")
    charged_to_subscription = models.PositiveBigIntegerField(
        default=0, help_text="the part of `charged` that an allowance paid"
    )
    refunded = models.PositiveBigIntegerField(default=0, help_text="credits released")
    billed_to = models.CharField(max_length=12, choices=Payer.choices)
    is_deleted = models.BooleanField(default=False)
    deleted_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(
        null=True, blank=True, help_text="when its files are removed"
    )
    stored_bytes = models.PositiveBigIntegerField(
        default=0, help_text="size of its files; triggers add it to the workspace's"
    )
    files_removed_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = JobQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(
                fields=["workspace", "environment", "-id"],
                condition=Q(is_deleted=False),
                name="job_list",
            ),
            models.Index(fields=["status", "id"], name="job_by_status"),
            models.Index(
                fields=["expires_at"],
                condition=Q(files_removed_at=None),
                name="job_expiry",
            ),
            models.Index(
                fields=["deleted_at"],
                condition=Q(is_deleted=True),
                name="job_deletion",
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(cost__gte=F("charged") + F("refunded")),
                name="job_accounts_for_its_cost",
            ),
            models.CheckConstraint(
                condition=Q(is_deleted=False) | Q(deleted_at__isnull=False),
                name="job_deletion_dated",
            ),
        ]

    def __str__(self) -> str:
        return self.title or str(self.id)

    @property
    def is_finished(self) -> bool:
        """Whether the job has ended. A retry or an edit of a scene starts it again."""
        return self.status not in (Job.Status.QUEUED, Job.Status.PROCESSING)
