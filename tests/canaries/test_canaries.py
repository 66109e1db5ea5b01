"""Secrets appear in the expected places only.

A recognizable secret is entered wherever one can be. Then the system runs through normal
use and failures, and all its outputs and stores are searched. Each secret may appear only
in the places that its row lists, and must appear there: otherwise a broken search would
pass.
"""

import base64
import json
import logging
import re
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import pytest
from django.contrib import admin
from django.db import connection, transaction
from django.urls import reverse

from accounts.login import links as login_links
from accounts.models import LoginSession, Workspace
from accounts.models.second_factor import Authenticator
from billing.models import Wallet
from kit.mail import outbox
from kit.models import Mail
from kit.tasks import send_mails
from providers.models import Provider, Voice
from synthesis.work import worker
from tests import factories
from tests.accounts.codes import newest_code
from tests.accounts.login.test_second_factor import app_code
from tests.canaries import sources
from tests.canaries.sources import Seen, Watched
from tests.providers.vendors.openai import OpenAI
from tests.providers.vendors.server import Fault, serving
from tests.webhooks import receiver as answers
from tests.webhooks.receiver import listening
from webhooks.sending import delivery

pytestmark = pytest.mark.django_db(transaction=True)

JSON = "application/json"
NOWHERE: set[str] = set()
_KEY_BYTES = b"canary-of-the-encryption-key-32b"

IN_SETTINGS = {
    "SECRET_KEY": "canary-of-the-secret-key-0123456789abcdef",
    "ENCRYPTION_KEYS": f"canary:{base64.b64encode(_KEY_BYTES).decode()}",
    "ADMIN_ACCESS_KEY": "canary-of-the-operators-key-0123456789",
    "METRICS_TOKEN": "canary-of-the-metrics-token-0123456789",
    "EMAIL_HOST_PASSWORD": "canary-of-the-mail-password-01234",
    "STRIPE_SECRET_KEY": "canary-of-the-stripe-key-0123456789",
}
"""Secrets of the installation, which may only be in the settings."""

PROVIDER_KEY = "canary-of-the-provider-key-0123456789"
DATABASE_PASSWORD = "canary-of-the-database-password-0123"


class Planted:
    """Secrets with the places where each may appear."""

    def __init__(self) -> None:
        self.places: dict[str, tuple[str, set[str]]] = {}

    def plant(self, name: str, secret: str, places: set[str] = NOWHERE) -> str:
        assert len(secret) >= 6
        self.places[name] = (secret, places)
        return secret


@pytest.fixture
def planted(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Planted]:
    found = Planted()
    settings.DEBUG = False
    for name, secret in IN_SETTINGS.items():
        setattr(settings, name, secret)
        found.plant(name, secret.removeprefix("canary:"))
    monkeypatch.setenv("OPENAI_API_KEY", found.plant("provider key", PROVIDER_KEY))
    monkeypatch.setitem(
        connection.settings_dict,
        "PASSWORD",
        found.plant("password of DATABASE_URL", DATABASE_PASSWORD),
    )
    connection.close()
    yield found
    connection.close()


def _json(client: Watched, path: str, body: object = None, **headers: str) -> Any:
    response = client.post(path, json.dumps(body or {}), JSON, headers=headers)
    return json.loads(response.content or b"{}")


# --- Normal use --------------------------------------------------------------------------


def log_in(seen: Seen, planted: Planted) -> Watched:
    """Log in by code, after a wrong one; return the browser."""
    browser = Watched(seen)
    email = {"email": "alice@example.com"}
    _json(browser, "/api/v1/auth/code", email)
    planted.plant(
        "cookie of the login",
        browser.cookies["login"].value,
        {"POST /api/v1/auth/code"},
    )
    code = newest_code("alice@example.com")
    planted.plant("login code", code, {"mail Your code for Ozvena"})
    _json(browser, "/api/v1/auth/session", email | {"code": "12345"})
    _json(browser, "/api/v1/auth/session", email | {"code": code})
    planted.plant(
        "session",
        browser.cookies["sessionid"].value,
        {
            "POST /api/v1/auth/session #2",
            "table django_session",
            "table accounts_loginsession",
        },
    )
    planted.plant(
        "device",
        browser.cookies["device"].value,
        {"POST /api/v1/auth/session #2"},
    )
    return browser


