"""Jobs over HTTP."""

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
from billing.serializers import EntrySerializer
from kit import idempotency
from kit.errors import Invalid
from kit.rest.pagination import NewestFirst
from synthesis.api.requests import (
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
    """What a job would cost now."""

    characters = serializers.IntegerField()
    cost = serializers.IntegerField()
    available = serializers.IntegerField()
    affordable = serializers.BooleanField(
        help_text="By the wallet, and by the monthly limit of the token that asks."
    )
    scenes = serializers.IntegerField()
    voice = serializers.CharField(
        allow_null=True, help_text="Who speaks all of it; null if they are several."
    )
    voices = serializers.ListField(
        child=serializers.CharField(), help_text="Who speaks, in order of appearance."
    )


class JobsView(GenericAPIView[Job]):
    """The jobs of a workspace."""

    serializer_class = JobSerializer
    queryset = Job.objects.none()  # for the schema; `get` says which
    throttle_scope = "synthesis"

    def get_permissions(self) -> list[BasePermission]:
        """Let visitors submit; a list is somebody's."""
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
        """List jobs, newest first, without their scenes."""
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
        """Submit a job: its price is reserved now and captured scene by scene."""
        serializer = JobRequestSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        order = serializer.to_order()
        caller = caller_of(request)

        def run() -> idempotency.Answer:
            job = submit(caller, quotes.quote(caller, order))
            return idempotency.Answer(202, job_body(request, job))

        return respond(request, idempotency.once(idempotency_key(request), run))


class EstimateView(APIView):
    """What a job would cost."""

    @extend_schema(
        operation_id="estimate",
        request=JobRequestSerializer,
        responses=EstimateSerializer,
    )
    def post(self, request: Request) -> Response:
        """Price a job; nothing is written."""
        serializer = JobRequestSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        caller = caller_of(request)
        quote = quotes.quote(caller, serializer.to_order())
        available = spendable(wallet_of(caller.workspace, caller.environment))
        room = token_limits.room(caller.token, caller.environment)
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
    """One job."""

    def get_permissions(self) -> list[BasePermission]:
        """Let visitors look at what they made."""
        return [AllowGuests() if self.request.method == "GET" else NotGuest()]

    @extend_schema(operation_id="jobs_retrieve", responses=JobSerializer)
    def get(self, request: Request, job_id: uuid.UUID) -> Response:
        """Show a job with its first 200 scenes."""
        return Response(job_body(request, job_of(request, job_id)))

    @extend_schema(operation_id="jobs_delete", responses={204: None})
    def delete(self, request: Request, job_id: uuid.UUID) -> Response:
        """Delete a job; one that still runs is canceled first."""
        job = job_of(request, job_id)
        with transaction.atomic(durable=True):
            cancel.delete(job.pk)
        return Response(status=204)


class JobActionView(APIView):
    """Something done to a whole job: the subclass says what."""

    permission_classes: tuple[type[BasePermission], ...] = (NotGuest,)

    def act_on(
        self,
        request: Request,
        job_id: uuid.UUID,
        action: JobAction,
        *,
        status: int = 200,
    ) -> Response:
        """Run `action` once, in one transaction, and answer with the job."""
        job = job_of(request, job_id)

        def run() -> idempotency.Answer:
            return idempotency.Answer(status, job_body(request, action(job.pk)))

        return respond(request, idempotency.once(idempotency_key(request), run))


class CancelView(JobActionView):
    """Cancel."""

    permission_classes = (AllowGuests,)

    @extend_schema(
        operation_id="jobs_cancel",
        parameters=[IDEMPOTENCY_KEY],
        request=None,
        responses=JobSerializer,
    )
    def post(self, request: Request, job_id: uuid.UUID) -> Response:
        """Cancel a job; what is spoken stays, and the rest of its credits comes back."""
        return self.act_on(request, job_id, cancel.cancel)


class PauseView(JobActionView):
    """Pause."""

    @extend_schema(operation_id="jobs_pause", request=None, responses=JobSerializer)
    def post(self, request: Request, job_id: uuid.UUID) -> Response:
        """Hold back the scenes that wait; those being spoken are finished."""
        return self.act_on(request, job_id, cancel.pause)


class ResumeView(JobActionView):
    """Resume."""

    @extend_schema(operation_id="jobs_resume", request=None, responses=JobSerializer)
    def post(self, request: Request, job_id: uuid.UUID) -> Response:
        """Let a paused job go on."""
        return self.act_on(request, job_id, cancel.resume)


class RetryView(JobActionView):
    """Retry."""

    throttle_scope = "synthesis"

    @extend_schema(
        operation_id="jobs_retry",
        parameters=[IDEMPOTENCY_KEY],
        request=RetryRequestSerializer,
        responses={202: JobSerializer},
    )
    def post(self, request: Request, job_id: uuid.UUID) -> Response:
        """Speak the failed scenes again, as a new priced round."""
        job_of(request, job_id)  # a stranger learns nothing, not even about the body
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


class InOrder(NewestFirst):
    """Pages of scenes in the order of the script."""

    ordering = "index"


class ScenesView(GenericAPIView[Scene]):
    """The scenes of a job, page by page."""

    permission_classes = (AllowGuests,)
    pagination_class = InOrder
    serializer_class = SceneSerializer
    queryset = Scene.objects.none()  # for the schema; `get` says which

    @extend_schema(operation_id="jobs_scenes", responses=SceneSerializer(many=True))
    def get(self, request: Request, job_id: uuid.UUID) -> Response:
        """List scenes in their order."""
        job = job_of(request, job_id)
        page = self.paginate_queryset(
            Scene.objects.filter(job=job).defer("text", "shifts")
        )
        serializer = SceneSerializer(page, many=True, context={"request": request})
        return self.get_paginated_response(serializer.data)


class EntriesView(GenericAPIView[LedgerEntry]):
    """What a job did to the credits."""

    pagination_class = ByNumber
    serializer_class = EntrySerializer
    queryset = LedgerEntry.objects.none()  # for the schema; `get` says which

    @extend_schema(operation_id="jobs_entries", responses=EntrySerializer(many=True))
    def get(self, request: Request, job_id: uuid.UUID) -> Response:
        """List every entry of the ledger that the job caused, newest first."""
        job = job_of(request, job_id)
        caused = LedgerEntry.objects.of_job(job.workspace, str(job.pk))
        page = self.paginate_queryset(caused)
        return self.get_paginated_response(EntrySerializer(page, many=True).data)


class SceneView(APIView):
    """One scene."""

    throttle_scope = "synthesis"

    def get_permissions(self) -> list[BasePermission]:
        """Let visitors look at what they made."""
        return [AllowGuests() if self.request.method == "GET" else NotGuest()]

    @extend_schema(operation_id="scenes_retrieve", responses=SceneSerializer)
    def get(self, request: Request, job_id: uuid.UUID, scene: str) -> Response:
        """Show a scene; `scene` is its id or its index."""
        found = scene_of(job_of(request, job_id), scene)
        return Response(SceneSerializer(found, context={"request": request}).data)

    @extend_schema(
        operation_id="scenes_edit",
        parameters=[IDEMPOTENCY_KEY],
        request=SceneChangeSerializer,
        responses={202: SceneSerializer},
    )
    def patch(self, request: Request, job_id: uuid.UUID, scene: str) -> Response:
        """Speak a scene anew, with other words or another voice, for its price alone."""
        job = job_of(request, job_id)
        found = scene_of(job, scene)
        serializer = SceneChangeSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        changes = dict(serializer.validated_data)
        max_cost = changes.pop("max_cost", None)
        caller = caller_of(request)

        def run() -> idempotency.Answer:
            _, edited = again.edit(caller, job.pk, found.pk, changes, max_cost=max_cost)
            serializer = SceneSerializer(edited, context={"request": request})
            return idempotency.Answer(202, dict(serializer.data))

        return respond(request, idempotency.once(idempotency_key(request), run))
