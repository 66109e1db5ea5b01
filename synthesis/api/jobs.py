"""API of jobs and scenes."""

import uuid
from collections.abc import Callable
from typing import Any

from django.db import transaction
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.generics import GenericAPIView
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.caller import caller_of
from accounts.http.idempotency import IDEMPOTENCY_KEY, idempotency_key
from accounts.http.permissions import AllowGuests, NotGuest
from billing.credits import token_limits
from billing.ledger.wallets import spendable, wallet_of
from billing.models import LedgerEntry
from billing.pagination import ByNumber
from billing.reports.usage import only_by
from billing.serializers import EntrySerializer
from kit import idempotency
from kit.errors import Invalid
from kit.rest.pagination import NewestFirst
from synthesis.api.requests import (
    check_size,
    job_body,
    job_of,
    respond,
    scene_of,
)
from synthesis.jobs import again, cancel, quotes
from synthesis.jobs.submit import submit
from synthesis.models import Job, Scene
from synthesis.serializers import (
    JobRequestSerializer,
    JobSerializer,
    RetryRequestSerializer,
    SceneChangeSerializer,
    SceneSerializer,
)

JobAction = Callable[[uuid.UUID], Job]


class EstimateSerializer(serializers.Serializer[Any]):
    """The price of a job at this moment."""

    characters = serializers.IntegerField()
    cost = serializers.IntegerField()
    available = serializers.IntegerField()
    affordable = serializers.BooleanField(
        help_text="Whether the wallet and the token's monthly limit cover the cost."
    )
    scenes = serializers.IntegerField()
    voice = serializers.CharField(
        allow_null=True, help_text="The voice of all scenes; null if they differ."
    )
    voices = serializers.ListField(
        child=serializers.CharField(), help_text="The voices, in order of first use."
    )