def use_tokens(seen: Seen, planted: Planted, browser: Watched) -> Watched:
    """Create tokens by page and API, with a repeated request; return an API client."""
    key = {"Idempotency-Key": "a-key"}
    made = _json(browser, "/api/v1/tokens", {"name": "One"}, **key)
    text = planted.plant("API token", made["token"], {"POST /api/v1/tokens"})
    assert _json(browser, "/api/v1/tokens", {"name": "One"}, **key)["token"] is None
    page = browser.post("/settings/tokens", {"name": "Two"}).content.decode()
    (other,) = re.findall(r"ozv-\w{38}", page)
    planted.plant("API token by page", other, {"POST /settings/tokens"})
    for path in ("/settings/tokens", "/api/v1/tokens"):
        browser.get(path)
    for wrong in (f"Token {text}", f"Bearer {text}x", f"Bearer {text} {text}"):
        Watched(seen, Authorization=wrong).get("/api/v1/me")
    Watched(seen).get("/api/v1/me", {"token": text, "key": text})
    Watched(seen).get("/api/v1/me", headers={"xi-api-key": text})
    operators = Watched(seen, Authorization=f"Bearer {IN_SETTINGS['ADMIN_ACCESS_KEY']}")
    for path in ("/api/v1/me", "/api/v1/jobs", "/metrics", "/api/v1/me/export"):
        operators.get(path)
    metrics = Watched(seen, Authorization=f"Bearer {IN_SETTINGS['METRICS_TOKEN']}")
    metrics.get("/metrics")
    return Watched(seen, Authorization=f"Bearer {text}")


def use_webhooks(
    seen: Seen, planted: Planted, browser: Watched, program: Watched
) -> None:
    """Create endpoints by page and API; deliver to a server that responds with errors."""
    with listening() as server:
        body = {"url": server.url(), "events": ["webhook.test", "job.completed"]}
        key = {"Idempotency-Key": "a-key"}
        made = _json(program, "/api/v1/webhooks", body, **key)
        planted.plant("webhook secret", made["secret"], {"POST /api/v1/webhooks"})
        assert _json(program, "/api/v1/webhooks", body, **key)["secret"] is None
        path = f"/api/v1/webhooks/{made['id']}"
        rotated = _json(program, f"{path}/rotate")
        planted.plant(
            "rotated secret", rotated["secret"], {"POST /api/v1/webhooks/…/rotate"}
        )
        shown = browser.post("/webhooks", body).content.decode()
        (secret,) = re.findall(r"whsec_[\w+/=]+", shown)
        planted.plant("webhook secret by page", secret, {"POST /webhooks"})
        default = browser.get("/api/v1/webhooks/default-secret").json()["secret"]
        planted.plant(
            "default secret", default, {"GET /api/v1/webhooks/default-secret"}
        )
        server.play(answers.status(500, body=b"no"), answers.garbage, answers.reset)
        for _ in range(3):
            _json(program, f"{path}/test")
            delivery.work()
        for page in (path, "/api/v1/deliveries"):
            program.get(page)
        for page in ("/webhooks", f"/webhooks/{made['id']}"):
            browser.get(page)
        for got in server.received:
            seen.note("sent to a customer", f"{got.headers} {got.body!r}")
        assert len(server.received) >= 3


def speak(seen: Seen, planted: Planted, program: Watched, vendor: OpenAI) -> None:
    """Speak with the vendor as a job and at once, and with each of its failures."""
    body = {"text": "Hello.", "voice": "openai:alloy"}
    job = _json(program, "/api/v1/jobs", body)["transaction_id"]
    assert worker.work("remote") == 1
    assert program.get(f"/api/v1/jobs/{job}").json()["status"] == "completed"
    links = _json(program, f"/api/v1/jobs/{job}/links")
    link = links["zip"].partition("link=")[2]
    planted.plant("signed link", link, {"POST /api/v1/jobs/…/links"})
    for path in (links["srt"], links["srt"] + "x", links["scenes"][0]["audio_url"]):
        Watched(seen).get(path)
    speech = {"input": "Hi.", "voice": "openai:alloy"}
    for fault in [None, *Fault]:
        if fault is Fault.DRIP:  # takes a minute
            continue
        vendor.fault = fault
        _json(program, "/api/v1/speech", speech)
        _json(program, "/api/v1/jobs", body)
        worker.work("remote")
    vendor.fault = None
    vendor.key = "another one"  # and so ours is refused
    _json(program, "/api/v1/speech", speech)
    vendor.key = PROVIDER_KEY


# --- Failures ----------------------------------------------------------------------------


def fail(seen: Seen, settings: Any, browser: Watched, program: Watched) -> None:
    """Cause errors in a view, a mail server, a task and the database."""

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("broken")

    with (
        patch("billing.ledger.wallets.summary", broken),
        patch("kit.mail.files.written_mails", broken),
    ):
        for client in (browser, program):
            assert client.get("/api/v1/me").status_code == 500
            assert client.get("/dev/mail").status_code == 500
    with patch("accounts.login.codes.outbox.post", broken):
        _json(Watched(seen), "/api/v1/auth/code", {"email": "bob@example.com"})
    with patch("accounts.tokens.ApiToken.objects.create", broken):
        assert browser.post("/settings/tokens", {"name": "x"}).status_code == 500
    with patch("kit.idempotency.finish", broken):  # the secret is made by then
        body = {"url": "https://example.com", "events": ["webhook.test"]}
        for path, asked in (("webhooks", body), ("tokens", {"name": "Three"})):
            _json(program, f"/api/v1/{path}", asked, **{"Idempotency-Key": "broken"})
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    settings.EMAIL_HOST_USER = "ozvena"
    _json(Watched(seen), "/api/v1/auth/code", {"email": "bob@example.com"})
    assert outbox.work() >= 1
    assert Mail.objects.filter(status="queued", attempts=1).exists()
    with patch("kit.tasks.outbox.work", broken):
        send_mails.apply(throw=False)
    with patch.dict(connection.settings_dict, {"PORT": "1"}):
        assert program.get("/health/ready").status_code == 503
    for path in (
        "/nowhere",
        "/api/v1/nowhere",
        "/api/v1/schema/",
        "/api/v1/docs/",
        "/",
    ):
        browser.get(path)


