import re
from itertools import product

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEntry, User
from billing.ledger import proofs
from billing.ledger.wallets import wallet_of
from billing.models import (
    CreditRequest,
    LapseNotice,
    LedgerProof,
    LedgerTransaction,
    Lot,
    Wallet,
)
from kit.ids import new_id
from tests import factories
from tests.billing.factories import (
    capture,
    columns,
    grant,
    nothing_changes,
    reserve,
    violations,
)
from tests.cases import cases

pytestmark = pytest.mark.django_db
MODELS = [
    *("wallet", "lot", "reservation", "ledgertransaction"),
    *("ledgerproof", "lapsenotice", "creditrequest"),
]


@pytest.fixture
def used() -> Wallet:
    ada = factories.user("ada@example.com")
    w = wallet_of(factories.workspace(ada), "PRODUCTION")
    grant(w, 100)
    reserve(w, 30, key="job:1:1")
    capture(10)
    proofs.prove()
    LapseNotice.objects.create(
        wallet=w, stage="ends", lapses_at=timezone.now(), credits=5
    )
    CreditRequest.objects.create(
        wallet=w,
        action="adjust",
        credits=5,
        reason="R",
        ticket="T",
        asked_by=ada.pk,
        asked_by_email=ada.email,
    )
    return w


@pytest.fixture
def operator() -> Client:
    return factories.browser(
        factories.user("op@example.com", is_staff=True, is_superuser=True)
    )


def rows(w: Wallet, model: str) -> list[int]:
    if model == "wallet":
        return [w.pk]
    related = {
        "lot": w.lots,
        "reservation": w.reservations,
        "ledgertransaction": w.transactions,
        "ledgerproof": LedgerProof.objects,
        "lapsenotice": w.lapse_notices,
        "creditrequest": w.requests,
    }
    return list(related[model].values_list("pk", flat=True))


@pytest.mark.parametrize("model", MODELS)
def test_lists_and_pages_show_everything(operator, used, model):
    listed = operator.get(reverse(f"admin:billing_{model}_changelist"))
    assert listed.status_code == 200
    for pk in rows(used, model):
        page = operator.get(reverse(f"admin:billing_{model}_change", args=[pk]))
        assert page.status_code == 200


def test_search(operator, used):
    texts = ["ada@example.com", "ada", "not a uuid", "job:1:1", "1"]
    for (model, text), case in cases(product(MODELS, texts)):
        address = reverse(f"admin:billing_{model}_changelist")
        with case:
            found = operator.get(address, {"q": text})
            assert found.status_code == 200
            if text.startswith("ada"):
                results = found.context["cl"].result_list
                assert {row.pk for row in results} >= set(rows(used, model))


FOUND = [
    ("lot", "test:pack", 1),
    ("lot", "TEST:PACK", 0),
    ("reservation", "job:1:1", 1),
    ("reservation", "1", 1),
    ("ledgertransaction", "reserve:job:1:1", 1),
    ("ledgertransaction", "1", 2),
    ("ledgertransaction", "job:1", 0),
    ("creditrequest", "T", 1),
]


def test_search_finds_exact_keys(operator, used):
    Lot.objects.filter(wallet=used, kind="pack").update(source="test:pack")
    for (model, text, count), case in cases(FOUND):
        address = reverse(f"admin:billing_{model}_changelist")
        with case:
            found = operator.get(address, {"q": text}).context["cl"].result_list
            assert len(found) == count


def test_pages_of_many_entries_take_the_same_queries(
    operator, used, django_assert_max_num_queries
):
    for _ in range(15):
        grant(used, 1)
    reserve(used, 5_080, key="job:2:1")
    posted = used.transactions.latest("seq")
    assert posted.entries.count() > 20
    page = reverse("admin:billing_ledgertransaction_change", args=[posted.pk])
    with django_assert_max_num_queries(12):
        assert operator.get(page).status_code == 200
    held = used.reservations.get(key="job:2:1")
    page = reverse("admin:billing_reservation_change", args=[held.pk])
    with django_assert_max_num_queries(12):
        assert operator.get(page).status_code == 200


