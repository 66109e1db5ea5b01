from decimal import Decimal

import pytest
from django.contrib.admin.utils import quote
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEntry
from providers.models import ModelAlias, Provider, ProviderKey, Voice, VoiceAlias
from tests import factories, whole_catalogue

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator() -> Client:
    whole_catalogue.fill()
    return factories.browser(
        factories.user("operator@example.com", is_staff=True, is_superuser=True)
    )


def test_prices_and_limits_are_edited_in_the_list(operator):
    response = operator.post(
        reverse("admin:providers_provider_changelist"),
        {
            "form-TOTAL_FORMS": 1,
            "form-INITIAL_FORMS": 1,
            "form-0-slug": "unicorn",
            "form-0-is_enabled": "on",
            "form-0-cost_multiplier": "1.250",
            "form-0-max_concurrent": "4",
            "_save": "Save",
        },
    )
    assert response.status_code == 302
    unicorn = Provider.objects.get(slug="unicorn")
    assert unicorn.cost_multiplier == Decimal("1.25")
    assert unicorn.max_concurrent == 4
    assert unicorn.is_enabled
    assert not unicorn.is_open_to_guests
    entry = AuditEntry.objects.get()
    assert entry.before is not None
    assert entry.after is not None
    assert entry.before["cost_multiplier"] == "1.000"
    assert entry.after["cost_multiplier"] == "1.250"


def test_a_negative_price_is_refused(operator):
    response = operator.post(
        reverse("admin:providers_provider_change", args=["unicorn"]),
        {"is_enabled": "on", "cost_multiplier": "-1"},
    )
    assert response.status_code == 200
    assert Provider.objects.get(slug="unicorn").cost_multiplier == 1


@pytest.mark.parametrize("model", ["provider", "voice"])
def test_admin_lists_show_and_search_rows(operator, model):
    url = reverse(f"admin:providers_{model}_changelist")
    response = operator.get(url, {"q": "unicorn"})
    assert response.status_code == 200
    assert "unicorn" in response.content.decode()


@pytest.mark.parametrize(
    ("model", "key"), [("provider", "unicorn"), ("voice", "unicorn:de")]
)
def test_catalogue_rows_cannot_be_deleted(operator, model, key):
    assert (
        operator.get(
            reverse(f"admin:providers_{model}_change", args=[quote(key)])
        ).status_code
        == 200
    )
    delete = reverse(f"admin:providers_{model}_delete", args=[quote(key)])
    assert operator.post(delete, {"post": "yes"}).status_code == 403
    assert Voice.objects.filter(pk="unicorn:de").exists()


@pytest.mark.parametrize(
    ("slug", "base_url", "is_added"),
    [
        ("compatible-kokoro", "http://kokoro:8880/v1", True),
        ("compatible-x", "https://[::1]:8/v1", True),
        ("compatible-x", "ftp://kokoro/v1", False),
        ("compatible-x", "http://user@kokoro/v1", False),
        ("compatible-x", "http://kokoro/v1?a=1", False),
        ("Compatible-x", "http://kokoro/v1", False),
        ("kokoro", "http://kokoro/v1", False),
    ],
)
def test_operators_add_servers_of_their_own(operator, slug, base_url, is_added):
    before = Provider.objects.count()
    response = operator.post(
        reverse("admin:providers_provider_add"),
        {
            "slug": slug,
            "name": "Kokoro",
            "is_enabled": "on",
            "cost_multiplier": "0.5",
            "base_url": base_url,
        },
    )
    assert response.status_code == (302 if is_added else 200)
    assert Provider.objects.count() == before + is_added
    if is_added:
        assert Provider.objects.get(slug=slug).base_url == base_url


def test_a_region_is_chosen_from_the_providers_own(operator):
    page = reverse("admin:providers_provider_change", args=["azure"])
    shown = operator.get(page).content.decode()
    assert '<option value="westeurope">westeurope</option>' in shown
    assert "eu-west-1" not in shown
    sent = {"is_enabled": "on", "cost_multiplier": "1"}
    for region, status in (("eu-west-1", 200), ("westeurope", 302)):
        assert operator.post(page, sent | {"region": region}).status_code == status
    assert Provider.objects.get(slug="azure").region == "westeurope"


def test_operators_set_the_model_of_their_server(operator):
    page = reverse("admin:providers_provider_change", args=["compatible"])
    model = "speaches-ai/Kokoro-82M-v1.0-ONNX"
    sent = {"is_enabled": "on", "cost_multiplier": "1", "model": model}
    assert operator.post(page, sent).status_code == 302
    assert Provider.objects.get(slug="compatible").model == model
    page = reverse("admin:providers_provider_change", args=["openai"])
    assert 'name="model"' not in operator.get(page).content.decode()


