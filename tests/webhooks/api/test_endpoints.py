"""Webhooks over HTTP, as a customer's program uses them."""

import json
from datetime import timedelta

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone
from standardwebhooks.webhooks import Webhook

from accounts import tokens
from accounts.lifecycle import Scope, Table
from accounts.models import Workspace
from synthesis.events import JOB_FAILED
from tests import factories as people
from tests.webhooks import factories
from tests.webhooks import receiver as scripts
from tests.webhooks.receiver import Receiver
from webhooks import lifecycle
from webhooks.emit import emit
from webhooks.events import event_types
from webhooks.models import Delivery, Endpoint
from webhooks.sending import delivery

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("no_bells"),
]
WEBHOOKS = "/api/v1/webhooks"
ASKED = {"url": factories.URL, "events": ["job.completed", "webhook.test"]}


@pytest.fixture
def alice():
    return people.user()


@pytest.fixture
def client(alice) -> Client:
    return people.api(people.token(alice))


def post(client: Client, path: str, body: object = None, **headers: str):
    return client.post(
        path, body or {}, content_type="application/json", headers=headers
    )


def patch(client: Client, path: str, body: object):
    return client.patch(path, body, content_type="application/json")


def test_endpoint_is_created_changed_and_deleted(client: Client) -> None:
    made = post(client, WEBHOOKS, ASKED | {"description": "Shop"})
    assert made.status_code == 201
    body = made.json()
    assert body.pop("secret").startswith("whsec_")
    path = f"{WEBHOOKS}/{body['id']}"
    assert body["url"] == factories.URL
    assert body["events"] == ["job.completed", "webhook.test"]
    assert (body["enabled"], body["disabled_because"]) == (True, None)
    shown = client.get(path).json()
    assert shown == body
    assert [row["id"] for row in client.get(WEBHOOKS).json()["results"]] == [body["id"]]

    changed = patch(client, path, {"events": ["job.failed"], "enabled": False})
    assert changed.status_code == 200
    assert changed.json()["events"] == ["job.failed"]
    assert (changed.json()["enabled"], changed.json()["disabled_because"]) == (
        False,
        "owner",
    )
    assert patch(client, path, {"enabled": True}).json()["disabled_because"] is None

    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == 404
    assert client.delete(path).status_code == 404
    assert client.get(WEBHOOKS).json()["results"] == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"url": "http://hooks.example.com/"}, "url"),
        ({"url": "https://127.0.0.1/"}, "url"),
        ({"url": 7}, "url"),
        ({"url": None}, "url"),
        ({"events": []}, "events"),
        ({"events": ["job.exploded"]}, "events"),
        ({"events": "job.completed"}, "events"),
        ({"events": [None]}, "events"),
        ({"description": "x" * 201}, "description"),
        ({"url": "https://hooks.example.com/" + "a" * 10_000}, "url"),
    ],
)
def test_invalid_endpoint_is_refused_and_changes_nothing(client, change, field) -> None:
    refused = post(client, WEBHOOKS, ASKED | change)
    assert refused.status_code == 400
    assert refused.json()["code"] == "invalid"
    assert list(refused.json()["fields"]) == [field]
    assert not Endpoint.objects.exists()

    path = f"{WEBHOOKS}/{post(client, WEBHOOKS, ASKED).json()['id']}"
    before = client.get(path).json()
    assert patch(client, path, change).status_code == 400
    assert client.get(path).json() == before


def test_a_workspace_has_at_most_twenty_endpoints(client: Client) -> None:
    for _ in range(20):
        assert post(client, WEBHOOKS, ASKED).status_code == 201
    refused = post(client, WEBHOOKS, ASKED)
    assert (refused.status_code, refused.json()["code"]) == (400, "too_many_endpoints")
    assert Endpoint.objects.count() == 20


def test_repeated_request_creates_one_endpoint_and_hides_its_secret(client) -> None:
    key = {"Idempotency-Key": "once"}
    first = post(client, WEBHOOKS, ASKED, **key)
    second = post(client, WEBHOOKS, ASKED, **key)
    assert second.headers["Idempotent-Replayed"] == "true"
    assert second.json() == first.json() | {"secret": None}
    assert Endpoint.objects.count() == 1
    rotate = f"{WEBHOOKS}/{first.json()['id']}/rotate"
    new = post(client, rotate, **key)
    assert new.json()["secret"] not in (None, first.json()["secret"])
    assert post(client, rotate, **key).json() == new.json() | {"secret": None}


