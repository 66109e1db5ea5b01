from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from providers.catalogue import access as catalogue_voices_access
from providers.catalogue import sync as catalogue_voices_sync
from providers.catalogue import voices as catalogue_voices_voices
from providers.catalogue.defaults import default_voices
from providers.contract import http
from providers.contract.base import Access, Failure, ProviderError, VoiceInfo
from providers.contract.registry import ADAPTERS, get_adapter
from providers.errors import UnknownProvider, UnknownVoice
from providers.models import Provider, Voice, VoiceAlias
from providers.unicorn import Unicorn
from tests import whole_catalogue
from tests.providers.resolving import resolve

pytestmark = pytest.mark.django_db


class Choir(Unicorn):
    """A second provider, whose list of voices changes."""

    slug = "choir"
    name = "Choir"
    is_local = False
    needs_key = True
    regions = {"": "https://choir.example.com"}
    listed = [VoiceInfo("Alto:1", "Alto", "sk", "female")]
    failure: ProviderError | None = None

    def voices(self, access: Access) -> list[VoiceInfo]:
        if self.failure:
            raise self.failure
        return self.listed


@pytest.fixture
def choir(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Choir]]:
    monkeypatch.setitem(ADAPTERS, "choir", f"{__name__}.Choir")
    get_adapter.cache_clear()
    yield Choir
    get_adapter.cache_clear()


@pytest.fixture
def synced() -> None:
    whole_catalogue.fill()
    if "choir" in ADAPTERS:
        catalogue_voices_sync.sync()


def test_sync_adds_the_built_in_provider_ready_to_use():
    changes = catalogue_voices_sync.sync()
    tables = [get_adapter(slug) for slug in ADAPTERS]
    added = sum(len(a.voices(Access())) for a in tables if a.has_voice_table)
    assert (changes.added, changes.updated, changes.withdrawn) == (added, 0, 0)
    unicorn = Provider.objects.get(slug="unicorn")
    assert unicorn.is_enabled
    assert unicorn.is_open_to_guests
    assert unicorn.cost_multiplier == Decimal(1)
    assert unicorn.max_concurrent is None
    voice = Voice.objects.get(pk="unicorn:en-gb")
    assert (voice.provider_id, voice.provider_voice) == ("unicorn", "en-gb")
    assert (voice.language, voice.gender) == ("en-GB", "male")
    assert voice.name == "English (Great Britain)"


def test_sync_again_writes_nothing(synced):
    with CaptureQueriesContext(
        connection,
    ) as queries:
        changes = catalogue_voices_sync.sync()
    assert str(changes) == "0 added, 0 updated, 0 withdrawn"
    assert all(query["sql"].startswith("SELECT") for query in queries.captured_queries)
    tables = [slug for slug in ADAPTERS if get_adapter(slug).has_voice_table]
    assert len(queries) == 1 + len(tables)


def test_first_sync_makes_no_calls_without_keys(monkeypatch):
    monkeypatch.setattr(http, "call", lambda *args, **kwargs: pytest.fail("a call"))
    changes = catalogue_voices_sync.sync()
    assert changes.failed == {}
    assert {p.slug for p in Provider.objects.all()} == set(ADAPTERS)
    for provider in Provider.objects.exclude(slug="unicorn"):
        assert not catalogue_voices_access.is_available(provider)
        assert not provider.is_open_to_guests
        assert provider.is_enabled
        adapter = get_adapter(provider.slug)
        assert provider.cost_multiplier == adapter.cost_multiplier
        assert provider.max_concurrent is None
        assert provider.max_concurrent_per_key == adapter.max_concurrent_per_key


def test_servers_that_operators_add_are_called_where_they_say(stage, synced):
    server = stage("compatible")
    row = Provider.objects.create(slug="compatible-kokoro", name="Kokoro")
    assert not catalogue_voices_access.is_available(row)
    row.base_url = server.access.base_url + "/"
    row.save()
    assert catalogue_voices_access.is_available(row)
    assert catalogue_voices_sync.sync().added == 2
    voice = resolve("compatible-kokoro:af_bella")
    assert (voice.name, voice.language, voice.gender) == ("Bella", "en-US", "female")
    assert (
        catalogue_voices_access.access_for(voice.provider).base_url
        == server.access.base_url
    )
    assert Provider.objects.get(slug="compatible-kokoro").name == "Kokoro"


