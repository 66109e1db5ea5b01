"""Requests without a voice: which voice is chosen, its price, and its id in responses."""

import json
from typing import Any

import pytest
from django.db.models import QuerySet
from django.utils import timezone

from accounts.people import preferences
from billing.ledger.wallets import summary, wallet_of
from billing.models import LedgerTransaction, Usage
from providers.catalogue import sync
from providers.models import Provider, ProviderKey, Voice
from synthesis.models import Job, Scene
from tests import factories
from tests.synthesis import scripted

pytestmark = pytest.mark.django_db(transaction=True)

ENGLISH = "The weather is lovely today, and we are going to the sea."
GERMAN = "Das Wetter ist heute sehr schön, und wir fahren ans Meer."
POLISH = "Dzisiaj pogoda jest bardzo ładna i jedziemy nad morze."

BY_LANGUAGE = [
    (ENGLISH, "unicorn:heart"),
    (GERMAN, "unicorn:de"),
    (POLISH, "unicorn:pl"),
    ("Il fait très beau aujourd'hui, et nous allons à la mer.", "unicorn:fr-fr"),
    ("Hoy hace muy buen tiempo y vamos a ir a la playa.", "unicorn:es-es"),
    ("Hoje o tempo está muito bom e vamos à praia.", "unicorn:pt-br"),
    ("Oggi il tempo è molto bello e andiamo al mare.", "unicorn:it"),
    ("Dnes je veľmi pekné počasie a ideme k moru s deťmi.", "unicorn:sk"),
    ("I dag skal vi på hytta og spise pølser.", "unicorn:nb"),
    ("Сегодня очень хорошая погода, и мы едем на море.", "unicorn:ru"),
    ("Сьогодні дуже гарна погода, і ми їдемо на море.", "unicorn:uk"),
    ("Ο καιρός είναι πολύ καλός σήμερα.", "unicorn:el"),
    ("الطقس جميل جدا اليوم، وسنذهب إلى البحر.", "unicorn:ar"),
    ("מזג האוויר יפה מאוד היום.", "unicorn:he"),
    ("आज मौसम बहुत अच्छा है।", "unicorn:hi"),
    ("今天天气很好，我们去海边。", "unicorn:zh-cn"),
    ("今日は天気がとてもいいです。", "unicorn:ja"),
    ("오늘은 날씨가 아주 좋습니다.", "unicorn:ko"),
    ("วันนี้อากาศดีมาก", "unicorn:th"),
    ("Hello.", "unicorn:heart"),
    ("42", "unicorn:heart"),
    ("Napakaganda ng panahon ngayon at pupunta kami sa dagat.", "unicorn:heart"),
]
"""The last has no voice of its language."""


@pytest.fixture
def owner():
    return factories.user()


@pytest.fixture
def api(owner):
    return factories.api(factories.token(owner))


@pytest.fixture
def credits(owner):
    wallet = wallet_of(factories.workspace(owner), "PRODUCTION")
    return lambda: (summary(wallet)["balance"], summary(wallet)["reserved"])


@pytest.fixture
def german(voices):
    for provider in ("unicorn", "scripted"):
        add_voice(provider, "de", "de-DE")


def add_voice(provider: str, name: str, language: str) -> None:
    Voice.objects.create(
        id=f"{provider}:{name}",
        provider_id=provider,
        provider_voice=name,
        name=name,
        language=language,
    )


def post(client, path: str, body: object, **headers: str):
    return client.post(
        f"/api/v1/{path}",
        json.dumps(body),
        content_type="application/json",
        headers=headers,
    )


def estimated(client, text: str = "Hello there.", **headers: str) -> str:
    answer = post(client, "estimate", {"text": text}, **headers)
    assert answer.status_code == 200, answer.content
    return str(answer.json()["voice"])


