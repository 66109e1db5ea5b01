"""The admin site of operators."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from csp.constants import SELF, UNSAFE_EVAL, UNSAFE_INLINE
from csp.decorators import csp_update
from django.contrib.admin import ModelAdmin
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django_otp.admin import OTPAdminSite
from unfold.sites import UnfoldAdminSite

from accounts.audit.mixin import audited
from accounts.http.next_page import next_page, with_next
from accounts.models import User
from accounts.people import staff

View = TypeVar("View", bound=Callable[..., HttpResponseBase])

# The theme's Alpine.js evaluates attributes as code, and its widgets set inline styles.
_THEME = {"script-src": [SELF, UNSAFE_EVAL], "style-src": [SELF, UNSAFE_INLINE]}


class OperatorSite(UnfoldAdminSite, OTPAdminSite):
    """Django's admin with the theme, the second factor and the audit log.

    The theme's class comes first: it names the site `admin`, which Django's templates need.
    """

    site_header = site_title = "Ozvena"
    index_title = "Back office"

    def has_permission(self, request: HttpRequest) -> bool:
        """Return whether the user is an unblocked operator, verified by both factors."""
        user = request.user
        return (
            isinstance(user, User)
            and staff.is_operator(user)
            and super().has_permission(request)
        )

    def register(
        self,
        model_or_iterable: Any,
        admin_class: "type[ModelAdmin[Any]] | None" = None,
        **options: Any,
    ) -> None:
        """Register models, with `Audited` as the first base of their admin classes."""
        super().register(model_or_iterable, audited(admin_class), **options)

    def admin_view(self, view: View, cacheable: bool = False) -> View:
        """Return `view` with the permission check and the CSP that the theme needs."""
        guarded = super().admin_view(view, cacheable)
        return cast(View, csp_update(_THEME)(guarded))

    @method_decorator(never_cache)
    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Ask operators for the second factor, and others to log in first."""
        wanted = next_page(request) or reverse("admin:index")
        if self.has_permission(request):
            return redirect(wanted)
        user = request.user
        if isinstance(user, User) and staff.is_operator(user):
            return redirect(with_next("second-factor", wanted))
        return render(request, "accounts/operators.html", {"next": wanted})
