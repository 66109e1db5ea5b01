"""An own key goes only to the address that it was entered for."""

import json

import pytest

from providers import tasks
from providers.contract.base import Failure, ProviderError
from providers.contract.registry import ADAPTERS, get_adapter
from providers.keys import checking, using
from providers.models import Provider, ProviderKey
from providers.vendors.compatible import Compatible
from tests import factories
from tests.providers.vendors.openai import Compatible as Server
from tests.providers.vendors.server import serving

pytestmark = pytest.mark.django_db(transaction=True)

URL = "/api/v1/provider-keys"
VENDORS = sorted(slug for slug in ADAPTERS if get_adapter(slug).own_key)
KEY = "own-k3y-of-a-test"


def access(row: ProviderKey):
    credential = using.credential_of(row.workspace_id)
    return using.access_for_credential(
        Provider.objects.get(pk=row.provider_id), credential
    )


@pytest.mark.parametrize("slug", VENDORS)
def test_an_edited_address_of_a_vendor_gets_no_own_key(slug, api, alice, monkeypatch):
    """Neither one that is saved, nor one that is used, checked or listed with."""
    asked: list[str] = []

    def answer(self, given):
        asked.append(given.base_url)
        return []

    adapter = type(get_adapter(slug))
    monkeypatch.setattr(adapter, "check", answer)
    monkeypatch.setattr(adapter, "voices", answer)
    monkeypatch.setattr(adapter, "has_voice_table", False)
    row = factories.provider_key(factories.workspace(alice), slug)
    Provider.objects.update(base_url="http://listener.example.com/v1")
    region = next(iter(sorted(get_adapter(slug).regions)))
    body = json.dumps({"key": KEY, "region": region})

    assert access(row).base_url == ""
    api.put(f"{URL}/{slug}", body, content_type="application/json")
    tasks.check_key(str(row.pk))
    ProviderKey.objects.update(failure="", failed_at=None)
    tasks.learn_voices(str(row.pk))

    assert asked == ["", "", ""]


@pytest.fixture
def server(monkeypatch):
    """A compatible server of operators that takes own keys."""
    monkeypatch.setattr(Compatible, "own_key", True)
    with serving(Server()) as found:
        Provider.objects.filter(slug="compatible").update(
            base_url=found.access.base_url
        )
        yield found


def save(api) -> int:
    body = json.dumps({"key": KEY, "region": ""})
    sent = api.put(f"{URL}/compatible", body, content_type="application/json")
    return int(sent.status_code)


def test_own_keys_are_suspended_while_an_address_is_another(
    server, api, alice, monkeypatch
):
    monkeypatch.setattr(Compatible, "regions", {"": ""})
    server.key = KEY
    assert save(api) == 200
    row = ProviderKey.objects.get()
    assert access(row).base_url == server.access.base_url
    before = ProviderKey.objects.values().get()

    with serving(Server()) as other:
        other.key = KEY
        Provider.objects.filter(slug="compatible").update(
            base_url=other.access.base_url
        )

        with pytest.raises(ProviderError) as caught:
            access(row)
        assert caught.value.kind is Failure.OWN_KEY_SUSPENDED
        (listed,) = api.get(URL).json()
        assert listed["failure"] == "own_key_suspended"
        page = factories.browser(alice)
        shown = page.get("/settings/provider-keys")
        assert "the address of" in shown.content.decode()
        checked = page.post("/settings/provider-keys/compatible/check", follow=True)
        assert "so your own key is not sent there" in checked.content.decode()
        ProviderKey.objects.update(checked_at="2026-01-01T00:00:00Z")
        assert checking.check_all() == 0
        tasks.check_key(str(row.pk))
        tasks.learn_voices(str(row.pk))
        assert other.asked == []
        kept = ProviderKey.objects.values().get()
        assert kept["encrypted_key"] == before["encrypted_key"]
        assert (kept["failure"], kept["status"]) == ("", before["status"])

        assert save(api) == 200
        assert access(row).base_url == other.access.base_url
        assert api.get(URL).json()[0]["failure"] is None


def test_an_address_from_the_environment_suspends_them_too(alice, monkeypatch):
    row = factories.provider_key(factories.workspace(alice), "openai")
    assert access(row).base_url == ""

    monkeypatch.setenv("OPENAI_BASE_URL", "http://proxy.example.com/v1")
    with pytest.raises(ProviderError) as caught:
        access(row)
    assert caught.value.kind is Failure.OWN_KEY_SUSPENDED

    monkeypatch.delenv("OPENAI_BASE_URL")
    assert access(row).key == KEY