def test_the_language_of_a_text_decides(api) -> None:
    sync.sync()
    texts = [{"text": text} for text, _ in BY_LANGUAGE]
    expected = [voice for _, voice in BY_LANGUAGE]
    found = [estimated(api, text) for text, _ in BY_LANGUAGE]
    assert list(zip(found, BY_LANGUAGE, strict=True)) == list(
        zip(expected, BY_LANGUAGE, strict=True)
    )
    told = post(api, "estimate", {"scenes": texts[:4]}).json()
    assert (told["voice"], told["voices"]) == (None, expected[:4])
    job = post(api, "jobs", {"scenes": texts[:4]}).json()
    assert [scene["voice"] for scene in job["scenes"]] == expected[:4]
    chapters = {"text": f"# Eins\n{GERMAN}\n# Zwei\nNein.", "split": "chapters"}
    job = post(api, "jobs", chapters).json()
    assert [scene["voice"] for scene in job["scenes"]] == ["unicorn:de"] * 2


@pytest.mark.usefixtures("german")
def test_the_preferred_voice_speaks_where_none_is_named(api, credits, speak_all):
    change = {"preferences": {"voice": "scripted:two"}}
    api.patch("/api/v1/me", json.dumps(change), content_type="application/json")
    Provider.objects.filter(slug="scripted").update(cost_multiplier="2.5")

    estimate = post(api, "estimate", {"text": GERMAN}).json()
    assert (estimate["voice"], estimate["voices"]) == (
        "scripted:two",
        ["scripted:two"],
    )
    assert (estimate["characters"], estimate["cost"]) == (57, 143)
    named = {"scenes": [{"text": "Hi."}, {"text": "Hi.", "voice": "unicorn:en-gb"}]}
    for order, voices, cost in [
        ({"text": GERMAN}, ["scripted:two"], 143),
        (named, ["scripted:two", "unicorn:en-gb"], 8 + 3),
        (named | {"voice": "unicorn:de"}, ["unicorn:de", "unicorn:en-gb"], 6),
    ]:
        job = post(api, "jobs", order)
        assert job.status_code == 202
        told = job.json()
        assert [scene["voice"] for scene in told["scenes"]] == voices
        assert told["cost"] == cost
    speak_all()
    assert credits() == (5000 - 143 - 11 - 6, 0)

    spoken = post(api, "speech", {"input": "Hi."})
    assert (spoken["X-Voice"], spoken.json()["voice"]) == ("scripted:two",) * 2
    assert (spoken.json()["cost"], credits()) == (8, (5000 - 160 - 8, 0))
    assert Usage.objects.latest("pk").voice == "scripted:two"
    spoken = post(api, "speech", {"input": "Hi.", "voice": "EN-GB"})
    assert (spoken["X-Voice"], spoken.json()["voice"]) == ("unicorn:en-gb",) * 2


@pytest.mark.usefixtures("german")
def test_a_preferred_voice_that_is_unavailable_is_replaced_by_language(owner, api):
    def prefer(voice: object) -> None:
        preferences.merge(owner, {"voice": voice})

    for nonsense in ["scripted:gone", "nobody:one", "gone", "", "x" * 999, 7, ["a"]]:
        prefer(nonsense)
        assert estimated(api, GERMAN) == "unicorn:de", nonsense
    prefer("TWO")  # a name is looked up in the default provider
    assert estimated(api, GERMAN) == "unicorn:de"
    preferences.merge(owner, {"default_provider": "scripted"})
    assert estimated(api, GERMAN) == "scripted:two"

    preferences.merge(owner, {"default_provider": None})
    prefer("scripted:two")
    assert estimated(api) == "scripted:two"
    assert estimated(api, **{"X-Environment": "SANDBOX"}) == "unicorn:en-us"
    two = Voice.objects.filter(pk="scripted:two")
    provider = Provider.objects.filter(slug="scripted")
    cases: list[tuple[QuerySet[Any], dict[str, Any], dict[str, Any]]] = [
        (two, {"is_offered": False}, {"is_offered": True}),
        (two, {"is_enabled": False}, {"is_enabled": True}),
        (provider, {"is_enabled": False}, {"is_enabled": True}),
        (provider, {"daily_ceiling": 0}, {"daily_ceiling": None}),
    ]
    for rows, change, back in cases:
        rows.update(**change)
        assert estimated(api) == "unicorn:en-us", change
        rows.update(**back)
        assert estimated(api) == "scripted:two"