def test_operators_add_voices_to_their_own_servers(operator):
    add = reverse("admin:providers_voice_add")
    sent = {"provider": "compatible", "provider_voice": "anna", "name": "anna"}
    sent["language"] = "de-DE"
    for wrong, value in (
        ("provider", "openai"),
        ("provider_voice", "a\x7fb"),
        ("language", "German!"),
    ):
        assert operator.post(add, sent | {wrong: value}).status_code == 200
    assert not Voice.objects.filter(is_by_hand=True).exists()
    assert operator.post(add, sent).status_code == 302
    assert operator.post(add, sent).status_code == 200  # it exists already
    voice = Voice.objects.get(is_by_hand=True)
    assert (voice.pk, voice.name, voice.language) == (
        "compatible:anna",
        "anna",
        "de-DE",
    )
    page = reverse("admin:providers_voice_change", args=[quote(voice.pk)])
    sent = {"name": "Anna", "language": "de-DE", "gender": "female", "is_enabled": "on"}
    assert operator.post(page, sent | {"provider_voice": "x"}).status_code == 302
    voice.refresh_from_db()
    assert (voice.provider_voice, voice.name, voice.gender) == (
        "anna",
        "Anna",
        "female",
    )


def test_voices_are_enabled_and_disabled_in_bulk(operator):
    url = reverse("admin:providers_voice_changelist")
    chosen = ["unicorn:de", "unicorn:fr-fr"]
    operator.post(
        url, {"action": "switch_off", "_selected_action": chosen, "reason": "a test"}
    )
    off = Voice.objects.filter(is_enabled=False)
    assert sorted(off.values_list("pk", flat=True)) == chosen
    operator.post(
        url, {"action": "switch_on", "_selected_action": chosen[:1], "reason": "a test"}
    )
    assert [voice.pk for voice in off.all()] == ["unicorn:fr-fr"]
    entries = AuditEntry.objects.order_by("pk").values_list("object_id", "action")
    assert sorted(entries) == [
        ("unicorn:de", "Disabled."),
        ("unicorn:de", "Enabled."),
        ("unicorn:fr-fr", "Disabled."),
    ]


def test_the_catalogue_is_synced_by_a_button_with_a_reason(operator):
    Voice.objects.filter(pk="unicorn:de").delete()
    url = reverse("admin:providers_provider_sync_catalogue")

    asked = operator.get(url)
    assert "Every provider&#x27;s list" in asked.content.decode()
    assert operator.post(url, {"reason": " "}).status_code == 200
    assert not Voice.objects.filter(pk="unicorn:de").exists()
    assert not AuditEntry.objects.exists()

    done = operator.post(url, {"reason": "a new voice"}, follow=True)
    told = "Voices: 1 added, 0 updated, 0 withdrawn."
    assert told in done.content.decode()
    assert Voice.objects.filter(pk="unicorn:de").exists()
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.reason) == ("synced the catalogue", "a new voice")
    assert entry.after is not None
    assert entry.after["voices"] in told


def test_own_keys_are_shown_masked_and_deleted_with_a_reason(operator):
    row = factories.provider_key(
        factories.workspace(factories.user()), "openai", "k3y-of-a-customer"
    )
    encrypted = bytes(ProviderKey.objects.get().encrypted_key)
    page = reverse("admin:providers_providerkey_change", args=[row.pk])
    listing = reverse("admin:providers_providerkey_changelist")
    for answer in (operator.get(listing), operator.get(page)):
        assert answer.status_code == 200
        shown = answer.content.decode()
        assert "omer" in shown
        assert "k3y-of" not in shown
        assert encrypted.hex() not in shown
        assert "memory at" not in shown
    assert operator.post(page, {"last4": "1234"}).status_code == 403
    erase = {"action": "erase", "_selected_action": [str(row.pk)]}
    answer = operator.post(listing, erase, follow=True)
    assert "Enter a reason." in answer.content.decode()
    assert ProviderKey.objects.count() == 1

    erase["reason"] = "They asked for it."
    answer = operator.post(listing, erase, follow=True)

    assert "was deleted" in answer.content.decode()
    assert ProviderKey.objects.count() == 0
    entry = AuditEntry.objects.get(action="deleted")
    assert entry.reason == "They asked for it."
    assert entry.before
    assert entry.before["encrypted_key"] == "•••"
    assert "k3y-of" not in str(entry.before)
    add = reverse("admin:providers_providerkey_add")
    assert operator.get(add).status_code == 403