# --- The back office ---------------------------------------------------------------------


def operate(seen: Seen, planted: Planted) -> None:
    """Set up a second factor, open each page of the back office, and change rows."""
    root = factories.user("root@example.com", is_staff=True, is_superuser=True)
    browser = Watched(seen)
    link = planted.plant("login link", login_links.make(root))
    browser.post(f"/login/link/{link}/")
    browser.post(f"/login/link/{link}/")  # it is spent
    page = browser.get("/settings/second-factor").content.decode()
    (seed,) = re.findall(r'class="key">(\w+)<', page)
    shown = "GET /settings/second-factor", "POST /settings/second-factor"
    planted.plant("seed of the second factor", seed, set(shown))
    browser.post("/settings/second-factor", {"code": "no"})
    Authenticator.objects.update(throttling_failure_timestamp=None)
    done = browser.post("/settings/second-factor", {"code": app_code(seed)})
    codes = re.findall(r"<code>([a-z2-7-]{19})</code>", done.content.decode())
    planted.plant("recovery code", codes[0], {"POST /settings/second-factor #2"})
    planted.plant(
        "another recovery code", codes[1], {"POST /settings/second-factor #2"}
    )
    browser.post("/login/second-factor", {"code": codes[0]})
    for model in admin.site._registry:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        browser.get(reverse(f"{name}_changelist"))
        for row in model._default_manager.order_by("pk")[:1]:
            for view in ("change", "history"):
                browser.get(reverse(f"{name}_{view}", args=[row.pk]))
    person = LoginSession.objects.order_by("pk").first()
    assert person
    browser.post(
        reverse("admin:accounts_user_changelist"),
        {"action": "block", "_selected_action": str(person.user_id), "reason": "test"},
    )
    browser.get(reverse("admin:accounts_auditentry_changelist"))


# --- The search --------------------------------------------------------------------------


def test_secrets_are_found_in_every_encoding() -> None:
    seen = Seen()
    secret = "canary-of-the-search-0123456789"
    encoded = base64.b64encode(b"thirty-two bytes of a hook's key").decode()
    seen.note("a", f"x={secret};")
    seen.note("a", f"\\x00{secret.encode().hex()}ff")
    seen.note("b", base64.b64encode(secret.encode()).decode())
    seen.note("c", b"thirty-two bytes of a hook's key".hex())
    seen.note("d", "code 123456.")
    seen.note("e", "08:26:06.123456 a1234567 1234560")

    assert seen.places_of(secret) == {"a", "a #2", "b"}
    assert seen.places_of(f"whsec_{encoded}") == {"c"}
    assert seen.places_of("123456") == NOWHERE  # a full stop is no end of a code
    seen.note("f", "Your code: 123456\n")
    assert seen.places_of("123456") == {"f"}


def test_secrets_appear_in_expected_places_only(
    settings, planted, monkeypatch, capfd
) -> None:
    seen = Seen()
    settings.WEBHOOK_ALLOW_LOOPBACK = True
    settings.RATE_SYNTHESIS = settings.RATE_OTHER = "100000/m"
    Provider.objects.create(slug="openai", name="OpenAI")
    Provider.objects.create(slug="unicorn", name="Unicorn", is_open_to_guests=True)
    Voice.objects.create(
        id="openai:alloy",
        provider_id="openai",
        provider_voice="alloy",
        name="Alloy",
        language="en-US",
    )
    vendor = OpenAI()
    vendor.key = PROVIDER_KEY
    with serving(vendor), sources.logs_noted(seen):
        monkeypatch.setenv("OPENAI_BASE_URL", vendor.url + vendor.base_path)
        browser = log_in(seen, planted)
        with transaction.atomic():
            personal = Workspace.objects.get(kind="personal")
            wallet = Wallet.objects.get(workspace=personal, environment="PRODUCTION")
            factories.grant(wallet, 100_000)
        program = use_tokens(seen, planted, browser)
        use_webhooks(seen, planted, browser, program)
        speak(seen, planted, program, vendor)
        fail(seen, settings, browser, program)
        operate(seen, planted)
        browser.delete("/api/v1/auth/session")
        logging.getLogger("ozvena.canary").debug("the log is read")
    sources.note_mails(seen)
    sources.note_tables(seen)
    sources.note_redis(seen)
    sources.note_settings_are_hidden(seen)
    output = capfd.readouterr()
    seen.note("output", output.out + output.err)
    assert "the log is read" in seen.texts["log"]

    found = {
        name: seen.places_of(secret) for name, (secret, _) in planted.places.items()
    }

    assert found == {name: places for name, (_, places) in planted.places.items()}