@pytest.mark.usefixtures("voices")
def test_a_provider_that_is_not_configured_is_not_chosen(owner, api, monkeypatch):
    monkeypatch.setattr(scripted.Scripted, "needs_key", True)
    for chosen in ({"voice": "scripted:two"}, {"default_provider": "scripted"}):
        owner.preferences = chosen
        owner.save()
        assert estimated(api) == "unicorn:en-us"
    monkeypatch.setenv("SCRIPTED_API_KEY", "k3y")
    assert estimated(api) == "scripted:one"


@pytest.mark.usefixtures("german")
def test_the_default_provider_speaks_the_languages_that_it_has(owner, api):
    preferences.merge(owner, {"default_provider": "scripted"})
    add_voice("unicorn", "pl", "pl")
    found = [estimated(api, text) for text in (ENGLISH, GERMAN, POLISH, "مرحبا")]
    assert found == ["scripted:one", "scripted:de", "unicorn:pl", "scripted:one"]
    Provider.objects.filter(slug="scripted").update(default_voice="scripted:two")
    assert estimated(api, ENGLISH) == "scripted:two"
    assert estimated(api, GERMAN) == "scripted:de"
    Voice.objects.filter(pk="scripted:two").update(language="mul")
    found = [estimated(api, text) for text in (ENGLISH, GERMAN, POLISH, "مرحبا")]
    assert found == ["scripted:two"] * 4


@pytest.mark.usefixtures("german")
def test_a_refused_own_key_is_an_error(owner, api, credits):
    factories.provider_key(factories.workspace(owner), "scripted")
    preferences.merge(owner, {"voice": "scripted:two"})
    told = post(api, "estimate", {"text": "Hi."}).json()
    assert (told["voice"], told["cost"]) == ("scripted:two", 0)
    ProviderKey.objects.update(failure="bad_key", failed_at=timezone.now())
    for chosen in ({"voice": "scripted:two"}, {"default_provider": "scripted"}):
        owner.preferences = chosen
        owner.save()
        for path, body in [("jobs", {"text": "Hi."}), ("speech", {"input": "Hi."})]:
            answer = post(api, path, body)
            told = (answer.status_code, answer.json()["code"])
            assert told == (409, "own_key_refused"), chosen
    assert (Job.objects.count(), credits(), scripted.calls) == (0, (5000, 0), [])


@pytest.mark.usefixtures("voices")
def test_refused_calls_charge_nothing(owner, api, credits) -> None:
    preferences.merge(owner, {"voice": "scripted:two"})
    Provider.objects.filter(slug="scripted").update(cost_multiplier=2000)
    unknown = {"voice": "scripted:none"}
    scene = {"scenes": [{"text": "Hi."}, {"text": "Hi."} | unknown]}
    for path, body, status, code in [
        ("jobs", {"text": "Hi."}, 429, "insufficient_credits"),
        ("speech", {"input": "Hi."}, 429, "insufficient_credits"),
        ("jobs", {"text": "Hi.", "max_cost": 5999}, 409, "price_changed"),
        ("jobs", {"text": "Hi."} | unknown, 400, "unknown_voice"),
        ("jobs", scene, 400, "unknown_voice"),
        ("estimate", {"text": "Hi."} | unknown, 400, "unknown_voice"),
        ("speech", {"input": "Hi."} | unknown, 400, "unknown_voice"),
        ("speech", {"input": "Hi.", "voice": ""}, 400, "invalid"),
        ("speech", {"input": "Hi.", "voice": None}, 400, "invalid"),
        ("jobs", {"text": "Hi.", "options": {"tone": 1}}, 400, "invalid_option"),
        ("jobs", {"text": " "}, 400, "empty_text"),
    ]:
        answer = post(api, path, body)
        assert (answer.status_code, answer.json()["code"]) == (status, code), body
        assert "X-Voice" not in answer
    assert (Job.objects.count(), Scene.objects.count(), credits()) == (0, 0, (5000, 0))
    assert not LedgerTransaction.objects.exclude(kind="grant").exists()
    assert scripted.calls == []


