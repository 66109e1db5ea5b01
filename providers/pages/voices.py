"""Pages of the voice gallery and of default voices and providers."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import cache_control
from django.views.decorators.http import (
    require_POST,
    require_safe,
)

from accounts.caller import Caller
from accounts.http.current_workspace import login_required, page_caller
from accounts.http.next_page import next_page
from accounts.models import User
from accounts.people import preferences
from kit.errors import AppError
from providers.catalogue import access, preferred, samples
from providers.catalogue.languages import name_of
from providers.keys import using
from providers.models import Provider, Voice
from providers.pages.forms import GalleryForm

_ON_A_PAGE = 48  # voices; full rows with two, three or four columns


@require_safe
@cache_control(private=True)
def gallery(request: HttpRequest) -> HttpResponse:
    """Show the available voices: search, listen, copy an id."""
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
    user = request.user if isinstance(request.user, User) else None
    chosen = preferred.preferred_voice(user)
    return render(
        request,
        "providers/voices.html",
        {
            "form": form,
            "page": page,
            "voices": [
                {
                    "voice": row,
                    "language": name_of(row.language),
                    "sample": samples.sample_path(row),
                    "is_usable": row.provider_id in usable,
                }
                for row in page
            ],
            "chosen": chosen,
            "chosen_is_usable": chosen and chosen.provider_id in usable,
            "wanted": preferences.text_of(user, "voice"),
            "query": query.urlencode(),
        },
    )


def _usable(request: HttpRequest, providers: list[Provider]) -> set[str]:
    """Return the slugs of the providers that the visitor can use."""
    usable = {row.slug for row in providers if access.is_available(row)}
    if isinstance(request.user, User):
        usable |= using.keys_by_provider(
            page_caller(request, request.user).workspace
        ).keys()
    return usable


@login_required
@require_POST
def choose_voice(request: HttpRequest, caller: Caller) -> HttpResponse:
    """Set the user's default voice, or remove it if none is sent."""
    wanted = request.POST.get("voice", "")
    try:
        if wanted:
            voice = preferred.set_preferred_voice(caller.person, wanted)
            messages.success(request, f"{voice.name} is your default voice now.")
        else:
            preferred.clear_preferred_voice(caller.person)
            messages.success(request, "The language of a text decides who speaks it.")
    except AppError as error:
        messages.error(request, str(error))
    return redirect(next_page(request) or "voices-page")


@login_required
@require_POST
def choose_default(request: HttpRequest, caller: Caller) -> HttpResponse:
    """Set the user's default provider, for voices that are named without one."""
    wanted = request.POST.get("provider", "")
    provider = Provider.objects.on_offer().filter(pk=wanted).first()
    if provider is None:
        raise Http404
    try:
        preferences.merge(caller.person, {"default_provider": provider.slug})
    except AppError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"{provider.name} is your default provider now.")
    return redirect("provider-keys-page")
