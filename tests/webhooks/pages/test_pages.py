"""The pages of webhooks, and their admin."""

import html
import re
import time
from datetime import timedelta

import pytest
from django.conf import settings as django_settings
from django.test import Client
from django.utils import timezone

from kit.models import Mail
from kit.secrets import decrypt
from tests import factories as people
from tests.webhooks import factories
from tests.webhooks import receiver as scripts
from tests.webhooks.receiver import Receiver
from webhooks.events import event_types
from webhooks.models import Attempt, Delivery, Endpoint
from webhooks.sending import delivery

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("no_bells"),
]


@pytest.fixture
def alice():
    return people.user()


@pytest.fixture
def page(alice) -> Client:
    return people.browser(alice)


def test_pages_need_a_login() -> None:
    to = factories.endpoint()
    for path in ("/webhooks", f"/webhooks/{to.pk}"):
        answer = people.api().get(path)
        assert answer.status_code == 302
        assert f"next={path}" in answer.headers["Location"]


def test_blocked_users_see_nothing(alice, page: Client) -> None:
    alice.is_blocked = True
    alice.save()
    assert page.get("/webhooks").status_code == 403


def test_endpoint_is_created_tested_and_deleted(
    page: Client, receiver: Receiver
) -> None:
    receiver.play(scripts.status(500, body=b"<b>oops</b>"), scripts.status(200))
    form = {"url": receiver.url(), "events": ["job.completed"], "description": ""}
    made = page.post("/webhooks", form)
    secret = re.search(r"whsec_[A-Za-z0-9+/=]+", made.content.decode())
    assert secret is not None
    to = Endpoint.objects.get()
    assert secret[0] == factories.secret(to)

    tried = page.post(f"/webhooks/{to.pk}/test")
    sent = Delivery.objects.get()
    assert tried.headers["Location"] == f"/deliveries/{sent.pk}"
    delivery.work()
    shown = page.get(f"/deliveries/{sent.pk}").content.decode()
    assert "status 500" in shown
    assert "&lt;b&gt;oops&lt;/b&gt;" in shown
    assert "webhook.test" in page.get(f"/webhooks/{to.pk}").content.decode()

    page.post(f"/deliveries/{sent.pk}/replay")
    delivery.work()
    sent.refresh_from_db()
    assert sent.status == "completed"
    page.post(f"/webhooks/{to.pk}/off")
    assert "switched off by its owner" in page.get("/webhooks").content.decode()
    page.post(f"/webhooks/{to.pk}/on")
    rotated = page.post(f"/webhooks/{to.pk}/rotate").content.decode()
    assert secret[0] not in rotated
    assert "whsec_" in rotated
    assert page.post(f"/webhooks/{to.pk}/delete").headers["Location"] == "/webhooks"
    assert page.get(f"/webhooks/{to.pk}").status_code == 404


def test_invalid_input_stays_in_the_form(page: Client) -> None:
    form = {"url": "http://hooks.example.com/x", "events": ["job.completed"]}
    refused = page.post("/webhooks", form)
    assert refused.status_code == 400
    shown = refused.content.decode()
    assert "must begin with https://" in shown
    assert 'value="http://hooks.example.com/x"' in shown
    assert not Endpoint.objects.exists()


def test_an_endpoint_is_changed(alice, page: Client) -> None:
    to = factories.endpoint(people.workspace(alice))
    form = {"url": "https://new.example.com/", "events": ["job.failed"]}
    assert page.post(f"/webhooks/{to.pk}", form).status_code == 302
    to.refresh_from_db()
    assert (to.url, to.events) == ("https://new.example.com/", ["job.failed"])