def test_no_other_answer_has_the_secret(client: Client, alice) -> None:
    made = post(client, WEBHOOKS, ASKED).json()
    sent = post(client, f"{WEBHOOKS}/{made['id']}/test").json()
    pages = people.browser(alice)
    for path in (
        WEBHOOKS,
        f"{WEBHOOKS}/{made['id']}",
        f"{WEBHOOKS}/{made['id']}/deliveries",
        f"/api/v1/deliveries/{sent['id']}",
        "/webhooks",
        f"/webhooks/{made['id']}",
        f"/deliveries/{sent['id']}",
    ):
        for door in (client, pages):
            assert made["secret"].encode() not in door.get(path).content


def test_a_test_event_arrives_and_is_in_the_log(client, receiver: Receiver) -> None:
    receiver.play(scripts.status(500, body=b"not today"), scripts.status(200))
    made = post(
        client, WEBHOOKS, {"url": receiver.url(), "events": ["job.failed"]}
    ).json()
    sent = post(client, f"{WEBHOOKS}/{made['id']}/test")
    assert sent.status_code == 202
    path = f"/api/v1/deliveries/{sent.json()['id']}"
    assert (sent.json()["type"], sent.json()["status"]) == ("webhook.test", "queued")
    assert (sent.json()["attempts"], sent.json()["last_status"]) == (0, None)
    delivery.work()

    row = client.get(f"{WEBHOOKS}/{made['id']}/deliveries").json()["results"][0]
    assert (row["status"], row["attempts"], row["last_status"]) == ("queued", 1, 500)
    assert row["last_failure"] is None
    assert row["next_attempt_at"] is not None
    assert post(client, f"{path}/replay").status_code == 202
    delivery.work()
    shown = client.get(path).json()
    assert (shown["status"], shown["attempts"]) == ("completed", 2)
    assert shown["next_attempt_at"] is None
    assert [attempt["status"] for attempt in shown["tries"]] == [200, 500]
    assert shown["tries"][1]["answer"] == "not today"
    assert shown["body"].encode() == receiver.received[0].body
    for request in receiver.received:
        Webhook(made["secret"]).verify(request.body, request.headers)
        assert request.headers["webhook-id"] == shown["event_id"]


def test_deliveries_are_filtered_by_status_and_type(client: Client, alice) -> None:
    of = people.workspace(alice)
    to = factories.endpoint(of)
    good, bad = factories.delivery(to), factories.delivery(to)
    factories.url_delivery(of, factories.URL)
    Delivery.objects.filter(pk=bad.pk).update(status="failed")
    Delivery.objects.filter(pk=good.pk).update(status="completed")

    def found(path: str) -> list[str]:
        return [row["status"] for row in client.get(path).json()["results"]]

    assert found("/api/v1/deliveries") == ["queued", "failed", "completed"]
    assert found("/api/v1/deliveries?status=failed") == ["failed"]
    assert found(f"{WEBHOOKS}/{to.pk}/deliveries") == ["failed", "completed"]
    assert found(f"{WEBHOOKS}/{to.pk}/deliveries?type=job.failed") == []
    for query in ("status=lost", "type=job.exploded", "status=%00"):
        assert client.get(f"/api/v1/deliveries?{query}").status_code == 400


def test_all_failures_since_a_time_are_sent_again(client: Client, alice) -> None:
    to = factories.endpoint(people.workspace(alice))
    for _ in range(3):
        factories.delivery(to)
    Delivery.objects.update(status="failed")
    since = (timezone.now() - timedelta(hours=1)).isoformat()
    path = f"{WEBHOOKS}/{to.pk}/replay"
    assert post(client, path, {"since": since}).json() == {"replayed": 3}
    assert post(client, path, {"since": since}).json() == {"replayed": 0}
    assert post(client, path, {"since": "yesterday"}).status_code == 400
    assert post(client, path).status_code == 400


def test_all_failures_of_a_workspace_are_sent_again(client: Client, alice) -> None:
    of = people.workspace(alice)
    on, off = factories.endpoint(of), factories.endpoint(of)
    rows = {
        "on": factories.delivery(on),
        "off": factories.delivery(off),
        "own": factories.url_delivery(of, factories.URL),
        "old": factories.url_delivery(of, factories.URL),
        "good": factories.url_delivery(of, factories.URL),
        "stranger's": factories.delivery(),
    }
    Delivery.objects.update(status="failed")
    Delivery.objects.filter(pk=rows["good"].pk).update(status="completed")
    long_ago = timezone.now() - timedelta(days=2)
    Delivery.objects.filter(pk=rows["old"].pk).update(created_at=long_ago)
    patch(client, f"{WEBHOOKS}/{off.pk}", {"enabled": False})
    path = "/api/v1/deliveries/replay"
    since = (timezone.now() - timedelta(days=1)).isoformat()

    assert post(client, path, {"since": since}).json() == {"replayed": 2}
    assert post(client, path, {"since": since}).json() == {"replayed": 0}
    assert post(client, path).status_code == 400
    assert post(people.api(), path, {"since": since}).status_code == 401
    queued = Delivery.objects.filter(status="queued")
    assert {row.pk for row in queued} == {rows["on"].pk, rows["own"].pk}


