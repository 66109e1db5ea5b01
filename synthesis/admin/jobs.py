"""Admin classes of jobs and scenes. Operators can cancel and retry, but not edit."""

from collections.abc import Callable
from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from unfold.admin import ModelAdmin, TabularInline

from accounts.caller import Caller, Environment
from kit.back_office import ReadOnly
from kit.errors import AppError
from providers.models import Upstream
from synthesis.admin.upstreams import UpstreamAdmin
from synthesis.jobs import again, cancel
from synthesis.models import Assembly, Job, Piece, Scene, Take

admin.site.register(Upstream, UpstreamAdmin)


class SceneInline(ReadOnly, TabularInline):
    model = Scene
    fields = [
        "index",
        "title",
        "voice",
        "spoken_by",
        "status",
        "characters",
        "cost",
        "duration_ms",
        "attempts",
        "crashes",
        "error_code",
    ]
    readonly_fields = fields
    show_change_link = True
    per_page = 50
    extra = 0


class AssemblyInline(ReadOnly, TabularInline):
    model = Assembly
    fields = ["kind", "status", "attempts", "crashes", "created_at"]
    readonly_fields = fields
    extra = 0


class TakeInline(ReadOnly, TabularInline):
    model = Take
    fields = ["render", "voice", "spoken_by", "characters", "cost", "superseded_at"]
    readonly_fields = fields
    extra = 0


class PieceInline(ReadOnly, TabularInline):
    model = Piece
    fields = ["render", "ordinal", "char_start", "char_end", "samples", "sample_rate"]
    readonly_fields = fields
    extra = 0


@admin.register(Job)
class JobAdmin(ReadOnly, ModelAdmin):
    list_display = [
        "id",
        "workspace",
        "title",
        "status",
        "environment",
        "scenes_done",
        "characters",
        "cost",
        "charged",
        "refunded",
        "created_at",
    ]
    list_filter = ["status", "environment", "source", "billed_to", "is_deleted"]
    list_select_related = ["workspace"]
    search_fields = ["id", "title", "workspace__name", "created_by__email"]
    show_full_result_count = False
    date_hierarchy = None
    ordering = ["-id"]
    inlines = [SceneInline, AssemblyInline]
    readonly_fields = ["credits"]
    actions = ["cancel_jobs", "retry_jobs"]

    @admin.display(description="credits")
    def credits(self, job: Job) -> str:
        """Link to the job's reservations, which lead to all its postings."""
        address = reverse("admin:billing_reservation_changelist")
        return format_html('<a href="{}?job={}">Its reservations</a>', address, job.pk)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Job]:
        """Add the counts of scenes to the query of the list."""
        scenes = Count("scenes")
        done = Count("scenes", filter=Q(scenes__status=Scene.Status.COMPLETED))
        jobs: QuerySet[Job] = super().get_queryset(request)
        return jobs.annotate(total=scenes, done=done)

    @admin.display(description="scenes")
    def scenes_done(self, job: Any) -> str:
        return f"{job.done} of {job.total}"

    @admin.action(description="Cancel selected jobs", permissions=["operate"])
    def cancel_jobs(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        for job in queryset:
            self._apply(request, job, "canceled", partial(_cancel, job))

    @admin.action(description="Retry failed scenes", permissions=["operate"])
    def retry_jobs(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        """Retry the failed scenes of jobs; their owners are charged."""
        for job in queryset:
            self._apply(
                request, job, "retried", partial(again.retry, _owner(job), job.pk)
            )

    def _apply(
        self, request: HttpRequest, job: Job, what: str, run: Callable[[], Job]
    ) -> None:
        """Call `run` and log the change of `job`, both in one transaction."""
        try:
            with transaction.atomic(durable=True):
                run()
                self.log_change(request, job, what)
        except AppError as error:
            self.message_user(request, f"Job {job.pk}: {error}", messages.WARNING)
        else:
            self.message_user(request, f"Job {job.pk}: {what}.", messages.SUCCESS)


@admin.register(Scene)
class SceneAdmin(ReadOnly, ModelAdmin):
    list_display = [
        "id",
        "job_link",
        "index",
        "voice",
        "status",
        "attempts",
        "crashes",
        "strikes",
        "unanswered",
        "error_code",
        "turn",
    ]
    list_filter = ["status", "queue", "provider", "error_code"]
    list_select_related = ["job"]
    search_fields = ["id", "job__id"]
    show_full_result_count = False
    ordering = ["-id"]
    inlines = [TakeInline, PieceInline]

    @admin.display(description="job")
    def job_link(self, scene: Scene) -> str:
        url = reverse("admin:synthesis_job_change", args=[scene.job_id])
        return format_html('<a href="{}">{}</a>', url, scene.job_id)


def _cancel(job: Job) -> Job:
    return cancel.cancel(job.pk, reason="operator")


def _owner(job: Job) -> Caller:
    return Caller(
        workspace=job.workspace,
        environment=Environment(job.environment),
        user=job.created_by,
    )