@pytest.mark.parametrize("model", MODELS)
def test_admin_is_read_only(operator, used, model):
    pk = rows(used, model)[0]
    with nothing_changes(used):
        for address in (
            reverse(f"admin:billing_{model}_add"),
            reverse(f"admin:billing_{model}_change", args=[pk]),
            reverse(f"admin:billing_{model}_delete", args=[pk]),
        ):
            assert operator.post(address, {"available": 5}).status_code == 403


@pytest.mark.parametrize("model", MODELS)
def test_number_of_queries_does_not_grow_with_the_list(
    operator, used, model, django_assert_max_num_queries
):
    for _ in range(20):
        grant(used, 1)
    with django_assert_max_num_queries(8):
        operator.get(reverse(f"admin:billing_{model}_changelist"))


def form(**fields: object) -> dict[str, object]:
    values = {"key": new_id(), "credits": 250, "bucket": "pack", "reason": "Sorry"}
    return values | {"ticket": "T-1"} | fields


def name_of_operator() -> str:
    """Return the actor of an operator's postings, which has no email address."""
    return f"operator {User.objects.get(email='op@example.com').pk}"


def test_an_operator_grants_credits(operator, used):
    address = reverse("admin:billing_wallet_grant", args=[used.pk])
    asked = operator.get(address)
    assert asked.status_code == 200
    assert "Grant" in asked.content.decode()
    filled = form(key=asked.context["form"]["key"].value())
    for _ in range(2):  # sent twice, counted once
        answer = operator.post(address, filled)
        assert answer.status_code == 302
        assert answer.url == reverse("admin:billing_wallet_change", args=[used.pk])
    assert columns(used) == (5320, 20, 10)
    posted = LedgerTransaction.objects.filter(wallet=used).latest("seq")
    assert (posted.kind, posted.reason, posted.ticket, posted.actor) == (
        "grant",
        "Sorry",
        "T-1",
        name_of_operator(),
    )
    assert not LogEntry.objects.exists()
    audited = AuditEntry.objects.get(object_id=str(used.pk))
    assert (audited.action, audited.reason) == ("Granted 250: Sorry", "Sorry")


def adjustment(**fields: object) -> dict[str, object]:
    values = {"key": new_id(), "credits": -40, "reason": "Counted twice"}
    return values | {"ticket": "T-2"} | fields


def test_an_operator_adjusts(operator, used):
    address = reverse("admin:billing_wallet_adjust", args=[used.pk])
    assert operator.get(address).status_code == 200
    filled = adjustment()
    for _ in range(2):  # sent twice, counted once
        assert operator.post(address, filled).status_code == 302
    assert columns(used) == (5030, 20, 10)
    assert operator.post(address, adjustment(credits=15)).status_code == 302
    assert columns(used) == (5045, 20, 10)
    down, up = used.transactions.filter(kind="adjust").order_by("seq")
    assert {(row.reason, row.ticket, row.actor) for row in (down, up)} == {
        ("Counted twice", "T-2", name_of_operator())
    }
    audited = AuditEntry.objects.filter(object_id=str(used.pk))
    assert [(one.action, one.reason) for one in audited.order_by("pk")] == [
        ("Adjusted by -40: Counted twice", "Counted twice"),
        ("Adjusted by +15: Counted twice", "Counted twice"),
    ]


def test_debt_needs_allow_debt(operator, used):
    address = reverse("admin:billing_wallet_adjust", args=[used.pk])
    with nothing_changes(used):
        answer = operator.post(address, adjustment(credits=-6000))
    assert answer.status_code == 200
    assert "This needs 6000 credits; 5070 are available." in answer.content.decode()
    filled = adjustment(credits=-6000, allow_debt="on")
    assert operator.post(address, filled).status_code == 302
    used.refresh_from_db()
    assert (used.available, used.debt) == (0, 930)


def refunding(**fields: object) -> dict[str, object]:
    values = {"key": new_id(), "credits": 60, "reason": "Money back"}
    return values | {"ticket": "T-3"} | fields


