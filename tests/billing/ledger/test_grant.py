from datetime import timedelta

import pytest
from django.utils import timezone

from billing.errors import LedgerKeyReused
from tests.billing.factories import (
    columns,
    entries,
    grant,
    nothing_changes,
    wallet,
)

pytestmark = pytest.mark.django_db


# --- grant -------------------------------------------------------------------------------


def test_grant_opens_a_lot():
    w = wallet()
    expires = timezone.now() + timedelta(days=30)
    posted = grant(
        w,
        500,
        key="k",
        kind="promo",
        source="s",
        reason="Welcome",
        actor="op@example.com",
        expires_at=expires,
    )
    lot = w.lots.get()
    assert (lot.kind, lot.granted, lot.available, lot.source, lot.expires_at) == (
        "promo",
        500,
        500,
        "s",
        expires,
    )
    assert (posted.kind, posted.key, posted.seq) == ("grant", "k", 1)
    assert (posted.reason, posted.actor) == ("Welcome", "op@example.com")
    assert posted.created_at is not None
    assert columns(w) == (500, 0, 0)
    assert entries(w) == [
        ("grant", "funding", -500, 0),
        ("grant", "available", 500, 500),
    ]


def test_grant_happens_once_per_key():
    w = wallet()
    first = grant(w, 500, key="k", source="s")
    with nothing_changes(w):
        assert grant(w, 500, key="k", source="s") == first


def test_grant_happens_once_per_source_for_any_key():
    w = wallet()
    first = grant(w, 500, key="invoice", source="s")
    with nothing_changes(w):
        assert grant(w, 500, key="payment", source="s") == first


@pytest.mark.parametrize(
    "other",
    [
        {"credits": 501},
        {"kind": "promo"},
        {"source": "other"},
        {"key": "other", "credits": 501},
    ],
)
def test_grant_refuses_a_key_or_source_for_something_else(other):
    w = wallet()
    grant(w, 500, key="k", source="s")
    fields = {"credits": 500, "key": "k", "source": "s"} | other
    with nothing_changes(w), pytest.raises(LedgerKeyReused) as refusal:
        grant(w, **fields)
    assert refusal.value.code == "ledger_key_reused"
    assert refusal.value.status == 409


def test_a_source_of_another_wallet_is_refused():
    first, second = wallet(), wallet()
    grant(first, 500, key="k", source="s")
    with nothing_changes(second), pytest.raises(LedgerKeyReused):
        grant(second, 500, key="k", source="s")


def test_a_source_counts_once_in_each_environment():
    first, second = wallet(), wallet(environment="SANDBOX")
    grant(first, 500, key="k", source="s")
    grant(second, 500, key="k", source="s")
    assert columns(second) == (500, 0, 0)


@pytest.mark.parametrize("credits", [0, -1, 10**12 + 1])
def test_grant_refuses_impossible_amounts(credits):
    w = wallet()
    with nothing_changes(w), pytest.raises(ValueError, match="credit"):
        grant(w, credits)


def test_grant_refuses_an_unknown_kind():
    w = wallet()
    with nothing_changes(w), pytest.raises(ValueError, match="gift"):
        grant(w, 1, kind="gift")


def test_only_paid_grants_count_as_activity():
    w = wallet()
    before = w.last_activity_at
    for kind in ("promo", "pack", "allowance"):
        grant(w, 1, kind=kind)
    w.refresh_from_db()
    assert w.last_activity_at == before
    grant(w, 1, kind="pack", is_activity=True)
    w.refresh_from_db()
    assert w.last_activity_at > before