def test_operators_add_aliases(operator):
    add = reverse("admin:providers_voicealias_add")
    for name, voice, status in (
        ("alloy", "unicorn:en-us", 302),
        ("alloy", "openai:alloy", 302),
        ("alloy", "unicorn:de", 200),
        ("Alloy", "unicorn:de", 200),
        ("a b", "unicorn:de", 200),
        ("echo", "unicorn:nobody", 200),
    ):
        answer = operator.post(add, {"name": name, "voice": voice})
        assert answer.status_code == status, (name, voice)
    assert VoiceAlias.objects.count() == 2
    add = reverse("admin:providers_modelalias_add")
    sent = {"name": "tts-1", "provider": "openai", "model": "tts-1"}
    assert operator.post(add, sent).status_code == 302
    assert operator.post(add, sent).status_code == 200
    assert operator.post(add, sent | {"name": "TTS-1"}).status_code == 200
    page = reverse("admin:providers_modelalias_change", args=[quote("tts-1")])
    assert operator.get(page).status_code == 200
    operator.post(page, {"name": "other", "provider": "unicorn", "model": ""})
    alias = ModelAlias.objects.get()
    assert (alias.name, alias.provider_id, alias.model) == ("tts-1", "unicorn", "")
    for model in ("voicealias", "modelalias"):
        listed = operator.get(reverse(f"admin:providers_{model}_changelist"))
        assert listed.status_code == 200


def test_a_default_voice_is_one_of_the_providers(operator):
    page = reverse("admin:providers_provider_change", args=["unicorn"])
    sent = {"is_enabled": "on", "cost_multiplier": "1"}
    for voice, status in (("openai:alloy", 200), ("unicorn:de", 302)):
        answer = operator.post(page, sent | {"default_voice": voice})
        assert answer.status_code == status
    assert Provider.objects.get(slug="unicorn").default_voice_id == "unicorn:de"
    assert Provider.objects.get(slug="openai").default_voice_id is None


def test_platform_keys_are_checked_by_an_action(operator, stage, monkeypatch):
    vendor = stage("openai")
    monkeypatch.setenv("OPENAI_BASE_URL", vendor.access.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", vendor.key)
    monkeypatch.setenv("LEMONFOX_BASE_URL", vendor.access.base_url)
    monkeypatch.setenv("LEMONFOX_API_KEY", "wr0ng-k3y")
    answer = operator.post(
        reverse("admin:providers_provider_changelist"),
        {
            "action": "check_now",
            "_selected_action": ["openai", "unicorn", "lemonfox", "deepgram"],
            "reason": "A look",
        },
        follow=True,
    )
    told = [str(message) for message in answer.context["messages"]]
    assert sorted(told) == [
        "Deepgram: no key or no address is set.",
        "LemonFox: bad_key: 401 invalid_api_key error.",
        "OpenAI: valid.",
        "Unicorn: valid.",
    ]
    assert [asked.path for asked in vendor.asked] == ["/v1/models", "/v1/models"]


def _edits_address(client: Client, slug: str) -> bool:
    """Send another address in the form of a provider; return whether it was saved."""
    before = Provider.objects.get(slug=slug).base_url
    page = reverse("admin:providers_provider_change", args=[slug])
    sent = {"name": "New", "is_enabled": "on", "cost_multiplier": "3", "region": ""}
    answer = client.post(page, sent | {"base_url": "http://listener.example.com/v1"})
    row = Provider.objects.get(slug=slug)
    assert (answer.status_code, row.cost_multiplier) == (302, Decimal(3))
    assert row.base_url in (before, "http://listener.example.com/v1")
    shown = client.get(page).content.decode()
    assert ('name="base_url"' in shown) == (row.base_url != before)
    return row.base_url != before


@pytest.fixture
def manager(operator) -> Client:
    """An operator with the right to change providers, and no other."""
    person = factories.user("manager@example.com", is_staff=True)
    names = ["view_provider", "change_provider", "add_provider"]
    person.user_permissions.set(Permission.objects.filter(codename__in=names))
    return factories.browser(person)


@pytest.mark.parametrize("slug", ["openai", "azure", "compatible"])
def test_an_address_is_edited_by_few(slug, operator, manager, monkeypatch):
    """All calls go there, with our keys: the right to change providers is not enough."""
    assert not _edits_address(manager, slug)

    session = operator.session
    verified_at = session["verified_at"]
    session["verified_at"] = verified_at - 901
    session.save()
    assert not _edits_address(operator, slug)
    page = reverse("admin:providers_provider_change", args=[slug])
    assert "/second-factor" in operator.get(page).content.decode()

    session["verified_at"] = verified_at
    session.save()
    with monkeypatch.context() as patched:
        patched.setenv(f"{slug.upper()}_BASE_URL", "http://proxy.example.com/v1")
        assert not _edits_address(operator, slug)
    assert _edits_address(operator, slug)


def test_a_manager_adds_no_address(manager):
    """A key may be in the environment before its server is added."""
    sent = {
        "slug": "compatible-x",
        "name": "X",
        "is_enabled": "on",
        "cost_multiplier": "1",
        "base_url": "http://listener.example.com/v1",
    }
    answer = manager.post(reverse("admin:providers_provider_add"), sent, follow=True)
    assert Provider.objects.get(slug="compatible-x").base_url == ""
    told = [str(message) for message in answer.context["messages"]]
    assert "Address not saved. Only superusers can edit the address." in told
