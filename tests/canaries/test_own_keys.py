"""A workspace's key is planted, and looked for wherever something is written or shown."""

import json
import logging

import pytest
from django.apps import apps
from django.urls import reverse

from accounts import lifecycle
from accounts.audit.log import snapshot
from accounts.lifecycle import Scope, Table
from kit.secrets import Secret
from providers import tasks
from providers.catalogue import sync
from providers.contract.registry import get_adapter
from providers.keys import using
from providers.models import Provider, ProviderKey, Voice
from synthesis.models import Job
from synthesis.work import worker
from tests import factories
from tests.providers.vendors.openai import OpenAI
from tests.providers.vendors.server import Fault, Reply, serving

pytestmark = pytest.mark.django_db(transaction=True)

CANARY = "sk-canary-7f3a9c-nobody-shall-read-this"
BODY = {"text": "Hello there.", "voice": "openai:alloy"}


@pytest.fixture
def vendor(monkeypatch):
    Provider.objects.create(slug="openai", name="OpenAI")
    Voice.objects.create(
        id="openai:alloy",
        provider_id="openai",
        provider_voice="alloy",
        name="Alloy",
        language="mul",
    )
    with serving(OpenAI()) as found:
        found.key = CANARY
        monkeypatch.setenv("OPENAI_BASE_URL", found.access.base_url)
        yield found


def test_a_planted_key_shows_nowhere(vendor, monkeypatch, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    sent: list[object] = []
    for name in ("ring", "ring_soon"):
        monkeypatch.setattr(
            f"kit.work.bells.{name}", lambda *args, **more: sent.append((args, more))
        )
    alice = factories.user("alice@example.com")
    api = factories.api(factories.token(alice))
    office = factories.browser(alice)
    operator = factories.browser(factories.user(is_staff=True, is_superuser=True))
    shown: list[bytes] = []

    def see(answer, status=200):
        assert answer.status_code == status, answer.content
        shown.append(answer.content + str(answer.headers).encode())
        return answer

    def put(body, status=200):
        url = "/api/v1/provider-keys/openai"
        see(api.put(url, json.dumps(body), content_type="application/json"), status)

    def speak(path="jobs", body=BODY, status=202):
        url = f"/api/v1/{path}"
        see(api.post(url, json.dumps(body), content_type="application/json"), status)

    # It is saved, refused, malformed; the provider is down, quotes it, or we have a bug.
    put({"key": CANARY, "region": "x/#"}, 400)
    put({"key": CANARY + "\n"}, 400)
    put({"key": CANARY})
    adapter = get_adapter("openai")
    with monkeypatch.context() as patched:
        patched.setattr(vendor, "answer", lambda asked: Reply(500, body=b"{}"))
        put({"key": CANARY}, 503)
        quoting = {"error": {"code": f"Wrong: {CANARY}", "message": CANARY}}
        reply = Reply(401, body=json.dumps(quoting).encode())
        patched.setattr(vendor, "answer", lambda asked: reply)
        put({"key": CANARY}, 400)
        see(office.post("/settings/provider-keys", _typed(CANARY)), 400)
    with monkeypatch.context() as patched:
        patched.setattr(adapter, "check", _broken)
        put({"key": CANARY}, 500)
        see(office.post("/settings/provider-keys", _typed(CANARY)), 500)
    see(office.post("/settings/provider-keys", _typed(CANARY)), 302)

    # It speaks, well and badly.
    speak()
    speak("speech", {"input": "Hi.", "voice": "openai:alloy"}, 200)
    vendor.fault = Fault.BROKEN
    speak()
    speak("speech", {"input": "Hi.", "voice": "openai:alloy"}, 503)
    worker.work("remote")
    vendor.fault = None
    with monkeypatch.context() as patched:
        patched.setattr(adapter, "speak", _broken)
        speak()
        worker.work("remote")
    vendor.key = "an0ther"
    speak()
    worker.work("remote")
    tasks.check_key(str(ProviderKey.objects.get().pk))
    assert ProviderKey.objects.get().failure == "bad_key"

    # It is looked for.
    for url in (
        *("/api/v1/provider-keys", "/api/v1/providers", "/api/v1/me", "/api/v1/jobs"),
        *(f"/api/v1/jobs/{job.pk}" for job in Job.objects.all()),
    ):
        see(api.get(url))
    see(office.get("/settings/provider-keys"))
    row = ProviderKey.objects.get()
    for name, args in (
        ("providerkey_changelist", []),
        ("providerkey_change", [row.pk]),
        ("provider_changelist", []),
    ):
        see(operator.get(reverse(f"admin:providers_{name}", args=args)))
    for part in lifecycle.export(Scope(factories.workspace(alice))):
        if isinstance(part, Table):
            shown.append(str(list(part.rows)).encode())
    text = caplog.text + "".join(capfd.readouterr()) + repr(sent) + repr(row)
    assert CANARY not in text
    assert CANARY.encode() not in b"".join(shown)
    assert CANARY not in json.dumps(snapshot(row))
    for model in apps.get_models():
        for values in model._default_manager.values():
            assert CANARY not in str(values), model
            assert CANARY.encode() not in b"".join(
                bytes(value) for value in values.values() if isinstance(value, bytes)
            )
    credential = using.credential_of(factories.workspace(alice).pk)
    ProviderKey.objects.update(failure="", failed_at=None)
    access = using.access_for_credential(
        Provider.objects.get(slug="openai"), credential
    )
    assert access.key == CANARY  # it was there all the time
    assert CANARY not in repr([access, Secret(CANARY)])


def _typed(key: str) -> dict[str, str]:
    return {"provider": "openai", "key": key, "region": ""}


def _broken(*args: object) -> None:
    raise RuntimeError("a bug of ours")


def test_a_sync_of_the_catalogue_uses_no_customers_key(vendor, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    factories.provider_key(factories.workspace(factories.user()), "openai", CANARY)
    assert sync.sync().failed == {}
    assert vendor.asked == []
