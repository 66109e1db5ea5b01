"""Pages of providers: their voices, and the keys that a workspace brings along."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import cache_control
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import (
    require_http_methods,
    require_POST,
    require_safe,
)

from accounts.caller import Caller
from accounts.http.visits import for_people, visitor
from accounts.models import User
from accounts.people import preferences
from accounts.roles import Act, may
from kit.errors import AppError, Invalid, NotFound
from kit.secrets import Secret
from providers.catalogue import samples, voices
from providers.catalogue.languages import name_of
from providers.keys import using
from providers.models import Provider, ProviderKey, Voice
from providers.pages.forms import GalleryForm, KeyForm

_ON_A_PAGE = 48  # voices: whole rows, whether two, three or four stand in one


@require_safe
@cache_control(private=True)
def gallery(request: HttpRequest) -> HttpResponse:
    """Show the voices on offer: search, listen, copy an id."""
    offered = Voice.objects.on_offer()
    providers = list(Provider.objects.on_offer())
    form = GalleryForm(
        request.GET,
        languages=set(offered.order_by().values_list("language", flat=True)),
        providers=providers,
    )
    if form.is_valid():
        found = offered.matching(**form.cleaned_data).with_samples()
    else:
        found = Voice.objects.none()
    page = Paginator(found, _ON_A_PAGE).get_page(request.GET.get("page"))
    usable = _usable(request, providers)
    query = request.GET.copy()
    query.pop("page", None)
    return render(
        request,
        "providers/voices.html",
        {
            "form": form,
            "page": page,
            "voices": [
                {
                    "voice": voice,
                    "language": name_of(voice.language),
                    "sample": samples.path_of(voice),
                    "is_usable": voice.provider_id in usable,
                }
                for voice in page
            ],
            "query": query.urlencode(),
        },
    )


def _usable(request: HttpRequest, providers: list[Provider]) -> set[str]:
    """Return the providers that whoever asks can speak with."""
    usable = {row.slug for row in providers if voices.is_available(row)}
    if isinstance(request.user, User):
        usable |= using.held_by(visitor(request, request.user).workspace).keys()
    return usable


@sensitive_post_parameters("key")
@for_people
@require_http_methods(["GET", "HEAD", "POST"])
def keys_page(request: HttpRequest, caller: Caller) -> HttpResponse:
    """List the workspace's keys; add one, or replace one."""
    providers = Provider.objects.on_offer()
    asked = {"provider": request.GET.get("provider", "")}
    form = KeyForm(request.POST or None, initial=asked, providers=providers)
    if request.method == "POST" and form.is_valid():
        sent = form.cleaned_data
        try:
            row = using.save(
                caller, sent["provider"], Secret(sent["key"]), region=sent["region"]
            )
        except AppError as error:
            _add_errors(form, error)
        else:
            messages.success(
                request,
                f"{row.provider.name} takes the key …{row.last4}. Scenes in its voices"
                " cost you no credits from now on.",
            )
            return redirect("provider-keys-page")
    rows = ProviderKey.objects.for_workspace(caller.workspace)
    return render(
        request,
        "providers/keys.html",
        {
            "keys": rows.select_related("provider"),
            "form": form,
            "offered": providers,
            "default": caller.user and caller.user.preferences.get("default_provider"),
            "may_manage": may(caller.member_role, Act.MANAGE_KEYS),
        },
        status=400 if form.errors else 200,
    )


@for_people
@require_POST
def act_on_key(
    request: HttpRequest, caller: Caller, provider: str, verb: str
) -> HttpResponse:
    """Do what a button beside a key says."""
    try:
        if verb == "remove":
            using.remove(caller, provider)
            messages.success(request, "The key is erased.")
        elif verb == "check":
            row = using.check_again(caller, provider)
            if row.failure:
                messages.error(request, f"{row.provider.name} refuses the key.")
            else:
                messages.success(request, f"{row.provider.name} takes the key.")
        else:
            raise Http404
    except NotFound as error:
        raise Http404 from error
    except AppError as error:
        messages.error(request, str(error))
    return redirect("provider-keys-page")


@for_people
@require_POST
def choose_default(request: HttpRequest, caller: Caller) -> HttpResponse:
    """Let names of voices that name no provider mean one of this one's."""
    assert caller.user  # for_people
    wanted = request.POST.get("provider", "")
    provider = Provider.objects.on_offer().filter(pk=wanted).first()
    if provider is None:
        raise Http404
    try:
        preferences.merge(caller.user, {"default_provider": provider.slug})
    except AppError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"{provider.name} is your default provider now.")
    return redirect("provider-keys-page")


def _add_errors(form: KeyForm, error: AppError) -> None:
    if isinstance(error, Invalid):
        for field, reasons in error.fields.items():
            assert isinstance(reasons, list)
            form.add_error(field, reasons)
    else:
        form.add_error("key", str(error))
