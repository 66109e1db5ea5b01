"""Credit requests above a limit need the approval of a second operator."""

import pytest
from django.db import IntegrityError
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEntry, User
from billing.models import CreditRequest, Wallet
from kit.ids import new_id
from tests import factories
from tests.billing.factories import columns, nothing_changes, wallet
from tests.threads import in_threads

pytestmark = pytest.mark.django_db(transaction=True)
LIMIT = 1_000_000


def operator(email: str) -> User:
    return factories.user(email, is_staff=True, is_superuser=True)


@pytest.fixture
def ann() -> Client:
    return factories.browser(operator("ann@example.com"))


@pytest.fixture
def ben() -> Client:
    return factories.browser(operator("ben@example.com"))


@pytest.fixture
def w() -> Wallet:
    return wallet(("pack", 100))


def ask(client: Client, w: Wallet, action: str = "grant", **fields: object):
    values = {
        "key": new_id(),
        "credits": LIMIT + 1,
        "bucket": "pack",
        "reason": "A school",
        "ticket": "T-9",
    }
    address = reverse(f"admin:billing_wallet_{action}", args=[w.pk])
    return client.post(address, values | fields)


def decide(client: Client, verb: str, reason: str = "Looked at it"):
    address = reverse(
        f"admin:billing_creditrequest_{verb}", args=[CreditRequest.objects.get().pk]
    )
    assert client.get(address).status_code == 200
    return client.post(address, {"key": new_id(), "reason": reason})


@pytest.mark.parametrize(("action", "credits"), [("grant", LIMIT), ("adjust", -100)])
def test_one_operator_moves_credits_up_to_the_limit(ann, w, action, credits):
    assert ask(ann, w, action, credits=credits).status_code == 302
    assert columns(w) == (100 + credits, 0, 0)
    assert not CreditRequest.objects.exists()


def test_larger_grant_waits_for_a_second_operator(ann, ben, w):
    key = new_id()
    with nothing_changes(w):
        for _ in range(2):  # sent twice, asked once
            assert ask(ann, w, key=key).status_code == 302
    asked = CreditRequest.objects.get()
    assert (asked.status, asked.asked_by_email) == ("pending", "ann@example.com")
    assert decide(ben, "approve").status_code == 302
    assert columns(w) == (LIMIT + 101, 0, 0)
    posted = w.transactions.latest("seq")
    assert (posted.kind, posted.key, posted.actor, posted.reason, posted.ticket) == (
        *("grant", f"grant:{key}", f"operator {asked.asked_by}", "A school", "T-9"),
    )
    asked.refresh_from_db()
    assert (asked.status, asked.decided_by_email) == ("approved", "ben@example.com")
    audited = AuditEntry.objects.order_by("pk").values_list(
        "actor_email", "model", "reason"
    )
    assert list(audited) == [
        ("ann@example.com", "billing.Wallet", "A school"),
        ("ben@example.com", "billing.CreditRequest", "Looked at it"),
    ]
    # A request is decided once.
    with nothing_changes(w):
        assert "was already approved" in decide(ben, "refuse").content.decode()


def test_larger_adjustment_waits_for_a_second_operator(ann, ben, w):
    ask(ann, w, credits=LIMIT)
    fields = {"credits": -LIMIT - 200, "bucket": "", "allow_debt": "on"}
    ask(ann, w, "adjust", **fields)
    decide(ben, "approve")
    w.refresh_from_db()
    assert (w.available, w.debt) == (0, 100)


def test_refused_request_changes_nothing(ann, ben, w):
    ask(ann, w)
    with nothing_changes(w):
        assert decide(ben, "refuse").status_code == 302
        assert "was already refused" in decide(ben, "approve").content.decode()
    assert CreditRequest.objects.get().status == "refused"


def test_operator_cannot_approve_their_own_request(ann, w):
    ask(ann, w)
    with nothing_changes(w):
        for verb in ("approve", "refuse"):
            page = decide(ann, verb).content.decode()
            assert "another operator must decide" in page
    asked = CreditRequest.objects.get()
    assert (asked.status, asked.decided_by) == ("pending", None)
    with pytest.raises(IntegrityError, match="decided_by_another"):
        CreditRequest.objects.update(
            status="approved", decided_by=asked.asked_by, decided_at=asked.created_at
        )


def test_request_without_enough_credits_stays_pending(ann, ben, w):
    ask(ann, w, "adjust", credits=-LIMIT - 1)
    with nothing_changes(w):
        assert "100 are available" in decide(ben, "approve").content.decode()
    assert CreditRequest.objects.get().status == "pending"


def test_a_request_changed_after_it_was_sent_is_refused(ann, w):
    key = new_id()
    ask(ann, w, key=key)
    with nothing_changes(w):
        page = ask(ann, w, key=key, credits=LIMIT + 2).content.decode()
    assert "was used for another posting" in page
    assert CreditRequest.objects.get().credits == LIMIT + 1


def test_operator_without_permission_cannot_decide(ann, w):
    ask(ann, w)
    helper = factories.user("helper@example.com", is_staff=True)
    pk = CreditRequest.objects.get().pk
    address = reverse("admin:billing_creditrequest_approve", args=[pk])
    with nothing_changes(w):
        answer = factories.browser(helper).post(address, {"key": pk, "reason": "R"})
    assert answer.status_code == 403


def test_parallel_approvals_grant_once(ann, ben, w):
    ask(ann, w)
    carl = factories.browser(operator("carl@example.com"))
    clients = [ben, carl]
    in_threads(2, lambda: decide(clients.pop(), "approve"))
    assert columns(w) == (LIMIT + 101, 0, 0)
    assert w.transactions.count() == 2
