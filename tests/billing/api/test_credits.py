from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from django.utils import timezone

from accounts.models import User
from billing.ledger.wallets import wallet_of
from tests import factories
from tests.billing.factories import capture, grant, release, reserve, wallet

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    return factories.user("ada@example.com")


def get(user: User, path: str, **headers: str):
    return factories.api(factories.token(user), **headers).get(path)


def test_credits_of_a_new_user(ada):
    answer = get(ada, "/api/v1/credits")
    assert answer.status_code == 200
    assert answer.json() == {
        "customer_id": str(factories.workspace(ada).pk),
        "balance": 5000,
        "total_granted": 5000,
        "total_consumed": 0,
        "reserved": 0,
        "debt": 0,
        "next_expiry": None,
    }


def test_credits_by_cookie(ada):
    answer = factories.browser(ada).get("/api/v1/credits")
    assert answer.json()["balance"] == 5000


def test_credits_show_the_next_expiry(ada):
    at = timezone.now() + timedelta(days=3)
    w = wallet_of(factories.workspace(ada), "PRODUCTION")
    grant(w, 40, kind="promo", expires_at=at)
    shown = get(ada, "/api/v1/credits").json()["next_expiry"]
    assert shown == {"credits": 40, "at": at.isoformat().replace("+00:00", "Z")}


def test_each_environment_has_its_own_credits(ada):
    w = wallet_of(factories.workspace(ada), "SANDBOX")
    grant(w, 7)
    assert get(ada, "/api/v1/credits").json()["balance"] == 5000
    headers = {"X-Environment": "SANDBOX"}
    assert get(ada, "/api/v1/credits", **headers).json()["balance"] == 5007
    assert len(get(ada, "/api/v1/credits/entries").json()["results"]) == 1
    sandbox = get(ada, "/api/v1/credits/entries?environment=sandbox").json()
    assert [entry["credits"] for entry in sandbox["results"]] == [7, 5000]


@pytest.mark.parametrize("path", ["/api/v1/credits", "/api/v1/credits/entries"])
def test_guests_have_no_credits(path):
    answer = factories.api().get(path)
    assert answer.status_code == 401
    assert answer.json()["code"] == "authentication_required"


def test_entries_show_every_posting_of_a_job(ada):
    w = wallet_of(factories.workspace(ada), "PRODUCTION")
    grant(w, 100, reason="Bought")
    reserve(w, 5030, job="018f", key="job:018f:1")
    capture(5010, reservation="job:018f:1")
    release("job:018f:1")
    results = get(ada, "/api/v1/credits/entries").json()["results"]
    assert [
        (
            e["kind"],
            e["credits"],
            e["bucket"],
            e["balance_after"],
            e["job"],
            e["reason"],
        )
        for e in results
    ] == [
        ("release", 20, "pack", 90, "018f", ""),
        ("release", -20, "reserved", 70, "018f", ""),
        ("capture", -10, "reserved", 70, "018f", ""),
        ("capture", -5000, "reserved", 70, "018f", ""),
        ("reserve", 30, "reserved", 70, "018f", ""),
        ("reserve", -30, "pack", 70, "018f", ""),
        ("reserve", 5000, "reserved", 100, "018f", ""),
        ("reserve", -5000, "promo", 100, "018f", ""),
        ("grant", 100, "pack", 5100, None, "Bought"),
        ("grant", 5000, "promo", 5000, None, "Sign-up"),
    ]
    shape = "id kind credits bucket balance_after job reason created_at"
    assert {" ".join(entry) for entry in results} == {shape}
    shown = get(ada, "/api/v1/credits").json()
    assert sum(e["credits"] for e in results) == shown["balance"] + shown["reserved"]
    assert results[0]["balance_after"] == shown["balance"] == 90
    assert shown["total_granted"] - shown["total_consumed"] == 90


def test_entries_are_paginated_without_gaps_or_duplicates(ada):
    w = wallet_of(factories.workspace(ada), "PRODUCTION")
    for number in range(7):
        key = f"job:{number}:1"
        reserve(w, 10, key=key)
        release(key)
    everything = get(ada, "/api/v1/credits/entries?limit=200").json()
    assert (everything["next"], everything["previous"]) == (None, None)
    assert len(everything["results"]) == 29
    pages, address = [], "/api/v1/credits/entries?limit=3"
    while address:
        page = get(ada, address).json()
        assert len(page["results"]) <= 3
        pages += page["results"]
        address = page["next"] and "{0.path}?{0.query}".format(urlsplit(page["next"]))
    assert pages == everything["results"]


def test_other_workspaces_entries_are_not_visible(ada):
    grant(wallet(), 10)
    bob = factories.user("bob@example.com")
    grant(wallet_of(factories.workspace(bob), "PRODUCTION"), 10)
    assert get(ada, "/api/v1/credits").json()["balance"] == 5000
    assert len(get(ada, "/api/v1/credits/entries").json()["results"]) == 1


def test_number_of_queries_does_not_grow_with_entries(
    ada, django_assert_max_num_queries
):
    w = wallet_of(factories.workspace(ada), "PRODUCTION")
    for number in range(10):
        reserve(w, 10, key=f"job:{number}:1")
    client = factories.api(factories.token(ada))
    with django_assert_max_num_queries(6):
        client.get("/api/v1/credits/entries")


@pytest.mark.parametrize("path", ["/api/v1/credits", "/api/v1/credits/entries"])
def test_credits_refuse_other_methods(ada, path):
    client = factories.api(factories.token(ada))
    for method in (client.post, client.put, client.patch, client.delete):
        assert method(path).status_code == 405
