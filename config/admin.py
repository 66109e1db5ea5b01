"""The operators' site."""

from collections.abc import Callable
from typing import Any

from csp.constants import SELF, UNSAFE_EVAL, UNSAFE_INLINE
from csp.decorators import csp_update
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from unfold.sites import UnfoldAdminSite

from accounts.models import User

# The theme's Alpine.js evaluates attributes as code, and its widgets set inline styles.
_THEME = {"script-src": [SELF, UNSAFE_EVAL], "style-src": [SELF, UNSAFE_INLINE]}


class OperatorSite(UnfoldAdminSite):
    """Django's admin as Ozvena's back office."""

    site_header = site_title = "Ozvena"
    index_title = "Back office"

    def has_permission(self, request: HttpRequest) -> bool:
        """Return whether this is an operator who is not suspended."""
        user = request.user
        return (
            isinstance(user, User)
            and user.is_active
            and user.is_staff
            and not user.is_blocked
        )

    def admin_view(
        self, view: Callable[..., HttpResponseBase], cacheable: bool = False
    ) -> Callable[..., HttpResponseBase]:
        """Guard `view`, and let the theme do what its pages need."""
        guarded: Callable[..., HttpResponseBase] = super().admin_view(view, cacheable)
        return csp_update(_THEME)(guarded)

    @method_decorator(never_cache)
    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Tell how operators log in: there is no password to ask for."""
        if self.has_permission(request):
            return redirect("admin:index")
        return render(request, "accounts/operators.html")
