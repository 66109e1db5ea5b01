from collections.abc import Iterator
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from providers import catalogue
from providers.base import Access, Failure, ProviderError, VoiceInfo
from providers.errors import UnknownProvider, UnknownVoice
from providers.models import Provider, Voice
from providers.registry import PROVIDERS, get_provider
from providers.unicorn import Unicorn

pytestmark = pytest.mark.django_db


class Choir(Unicorn):
    """A second provider, whose voices change."""

    slug = "choir"
    name = "Choir"
    is_local = False
    listed = [VoiceInfo("Alto:1", "Alto", "sk", "female")]
    failure: ProviderError | None = None

    def voices(self, access: Access) -> list[VoiceInfo]:
        if self.failure:
            raise self.failure
        return self.listed


@pytest.fixture
def choir(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Choir]]:
    monkeypatch.setitem(PROVIDERS, "choir", f"{__name__}.Choir")
    get_provider.cache_clear()
    yield Choir
    get_provider.cache_clear()


@pytest.fixture
def synced() -> None:
    catalogue.sync()


def test_sync_adds_the_built_in_provider_ready_to_use():
    changes = catalogue.sync()
    assert (changes.added, changes.updated, changes.withdrawn) == (
        len(Unicorn().voices(Access())),
        0,
        0,
    )
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
        changes = catalogue.sync()
    assert str(changes) == "0 added, 0 updated, 0 withdrawn"
    assert all(query["sql"].startswith("SELECT") for query in queries.captured_queries)
    assert len(queries) == 2 * len(PROVIDERS)


def test_sync_keeps_what_operators_edit_and_mends_the_rest(synced):
    Provider.objects.filter(slug="unicorn").update(
        name="Pegasus",
        is_enabled=False,
        is_open_to_guests=False,
        cost_multiplier=Decimal("2.5"),
        max_concurrent=3,
    )
    Voice.objects.filter(pk="unicorn:de").update(is_enabled=False, name="Klingonisch")
    assert str(catalogue.sync()) == "0 added, 1 updated, 0 withdrawn"
    unicorn = Provider.objects.get(slug="unicorn")
    assert unicorn.name == "Unicorn"
    assert not unicorn.is_enabled
    assert not unicorn.is_open_to_guests
    assert unicorn.cost_multiplier == Decimal("2.5")
    assert unicorn.max_concurrent == 3
    voice = Voice.objects.get(pk="unicorn:de")
    assert (voice.name, voice.is_enabled) == ("German", False)


def test_voices_that_vanish_are_kept_and_come_back(choir, monkeypatch, synced):
    monkeypatch.setattr(choir, "listed", [])
    assert str(catalogue.sync()) == "0 added, 0 updated, 1 withdrawn"
    assert str(catalogue.sync()) == "0 added, 0 updated, 0 withdrawn"
    with pytest.raises(UnknownVoice):
        catalogue.resolve("choir:Alto:1")
    monkeypatch.undo()
    monkeypatch.setitem(PROVIDERS, "choir", f"{__name__}.Choir")
    assert str(catalogue.sync()) == "0 added, 1 updated, 0 withdrawn"
    assert catalogue.resolve("choir:Alto:1").is_offered


def test_a_provider_that_fails_keeps_its_voices(choir, monkeypatch, synced):
    monkeypatch.setattr(choir, "failure", ProviderError(Failure.DOWN, "asleep"))
    changes = catalogue.sync()
    assert changes.failed == {"choir": "down: asleep"}
    assert changes.withdrawn == 0
    assert catalogue.resolve("choir:Alto:1").name == "Alto"


def test_another_provider_is_not_open_to_guests_by_itself(choir, synced):
    assert not Provider.objects.get(slug="choir").is_open_to_guests


def test_the_command_tells_what_it_did(capsys):
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
    voice = catalogue.resolve(name)
    assert voice.pk == found
    with CaptureQueriesContext(connection) as queries:
        assert voice.provider.slug == found.partition(":")[0]
    assert len(queries) == 0


