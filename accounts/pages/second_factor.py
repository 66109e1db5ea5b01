"""Pages to set up and verify the second factor, which the admin requires."""

import segno
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from accounts.audit import log
from accounts.caller import Caller
from accounts.http.current_workspace import login_required
from accounts.http.freshness import is_fresh
from accounts.http.next_page import next_page, with_next
from accounts.login import second_factor
from accounts.models import User
from accounts.pages.forms import SecondFactorForm, add_app_error
from accounts.people import staff
from kit.errors import AppError


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def verify(request: HttpRequest, caller: Caller) -> HttpResponse:
    """Ask an operator for a code of the second factor."""
    user = _operator(caller)
    if not second_factor.is_set_up(user):
        return redirect(with_next("second-factor-set-up", next_page(request)))
    form = SecondFactorForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            second_factor.verify(request, user, form.cleaned_data["code"])
        except AppError as error:
            add_app_error(form, error)
            log.record("second factor refused", user, request=request)
        else:
            log.record("entered the back office", user, request=request)
            return redirect(next_page(request) or reverse("admin:index"))
    context = {"form": form, "next": next_page(request)}
    return render(
        request,
        "accounts/second_factor.html",
        context,
        status=400 if form.errors else 200,
    )


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def set_up(request: HttpRequest, caller: Caller) -> HttpResponse:
    """Set up the second factor, or replace it; requires a fresh login.

    The first one requires more than a mailbox, see `second_factor.may_enroll`.

    Replacing it also requires the old one, which stays valid until the new one is confirmed
    by its first code.
    """
    user = _operator(caller)
    if not is_fresh(request):
        messages.info(request, "Log in again to set up your second factor.")
        return redirect(with_next("login", request.get_full_path()))
    is_set_up = second_factor.is_set_up(user)
    if is_set_up and not second_factor.is_verified(user):
        return redirect(with_next("second-factor", request.get_full_path()))
    if not is_set_up and not second_factor.may_enroll(request, user):
        log.record("second factor not set up: no link", user, request=request)
        return render(request, "accounts/second_factor_closed.html", status=403)
    if "replace" in request.POST:
        with transaction.atomic():
            second_factor.begin(user)
            log.record("replaces the second factor", user, request=request)
        return redirect("second-factor-set-up")
    if "keep" in request.POST:
        second_factor.discard_pending(user)
        return redirect("second-factor-set-up")
    if is_set_up and not second_factor.pending(user):
        return render(
            request, "accounts/second_factor_set_up.html", {"is_set_up": True}
        )
    form = SecondFactorForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            codes = second_factor.confirm(request, user, form.cleaned_data["code"])
        except AppError as error:
            add_app_error(form, error)
        else:
            log.record("set up a second factor", user, request=request)
            leads_to = next_page(request) or reverse("admin:index")
            return render(
                request,
                "accounts/recovery_codes.html",
                {"codes": codes, "next": leads_to},
            )
    device = second_factor.get_or_begin(user)
    context = {
        "form": form,
        "is_other": is_set_up,
        "secret": second_factor.secret_text(device),
        "picture": segno.make(second_factor.uri(device), error="m").svg_data_uri(
            scale=5
        ),
    }
    return render(
        request,
        "accounts/second_factor_set_up.html",
        context,
        status=400 if form.errors else 200,
    )


def _operator(caller: Caller) -> User:
    if not staff.is_operator(caller.person):
        raise PermissionDenied
    return caller.person