def test_sync_keeps_operators_edits_and_restores_the_rest(synced):
    Provider.objects.filter(slug="unicorn").update(
        name="Pegasus",
        is_enabled=False,
        is_open_to_guests=False,
        cost_multiplier=Decimal("2.5"),
        max_concurrent=3,
    )
    Voice.objects.filter(pk="unicorn:de").update(is_enabled=False, name="Klingonisch")
    assert str(catalogue_voices_sync.sync()) == "0 added, 1 updated, 0 withdrawn"
    unicorn = Provider.objects.get(slug="unicorn")
    assert unicorn.name == "Unicorn"
    assert not unicorn.is_enabled
    assert not unicorn.is_open_to_guests
    assert unicorn.cost_multiplier == Decimal("2.5")
    assert unicorn.max_concurrent == 3
    voice = Voice.objects.get(pk="unicorn:de")
    assert (voice.name, voice.is_enabled) == ("German", False)


def test_unlisted_voices_are_kept_and_can_return(choir, monkeypatch, synced):
    monkeypatch.setattr(choir, "listed", [])
    assert str(catalogue_voices_sync.sync()) == "0 added, 0 updated, 1 withdrawn"
    assert str(catalogue_voices_sync.sync()) == "0 added, 0 updated, 0 withdrawn"
    with pytest.raises(UnknownVoice):
        resolve("choir:Alto:1")
    monkeypatch.undo()
    monkeypatch.setitem(ADAPTERS, "choir", f"{__name__}.Choir")
    assert str(catalogue_voices_sync.sync()) == "0 added, 1 updated, 0 withdrawn"
    assert resolve("choir:Alto:1").is_offered


def test_invalid_voices_of_a_list_are_skipped(choir, monkeypatch, synced):
    long = "x" * 300
    listed = [
        VoiceInfo(long, "Long", "en"),
        VoiceInfo("", "Nameless", "en"),
        VoiceInfo("a\x00b", "Zero", "en"),
        VoiceInfo("\ud800", "Half", "en"),
        VoiceInfo("one", f"O\x00n\ne{long}", long, description=f"\x00{long * 2}"),
        VoiceInfo("two", "\x00", "en US"),
        VoiceInfo("three", "Three", "zh-Hant-TW"),
    ]
    monkeypatch.setattr(choir, "listed", listed)
    changes = catalogue_voices_sync.sync()
    assert (changes.added, changes.failed) == (3, {})
    one, three, two = Voice.objects.filter(provider="choir", is_offered=True).order_by(
        "pk"
    )
    assert (one.name[:6], len(one.name), one.language) == ("O n ex", 120, "mul")
    assert one.description == "x" * 500
    assert (two.name, two.language, three.language) == ("two", "mul", "zh-Hant-TW")
    assert str(catalogue_voices_sync.sync()) == "0 added, 0 updated, 0 withdrawn"


@pytest.mark.parametrize("broken", [{"name": 7}, {"gender": "f" * 99}, {"id": None}])
def test_malformed_list_does_not_stop_other_providers(
    choir, monkeypatch, synced, broken
):
    right: dict[str, Any] = {"id": "x", "name": "X", "language": "en"}
    monkeypatch.setattr(choir, "listed", [VoiceInfo(**right | broken)])
    Voice.objects.filter(provider="openai").delete()
    changes = catalogue_voices_sync.sync()
    assert list(changes.failed) == ["choir"]
    assert changes.failed["choir"].startswith("its list can't be read")
    assert changes.added == 13
    assert resolve("choir:Alto:1").name == "Alto"


@pytest.mark.parametrize("listed", [[], [VoiceInfo("mine", "Theirs", "en")]])
def test_voices_that_operators_added_stay_as_they_are(
    choir, monkeypatch, synced, listed
):
    Voice.objects.filter(provider="choir").delete()
    Voice.objects.create(
        id="choir:mine",
        provider_id="choir",
        provider_voice="mine",
        name="Mine",
        language="sk",
        is_by_hand=True,
    )
    monkeypatch.setattr(choir, "listed", listed)
    assert str(catalogue_voices_sync.sync()) == "0 added, 0 updated, 0 withdrawn"
    voice = resolve("choir:mine")
    assert (voice.name, voice.language) == ("Mine", "sk")


def test_a_provider_that_fails_keeps_its_voices(choir, monkeypatch, synced):
    monkeypatch.setattr(choir, "failure", ProviderError(Failure.DOWN, "asleep"))
    changes = catalogue_voices_sync.sync()
    assert changes.failed == {"choir": "down: asleep"}
    assert changes.withdrawn == 0
    assert resolve("choir:Alto:1").name == "Alto"


def test_remote_provider_is_not_open_to_guests_by_default(choir, synced):
    assert not Provider.objects.get(slug="choir").is_open_to_guests


