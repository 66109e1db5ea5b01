import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from providers.contract.registry import ADAPTERS
from providers.models import Provider, Voice
from tests import factories, whole_catalogue

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _synced() -> None:
    whole_catalogue.fill()


def ids(path: str) -> list[str]:
    response = factories.api().get(path)
    assert response.status_code == 200, response.content
    return [voice["id"] for voice in response.json()]


def test_guests_can_list_providers_as_an_array():
    expected = {
        "unicorn": {
            "slug": "unicorn",
            "name": "Unicorn",
            "cost_multiplier": "1.000",
            "max_characters": 3000,
            "word_timestamps": "exact",
            "streaming": True,
            "own_key": False,
            "available": True,
            "guest": True,
        },
        "openai": {
            "slug": "openai",
            "name": "OpenAI",
            "cost_multiplier": "1.000",
            "max_characters": 1800,
            "word_timestamps": "estimated",
            "streaming": True,
            "own_key": True,
            "available": False,
            "guest": False,
        },
    }
    listed = factories.api().get("/api/v1/providers").json()
    by_slug = {provider["slug"]: provider for provider in listed}
    assert by_slug.keys() == ADAPTERS.keys()
    assert expected.items() <= by_slug.items()
    assert not any(by_slug[slug]["available"] for slug in ADAPTERS.keys() - {"unicorn"})
    assert not any(by_slug[slug]["guest"] for slug in ADAPTERS.keys() - {"unicorn"})
    client = factories.api(factories.token())
    assert client.get("/api/v1/providers").json() == listed


def test_providers_show_what_operators_set():
    Provider.objects.update(cost_multiplier="2.5", is_open_to_guests=False)
    listed = factories.api().get("/api/v1/providers").json()
    assert {provider["cost_multiplier"] for provider in listed} == {"2.500"}
    assert {provider["guest"] for provider in listed} == {False}


def test_guests_can_list_voices_as_an_array():
    response = factories.api().get("/api/v1/voices")
    assert response.status_code == 200
    voices = response.json()
    assert len(voices) == Voice.objects.count()
    assert {
        "id": "unicorn:en-us-female",
        "provider": "unicorn",
        "name": "English (America), female",
        "language": "en-US",
        "gender": "female",
        "description": "",
        "engine": "espeak",
        "is_recommended": False,
        "sample_url": "http://testserver/samples/unicorn%3Aen-us-female.mp3",
    } in voices
    recommended = [voice["id"] for voice in voices if voice["is_recommended"]]
    assert recommended == ["unicorn:heart"]


def test_disabled_voices_and_providers_are_not_listed():
    Voice.objects.filter(pk="unicorn:de").update(is_enabled=False)
    Voice.objects.filter(pk="unicorn:de-female").update(is_offered=False)
    assert set(ids("/api/v1/voices?language=de")) == {
        "unicorn:de-bright",
        "unicorn:de-deep",
        "unicorn:de-whisper",
    }
    Provider.objects.update(is_enabled=False)
    assert ids("/api/v1/voices") == []
    assert factories.api().get("/api/v1/providers").json() == []


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("language=de", 5),
        ("language=DE", 5),
        ("provider=unicorn&language=en-us", 11),  # New York is in it
        ("language=e", 0),
        ("language=de&gender=female", 2),
        ("language=de&gender=FEMALE&q=bright", 1),
        ("provider=unicorn&language=sk", 5),
        ("provider=nobody", 0),
        ("q=west midlands", 5),
        ("q=100%25", 0),
        ("provider=unicorn&gender=neutral", 0),
        ("language=&gender=&provider=&q=nahuatl", 5),
        ("unknown=1&language=fi", 5),
    ],
)
def test_voices_can_be_filtered(query, count):
    assert len(ids(f"/api/v1/voices?{query}")) == count


def test_language_filter_matches_regions():
    found = ids("/api/v1/voices?language=en")
    assert {"unicorn:en-us", "unicorn:en-gb", "unicorn:en-gb-x-rp"} <= set(found)
    assert not {"unicorn:eo", "unicorn:de"} & set(found)


@pytest.mark.parametrize("name", ["q", "language", "provider", "gender"])
@pytest.mark.parametrize("value", ["%00", "x" * 101])
def test_invalid_filter_is_rejected(name, value):
    response = factories.api().get(f"/api/v1/voices?{name}={value}")
    assert response.status_code == 400
    assert response.json()["code"] == "invalid"
    assert list(response.json()["fields"]) == [name]


def test_catalogue_is_read_only():
    client = factories.api()
    for path in ("/api/v1/voices", "/api/v1/providers"):
        for method in (client.post, client.put, client.patch, client.delete):
            assert method(path).status_code == 405


def test_each_list_is_one_query():
    for path in ("/api/v1/voices", "/api/v1/providers"):
        factories.api().get(path)  # the guests' workspace is remembered
        with CaptureQueriesContext(connection) as queries:
            factories.api().get(path)
        catalogue_queries = [q for q in queries if "providers_" in q["sql"]]
        assert len(catalogue_queries) == 1


def test_an_unchanged_list_is_not_sent_again():
    first = factories.api().get("/api/v1/voices")
    assert first["Cache-Control"] == "private, max-age=60"
    known = {"If-None-Match": first["ETag"]}
    again = factories.api().get("/api/v1/voices", headers=known)
    assert (again.status_code, again.content) == (304, b"")
    Voice.objects.filter(pk="unicorn:de").update(is_enabled=False)
    changed = factories.api().get("/api/v1/voices", headers=known)
    assert changed.status_code == 200
    assert changed["ETag"] != first["ETag"]
