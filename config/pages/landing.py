"""The landing page and the favicon."""

from dataclasses import dataclass

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.templatetags.static import static
from django.views.decorators.cache import cache_control
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_safe

from kit import quotas
from kit.requests import client_address
from providers.catalogue.defaults import default_voices
from providers.catalogue.preferred import BUILT_IN
from providers.models import Voice
from synthesis.jobs.quotes import MAX_GUEST_CHARACTERS
from synthesis.jobs.submit import guest_tries_left


@dataclass(frozen=True, slots=True)
class Example:
    """An example text for the demo."""

    language: str  # BCP 47
    name: str  # of the language, in that language
    text: str


EXAMPLES = [
    Example(
        "en-US",
        "English",
        "Say something into the valley. First the rocks keep still, then they give it"
        " back, a little softer: your own words, from the other side.",
    ),
    Example(
        "sk",
        "Slovenčina",
        "Zavolaj do doliny. Skaly chvíľu mlčia, potom ti to vrátia, o niečo tichšie:"
        " tvoje vlastné slová z druhej strany.",
    ),
    Example(
        "de",
        "Deutsch",
        "Ruf etwas ins Tal. Erst schweigen die Felsen, dann geben sie es zurück, ein"
        " wenig leiser: deine eigenen Worte, von der anderen Seite.",
    ),
    Example(
        "fr-FR",
        "Français",
        "Criez quelque chose dans la vallée. Les rochers se taisent, puis ils vous le"
        " rendent, un peu plus bas : vos propres mots, venus d’en face.",
    ),
    Example(
        "es",
        "Español",
        "Di algo hacia el valle. Primero las rocas callan y luego te lo devuelven, un"
        " poco más bajo: tus propias palabras, desde el otro lado.",
    ),
    Example(
        "uk",
        "Українська",
        "Гукни щось у долину. Спершу скелі мовчать, а потім повертають тобі трохи"
        " тихіше: твої власні слова, з того боку.",
    ),
]


@require_safe
@ensure_csrf_cookie
@cache_control(private=True)
def landing(request: HttpRequest) -> HttpResponse:
    """Show what Ozvena is, with the demo for guests."""
    voices = Voice.objects.on_offer().matching(provider="unicorn")
    languages = set(voices.values_list("language", flat=True))
    return render(
        request,
        "landing.html",
        {
            "address": request.build_absolute_uri("/").rstrip("/"),
            "voices": voices.count(),
            "languages": len({language.split("-")[0] for language in languages}),
            "english": _english_voice(),
            "examples": EXAMPLES,
            "characters_limit": MAX_GUEST_CHARACTERS,
            "guest_limit": settings.GUEST_PER_DAY,
            "sign_up_credits": settings.SIGN_UP_CREDITS,
            "guest_left": guest_tries_left(client_address(request)),
            "guest_resets": quotas.next_day(),
        },
    )


def _english_voice() -> str:
    """Return the id of the voice in the example of a request."""
    found = default_voices(BUILT_IN, ["en"])
    return found["en"].pk if found else f"{BUILT_IN}:en-us"


@require_safe
@cache_control(public=True, max_age=86_400)
def favicon(request: HttpRequest) -> HttpResponse:
    """Redirect to the icon, for responses that name none, such as JSON."""
    return redirect(static("img/favicon.svg"))