def test_sync_command_prints_its_changes(capsys):
    call_command("sync_catalogue")
    assert capsys.readouterr().out.endswith(" added, 0 updated, 0 withdrawn.\n")
    call_command("sync_catalogue", verbosity=0)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("unicorn:en-us", "unicorn:en-us"),
        ("UNICORN:EN-US", "unicorn:en-us"),
        ("en-us", "unicorn:en-us"),
        ("En-Us-Female", "unicorn:en-us-female"),
        ("english (america)", "unicorn:en-us"),
        ("choir:Alto:1", "choir:Alto:1"),
        ("choir:alto:1", "choir:Alto:1"),
    ],
)
def test_a_voice_is_found_by_id_or_name(choir, synced, name, found):
    voice = resolve(name)
    assert voice.pk == found
    with CaptureQueriesContext(connection) as queries:
        assert voice.provider.slug == found.partition(":")[0]
    assert len(queries) == 0


def test_bare_name_is_looked_up_only_in_the_default_provider(choir, synced):
    assert resolve("alto", default_provider="choir").pk == "choir:Alto:1"
    with pytest.raises(UnknownVoice):
        resolve("alto")
    with pytest.raises(UnknownVoice):
        resolve("en-us", default_provider="choir")


def test_provider_of_one_name_does_not_apply_to_another(choir, monkeypatch, synced):
    """`ALTO:1` is requested from the choir; the bare name means unicorn's voice."""
    unicorn = Provider.objects.get(slug="unicorn")
    Voice.objects.create(
        id="unicorn:x", provider=unicorn, provider_voice="x", name="alto", language="en"
    )
    found = catalogue_voices_voices.resolve_all({"choir:ALTO:1", "alto"})
    assert {name: voice.pk for name, voice in found.items()} == {
        "choir:ALTO:1": "choir:Alto:1",
        "alto": "unicorn:x",
    }
    Voice.objects.filter(pk="unicorn:x").delete()
    with pytest.raises(UnknownVoice):
        catalogue_voices_voices.resolve_all({"choir:ALTO:1", "alto"})


@pytest.mark.parametrize(
    "name",
    ["nobody", "unicorn:nobody", "", ":", "unicorn:", "a\x00b", "\ud800", "%", "_"],
)
def test_an_unknown_voice_is_refused(synced, name):
    with pytest.raises((UnknownVoice, UnknownProvider)) as caught:
        resolve(name)
    expected = UnknownProvider if name == ":" else UnknownVoice
    assert caught.type is expected


@pytest.mark.parametrize("name", ["nobody:en-us", "a\x00:b", "\ud800:x", ":en-us"])
def test_an_unknown_provider_is_refused(synced, name):
    with pytest.raises(UnknownProvider) as caught:
        resolve(name)
    assert caught.value.params == {"provider": name.partition(":")[0]}
    assert caught.value.status == 400


def test_disabled_voices_are_unknown(synced):
    Voice.objects.filter(pk="unicorn:de").update(is_enabled=False)
    with pytest.raises(UnknownVoice):
        resolve("unicorn:de")
    Provider.objects.update(is_enabled=False)
    with pytest.raises(UnknownProvider):
        resolve("unicorn:en-us")
    with pytest.raises(UnknownProvider):
        resolve("en-us")


def test_a_provider_without_an_adapter_is_unknown(synced):
    gone = Provider.objects.create(slug="gone", name="Gone")
    Voice.objects.create(id="gone:x", provider=gone, provider_voice="x", language="en")
    with pytest.raises(UnknownProvider):
        resolve("gone:x")


@pytest.mark.parametrize(
    ("names", "most"),
    [({"unicorn:en-us", "de", "unicorn:fr-fr"}, 1), ({"unicorn:EN-us", "German"}, 2)],
)
def test_many_voices_take_few_queries(synced, names, most):
    with CaptureQueriesContext(connection) as queries:
        found = catalogue_voices_voices.resolve_all(names)
    assert found.keys() == names
    assert len(queries) == most


def test_all_voices_at_once(synced):
    every = {voice.pk for voice in Voice.objects.all()}
    found = catalogue_voices_voices.resolve_all(every)
    assert {name: voice.pk for name, voice in found.items()} == dict(
        zip(every, every, strict=True)
    )
    assert catalogue_voices_voices.resolve_all([]) == {}


def chosen(provider: str, languages: str) -> list[str | None]:
    found = default_voices(provider, languages.split())
    return [found[one].pk if one in found else None for one in languages.split()]


def test_each_language_has_a_default_voice(synced):
    languages = "en de fr es pt zh nb ar fa vi ca ru hy he id gl fil"
    own = "heart de fr-fr es-es pt-br zh-cn nb ar fa vi ca ru hy he id"
    expected = [f"unicorn:{voice}" for voice in own.split()] + [None, None]
    with CaptureQueriesContext(connection) as queries:
        assert chosen("unicorn", languages) == expected
    assert len(queries) == 1
    assert chosen("nobody", "en") == [None]
    assert chosen("unicorn", "") == []


