"""Callers who are customers of the mobile app: checked with RevenueCat, and confined."""

import hashlib
import hmac
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from accounts.models import Workspace
from billing.ledger.wallets import wallet_of
from billing.models import MobileCustomer, MobileCustomerId, Order
from billing.payments.gateways import subscribers
from tests.billing import factories
from tests.billing.payments.app_stores import (
    ANA,
    BEN,
    RevenueCatServer,
    at,
    event,
    plan_event,
    purchase,
    report,
    subscription,
)
from tests.billing.payments.counterparts import FAULTS, IMPATIENT
from tests.billing.payments.paying import granted
from tests.factories import token, user, workspace
from tests.providers.vendors.server import serving
from tests.threads import in_threads

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("offers"),
]
OTHERS = [f"$RCAnonymousID:{number:032x}" for number in range(10)]


@pytest.fixture(autouse=True)
def server(settings):
    with serving(RevenueCatServer()) as made:
        made.configure(settings)
        yield made


def api(customer: str, scheme: str = "Bearer", address: str = "192.0.2.7") -> Client:
    return Client(
        headers={"Authorization": f"{scheme} {customer}"},
        REMOTE_ADDR=address,
        raise_request_exception=False,
    )


def code(client: Client, path: str = "credits") -> tuple[int, str]:
    answer = client.get(f"/api/v1/{path}")
    return answer.status_code, answer.json().get("code", "")


def forget_answers() -> None:
    """Let what RevenueCat has answered be old."""
    cache.clear()
    MobileCustomer.objects.update(read_at=timezone.now() - timedelta(minutes=11))


@pytest.mark.parametrize("scheme", ["Bearer", "Customer", "customer"])
def test_a_customer_gets_free_credits_once(server, scheme):
    server.knows(ANA)
    for _ in range(3):
        answer = api(ANA, scheme).get("/api/v1/credits")
        assert answer.status_code == 200
        body = answer.json()
        assert (body["customer_id"], body["balance"]) == (ANA, 45_000)
    assert len(server.asked) == 1  # its answer is cached
    usage = api(ANA).get("/api/v1/usage").json()
    assert (usage["user_tier"], usage["lifetime_limit"]) == ("free", 45_000)
    assert usage["credits"]["non_expiring_tokens"]["purchases"] == [
        {"source": "free_grant", "characters": 45_000, "price_usd": 0}
    ]
    assert factories.violations() == {}


def test_an_alias_is_the_same_customer(server):
    server.knows(ANA)
    server.knows(BEN, original=ANA)
    assert api(ANA).get("/api/v1/credits").json()["balance"] == 45_000
    assert api(BEN).get("/api/v1/credits").json()["customer_id"] == ANA
    assert api(BEN).get("/api/v1/credits").json()["balance"] == 45_000
    assert MobileCustomer.objects.count() == 1


def test_many_first_calls_at_once_are_one_customer(server):
    server.knows(ANA)
    server.knows(BEN, original=ANA)
    calls = in_threads(8, lambda: [code(api(one))[0] for one in (ANA, BEN)])
    assert calls == [[200, 200]] * 8
    assert MobileCustomer.objects.count() == 1
    assert api(ANA).get("/api/v1/credits").json()["balance"] == 45_000


def test_an_id_that_the_look_up_has_made_is_not_trusted(server):
    assert code(api(ANA)) == (401, "invalid_token")
    assert code(api(ANA)) == (401, "invalid_token")
    assert len(server.asked) == 1  # the refusal is cached
    forget_answers()
    assert code(api(ANA)) == (401, "invalid_token"), "now it is there: we have made it"
    assert not MobileCustomer.objects.exists()
    forget_answers()
    server.knows(ANA, purchases={"credit_pack_1hr": [purchase("1")]})
    assert code(api(ANA)) == (200, "")


def test_an_id_that_the_look_up_has_made_counts_once_a_webhook_names_it():
    assert code(api(ANA)) == (401, "invalid_token")
    report(event("NON_RENEWING_PURCHASE", ANA))
    assert api(ANA).get("/api/v1/credits").json()["balance"] == 25_000 + 45_000
    assert api(ANA).get("/api/v1/credits").json()["balance"] == 25_000 + 45_000


