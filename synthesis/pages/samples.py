"""Serve the voice samples that pages play."""

from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_safe

from kit.errors import NotFound, RateLimited
from kit.files import downloads
from kit.requests import client_address, client_network
from synthesis.outputs import files
from synthesis.samples import making

_PATIENCE = 2.0  # seconds to wait for a worker; a built-in voice needs about 0.1
_KEPT = "public, max-age=86400"


@require_safe
def sample(request: HttpRequest, voice_id: str) -> HttpResponseBase:
    """Send the sample of a voice. It is the same for all users; supports ranges."""
    network = client_network(client_address(request))
    try:
        found = making.find(voice_id, network=network, patience=_PATIENCE)
        if not found.file:
            return _later(202, 1)  # no worker was free
        name = f"{files.slug(voice_id)}.mp3"
        return downloads.send(request, found.file, "audio/mpeg", name, cache=_KEPT)
    except NotFound as error:
        raise Http404 from error
    except RateLimited as error:
        return _later(429, int(str(error.params["retry_after"])))


def _later(status: int, seconds: int) -> HttpResponse:
    return HttpResponse(
        "This sample is not ready yet. Try again in a moment.\n",
        status=status,
        content_type="text/plain; charset=utf-8",
        headers={"Retry-After": str(seconds), "Cache-Control": "no-store"},
    )