def test_an_operator_refunds_a_lot(operator, used):
    lot = used.lots.get(kind="pack")
    address = reverse("admin:billing_lot_refund", args=[lot.pk])
    asked = operator.get(address)
    assert "at most 100 credits, 100 of them unused" in asked.content.decode()
    filled = refunding()
    for _ in range(2):
        answer = operator.post(address, filled)
        assert answer.url == reverse("admin:billing_lot_change", args=[lot.pk])
    lot.refresh_from_db()
    assert (lot.available, lot.revoked) == (40, 60)
    posted = used.transactions.get(kind="refund")
    assert (posted.reason, posted.ticket, posted.actor) == (
        "Money back",
        "T-3",
        name_of_operator(),
    )
    audited = AuditEntry.objects.get(object_id=str(lot.pk))
    assert (audited.action, audited.reason) == (
        "Refunded 60: Money back",
        "Money back",
    )


def test_an_operator_reverses_a_refund(operator, used):
    lot = used.lots.get(kind="pack")
    operator.post(
        reverse("admin:billing_lot_refund", args=[lot.pk]), refunding(credits=100)
    )
    refunded = used.transactions.get(kind="refund")
    address = reverse("admin:billing_ledgertransaction_reverse", args=[refunded.pk])
    page = reverse("admin:billing_ledgertransaction_change", args=[refunded.pk])
    assert address in operator.get(page).content.decode()
    asked = operator.get(address).content.decode()
    assert f"100 credits of {lot.source} come back" in asked
    with nothing_changes(used):
        assert (
            operator.post(address, {"key": new_id(), "reason": "R"}).status_code == 200
        )
    filled = {"key": new_id(), "reason": "The bank refused", "ticket": "T-4"}
    for _ in range(2):  # sent twice, done once
        assert operator.post(address, filled).url == page
    assert columns(used) == (5070, 20, 10)
    posted = used.transactions.latest("seq")
    assert (posted.kind, posted.reason, posted.ticket, posted.actor) == (
        *("reverse", "The bank refused", "T-4", name_of_operator()),
    )
    audited = AuditEntry.objects.get(object_id=str(refunded.pk))
    assert (audited.action, audited.reason) == (
        "Reversed 100: The bank refused",
        "The bank refused",
    )
    # What came back is refunded and given back once more.
    again = used.lots.latest("pk")
    operator.post(
        reverse("admin:billing_lot_refund", args=[again.pk]), refunding(credits=5)
    )
    second = used.transactions.filter(kind="refund").latest("seq")
    address = reverse("admin:billing_ledgertransaction_reverse", args=[second.pk])
    assert operator.post(address, filled).status_code == 302
    assert columns(used) == (5070, 20, 10)
    assert violations() == {}


def test_only_refunds_are_reversed(operator, used):
    granted = used.transactions.filter(kind="grant").first()
    address = reverse("admin:billing_ledgertransaction_reverse", args=[granted.pk])
    page = reverse("admin:billing_ledgertransaction_change", args=[granted.pk])
    assert address not in operator.get(page).content.decode()
    filled = {"key": new_id(), "reason": "R", "ticket": "T"}
    with nothing_changes(used):
        assert operator.post(address, filled).status_code == 403


def test_a_gift_is_not_refunded(operator, used):
    lot = used.lots.get(kind="promo")
    address = reverse("admin:billing_lot_refund", args=[lot.pk])
    with nothing_changes(used):
        answer = operator.post(address, refunding())
    assert "was not bought" in answer.content.decode()


def test_an_operator_rebuilds_a_wallet(operator, used):
    address = reverse("admin:billing_wallet_rebuild", args=[used.pk])
    assert operator.get(address).status_code == 200
    filled = {"key": new_id(), "reason": "A bad restore"}
    with nothing_changes(used):
        operator.post(address, filled)
    Wallet.objects.filter(pk=used.pk).update(seq=99)
    answer = operator.post(address, filled, follow=True)
    assert f"wallet {used.pk} seq 99 → 4" in answer.content.decode()
    used.refresh_from_db()
    assert used.seq == 4
    audited = AuditEntry.objects.filter(object_id=str(used.pk)).latest("pk")
    assert (audited.reason, audited.before, audited.after) == (
        "A bad restore",
        {"seq": 99},
        {"seq": 4},
    )


