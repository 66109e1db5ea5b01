"""The page of API tokens: list, create and revoke them."""

from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from accounts import tokens
from accounts.caller import Caller
from accounts.http.current_workspace import login_required
from accounts.models import ApiToken
from accounts.pages.forms import TokenForm
from kit.errors import NotFound

_SHOWN = 50  # tokens on a page


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def tokens_page(request: HttpRequest, caller: Caller) -> HttpResponse:
    """List the tokens of the workspace; create one, whose text is shown once."""
    form = TokenForm(request.POST or None)
    text = None
    if request.method == "POST" and form.is_valid():
        try:
            _, text = tokens.issue(caller.workspace, caller.person, **form.cleaned_data)
        except NotFound:  # the user was just removed from the workspace
            messages.error(request, "You are not a member of this workspace any more.")
            return redirect("tokens-page")
        form = TokenForm()
    rows = ApiToken.objects.visible_to(caller).select_related("created_by")
    page = Paginator(rows.order_by("-pk"), _SHOWN).get_page(request.GET.get("page"))
    return render(
        request,
        "accounts/tokens.html",
        {"page": page, "form": form, "text": text},
        status=400 if form.errors else 200,
    )


@login_required
@require_POST
def revoke_token(request: HttpRequest, caller: Caller, token_id: UUID) -> HttpResponse:
    """Revoke a token at once, permanently."""
    token = ApiToken.objects.visible_to(caller).filter(pk=token_id).first()
    if token is None:
        raise Http404
    tokens.revoke(token)
    messages.success(request, f"{token.name} is revoked.")
    return redirect("tokens-page")