def test_the_default_voice_speaks_its_language_alone(synced):
    Provider.objects.filter(slug="unicorn").update(default_voice="unicorn:en-gb-deep")
    assert chosen("unicorn", "en de") == ["unicorn:en-gb-deep", "unicorn:de"]
    Voice.objects.filter(pk="unicorn:en-gb-deep").update(is_enabled=False)
    Voice.objects.filter(pk="unicorn:de").update(is_offered=False)
    assert chosen("unicorn", "en de") == ["unicorn:heart", "unicorn:de-deep"]
    Voice.objects.filter(pk="unicorn:heart").update(is_enabled=False)
    assert chosen("unicorn", "en de") == ["unicorn:en-us", "unicorn:de-deep"]
    Provider.objects.filter(slug="unicorn").update(is_enabled=False)
    assert chosen("unicorn", "en de") == [None, None]


def test_voice_of_any_language_is_the_last_choice(choir, monkeypatch):
    voices = [
        ("sk-1", "sk-SK"),
        ("all-2", "mul"),
        ("all-1", "mul"),
        ("cz", "cs-CZ"),
        ("cn", "cmn-CN"),
        ("tw", "cmn-TW"),
        ("no", "no-NO"),
        ("us", "en-US"),
        ("au", "en-AU"),
    ]
    monkeypatch.setattr(
        Choir, "listed", [VoiceInfo(name, name, tag, "female") for name, tag in voices]
    )
    monkeypatch.setenv("CHOIR_API_KEY", "k3y")
    catalogue_voices_sync.sync()
    languages = "sk cs zh nb en fi"
    own = ["choir:sk-1", "choir:cz", "choir:cn", "choir:no", "choir:us", "choir:all-1"]
    assert chosen("choir", languages) == own
    Provider.objects.filter(slug="choir").update(default_voice="choir:all-2")
    assert chosen("choir", languages) == ["choir:all-2"] * 6
    Provider.objects.filter(slug="choir").update(default_voice="choir:au")
    assert chosen("choir", "en fi") == ["choir:au", "choir:all-1"]


def test_one_unknown_voice_rejects_all(synced):
    with pytest.raises(UnknownVoice) as caught:
        catalogue_voices_voices.resolve_all(["unicorn:en-us", "unicorn:nobody"])
    assert caught.value.params == {"voice": "unicorn:nobody"}


def test_access_comes_from_the_environment(monkeypatch):
    provider = Provider(slug="my-choir")
    assert catalogue_voices_access.access_for(provider) == Access()
    monkeypatch.setenv("MY_CHOIR_API_KEY", "s3cret")
    monkeypatch.setenv("MY_CHOIR_BASE_URL", "http://127.0.0.1:9/v1/")
    monkeypatch.setenv("MY_CHOIR_REGION", "eu")
    access = catalogue_voices_access.access_for(provider)
    assert access == Access("s3cret", "http://127.0.0.1:9/v1", "eu")
    assert "s3cret" not in repr(access)


def test_the_environment_wins_over_operators(monkeypatch):
    provider = Provider(slug="openai", base_url="http://a/v1/", region="us")
    assert catalogue_voices_access.access_for(provider) == Access(
        "", "http://a/v1", "us"
    )
    monkeypatch.setenv("OPENAI_BASE_URL", "http://b/v1")
    monkeypatch.setenv("OPENAI_REGION", "eu")
    assert catalogue_voices_access.access_for(provider) == Access(
        "", "http://b/v1", "eu"
    )


def test_unknown_region_is_unavailable(choir, monkeypatch):
    monkeypatch.setenv("CHOIR_API_KEY", "s3cret")
    assert catalogue_voices_access.is_available(Provider(slug="choir"))
    assert not catalogue_voices_access.is_available(
        Provider(slug="choir", region="evil.test/#")
    )


def test_a_remote_provider_is_available_with_a_key(choir, synced, monkeypatch):
    provider = Provider.objects.get(slug="choir")
    monkeypatch.delenv("CHOIR_API_KEY", raising=False)
    assert not catalogue_voices_access.is_available(provider)
    monkeypatch.setenv("CHOIR_API_KEY", "s3cret")
    assert catalogue_voices_access.is_available(provider)


def test_a_new_voice_gets_its_aliases_and_operators_keep_theirs():
    catalogue_voices_sync.sync()
    assert resolve("alloy").pk == "unicorn:heart"
    assert Voice.objects.get(pk="unicorn:heart").engine == "hibari"
    VoiceAlias.objects.all().delete()
    catalogue_voices_sync.sync()  # an operator has removed it
    assert not VoiceAlias.objects.exists()