def test_a_bare_name_is_looked_up_in_the_default_provider_alone(choir, synced):
    assert catalogue.resolve("alto", default_provider="choir").pk == "choir:Alto:1"
    with pytest.raises(UnknownVoice):
        catalogue.resolve("alto")
    with pytest.raises(UnknownVoice):
        catalogue.resolve("en-us", default_provider="choir")


@pytest.mark.parametrize(
    "name",
    ["nobody", "unicorn:nobody", "", ":", "unicorn:", "a\x00b", "\ud800", "%", "_"],
)
def test_an_unknown_voice_is_refused(synced, name):
    with pytest.raises((UnknownVoice, UnknownProvider)) as caught:
        catalogue.resolve(name)
    expected = UnknownProvider if name == ":" else UnknownVoice
    assert caught.type is expected


@pytest.mark.parametrize("name", ["nobody:en-us", "a\x00:b", "\ud800:x", ":en-us"])
def test_an_unknown_provider_is_refused(synced, name):
    with pytest.raises(UnknownProvider) as caught:
        catalogue.resolve(name)
    assert caught.value.params == {"provider": name.partition(":")[0]}
    assert caught.value.status == 400


def test_what_is_switched_off_is_unknown(synced):
    Voice.objects.filter(pk="unicorn:de").update(is_enabled=False)
    with pytest.raises(UnknownVoice):
        catalogue.resolve("unicorn:de")
    Provider.objects.update(is_enabled=False)
    with pytest.raises(UnknownProvider):
        catalogue.resolve("unicorn:en-us")
    with pytest.raises(UnknownProvider):
        catalogue.resolve("en-us")


def test_a_provider_without_an_adapter_is_unknown(synced):
    gone = Provider.objects.create(slug="gone", name="Gone")
    Voice.objects.create(id="gone:x", provider=gone, provider_voice="x", language="en")
    with pytest.raises(UnknownProvider):
        catalogue.resolve("gone:x")


@pytest.mark.parametrize(
    ("names", "most"),
    [({"unicorn:en-us", "de", "unicorn:fr-fr"}, 1), ({"unicorn:EN-us", "German"}, 2)],
)
def test_many_voices_take_few_queries(synced, names, most):
    with CaptureQueriesContext(connection) as queries:
        found = catalogue.resolve_all(names)
    assert found.keys() == names
    assert len(queries) == most


def test_all_voices_at_once(synced):
    every = {voice.pk for voice in Voice.objects.all()}
    found = catalogue.resolve_all(every)
    assert {name: voice.pk for name, voice in found.items()} == dict(
        zip(every, every, strict=True)
    )
    assert catalogue.resolve_all([]) == {}


def test_one_unknown_voice_refuses_all(synced):
    with pytest.raises(UnknownVoice) as caught:
        catalogue.resolve_all(["unicorn:en-us", "unicorn:nobody"])
    assert caught.value.params == {"voice": "unicorn:nobody"}


def test_access_comes_from_the_environment(monkeypatch):
    provider = Provider(slug="my-choir")
    assert catalogue.access_for(provider) == Access()
    monkeypatch.setenv("MY_CHOIR_API_KEY", "s3cret")
    monkeypatch.setenv("MY_CHOIR_BASE_URL", "http://127.0.0.1:9/v1/")
    access = catalogue.access_for(provider)
    assert access == Access(key="s3cret", base_url="http://127.0.0.1:9/v1")
    assert "s3cret" not in repr(access)


def test_a_remote_provider_is_available_with_a_key(choir, synced, monkeypatch):
    provider = Provider.objects.get(slug="choir")
    monkeypatch.delenv("CHOIR_API_KEY", raising=False)
    assert not catalogue.is_available(provider)
    monkeypatch.setenv("CHOIR_API_KEY", "s3cret")
    assert catalogue.is_available(provider)