def test_bound_token_replays_only_its_environment(client: Client, alice) -> None:
    of = people.workspace(alice)
    _emit(of, "PRODUCTION")
    _emit(of, "SANDBOX")
    Delivery.objects.update(status="failed")
    sandbox = people.api(people.token(alice, environment="SANDBOX"))
    asked = {"since": "2026-01-01T00:00:00Z"}
    answer = post(sandbox, "/api/v1/deliveries/replay", asked)
    assert (answer.status_code, answer.json()) == (202, {"replayed": 1})
    assert Delivery.objects.get(status="queued").event.environment == "SANDBOX"


def test_nothing_is_sent_to_a_disabled_endpoint(client: Client, alice) -> None:
    to = factories.endpoint(people.workspace(alice))
    sent = factories.delivery(to)
    patch(client, f"{WEBHOOKS}/{to.pk}", {"enabled": False})
    for path, body in [
        (f"{WEBHOOKS}/{to.pk}/test", {}),
        (f"{WEBHOOKS}/{to.pk}/replay", {"since": "2026-01-01T00:00:00Z"}),
        (f"/api/v1/deliveries/{sent.pk}/replay", {}),
    ]:
        refused = post(client, path, body)
        assert (refused.status_code, refused.json()["code"]) == (
            409,
            "endpoint_disabled",
        )
    assert Delivery.objects.get().status == "canceled"


def test_a_second_rotation_in_a_day_is_refused(client: Client) -> None:
    path = f"{WEBHOOKS}/{post(client, WEBHOOKS, ASKED).json()['id']}"
    assert post(client, f"{path}/rotate").json()["old_secret_until"] is not None
    refused = post(client, f"{path}/rotate")
    assert (refused.status_code, refused.json()["code"]) == (
        409,
        "rotation_in_progress",
    )


def test_endpoints_of_other_workspaces_are_not_found(client: Client, alice) -> None:
    to = factories.endpoint()  # of another workspace
    sent = factories.delivery(to)
    missing = "019a9e61-5e3c-7b1d-8f35-b2a0ce51a7d1"
    for method, path in [
        ("get", f"{WEBHOOKS}/{{endpoint}}"),
        ("patch", f"{WEBHOOKS}/{{endpoint}}"),
        ("delete", f"{WEBHOOKS}/{{endpoint}}"),
        ("post", f"{WEBHOOKS}/{{endpoint}}/rotate"),
        ("post", f"{WEBHOOKS}/{{endpoint}}/test"),
        ("get", f"{WEBHOOKS}/{{endpoint}}/deliveries"),
        ("get", "/api/v1/deliveries/{delivery}"),
        ("post", "/api/v1/deliveries/{delivery}/replay"),
    ]:
        request = getattr(client, method)
        theirs = request(
            path.format(endpoint=to.pk, delivery=sent.pk),
            content_type="application/json",
        )
        nothing = request(
            path.format(endpoint=missing, delivery=missing),
            content_type="application/json",
        )
        assert theirs.status_code == 404, path
        assert theirs.content == nothing.content
    since = {"since": "2026-01-01T00:00:00Z"}
    assert post(client, f"{WEBHOOKS}/{to.pk}/replay", since).status_code == 404
    to.refresh_from_db()
    assert (to.deleted_at, to.old_secret_until) == (None, None)
    assert Delivery.objects.count() == 1


def test_guests_and_members_cannot_change_endpoints() -> None:
    owner, member = people.user(), people.user()
    team = people.team(owner, member)
    to = factories.endpoint(team)
    token = people.token(member, workspace=team)
    assert people.api(token).get(WEBHOOKS).json()["results"][0]["id"] == str(to.pk)
    assert post(people.api(token), WEBHOOKS, ASKED).status_code == 403
    assert people.api(token).delete(f"{WEBHOOKS}/{to.pk}").status_code == 403
    assert post(people.api(), WEBHOOKS, ASKED).status_code == 401
    assert people.api().get("/api/v1/deliveries").status_code == 401
    assert Endpoint.objects.count() == 1


def test_operators_key_has_its_own_webhooks(settings) -> None:
    settings.ADMIN_ACCESS_KEY = "k" * 32
    client = people.api("k" * 32)
    assert post(client, WEBHOOKS, ASKED).status_code == 201
    assert len(client.get(WEBHOOKS).json()["results"]) == 1


