"""The page of the default secret, which signs events to a job's own address."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import (
    require_http_methods,
)

from accounts.caller import Caller
from accounts.http.current_workspace import login_required
from accounts.http.freshness import is_fresh
from accounts.http.next_page import with_next
from accounts.roles import Permission, has_permission
from kit.errors import AppError
from webhooks.sending import signing


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def default_secret_page(request: HttpRequest, caller: Caller) -> HttpResponse:
    """Show the default secret to owners, and rotate it."""
    if not has_permission(caller.member_role, Permission.SEE_DEFAULT_SECRET):
        raise PermissionDenied
    if not is_fresh(request):
        messages.info(request, "Log in again to see the default secret.")
        return redirect(with_next("login", request.path))
    signer = signing.default_signer(caller.workspace.pk)
    if request.method == "POST":
        try:
            with transaction.atomic(durable=True):
                signer = signing.rotate_default(caller.workspace.pk)
        except AppError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, "The secret was changed.")
    return render(
        request,
        "webhooks/default_secret.html",
        {
            "signer": signer,
            "secret": signing.secret_of(signer).reveal_text(),
        },
    )
