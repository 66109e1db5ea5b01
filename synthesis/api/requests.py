"""Functions that the API views share: find a job or scene, build responses."""

import uuid
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from accounts.caller import caller_of
from accounts.http import idempotency as http_idempotency
from kit import idempotency
from kit.errors import NotFound
from synthesis.errors import TooManyScenes
from synthesis.jobs import quotes
from synthesis.jobs.submit import guest_tries_left
from synthesis.models import Job, Scene
from synthesis.serializers import JobSerializer
from synthesis.text.splitting import normalize


def check_size(request: Request, source: Job.Source = Job.Source.JOBS) -> None:
    """Check the number of scenes and characters before the rest of the body is validated.

    Raises:
        TooManyScenes, TextTooLong: it is more than the caller may send.
    """
    data = request.data
    assert isinstance(data, dict)  # the parser returns nothing else
    scenes = data["scenes"] if isinstance(data.get("scenes"), list) else []
    if len(scenes) > quotes.MAX_SCENES:
        raise TooManyScenes(limit=quotes.MAX_SCENES)
    texts = [data.get(name) for name in ("text", "input")]
    texts += [scene.get("text") for scene in scenes if isinstance(scene, dict)]
    lengths = [len(normalize(text)) for text in texts if isinstance(text, str)]
    quotes.check_length(caller_of(request), sum(lengths), source)


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