def test_event_types_are_those_declared(client: Client) -> None:
    listed = client.get(f"{WEBHOOKS}/event-types").json()
    assert [row["name"] for row in listed] == list(event_types())
    assert {row["name"] for row in listed} == {
        "job.completed",
        "job.partial",
        "job.failed",
        "job.canceled",
        "scene.completed",
        "credits.granted",
        "credits.low",
        "credits.expiring",
        "subscription.changed",
        "webhook.test",
    }
    schema = client.get("/api/v1/schema/").json()
    described = schema.get("x-webhooks") or schema["webhooks"]
    assert list(described) == list(event_types())
    for found in event_types().values():
        content = described[found.name]["post"]["requestBody"]["content"]
        shown = content["application/json"]["example"]
        assert shown == json.loads(found.example_text)


def test_every_event_type_has_an_environment() -> None:
    assert all("environment" in found.example for found in event_types().values())


def _emit(of: Workspace, environment: str) -> None:
    with transaction.atomic():
        emit(of.pk, JOB_FAILED, lambda: {"environment": environment}, url=factories.URL)


def test_bound_token_sees_only_its_environment(client: Client, alice) -> None:
    sandbox = people.api(people.token(alice, environment="SANDBOX"))
    asked = {"url": factories.URL, "events": ["job.failed"]}
    both = post(client, WEBHOOKS, asked).json()
    live = post(client, WEBHOOKS, asked | {"environment": "production"}).json()
    test = post(sandbox, WEBHOOKS, asked).json()
    assert [row["environment"] for row in (both, live, test)] == [
        None,
        "PRODUCTION",
        "SANDBOX",
    ]
    of = people.workspace(alice)
    _emit(of, "PRODUCTION")
    _emit(of, "SANDBOX")

    def heard(by: Client, path: str) -> list[tuple[str, str | None]]:
        rows = by.get(path).json()["results"]
        return sorted((row["environment"], row["endpoint_id"] or "") for row in rows)

    assert heard(client, "/api/v1/deliveries") == sorted(
        [("PRODUCTION", row) for row in (both["id"], live["id"], "")]
        + [("SANDBOX", row) for row in (both["id"], test["id"], "")]
    )
    assert heard(sandbox, "/api/v1/deliveries") == sorted(
        ("SANDBOX", row) for row in (both["id"], test["id"], "")
    )
    listed = sandbox.get(WEBHOOKS).json()["results"]
    assert [row["id"] for row in listed] == [test["id"]]
    for hidden in (both, live):
        path = f"{WEBHOOKS}/{hidden['id']}"
        assert sandbox.get(path).status_code == 404
        assert (
            patch(sandbox, path, {"url": "https://x.example.com/"}).status_code == 404
        )
        assert post(sandbox, f"{path}/rotate").status_code == 404
        assert sandbox.delete(path).status_code == 404
    for row in Delivery.objects.filter(event__environment="PRODUCTION"):
        path = f"/api/v1/deliveries/{row.pk}"
        assert sandbox.get(path).status_code == 404
        assert post(sandbox, f"{path}/replay").status_code == 404
        assert client.get(path).status_code == 200
    assert set(Endpoint.objects.values_list("url", "deleted_at")) == {
        (factories.URL, None)
    }


def test_export_of_one_environment_has_only_its_endpoints(alice) -> None:
    of = people.workspace(alice)
    factories.endpoint(of)
    bound = factories.endpoint(of, environment="SANDBOX")
    for environment, count in [("", 2), ("SANDBOX", 1), ("PRODUCTION", 0)]:
        (table,) = lifecycle.export(Scope(of, environment=environment))
        assert isinstance(table, Table)
        rows = list(table.rows)
        assert len(rows) == count
        if environment == "SANDBOX":
            assert rows[0]["id"] == bound.pk


def test_bound_token_creates_bound_endpoints(alice) -> None:
    sandbox = people.api(people.token(alice, environment="SANDBOX"))
    refused = post(sandbox, WEBHOOKS, ASKED | {"environment": "PRODUCTION"})
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_environment")
    assert not Endpoint.objects.exists()
    made = post(sandbox, WEBHOOKS, ASKED | {"environment": "SANDBOX"}).json()
    tried = post(sandbox, f"{WEBHOOKS}/{made['id']}/test").json()
    assert tried["environment"] == "SANDBOX"
    log = sandbox.get(f"{WEBHOOKS}/{made['id']}/deliveries").json()["results"]
    assert [row["id"] for row in log] == [tried["id"]]


def test_revoked_token_is_refused(alice) -> None:
    text = people.token(alice)
    tokens.revoke(tokens.find(text))
    assert people.api(text).get(WEBHOOKS).status_code == 401
