"""Pages of logging in and out."""

from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts import login_links
from kit.errors import AppError


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def login_link(request: HttpRequest, secret: str) -> HttpResponse:
    """Show a button that logs in: mail scanners and previews only open links."""
    try:
        if request.method != "POST":
            context: dict[str, object] = {"person": login_links.check(secret)}
            return render(request, "accounts/login_link.html", context)
        user = login_links.redeem(secret)
    except AppError as error:
        context = {"error": str(error)}
        return render(
            request, "accounts/login_link.html", context, status=int(error.status)
        )
    login(request, user)
    return redirect("admin:index" if user.is_staff else "landing")
