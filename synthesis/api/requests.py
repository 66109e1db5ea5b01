"""Functions that the API views share: find a job or scene, build responses."""

import uuid
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from accounts.caller import caller_of
from accounts.http import idempotency as http_idempotency
from kit import idempotency
from kit.errors import NotFound
from synthesis.jobs.submit import guest_tries_left
from synthesis.models import Job, Scene
from synthesis.serializers import JobSerializer


def job_of(request: Request, job_id: uuid.UUID) -> Job:
    """Return the job, if the caller may see it.

    Raises:
        NotFound: there is no such job, or the caller may not see it.
    """
    job = Job.objects.visible_to(caller_of(request)).filter(pk=job_id).first()
    if job is None:
        raise NotFound
    return job


def scene_of(job: Job, name: str) -> Scene:
    """Return the scene of `job` with the id or index `name`.

    Raises:
        NotFound: the job has no such scene.
    """
    scenes = Scene.objects.filter(job=job)
    if name.isascii() and name.isdigit() and len(name) < 9:
        scene = scenes.filter(index=int(name)).first()
    else:
        scene = scenes.filter(pk=_uuid(name)).first()
    if scene is None:
        raise NotFound
    return scene


def job_body(request: Request, job: Job) -> Any:
    """Return the response body for a job, as plain JSON values."""
    return JobSerializer(job, context={"request": request}).data


def respond(request: Request, answer: idempotency.Answer) -> Response:
    """Return the response for `answer`; guests get the header `X-Guest-Remaining`."""
    response = http_idempotency.respond(answer)
    caller = caller_of(request)
    if caller.is_guest:
        response["X-Guest-Remaining"] = str(guest_tries_left(caller.address))
    return response


def _uuid(name: str) -> uuid.UUID:
    try:
        return uuid.UUID(name)
    except ValueError as error:
        raise NotFound from error