def test_failures_are_sent_again(alice, page: Client) -> None:
    to = factories.endpoint(people.workspace(alice))
    factories.delivery(to)
    Delivery.objects.update(status="failed")
    assert page.post(f"/webhooks/{to.pk}/replay", {"hours": 24}).status_code == 302
    assert Delivery.objects.get().status == "queued"
    assert page.post(f"/webhooks/{to.pk}/replay", {"hours": "x"}).status_code == 404
    assert page.post(f"/webhooks/{to.pk}/explode").status_code == 404
    assert page.get(f"/webhooks/{to.pk}/test").status_code == 405


def test_failures_of_all_addresses_are_sent_again(alice, page: Client) -> None:
    of = people.workspace(alice)
    factories.delivery(factories.endpoint(of))
    factories.url_delivery(of, "https://hooks.example.com/own")
    theirs = factories.delivery()
    assert b"https://hooks.example.com/own" in page.get("/deliveries").content
    Delivery.objects.update(status="failed")
    answer = page.post("/deliveries/replay", {"hours": 24}, follow=True)
    assert b"Deliveries that will be sent again: 2." in answer.content
    theirs.refresh_from_db()
    assert theirs.status == "failed"
    assert page.post("/deliveries/replay", {"hours": "x"}).status_code == 404


def test_members_can_read_but_not_change(alice, page: Client) -> None:
    of = people.team(people.user(), alice)
    sent = factories.url_delivery(of, factories.URL)
    to = factories.endpoint(of)
    Delivery.objects.update(status="failed")
    page.post("/settings/workspace", {"workspace": of.pk})
    shown = page.get("/deliveries")
    assert str(sent.pk) in shown.content.decode()
    assert b"Send again" not in shown.content
    for path in ("/deliveries/replay", f"/deliveries/{sent.pk}/replay"):
        refused = page.post(path, {"hours": 24}, follow=True)
        assert b"is-error" in refused.content
    assert b"is-error" in page.post(f"/webhooks/{to.pk}/off", follow=True).content
    assert page.get("/webhooks/default-secret").status_code == 403
    assert Delivery.objects.get().status == "failed"
    assert Endpoint.objects.get().is_enabled


def test_the_default_secret_has_a_page(alice, page: Client, monkeypatch) -> None:
    shown = page.get("/webhooks/default-secret")
    first = re.search(r"whsec_[A-Za-z0-9+/=]+", shown.content.decode())
    assert first is not None
    changed = page.post("/webhooks/default-secret").content.decode()
    assert "whsec_" in changed
    assert first[0] not in changed
    again = page.post("/webhooks/default-secret").content.decode()
    assert "Change the secret again after that." in again
    now = time.time()
    monkeypatch.setattr("accounts.http.freshness.time.time", lambda: now + 901)
    stale = page.get("/webhooks/default-secret")
    assert stale.headers["Location"] == "/login?next=%2Fwebhooks%2Fdefault-secret"


def test_each_type_of_event_is_shown_with_its_example(page: Client) -> None:
    shown = html.unescape(page.get("/webhooks/events").content.decode())
    for found in event_types().values():
        assert found.summary in shown
        assert found.example_text in shown


def test_the_log_has_pages_and_filters(alice, page: Client) -> None:
    to = factories.endpoint(people.workspace(alice))
    rows = [factories.delivery(to) for _ in range(60)]
    first = page.get(f"/webhooks/{to.pk}").content.decode()
    assert first.count("/deliveries/") == 50
    older = page.get(f"/webhooks/{to.pk}?status=&before={rows[10].pk}").content.decode()
    assert older.count("/deliveries/") == 10
    assert "Older" not in older
    assert (
        page.get(f"/webhooks/{to.pk}?status=failed").content.count(b"/deliveries/") == 0
    )
    assert page.get(f"/webhooks/{to.pk}?before=nonsense").status_code == 200
    by_type = page.get("/deliveries?type=webhook.test&status=queued").content.decode()
    assert by_type.count("/deliveries/0") == 50
    assert f"?status=queued&amp;type=webhook.test&amp;before={rows[10].pk}" in by_type
    assert page.get("/deliveries?type=job.failed").content.count(b"/deliveries/0") == 0
    assert (
        page.get("/deliveries?type=%00&status=x").content.count(b"/deliveries/0") == 50
    )


