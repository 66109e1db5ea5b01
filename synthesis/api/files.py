"""API of files: audio, word times, assemblies, captions and signed links."""

import uuid
from datetime import timedelta
from typing import Any

from django.core import signing
from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.http import content_disposition_header
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.http.permissions import AllowGuests
from kit.errors import NotFound
from kit.files.downloads import send
from kit.rest.fields import WholeNumberField
from synthesis import audio
from synthesis.api.requests import job_of, scene_of
from synthesis.errors import Expired, NotReady
from synthesis.models import Assembly, Job
from synthesis.outputs import assemblies, captions, files
from synthesis.serializers import JobSerializer
from synthesis.text.splitting import words_as_sent
from synthesis.work.rendering import read_words

_LINK_SALT = "synthesis.links"
_LONGEST_LINK = 7 * 24 * 3600  # seconds

BINARY = {(200, "application/octet-stream"): OpenApiTypes.BINARY}


class FileView(APIView):
    """A file of a job, for callers who may see the job or have a signed link."""

    permission_classes = (AllowGuests,)

    def job(self, request: Request, job_id: uuid.UUID) -> Job:
        """Return the job of the requested file.

        Raises:
            NotFound: there is no such job, or the caller or the link has no access to it.
            Expired: its files are past their retention.
        """
        link = request.query_params.get("link")
        job = _linked_job(link, job_id) if link else job_of(request, job_id)
        if job.expires_at is not None and job.expires_at <= timezone.now():
            raise Expired
        return job


class SceneAudioView(FileView):
    @extend_schema(operation_id="scenes_audio", responses=BINARY)
    def get(self, request: Request, job_id: uuid.UUID, scene: str) -> HttpResponseBase:
        """Send the audio in the job's format. Range requests are supported."""
        job = self.job(request, job_id)
        found = scene_of(job, scene)
        heard = found.heard
        if not heard.audio:
            raise NotReady
        kind = audio.FORMATS[job.format]
        name = files.download_name(found, kind.extension)
        response = send(request, heard.audio, kind.content_type, name)
        response["X-Voice"] = heard.speaker
        return response


class SceneWordsView(FileView):
    @extend_schema(operation_id="scenes_words", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, job_id: uuid.UUID, scene: str) -> Response:
        """Send the word times. Offsets count code points in the text as it was sent.

        This is the text of the scene, or the whole text of a job that was split.
        """
        heard = scene_of(self.job(request, job_id), scene).heard
        if not heard.words:
            raise NotReady
        data = read_words(heard.words)
        data["words"] = words_as_sent(data["words"], heard.shifts)
        response = Response(data)
        response["Cache-Control"] = "private, no-cache"
        return response


class AssemblyView(FileView):
    kind: Assembly.Kind = Assembly.Kind.ZIP

    @extend_schema(responses={**BINARY, 202: None})
    def get(self, request: Request, job_id: uuid.UUID) -> HttpResponseBase:
        """Send the file, or 202 with `Retry-After` while it is being made."""
        job = self.job(request, job_id)
        assembly = assemblies.request(job, self.kind)
        if assembly.status != Assembly.Status.COMPLETED:
            response = Response({"status": assembly.status}, status=202)
            response["Retry-After"] = "1"
            return response
        extension = "." + assembly.file.rsplit(".", 1)[1]
        name = (files.slug(job.title) or str(job.pk)) + extension
        return send(request, assembly.file, _content_type(assembly, job), name)


class CaptionsView(FileView):
    format = "srt"

    @extend_schema(responses={(200, "text/plain"): OpenApiTypes.STR})
    def get(self, request: Request, job_id: uuid.UUID) -> HttpResponseBase:
        """Send captions for the joined audio at `…/audio`."""
        job = self.job(request, job_id)
        make = captions.srt if self.format == "srt" else captions.vtt
        content_type = "application/x-subrip" if self.format == "srt" else "text/vtt"
        name = f"{files.slug(job.title) or job.pk}.{self.format}"
        return StreamingHttpResponse(
            make(assemblies.captions_of(job)),
            content_type=f"{content_type}; charset=utf-8",
            headers={
                "Content-Disposition": content_disposition_header(False, name) or "",
                "Cache-Control": "private, no-cache",
            },
        )


class LinksRequestSerializer(serializers.Serializer[Any]):
    expires_in = WholeNumberField(
        default=3600, min_value=1, max_value=_LONGEST_LINK, help_text="seconds"
    )


class LinksView(APIView):
    @extend_schema(
        operation_id="jobs_links",
        request=LinksRequestSerializer,
        responses={201: OpenApiTypes.OBJECT},
    )
    def post(self, request: Request, job_id: uuid.UUID) -> Response:
        """Create signed links to the job's files that work without a login.

        They also stop working when the job is deleted or its owner is blocked.
        """
        job = job_of(request, job_id)
        serializer = LinksRequestSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        span = timedelta(seconds=serializer.validated_data["expires_in"])
        until = timezone.now().replace(microsecond=0) + span
        link = signing.dumps([str(job.pk), int(until.timestamp())], salt=_LINK_SALT)
        shown = JobSerializer(job, context={"request": request}).data
        links = {
            name: f"{url}?link={link}"
            for name, url in shown["links"].items()
            if name != "self"
        }
        scenes = [
            {
                "index": scene["index"],
                "audio_url": f"{scene['audio_url']}?link={link}",
                "words_url": f"{scene['words_url']}?link={link}",
            }
            for scene in shown["scenes"]
            if scene["audio_url"]
        ]
        body = {**links, "scenes": scenes, "expires_at": until}
        return Response(body, status=201)


def _linked_job(link: str, job_id: uuid.UUID) -> Job:
    try:
        pk, until = signing.loads(link, salt=_LINK_SALT)
    except signing.BadSignature as error:
        raise NotFound from error
    if pk != str(job_id) or until < timezone.now().timestamp():
        raise NotFound
    job = Job.objects.linked(pk).first()
    if job is None:
        raise NotFound
    return job


def _content_type(assembly: Assembly, job: Job) -> str:
    if assembly.kind == Assembly.Kind.ZIP:
        return "application/zip"
    format = "m4b" if assembly.kind == Assembly.Kind.M4B else job.format  # noqa: A001
    return audio.FORMATS[format].content_type