@pytest.mark.parametrize(
    "weak",
    [
        "ana",
        "1234567890",
        "somebody@a-company.example",
        "x" * 30,
        "$RCAnonymousID:abc",
        "$RCAnonymousID:" + "g" * 32,
        "$RCAnonymousID:" + "a" * 31,
        "a" * 150 + "b" * 60,
        "",
    ],
)
def test_an_id_that_can_be_guessed_is_no_credential(server, weak):
    assert code(api(weak, "Customer")) == (401, "weak_customer_id")
    assert (server.asked, MobileCustomer.objects.count()) == ([], 0)


def test_the_id_of_a_workspace_is_no_credential(server):
    of = workspace(user())
    report(event("NON_RENEWING_PURCHASE", str(of.pk), aliases=[ANA]))
    server.knows(str(of.pk))
    assert code(api(str(of.pk))) == (401, "invalid_token")
    assert server.asked == []
    assert code(api(ANA)) == (401, "invalid_token")


def test_tokens_and_the_operators_key_go_on(server, settings):
    settings.ADMIN_ACCESS_KEY = "operators-key-of-32-characters-00"
    assert code(api(token())) == (200, "")
    assert code(api("ozv-" + "a" * 38)) == (401, "invalid_token")
    assert code(api(settings.ADMIN_ACCESS_KEY), "jobs") == (200, "")
    assert server.asked == []


def test_without_a_key_there_are_no_customers(server, settings):
    server.knows(ANA)
    assert code(api(ANA)) == (200, "")
    settings.REVENUECAT_API_KEY = ""
    for scheme in ("Bearer", "Customer"):
        assert code(api(ANA, scheme)) == (401, "invalid_token")


def test_a_signed_id_is_required_if_there_is_a_secret(server, settings):
    settings.MOBILE_CUSTOMER_SECRET = "m0bile-s3cret"
    server.knows(ANA)
    mac = hmac.new(b"m0bile-s3cret", ANA.encode(), hashlib.sha256).hexdigest()
    for wrong in (ANA, f"{ANA}.", f"{ANA}.{mac[:-1]}0", f"{BEN}.{mac}", f".{mac}"):
        assert code(api(wrong, "Customer")) == (401, "invalid_token")
    assert server.asked == []
    assert code(api(f"{ANA}.{mac}")) == (200, "")


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_an_unknown_customer_waits_for_revenuecat(server, fault, monkeypatch):
    monkeypatch.setattr(subscribers, "LIMITS", IMPATIENT)
    server.knows(ANA)
    server.fault = fault
    assert code(api(ANA)) == (403, "no_subscription")
    assert not MobileCustomer.objects.exists()
    server.fault = None
    assert code(api(ANA)) == (200, "")
    # One that we know goes on.
    forget_answers()
    server.fault = fault
    assert code(api(ANA)) == (200, "")
    assert len(server.asked) == 3


def test_new_customers_are_limited_for_an_address(server):
    for one in OTHERS:
        server.knows(one)
    answers = [code(api(one)) for one in OTHERS[:4]]
    assert answers == [(200, "")] * 3 + [(429, "rate_limited")]
    assert int(api(OTHERS[3]).get("/api/v1/credits")["Retry-After"]) > 0
    assert code(api(OTHERS[3], address="198.51.100.1")) == (200, "")
    assert code(api(OTHERS[0])) == (200, "")


def test_new_customers_are_limited_in_all(server, settings):
    settings.MOBILE_NEW_PER_DAY = 2
    for one in OTHERS:
        server.knows(one)
    answers = [code(api(OTHERS[n], address=f"192.0.2.{n}"))[0] for n in range(3)]
    assert answers == [200, 200, 429]


def test_look_ups_are_limited_for_an_address(server, settings):
    settings.MOBILE_LOOK_UPS_PER_ADDRESS = 3
    answers = [code(api(one))[0] for one in OTHERS[:5]]
    assert answers == [401, 401, 401, 429, 429]
    assert len(server.asked) == 3


def test_a_buyer_is_let_in_beyond_the_limit_but_gets_no_free_credits(server, settings):
    settings.MOBILE_NEW_PER_ADDRESS = 0
    server.knows(ANA, purchases={"credit_pack_1hr": [purchase("2000000001")]})
    assert api(ANA).get("/api/v1/credits").json()["balance"] == 0
    settings.MOBILE_NEW_PER_ADDRESS = 3
    assert api(ANA).get("/api/v1/credits").json()["balance"] == 45_000