@pytest.mark.parametrize("action", ["wallet_adjust", "wallet_rebuild", "lot_refund"])
def test_only_operators_with_the_permission_can_act(used, action):
    row = used.lots.get(kind="pack") if action == "lot_refund" else used
    address = reverse(f"admin:billing_{action}", args=[row.pk])
    helper = factories.user("helper@example.com", is_staff=True)
    ada = User.objects.get(email="ada@example.com")
    with nothing_changes(used):
        assert factories.browser(helper).post(address, adjustment()).status_code == 403
        assert factories.browser(ada).post(address, adjustment()).status_code == 302


def test_an_adjustment_needs_all_its_fields(operator, used):
    address = reverse("admin:billing_wallet_adjust", args=[used.pk])
    wrong: list[dict[str, object]] = [
        {"reason": ""},
        {"ticket": " "},
        {"credits": 0},
        {"credits": -(10**13)},
        {"key": ""},
    ]
    for fields, case in cases(wrong):
        with case, nothing_changes(used):
            assert operator.post(address, adjustment(**fields)).status_code == 200


def test_failed_ledger_check_shows_the_invariants(operator, used):
    LedgerProof.objects.create(duration_ms=1, counts={"I1": 0, "I7": 2}, violations=2)
    listed = operator.get(reverse("admin:billing_ledgerproof_changelist"))
    # As a cell: random tokens in the page may hold any two letters.
    assert re.findall(r">\s*(I\d+)\s*<", listed.content.decode()) == ["I7"]


def test_reservation_links_to_its_postings(operator, used):
    reservation = used.reservations.get()
    page = operator.get(
        reverse("admin:billing_reservation_change", args=[reservation.pk])
    )
    address = reverse("admin:billing_ledgertransaction_changelist")
    link = f"{address}?reservation__id__exact={reservation.pk}"
    assert link in page.content.decode()
    listed = operator.get(link).context["cl"].result_list
    assert {row.kind for row in listed} == {"reserve", "capture"}
    by_job = operator.get(
        reverse("admin:billing_reservation_changelist"), {"job": reservation.job}
    )
    assert [row.pk for row in by_job.context["cl"].result_list] == [reservation.pk]


def test_a_grant_needs_all_its_fields(operator, used):
    address = reverse("admin:billing_wallet_grant", args=[used.pk])
    wrong: list[dict[str, object]] = [
        {"reason": ""},
        {"reason": "  "},
        {"ticket": ""},
        {"ticket": "t" * 101},
        {"credits": 0},
        {"credits": -5},
        {"credits": "many"},
        {"credits": 10**13},
        {"bucket": "allowance"},
        {"key": ""},
        {"key": "x"},
    ]
    for fields, case in cases(wrong):
        with case, nothing_changes(used):
            assert operator.post(address, form(**fields)).status_code == 200


def test_a_form_changed_after_it_was_sent_is_refused(operator, used):
    address = reverse("admin:billing_wallet_grant", args=[used.pk])
    filled = form()
    operator.post(address, filled)
    with nothing_changes(used):
        answer = operator.post(address, filled | {"credits": 9})
    assert answer.status_code == 200
    assert "was used for another posting" in answer.content.decode()


def test_operator_without_the_permission_cannot_grant(used):
    helper = factories.user("helper@example.com", is_staff=True)
    address = reverse("admin:billing_wallet_grant", args=[used.pk])
    with nothing_changes(used):
        assert factories.browser(helper).post(address, form()).status_code == 403


def test_customers_cannot_open_the_admin(used):
    ada = User.objects.get(email="ada@example.com")
    address = reverse("admin:billing_wallet_grant", args=[used.pk])
    with nothing_changes(used):
        assert factories.browser(ada).post(address, form()).status_code == 302


def test_unknown_wallet_is_not_found(operator):
    address = reverse("admin:billing_wallet_grant", args=[10**6])
    assert operator.get(address).status_code == 404
