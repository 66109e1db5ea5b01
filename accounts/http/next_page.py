"""The page to return to after a login (`next`)."""

from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme


def next_page(request: HttpRequest) -> str:
    """Return the parameter `next` if it is a URL of this site; empty otherwise."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    is_ours = url_has_allowed_host_and_scheme(
        wanted, {request.get_host()}, require_https=request.is_secure()
    )
    return wanted if is_ours else ""


def with_next(name: str, wanted: str) -> str:
    """Return the URL of the page `name` with `wanted` as its parameter `next`."""
    return reverse(name) + (f"?{urlencode({'next': wanted})}" if wanted else "")
