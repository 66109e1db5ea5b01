"""Jobs, their scenes, the pieces of audio they are made of, and what is assembled."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from accounts.models import ApiToken, User, Workspace
from billing.models import Payer
from kit.ids import new_id
from kit.models import Claimable
from providers.models.querysets import PLATFORM
from synthesis.models.querysets import JobQuerySet, SceneQuerySet


class Job(models.Model):
    """A script on its way to audio: one or many scenes, priced before they are spoken."""

    class Status(models.TextChoices):
        QUEUED = "queued"
        PROCESSING = "processing"
        COMPLETED = "completed"
        PARTIAL = "partial"
        FAILED = "failed"
        CANCELED = "canceled"

    class Source(models.TextChoices):
        JOBS = "jobs"
        SPEECH = "speech"  # at once: spoken by the web process that took the request

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
        help_text="credits per character that each was quoted at; null: by an own key",
    )
    webhook_url = models.CharField(max_length=2048, blank=True)
    metadata = models.JSONField(null=True, blank=True)
    status = models.CharField(
        max_length=12, choices=Status.choices, default=Status.QUEUED
    )
    is_paused = models.BooleanField(default=False)
    reason = models.CharField(
        max_length=40, blank=True, help_text="why it was canceled"
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
        """Whether nothing more happens unless somebody asks for it."""
        return self.status not in (Job.Status.QUEUED, Job.Status.PROCESSING)


class Scene(Claimable):
    """A part of a job with one voice: the unit of claiming, of failure and of charging."""

    class Queue(models.TextChoices):
        LOCAL = "local"  # works on this machine's processors
        REMOTE = "remote"  # waits for somebody else's

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    job = models.ForeignKey(Job, models.CASCADE, related_name="scenes")
    workspace = models.ForeignKey(Workspace, models.PROTECT, related_name="+")
    index = models.PositiveIntegerField(help_text="place in the job, from 1")
    title = models.CharField(max_length=200, blank=True)
    text = models.TextField()
    shifts = models.JSONField(
        default=list,
        blank=True,
        help_text="where it stands in the text that was sent: see `synthesis.text.splitting`",
    )
    voice = models.CharField(max_length=200, help_text="id in the catalogue")
    provider = models.CharField(max_length=40, help_text="slug; part of the voice's id")
    credential = models.CharField(
        max_length=80, default=PLATFORM, help_text="whose key calls the provider"
    )
    is_for_own_key = models.BooleanField(
        default=False, help_text="quoted with an own key: no key of ours stands in"
    )
    spoken_by = models.CharField(
        max_length=200,
        blank=True,
        help_text="the fallback voice in place of `voice`; empty: that one itself",
    )
    fallbacks_left = models.PositiveIntegerField(
        default=0, help_text="voices of the job's that may still take over"
    )
    speed = models.FloatField(default=1.0)
    options = models.JSONField(default=dict, blank=True)
    characters = models.PositiveIntegerField()
    cost = models.PositiveBigIntegerField(help_text="credits, fixed at submit")
    spoken_cost = models.PositiveBigIntegerField(
        null=True, blank=True, help_text="what a cheaper fallback voice costs"
    )
    round = models.PositiveIntegerField(
        default=1, help_text="the priced round that pays for it"
    )
    render = models.PositiveIntegerField(
        default=1, help_text="grows each time that it is spoken anew"
    )
    queue = models.CharField(max_length=8, choices=Queue.choices)
    turn = models.PositiveBigIntegerField(
        help_text="virtual time; the lowest is spoken next"
    )
    is_held = models.BooleanField(
        default=False, help_text="not claimable: its job is paused, or it is at once"
    )
    error_code = models.CharField(max_length=40, blank=True)
    audio = models.CharField(
        max_length=300, blank=True, help_text="name in the storage"
    )
    words = models.CharField(
        max_length=300, blank=True, help_text="name in the storage"
    )
    timing = models.CharField(max_length=10, blank=True, help_text="exact or estimated")
    duration_ms = models.PositiveBigIntegerField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = SceneQuerySet.as_manager()

    class Meta:
        ordering = ["job", "index"]
        constraints = [
            models.UniqueConstraint(fields=["job", "index"], name="scene_place"),
            models.CheckConstraint(
                condition=~Q(status="completed")
                | (~Q(audio="") & Q(duration_ms__isnull=False)),
                name="scene_completed_has_audio",
            ),
            models.CheckConstraint(
                condition=~Q(status="processing") | Q(lease_until__isnull=False),
                name="scene_processing_is_leased",
            ),
            models.CheckConstraint(
                condition=Q(credential=PLATFORM)
                | Q(cost=0)
                | Q(spoken_cost=0, spoken_cost__isnull=False),
                name="scene_by_own_key_is_free",
            ),
            models.CheckConstraint(
                condition=Q(spoken_cost=None) | Q(spoken_cost__lte=F("cost")),
                name="scene_never_dearer",
            ),
        ]
        indexes = [
            models.Index(
                fields=["queue", "turn", "index", "id"],
                condition=Q(status="queued", is_held=False),
                name="scene_next",
            ),
            models.Index(
                fields=[
                    *("queue", "workspace", "provider", "credential"),
                    *("turn", "index", "id"),
                ],
                condition=Q(status="queued", is_held=False),
                name="scene_lane",
            ),
            models.Index(fields=["workspace", "-turn"], name="scene_last_turn"),
            models.Index(fields=["-turn"], name="scene_newest_turn"),
            models.Index(
                fields=["job", "round"],
                condition=Q(status__in=["queued", "processing"]),
                name="scene_unfinished",
            ),
            models.Index(
                fields=["lease_until"],
                condition=Q(status="processing"),
                name="scene_leased",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.job_id} · {self.index}"

    @property
    def speaker(self) -> str:
        """The voice that speaks: the one that was asked for, or a fallback."""
        return self.spoken_by or self.voice

    @property
    def price(self) -> int:
        """Credits that are captured when it is spoken."""
        return self.cost if self.spoken_cost is None else self.spoken_cost

    @property
    def holder(self) -> str:
        """This scene as held by this claim, for `providers.limits.upstreams`."""
        return f"{self.pk}:{self.fence}"


class Piece(models.Model):
    """The audio of one provider call. The file was there before the row."""

    scene = models.ForeignKey(Scene, models.CASCADE, related_name="pieces")
    render = models.PositiveIntegerField()
    ordinal = models.PositiveIntegerField(help_text="place in the scene, from 1")
    char_start = models.PositiveIntegerField(help_text="of its text in the scene's")
    char_end = models.PositiveIntegerField()
    audio = models.CharField(
        max_length=300, help_text="name in the storage; the words lie beside it"
    )
    samples = models.PositiveBigIntegerField()
    sample_rate = models.PositiveIntegerField(help_text="Hz")
    pause_ms = models.PositiveIntegerField(
        default=0, help_text="silence before the next piece of the scene"
    )
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["scene", "render", "ordinal"]
        constraints = [
            models.UniqueConstraint(
                fields=["scene", "render", "ordinal"], name="piece_place"
            )
        ]

    def __str__(self) -> str:
        return f"{self.scene_id} · {self.render} · {self.ordinal}"


class Assembly(Claimable):
    """A file made of a whole job: joined audio, chapters or an archive."""

    class Kind(models.TextChoices):
        ZIP = "zip"
        AUDIO = "audio"
        M4B = "m4b"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    job = models.ForeignKey(Job, models.CASCADE, related_name="assemblies")
    kind = models.CharField(max_length=8, choices=Kind.choices)
    version = models.CharField(
        max_length=64, help_text="digest of the renders that it is made of"
    )
    file = models.CharField(max_length=300, blank=True, help_text="name in the storage")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name_plural = "assemblies"
        constraints = [
            models.UniqueConstraint(
                fields=["job", "kind", "version"], name="assembly_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.job_id} · {self.kind}"