def test_a_plan_is_found_in_the_look_up_and_counts_once(server):
    server.knows(ANA, subscriptions={"plus_monthly": subscription()})
    usage = api(ANA).get("/api/v1/usage").json()
    assert (usage["user_tier"], usage["monthly_limit"]) == ("premium", 900_000)
    report(plan_event("INITIAL_PURCHASE", ANA))
    report(plan_event("INITIAL_PURCHASE", ANA))
    of = Workspace.objects.get(kind="mobile")
    assert of.tier == "paid"
    assert sorted(granted(of)) == [("allowance", 900_000)]
    assert Order.objects.count() == 1


def test_a_renewal_whose_webhook_was_lost_is_found_in_the_look_up(server):
    server.knows(ANA)
    report(plan_event("INITIAL_PURCHASE", ANA, -1))
    row = subscription(
        "20000000010",
        original_purchase_date=at(-31).isoformat(),
        unsubscribe_detected_at=at(-1).isoformat(),
    )
    server.knows(ANA, subscriptions={"plus_monthly": row})
    usage = api(ANA).get("/api/v1/usage").json()
    assert (usage["user_tier"], usage["plan_renewal_date"]) == ("premium", None)
    of = Workspace.objects.get(kind="mobile")
    assert granted(of) == [("allowance", 900_000)] * 2


@pytest.mark.parametrize(
    "fields",
    [
        {"is_sandbox": True},
        {"expires_date": at(-0.5).isoformat()},
        {"refunded_at": at(-0.5).isoformat()},
        {"ownership_type": "FAMILY_SHARED"},
        {"original_purchase_date": at(-31).isoformat()},
        {"store": "promotional"},
        {"store_transaction_id": None},
        {"purchase_date": "yesterday"},
        {"expires_date": None},
    ],
)
def test_other_subscriptions_in_the_look_up_are_no_plan_in_production(server, fields):
    server.knows(ANA, subscriptions={"plus_monthly": subscription(**fields)})
    assert api(ANA).get("/api/v1/usage").json()["user_tier"] == "free"
    of = Workspace.objects.get(kind="mobile")
    assert granted(of) == []
    is_sandbox = fields == {"is_sandbox": True}
    assert granted(of, "SANDBOX") == [("allowance", 900_000)] * is_sandbox


def test_a_customer_reaches_speech_jobs_usage_and_credits_only(server):
    server.knows(ANA)
    client = api(ANA)
    for path in (
        "jobs",
        "usage",
        "credits",
        "credits/entries",
        "voices",
        "plans",
        "packs",
    ):
        assert client.get(f"/api/v1/{path}").status_code == 200, path
    for path in (
        *("tokens", "workspaces", "provider-keys", "webhooks", "me/logins"),
        *("credits/notices", "me", "me/export"),
    ):
        assert code(client, path) == (403, "permission_denied"), path
    answer = client.post(
        "/api/v1/tokens", {"name": "x"}, content_type="application/json"
    )
    assert answer.json()["code"] == "permission_denied"


def test_a_customer_sees_nothing_of_another(server):
    server.knows(ANA)
    server.knows(BEN)
    report(event("NON_RENEWING_PURCHASE", ANA))
    assert api(BEN).get("/api/v1/credits").json()["balance"] == 45_000
    entries = api(BEN).get("/api/v1/credits/entries").json()["results"]
    assert {row["description"] for row in entries if "description" in row} <= {
        "Welcome"
    }


def test_a_blocked_or_closed_customer_is_refused(server):
    server.knows(ANA)
    assert code(api(ANA)) == (200, "")
    Workspace.objects.filter(kind="mobile").update(is_blocked=True)
    assert code(api(ANA)) == (403, "blocked")
    Workspace.objects.update(is_blocked=False)
    Workspace.objects.filter(kind="mobile").update(closed_at=timezone.now())
    assert code(api(ANA)) == (401, "invalid_token")


def test_each_customer_has_a_wallet_in_both_environments(server):
    server.knows(ANA)
    api(ANA).get("/api/v1/credits")
    of = Workspace.objects.get(kind="mobile")
    assert wallet_of(of, "SANDBOX").available == 0
    answer = api(ANA).get("/api/v1/credits", headers={"X-Environment": "SANDBOX"})
    assert answer.json()["balance"] == 0
    assert MobileCustomerId.objects.get().customer_id == of.pk
    assert wallet_of(of, "PRODUCTION").available == 45_000
