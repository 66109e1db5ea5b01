import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from accounts.models import User
from billing.models import LedgerTransaction, Wallet
from billing.wallets import wallet_of
from kit.ids import new_id
from tests import factories
from tests.billing.factories import capture, columns, grant, nothing_changes, reserve

pytestmark = pytest.mark.django_db
MODELS = ["wallet", "lot", "reservation", "ledgertransaction"]


@pytest.fixture
def used() -> Wallet:
    ada = factories.user("ada@example.com")
    w = wallet_of(factories.workspace(ada), "PRODUCTION")
    grant(w, 100)
    reserve(w, 30, key="job:1:1")
    capture(10)
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
    }
    return list(related[model].values_list("pk", flat=True))


@pytest.mark.parametrize("model", MODELS)
def test_lists_and_pages_show_everything(operator, used, model):
    listed = operator.get(reverse(f"admin:billing_{model}_changelist"))
    assert listed.status_code == 200
    for pk in rows(used, model):
        page = operator.get(reverse(f"admin:billing_{model}_change", args=[pk]))
        assert page.status_code == 200


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    "text", ["ada@example.com", "ada", "not a uuid", "job:1:1", "1"]
)
def test_search(operator, used, model, text):
    address = reverse(f"admin:billing_{model}_changelist")
    found = operator.get(address, {"q": text})
    assert found.status_code == 200
    if text.startswith("ada"):
        results = found.context["cl"].result_list
        assert {row.pk for row in results} >= set(rows(used, model))


@pytest.mark.parametrize("model", MODELS)
def test_nothing_is_added_changed_or_deleted(operator, used, model):
    pk = rows(used, model)[0]
    with nothing_changes(used):
        for address in (
            reverse(f"admin:billing_{model}_add"),
            reverse(f"admin:billing_{model}_change", args=[pk]),
            reverse(f"admin:billing_{model}_delete", args=[pk]),
        ):
            assert operator.post(address, {"available": 5}).status_code == 403


@pytest.mark.parametrize("model", MODELS)
def test_a_list_takes_the_same_queries_however_long(
    operator, used, model, django_assert_max_num_queries
):
    for _ in range(20):
        grant(used, 1)
    with django_assert_max_num_queries(8):
        operator.get(reverse(f"admin:billing_{model}_changelist"))


def form(**fields: object) -> dict[str, object]:
    values = {"key": new_id(), "credits": 250, "bucket": "pack", "reason": "Sorry"}
    return values | fields


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
    assert (posted.kind, posted.reason, posted.actor) == (
        "grant",
        "Sorry",
        "op@example.com",
    )
    assert LogEntry.objects.filter(object_id=str(used.pk)).exists()


@pytest.mark.parametrize(
    "fields",
    [
        {"reason": ""},
        {"reason": "  "},
        {"credits": 0},
        {"credits": -5},
        {"credits": "many"},
        {"credits": 10**13},
        {"bucket": "allowance"},
        {"key": ""},
        {"key": "x"},
    ],
)
def test_a_grant_needs_all_its_fields(operator, used, fields):
    address = reverse("admin:billing_wallet_grant", args=[used.pk])
    with nothing_changes(used):
        assert operator.post(address, form(**fields)).status_code == 200


def test_a_form_changed_after_it_was_sent_is_refused(operator, used):
    address = reverse("admin:billing_wallet_grant", args=[used.pk])
    filled = form()
    operator.post(address, filled)
    with nothing_changes(used):
        answer = operator.post(address, filled | {"credits": 9})
    assert answer.status_code == 200
    assert "was used for another posting" in answer.content.decode()


def test_an_operator_without_the_right_grants_nothing(used):
    helper = factories.user("helper@example.com", is_staff=True)
    address = reverse("admin:billing_wallet_grant", args=[used.pk])
    with nothing_changes(used):
        assert factories.browser(helper).post(address, form()).status_code == 403


def test_customers_are_sent_away(used):
    ada = User.objects.get(email="ada@example.com")
    address = reverse("admin:billing_wallet_grant", args=[used.pk])
    with nothing_changes(used):
        assert factories.browser(ada).post(address, form()).status_code == 302


def test_no_such_wallet(operator):
    address = reverse("admin:billing_wallet_grant", args=[10**6])
    assert operator.get(address).status_code == 404
