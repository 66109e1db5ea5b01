"""The models `Scene`, a part of a job, `Take` and `Piece`: what was spoken of it."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from accounts.models import Workspace
from kit.ids import new_id
from kit.models import Claimable
from providers.models.querysets import PLATFORM
from synthesis.models.jobs import Job
from synthesis.models.querysets import SceneQuerySet


class Recording(models.Model):
    """What is spoken in one render, by which voice and at what price, and its files."""

    class Queue(models.TextChoices):
        LOCAL = "local"  # uses the CPU of this machine
        REMOTE = "remote"  # waits for a provider's server
        FILES = "files"  # all is spoken; joining and encoding the pieces takes long

    title = models.CharField(max_length=200, blank=True)
    text = models.TextField()
    shifts = models.JSONField(
        default=list,
        blank=True,
        help_text="maps offsets to the text as sent: see `synthesis.text.splitting`",
    )
    voice = models.CharField(max_length=200, help_text="id in the catalogue")
    provider = models.CharField(max_length=40, help_text="slug; part of the voice's id")
    credential = models.CharField(
        max_length=80, default=PLATFORM, help_text="whose key calls the provider"
    )
    is_for_own_key = models.BooleanField(
        default=False, help_text="quoted with an own key: never spoken with ours"
    )
    spoken_by = models.CharField(
        max_length=200,
        blank=True,
        help_text="the fallback voice that replaces `voice`; empty: `voice` itself",
    )
    fallbacks_left = models.PositiveIntegerField(
        default=0, help_text="fallback voices of the job that are left to try"
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
        default=1, help_text="number of the render; its pieces and files carry it"
    )
    queue = models.CharField(max_length=8, choices=Queue.choices)
    audio = models.CharField(
        max_length=300, blank=True, help_text="name in the storage"
    )
    words = models.CharField(
        max_length=300, blank=True, help_text="name in the storage"
    )
    timing = models.CharField(max_length=10, blank=True, help_text="exact or estimated")
    duration_ms = models.PositiveBigIntegerField(null=True, blank=True)
    stored_bytes = models.PositiveBigIntegerField(
        default=0, help_text="size of the files and pieces of the finished audio"
    )
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True

    @property
    def speaker(self) -> str:
        """The id of the voice that speaks: the requested one or a fallback."""
        return self.spoken_by or self.voice

    @property
    def price(self) -> int:
        """The credits that are captured when the scene completes."""
        return self.cost if self.spoken_cost is None else self.spoken_cost


RECORDED = tuple(field.name for field in Recording._meta.local_fields)
"""The columns of a recording, which a scene and its takes have in common."""


class Scene(Claimable, Recording):
    """A part of a job with one voice. Each scene is claimed, fails and is charged alone.

    Its own columns say what is spoken next, or was spoken last. While a scene that has
    audio is spoken again, `take` is what is heard of it.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    job = models.ForeignKey(Job, models.CASCADE, related_name="scenes")
    workspace = models.ForeignKey(Workspace, models.PROTECT, related_name="+")
    index = models.PositiveIntegerField(help_text="position in the job, from 1")
    take = models.OneToOneField(
        "Take",
        models.RESTRICT,
        null=True,
        blank=True,
        related_name="+",
        help_text="what is heard of it while it is spoken again",
    )
    last_render = models.PositiveIntegerField(
        default=1, help_text="the highest `render` so far; grows with each new one"
    )
    turn = models.PositiveBigIntegerField(
        help_text="virtual time; the lowest is spoken next"
    )
    spoken = models.PositiveIntegerField(
        default=0,
        help_text="characters that were spoken before it let others go first",
    )
    is_held = models.BooleanField(
        default=False, help_text="not claimable, since its job is paused"
    )
    unanswered = models.PositiveIntegerField(
        default=0,
        help_text="ordinal of the piece whose call may be billed without usable audio",
    )
    error_code = models.CharField(
        max_length=40,
        blank=True,
        help_text="why it failed, or why its last change could not be spoken",
    )

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
                condition=Q(take=None) | Q(status__in=["queued", "processing"]),
                name="scene_take_while_spoken_again",
            ),
            models.CheckConstraint(
                condition=Q(render__lte=F("last_render")),
                name="scene_renders_counted",
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
            models.Index(
                fields=["queue", "workspace", "-turn"], name="scene_last_turn"
            ),
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
    def heard(self) -> "Scene | Take":
        """What is heard of the scene: itself, or its take while it is spoken again."""
        return self.take or self

    @property
    def holder(self) -> str:
        """The id of this scene and its claim, as `providers.limits.upstreams` takes it."""
        return f"{self.pk}:{self.fence}"


class Take(Recording):
    """An earlier render of a scene: what is heard of it still, or files to remove."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    scene = models.ForeignKey(Scene, models.CASCADE, related_name="takes")
    superseded_at = models.DateTimeField(
        null=True, blank=True, help_text="from then on nothing shows its files"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["scene", "render"], name="take_once"),
            models.CheckConstraint(
                condition=~Q(audio="") | Q(superseded_at__isnull=False),
                name="take_heard_has_audio",
            ),
        ]
        indexes = [
            models.Index(
                fields=["superseded_at"],
                condition=Q(superseded_at__isnull=False),
                name="take_superseded",
            )
        ]

    def __str__(self) -> str:
        return f"{self.scene_id} · {self.render}"


class Piece(models.Model):
    """The stored audio of one provider call. Its file is stored before its row."""

    scene = models.ForeignKey(Scene, models.CASCADE, related_name="pieces")
    render = models.PositiveIntegerField()
    ordinal = models.PositiveIntegerField(help_text="position in the scene, from 1")
    char_start = models.PositiveIntegerField(help_text="offset in the scene's text")
    char_end = models.PositiveIntegerField()
    audio = models.CharField(
        max_length=300,
        help_text="name in the storage; the words are in a .json next to it",
    )
    samples = models.PositiveBigIntegerField()
    sample_rate = models.PositiveIntegerField(help_text="Hz")
    pause_ms = models.PositiveIntegerField(
        default=0, help_text="silence before the next piece of the scene"
    )
    stored_bytes = models.PositiveBigIntegerField(
        default=0, help_text="size of its two files"
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
