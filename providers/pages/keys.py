"""The page of a workspace's own provider keys."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import (
    require_http_methods,
    require_POST,
)

from accounts.caller import Caller
from accounts.http.current_workspace import login_required
from accounts.roles import Permission, has_permission
from kit.errors import AppError, Invalid, NotFound
from kit.secrets import Secret
from providers.keys import saving, using
from providers.models import Provider, ProviderKey
from providers.pages.forms import KeyForm


@sensitive_post_parameters("key")
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def keys_page(request: HttpRequest, caller: Caller) -> HttpResponse:
    """Show the workspace's own keys; add or replace one."""
    providers = Provider.objects.on_offer()
    asked = {"provider": request.GET.get("provider", "")}
    form = KeyForm(request.POST or None, initial=asked, providers=providers)
    if request.method == "POST" and form.is_valid():
        sent = form.cleaned_data
        try:
            row = saving.save(
                caller, sent["provider"], Secret(sent["key"]), region=sent["region"]
            )
        except AppError as error:
            _add_errors(form, error)
        else:
            messages.success(
                request,
                f"{row.provider.name} accepted the key …{row.last4}. Scenes with its voices"
                " now cost no credits.",
            )
            return redirect("provider-keys-page")
    rows = ProviderKey.objects.for_workspace(caller.workspace)
    rows = rows.select_related("provider")
    return render(
        request,
        "providers/keys.html",
        {
            "keys": rows,
            "suspended": {row.pk for row in rows if using.is_suspended(row)},
            "form": form,
            "offered": providers,
            "default": caller.user and caller.user.preferences.get("default_provider"),
            "can_manage": has_permission(caller.member_role, Permission.MANAGE_KEYS),
        },
        status=400 if form.errors else 200,
    )


@login_required
@require_POST
def key_action(
    request: HttpRequest, caller: Caller, provider: str, verb: str
) -> HttpResponse:
    """Remove or check a key, by `verb`."""
    try:
        if verb == "remove":
            saving.remove(caller, provider)
            messages.success(request, "The key was removed.")
        elif verb == "check":
            row = saving.check_again(caller, provider)
            if row.failure:
                messages.error(request, f"{row.provider.name} rejected the key.")
            else:
                messages.success(request, f"{row.provider.name} accepted the key.")
        else:
            raise Http404
    except NotFound as error:
        raise Http404 from error
    except AppError as error:
        messages.error(request, str(error))
    return redirect("provider-keys-page")


def _add_errors(form: KeyForm, error: AppError) -> None:
    if isinstance(error, Invalid):
        for field, reasons in error.fields.items():
            assert isinstance(reasons, list)
            form.add_error(field, reasons)
    else:
        form.add_error("key", str(error))
