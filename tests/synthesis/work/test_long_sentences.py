"""A voice that refuses a long sentence is sent shorter ones, and it is remembered."""

from collections.abc import Iterator

import pytest
from django.core.cache import cache

from providers.models import Provider, Voice
from synthesis.models import Job, Piece
from tests import factories
from tests.providers.vendors.clouds import Google
from tests.providers.vendors.server import serving

pytestmark = pytest.mark.django_db(transaction=True)

LONG = ", ".join(["una frase que no termina nunca"] * 16)
TEXT = f"Empieza aquí. Y {LONG}. Termina aquí."


@pytest.fixture
def vendor(monkeypatch) -> Iterator[Google]:
    row = Provider.objects.create(slug="google", name="Google")
    for name in (Google.voice, Google.terse):
        voice, language = f"google:{name}", name[:5]
        Voice.objects.create(
            id=voice, provider=row, provider_voice=name, name=name, language=language
        )
    cache.clear()
    vendor = Google()
    with serving(vendor):
        monkeypatch.setenv("GOOGLE_API_KEY", vendor.access.key)
        monkeypatch.setenv("GOOGLE_BASE_URL", vendor.access.base_url)
        yield vendor


def test_other_voices_are_sent_it_whole(submitted, speak_all, vendor) -> None:
    job = submitted(factories.caller(), TEXT, voice=f"google:{vendor.voice}")
    speak_all()
    job.refresh_from_db()
    assert job.status == Job.Status.COMPLETED
    assert vendor.spoken == [TEXT]


def test_a_refused_sentence_is_cut_and_the_next_one_before_the_call(
    submitted, speak_all, vendor
) -> None:
    caller = factories.caller()
    for calls in (5, 4):  # the first text is refused once as a whole
        vendor.asked.clear()
        vendor.spoken.clear()
        job = submitted(caller, TEXT, voice=f"google:{vendor.terse}")
        speak_all()
        job.refresh_from_db()
        assert (job.status, job.charged) == (Job.Status.COMPLETED, len(TEXT))
        assert len(vendor.asked) == calls
        assert " ".join(vendor.spoken) == TEXT
        assert max(map(len, vendor.spoken)) <= 300
        piece = Piece.objects.get(scene=job.scenes.get())
        assert (piece.char_start, piece.char_end) == (0, len(TEXT))


def test_without_the_cache_each_text_is_refused_once(
    submitted, speak_all, vendor, settings
) -> None:
    settings.CACHES = {
        "default": {
            "BACKEND": "django_redis.cache.RedisCache",
            "LOCATION": "redis://127.0.0.1:9/1",
        }
    }
    for _ in range(2):
        vendor.asked.clear()
        job = submitted(factories.caller(), TEXT, voice=f"google:{vendor.terse}")
        speak_all()
        job.refresh_from_db()
        assert (job.status, len(vendor.asked)) == (Job.Status.COMPLETED, 5)