def test_pages_of_other_workspaces_are_not_found(page: Client) -> None:
    to = factories.endpoint()
    sent = factories.delivery(to)
    assert page.get(f"/webhooks/{to.pk}").status_code == 404
    assert page.get(f"/deliveries/{sent.pk}").status_code == 404
    assert page.post(f"/webhooks/{to.pk}/delete").status_code == 404
    assert page.post(f"/deliveries/{sent.pk}/replay").status_code == 404
    assert Endpoint.objects.get().deleted_at is None


def test_forms_need_a_csrf_token(alice) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    to = factories.endpoint(people.workspace(alice))
    assert client.post(f"/webhooks/{to.pk}/delete").status_code == 403
    assert Endpoint.objects.get().deleted_at is None


def test_operators_see_no_secrets_and_can_replay(alice) -> None:
    operator = people.user()
    operator.is_staff = operator.is_superuser = True
    operator.save()
    office = people.browser(operator)
    to = factories.endpoint(people.workspace(alice))
    sent = factories.delivery(to)
    Delivery.objects.update(status="failed")
    for path in ("endpoint/", f"endpoint/{to.pk}/change/", "delivery/"):
        answer = office.get(f"/admin/webhooks/{path}")
        assert answer.status_code == 200
        assert factories.secret(to).encode() not in answer.content
    shown = office.get(f"/admin/webhooks/delivery/{sent.pk}/change/")
    assert b"webhook.test" in shown.content
    office.post(
        "/admin/webhooks/delivery/",
        {"action": "replay", "_selected_action": [str(sent.pk)], "reason": "a test"},
    )
    sent.refresh_from_db()
    assert sent.status == "queued"
    office.post(
        "/admin/webhooks/endpoint/",
        {"action": "switch_off", "_selected_action": [str(to.pk)], "reason": "a test"},
    )
    to.refresh_from_db()
    assert (to.is_enabled, to.disabled_because) == (False, "operator")
    mail = Mail.objects.get()
    text = decrypt(mail.encrypted_text, context=f"kit_mail:{mail.pk}:text")
    assert mail.to == alice.email
    assert "One of our operators has switched it off." in text.reveal_text()


def test_operators_send_all_failures_of_an_endpoint_again() -> None:
    operator = people.user(is_staff=True, is_superuser=True)
    office = people.browser(operator)
    to = factories.endpoint()
    old, new = factories.delivery(to), factories.delivery(to)
    Delivery.objects.update(status="failed")
    Delivery.objects.filter(pk=old.pk).update(
        created_at=timezone.now() - timedelta(days=2)
    )
    chosen = {"_selected_action": [str(to.pk)], "reason": "a test"}
    for action, queued in [
        ("replay_failed_of_last_day", {new.pk}),
        ("replay_failed_of_all_time", {new.pk, old.pk}),
    ]:
        office.post("/admin/webhooks/endpoint/", chosen | {"action": action})
        rows = Delivery.objects.filter(status="queued")
        assert {row.pk for row in rows} == queued


def test_the_documentation_names_every_type_and_failure() -> None:
    text = (django_settings.BASE_DIR / "docs" / "webhooks.md").read_text()
    for found in event_types().values():
        assert f"| `{found.name}` | {found.summary} |" in text
        example = f"### `{found.name}`\n\n```json\n{found.example_text}\n```\n"
        assert example in text, f"docs/webhooks.md should say:\n\n{example}"
    for failure in Attempt.Failure:
        assert f"| `{failure.value}` | {failure.label} |" in text


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_pages_refuse_other_methods(page: Client, alice, method: str) -> None:
    to = factories.endpoint(people.workspace(alice))

    for path in ("/webhooks", f"/webhooks/{to.pk}"):
        assert getattr(page, method)(path).status_code == 405
