"""Where a person wanted to go before they had to log in."""

from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme


def next_page(request: HttpRequest) -> str:
    """Return the page that a request names as `next`, if it is one of ours."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    is_ours = url_has_allowed_host_and_scheme(
        wanted, {request.get_host()}, require_https=request.is_secure()
    )
    return wanted if is_ours else ""


def with_next(name: str, wanted: str) -> str:
    """Return the address of the page `name`, which leads on to `wanted`."""
    return reverse(name) + (f"?{urlencode({'next': wanted})}" if wanted else "")
