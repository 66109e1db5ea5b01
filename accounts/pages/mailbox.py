"""The mailbox page: mails of an installation without a mail service, in development."""

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import (
    require_safe,
)

from kit.mail import files


@never_cache
@require_safe
def mailbox(request: HttpRequest) -> HttpResponse:
    """Show the mails that were written to files; 404 except in development."""
    if not settings.DEVELOPMENT:
        raise Http404
    return render(request, "accounts/mailbox.html", {"mails": files.written_mails()})