@pytest.mark.usefixtures("voices")
def test_without_a_default_voice_one_must_be_named(api, credits) -> None:
    Provider.objects.filter(slug="unicorn").update(is_enabled=False)
    for path, body in [("jobs", {"text": "Hi."}), ("speech", {"input": "Hi."})]:
        answer = post(api, path, body)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
        assert list(answer.json()["fields"]) == ["voice"]
    assert (Job.objects.count(), credits()) == (0, (5000, 0))


@pytest.mark.usefixtures("voices")
def test_a_repeat_keeps_the_voice(owner, api, credits) -> None:
    preferences.merge(owner, {"voice": "scripted:two"})
    orders = [("jobs", {"text": "Hi."}), ("speech", {"input": "Hi."})]
    first = [post(api, *order, **{"Idempotency-Key": "k"}) for order in orders]
    preferences.merge(owner, {"voice": "unicorn:en-gb"})
    again = [post(api, *order, **{"Idempotency-Key": "k"}) for order in orders]
    assert [answer["Idempotent-Replayed"] for answer in again] == ["true"] * 2
    assert [one.json() for one in again] == [one.json() for one in first]
    assert again[0].json()["scenes"][0]["voice"] == "scripted:two"
    assert again[1].json()["voice"] == again[1]["X-Voice"] == "scripted:two"
    assert credits() == (5000 - 6, 3)


@pytest.mark.usefixtures("german")
def test_guests_and_operators_need_not_name_a_voice(settings) -> None:
    settings.ADMIN_ACCESS_KEY = "o" * 32
    Provider.objects.filter(slug="scripted").update(is_open_to_guests=True)
    for client, billed_to in [
        (factories.api(), "guest"),
        (factories.api("o" * 32), "admin"),
    ]:
        job = post(client, "jobs", {"text": GERMAN}).json()
        assert [scene["voice"] for scene in job["scenes"]] == ["unicorn:de"]
        spoken = post(client, "speech", {"input": "Hello there."})
        assert (spoken["X-Voice"], spoken.json()["voice"]) == ("unicorn:en-us",) * 2
        assert (job["billed_to"], spoken.json()["billed_to"]) == (billed_to,) * 2
        assert (job["cost"], spoken.json()["cost"]) == (0, 0)


@pytest.mark.usefixtures("voices")
def test_each_team_member_and_their_tokens_use_their_own_preference(owner):
    other = factories.user()
    team = factories.team(owner, other)
    preferences.merge(owner, {"voice": "scripted:one"})
    preferences.merge(other, {"voice": "scripted:two"})
    for person, voice in [(owner, "scripted:one"), (other, "scripted:two")]:
        browser = factories.browser(person)
        token = factories.api(factories.token(person, workspace=team))
        assert estimated(token) == voice
        assert estimated(browser, **{"X-Workspace": str(team.pk)}) == voice


@pytest.mark.usefixtures("voices")
def test_a_fallback_is_compared_with_the_chosen_voice(owner, api) -> None:
    Provider.objects.filter(slug="scripted").update(cost_multiplier=2)
    order = {"text": "Hi.", "fallback": ["scripted:two"]}
    assert post(api, "jobs", order).json()["code"] == "fallback_dearer"
    preferences.merge(owner, {"voice": "scripted:one"})
    assert post(api, "jobs", order).json()["cost"] == 6