class JobsView(GenericAPIView[Job]):
    serializer_class = JobSerializer
    queryset = Job.objects.none()  # for the schema only
    throttle_scope = "synthesis"

    def get_permissions(self) -> list[BasePermission]:
        """Let guests submit jobs; only users and tokens can list them."""
        return [AllowGuests() if self.request.method == "POST" else NotGuest()]

    @extend_schema(
        operation_id="jobs_list",
        parameters=[
            OpenApiParameter("status", str, enum=Job.Status.values),
            OpenApiParameter("provider", str, description="Slug of a provider."),
            OpenApiParameter("q", str, description="Part of the title."),
        ],
        responses=JobSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        """List the jobs of the workspace, newest first, without their scenes."""
        jobs = Job.objects.visible_to(caller_of(request))
        query = request.query_params
        if status := query.get("status"):
            if status not in Job.Status.values:
                raise Invalid(
                    {"status": [f"Not one of {', '.join(Job.Status.values)}."]}
                )
            jobs = jobs.filter(status=status)
        if title := query.get("q"):
            jobs = jobs.filter(title__icontains=title.replace("\0", ""))
        if provider := query.get("provider"):
            jobs = jobs.with_provider(provider.replace("\0", ""))
        page = self.paginate_queryset(jobs) or []
        counts = Scene.objects.progress([job.pk for job in page])
        serializer = JobSerializer(
            page,
            many=True,
            with_scenes=False,
            context={"request": request, "scene_counts": counts},
        )
        return self.get_paginated_response(serializer.data)

    @extend_schema(
        operation_id="jobs_submit",
        parameters=[IDEMPOTENCY_KEY],
        request=JobRequestSerializer,
        responses={202: JobSerializer},
    )
    def post(self, request: Request) -> Response:
        """Submit a job. Its price is reserved now and charged as scenes complete."""
        check_size(request)
        serializer = JobRequestSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        order = serializer.to_order()
        caller = caller_of(request)

        def run() -> idempotency.Answer:
            job = submit(caller, quotes.quote(caller, order))
            return idempotency.Answer(202, job_body(request, job))

        return respond(request, idempotency.once(idempotency_key(request), run))


class EstimateView(APIView):
    @extend_schema(
        operation_id="estimate",
        request=JobRequestSerializer,
        responses=EstimateSerializer,
    )
    def post(self, request: Request) -> Response:
        """Return the price of a job without submitting it."""
        check_size(request)
        serializer = JobRequestSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        caller = caller_of(request)
        quote = quotes.quote(caller, serializer.to_order())
        available = spendable(wallet_of(caller.workspace, caller.environment))
        room = token_limits.remaining(caller.token, caller.environment)
        return Response(
            {
                "characters": quote.characters,
                "cost": quote.cost,
                "available": available,
                "affordable": quote.cost <= min(available, room),
                "scenes": len(quote.scenes),
                "voice": quote.voices[0] if len(quote.voices) == 1 else None,
                "voices": quote.voices,
            }
        )


class JobView(APIView):
    def get_permissions(self) -> list[BasePermission]:
        """Let guests see jobs by id; only users and tokens can delete them."""
        return [AllowGuests() if self.request.method == "GET" else NotGuest()]

    @extend_schema(operation_id="jobs_retrieve", responses=JobSerializer)
    def get(self, request: Request, job_id: uuid.UUID) -> Response:
        """Return a job with its first 200 scenes."""
        return Response(job_body(request, job_of(request, job_id)))

    @extend_schema(operation_id="jobs_delete", responses={204: None})
    def delete(self, request: Request, job_id: uuid.UUID) -> Response:
        """Delete a job. A running job is canceled first."""
        job = job_of(request, job_id)
        with transaction.atomic(durable=True):
            cancel.delete(job.pk)
        return Response(status=204)


class JobActionView(APIView):
    """Base class of views that apply one action to a job."""

    permission_classes: tuple[type[BasePermission], ...] = (NotGuest,)

    def act_on(
        self,
        request: Request,
        job_id: uuid.UUID,
        action: JobAction,
        *,
        status: int = 200,
    ) -> Response:
        """Call `action` in one transaction and respond with the job.

        A request that repeats an `Idempotency-Key` gets the first response.
        """
        job = job_of(request, job_id)

        def run() -> idempotency.Answer:
            return idempotency.Answer(status, job_body(request, action(job.pk)))

        return respond(request, idempotency.once(idempotency_key(request), run))


class CancelView(JobActionView):
    permission_classes = (AllowGuests,)

    @extend_schema(
        operation_id="jobs_cancel",
        parameters=[IDEMPOTENCY_KEY],
        request=None,
        responses=JobSerializer,
    )
    def post(self, request: Request, job_id: uuid.UUID) -> Response:
        """Cancel a job. Completed scenes stay charged; other credits are released."""
        return self.act_on(request, job_id, cancel.cancel)


class PauseView(JobActionView):
    @extend_schema(operation_id="jobs_pause", request=None, responses=JobSerializer)
    def post(self, request: Request, job_id: uuid.UUID) -> Response:
        """Pause a job. Scenes that are being spoken are finished."""
        return self.act_on(request, job_id, cancel.pause)


class ResumeView(JobActionView):
    @extend_schema(operation_id="jobs_resume", request=None, responses=JobSerializer)
    def post(self, request: Request, job_id: uuid.UUID) -> Response:
        """Resume a paused job."""
        return self.act_on(request, job_id, cancel.resume)


class RetryView(JobActionView):
    throttle_scope = "synthesis"

    @extend_schema(
        operation_id="jobs_retry",
        parameters=[IDEMPOTENCY_KEY],
        request=RetryRequestSerializer,
        responses={202: JobSerializer},
    )
    def post(self, request: Request, job_id: uuid.UUID) -> Response:
        """Retry the failed scenes at the current price."""
        job_of(request, job_id)  # first: strangers get 404 even if the body is invalid
        serializer = RetryRequestSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        caller = caller_of(request)
        max_cost = serializer.validated_data.get("max_cost")
        return self.act_on(
            request,
            job_id,
            lambda pk: again.retry(caller, pk, max_cost=max_cost),
            status=202,
        )


class ScriptOrder(NewestFirst):
    """Pagination of scenes by their index."""

    ordering = "index"


class ScenesView(GenericAPIView[Scene]):
    permission_classes = (AllowGuests,)
    pagination_class = ScriptOrder
    serializer_class = SceneSerializer
    queryset = Scene.objects.none()  # for the schema only

    @extend_schema(operation_id="jobs_scenes", responses=SceneSerializer(many=True))
    def get(self, request: Request, job_id: uuid.UUID) -> Response:
        """List the scenes of a job in order."""
        job = job_of(request, job_id)
        page = self.paginate_queryset(Scene.objects.filter(job=job).without_text())
        serializer = SceneSerializer(page, many=True, context={"request": request})
        return self.get_paginated_response(serializer.data)


class JobEntriesView(GenericAPIView[LedgerEntry]):
    pagination_class = ByNumber
    serializer_class = EntrySerializer
    queryset = LedgerEntry.objects.none()  # for the schema only

    @extend_schema(operation_id="jobs_entries", responses=EntrySerializer(many=True))
    def get(self, request: Request, job_id: uuid.UUID) -> Response:
        """List the job's ledger entries, newest first; for members only their own use."""
        job = job_of(request, job_id)
        caused = LedgerEntry.objects.of_job(job.workspace, str(job.pk))
        caused = caused.used_by(only_by(caller_of(request)))
        page = self.paginate_queryset(caused)
        return self.get_paginated_response(EntrySerializer(page, many=True).data)


class SceneView(APIView):
    throttle_scope = "synthesis"

    def get_permissions(self) -> list[BasePermission]:
        """Let guests see scenes; only users and tokens can edit them."""
        return [AllowGuests() if self.request.method == "GET" else NotGuest()]

    @extend_schema(operation_id="scenes_retrieve", responses=SceneSerializer)
    def get(self, request: Request, job_id: uuid.UUID, scene: str) -> Response:
        """Return a scene, by its id or its index."""
        found = scene_of(job_of(request, job_id), scene)
        return Response(SceneSerializer(found, context={"request": request}).data)

    @extend_schema(
        operation_id="scenes_edit",
        parameters=[IDEMPOTENCY_KEY],
        request=SceneChangeSerializer,
        responses={200: SceneSerializer, 202: SceneSerializer},
    )
    def patch(self, request: Request, job_id: uuid.UUID, scene: str) -> Response:
        """Change the text, voice or options of a scene and speak it again.

        Only this scene is charged. Its audio stays until the new one is there, and for
        good if it can't be spoken. A title alone is changed at once, without a charge.
        """
        job = job_of(request, job_id)
        found = scene_of(job, scene)
        check_size(request)
        serializer = SceneChangeSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        changes = dict(serializer.validated_data)
        max_cost = changes.pop("max_cost", None)
        caller = caller_of(request)

        def run() -> idempotency.Answer:
            _, edited = again.edit(caller, job.pk, found.pk, changes, max_cost=max_cost)
            serializer = SceneSerializer(edited, context={"request": request})
            status = 202 if edited.status == Scene.Status.QUEUED else 200
            return idempotency.Answer(status, dict(serializer.data))

        return respond(request, idempotency.once(idempotency_key(request), run))
