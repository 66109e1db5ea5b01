"""Promo codes: once per user and workspace, at most `max_uses` times."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.people import blocking
from billing.admin import promo as admin_promo
from billing.credits import promo
from billing.ledger.wallets import wallet_of
from billing.models import Lot, PromoCode, PromoRedemption
from kit.errors import AppError
from kit.models import QuotaCounter
from tests import factories
from tests.threads import in_threads

pytestmark = pytest.mark.django_db(transaction=True)
REDEEM = "/api/v1/promo-codes/redeem"
JSON = "application/json"


@pytest.fixture
def ada():
    return factories.user("ada@example.com")


def code(name="SPRING-27", **fields):
    return PromoCode.objects.create(
        **({"code": name, "credits": 700, "max_uses": 10} | fields)
    )


def post(user, name="SPRING-27", **headers):
    api = factories.api(factories.token(user))
    return api.post(REDEEM, {"code": name}, JSON, headers=headers)


def available(user, environment="PRODUCTION"):
    return wallet_of(factories.workspace(user), environment).available


def test_a_code_grants_credits(ada):
    made = code()
    answer = post(ada)
    assert answer.status_code == 201
    assert answer.json() == {"code": "SPRING-27", "credits": 700, "balance": 5700}
    lot = Lot.objects.get(granted=700)
    assert (lot.kind, lot.expires_at) == ("promo", None)
    made.refresh_from_db()
    assert made.used == 1
    redemption = PromoRedemption.objects.get()
    assert (redemption.user_id, len(redemption.person)) == (ada.pk, 64)


@pytest.mark.parametrize("written", ["spring-27", "  Spring-27\n", "SPRING -27"])
def test_code_is_normalized(ada, written):
    code()
    assert post(ada, written).status_code == 201


def test_user_redeems_a_code_once(ada):
    made = code()
    assert post(ada).status_code == 201
    answer = post(ada)
    assert (answer.status_code, answer.json()["code"]) == (409, "promo_code_redeemed")
    # Nor by the same mailbox, spelled in another way, and in another workspace.
    other = factories.user("a.d.a+more@gmail.com")
    same = factories.user("ada@gmail.com")
    assert post(other).status_code == 201
    assert post(same).json()["code"] == "promo_code_redeemed"
    made.refresh_from_db()
    assert made.used == 2
    assert (available(ada), available(same)) == (5700, available(same))


def test_workspace_redeems_a_code_once(ada):
    bob = factories.user("bob@example.com")
    team = factories.team(ada, bob)
    code()
    headers = {"X-Workspace": str(team.pk)}
    body = {"code": "SPRING-27"}
    first = factories.browser(bob).post(REDEEM, body, JSON, headers=headers)
    assert first.status_code == 201
    again = factories.browser(ada).post(REDEEM, body, JSON, headers=headers)
    assert again.json()["code"] == "promo_code_redeemed"
    assert wallet_of(team, "PRODUCTION").available == 700


@pytest.mark.parametrize(
    ("fields", "status", "refusal"),
    [
        ({"is_enabled": False}, 400, "invalid_promo_code"),
        ({"expires_at": timezone.now()}, 409, "promo_code_expired"),
        ({"max_uses": 3, "used": 3}, 409, "promo_code_used_up"),
    ],
)
def test_expired_used_up_or_disabled_code_grants_nothing(ada, fields, status, refusal):
    made = code(**fields)
    answer = post(ada)
    assert (answer.status_code, answer.json()["code"]) == (status, refusal)
    made.refresh_from_db()
    assert made.used == fields.get("used", 0)
    assert PromoRedemption.objects.count() == 0
    assert available(ada) == 5000


def test_code_that_expires_later_is_valid(ada):
    code(expires_at=timezone.now() + timedelta(minutes=1))
    assert post(ada).status_code == 201


@pytest.mark.parametrize("sent", ["NOTHING", "", 7, None, "x" * 61, "SPRING-27\0"])
def test_malformed_code_is_refused(ada, sent):
    code()
    answer = post(ada, sent)
    assert answer.status_code == 400
    assert answer.json()["code"] in {"invalid", "invalid_promo_code", "malformed_json"}
    assert available(ada) == 5000


def test_codes_are_refused_in_sandbox(ada):
    code()
    answer = post(ada, **{"X-Environment": "SANDBOX"})
    assert answer.status_code == 403
    assert answer.json()["code"] == "promo_code_in_sandbox"
    assert available(ada, "SANDBOX") == 5000


def test_last_use_is_given_to_one_of_many_parallel_requests():
    code(max_uses=3, used=2)
    users = [factories.user() for _ in range(8)]
    waiting = iter([factories.caller(user) for user in users])

    def try_it():
        caller = next(waiting)
        try:
            with transaction.atomic():
                promo.redeem(caller, "SPRING-27")
        except AppError as error:
            return error.code
        return "redeemed"

    results = in_threads(8, try_it)
    assert sorted(results) == [*["promo_code_used_up"] * 7, "redeemed"]
    assert PromoCode.objects.get().used == 3
    assert PromoRedemption.objects.count() == 1
    assert Lot.objects.filter(granted=700).count() == 1


def test_parallel_requests_of_one_user_redeem_once(ada):
    code()
    caller = factories.caller(ada)

    def try_it():
        try:
            with transaction.atomic():
                promo.redeem(caller, "SPRING-27")
        except AppError as error:
            return error.code
        return "redeemed"

    assert sorted(in_threads(6, try_it)) == [*["promo_code_redeemed"] * 5, "redeemed"]
    assert available(ada) == 5700


def test_attempts_of_a_user_are_limited(ada, monkeypatch):
    monkeypatch.setattr(promo, "ATTEMPTS_PER_PERSON", 3)
    code()
    answers = [post(ada, f"GUESS-{n}").status_code for n in range(4)]
    assert answers == [400, 400, 400, 429]
    answer = post(ada)  # the right one comes too late
    assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
    assert 0 < int(answer["Retry-After"]) <= 86_401
    assert available(ada) == 5000
    assert post(factories.user()).status_code == 201


def test_attempts_of_a_network_are_limited(ada, monkeypatch):
    monkeypatch.setattr(promo, "ATTEMPTS_PER_NETWORK", 2)
    people = [factories.user() for _ in range(3)]
    assert [post(p, "GUESS").status_code for p in people] == [400, 400, 429]
    counted = QuotaCounter.objects.filter(name="promo codes of a network")
    assert counted.get().used == 2


def test_repeated_request_redeems_once(ada):
    code()
    api = factories.api(factories.token(ada))
    headers = {"Idempotency-Key": "k"}
    first, again = (
        api.post(REDEEM, {"code": "SPRING-27"}, JSON, headers=headers) for _ in "12"
    )
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert again["Idempotent-Replayed"] == "true"
    assert available(ada) == 5700


def test_who_may_redeem(ada, settings):
    settings.ADMIN_ACCESS_KEY = "k" * 32
    code()
    body = {"code": "SPRING-27"}
    guest = factories.api().post(REDEEM, body, JSON)
    assert (guest.status_code, guest.json()["code"]) == (401, "authentication_required")
    operator = factories.api("k" * 32).post(REDEEM, body, JSON)
    assert (operator.status_code, operator.json()["code"]) == (403, "permission_denied")
    blocking.block(ada)
    assert post(ada).json()["code"] == "blocked"
    assert PromoCode.objects.get().used == 0


def edit(made: PromoCode, **fields: object):
    browser = factories.browser(factories.user(is_staff=True, is_superuser=True))
    form = {"max_uses": made.max_uses, "is_enabled": "on", "note": ""}
    inline = {"redemptions-TOTAL_FORMS": 0, "redemptions-INITIAL_FORMS": 0}
    address = f"/admin/billing/promocode/{made.pk}/change/"
    return browser.post(address, form | inline | fields)


def test_max_uses_cannot_be_below_the_redemptions():
    made = code(used=3)
    answer = edit(made, max_uses=2, note="Fewer")
    assert answer.status_code == 200
    assert "It was already redeemed 3 times." in answer.content.decode()
    made.refresh_from_db()
    assert (made.max_uses, made.used, made.note) == (10, 3, "")
    assert edit(made, max_uses=3).status_code == 302
    made.refresh_from_db()
    assert (made.max_uses, made.used) == (3, 3)


def test_redemption_during_an_edit_is_counted(monkeypatch):
    made = code()
    clean = admin_promo.PromoCodeForm.clean_max_uses

    def meanwhile(form: admin_promo.PromoCodeForm) -> int:
        PromoCode.objects.update(used=4)
        return clean(form)

    monkeypatch.setattr(admin_promo.PromoCodeForm, "clean_max_uses", meanwhile)
    assert edit(made, note="Spring").status_code == 302
    made.refresh_from_db()
    assert (made.used, made.note) == (4, "Spring")


def test_operators_create_codes_but_cannot_change_code_or_credits():
    browser = factories.browser(factories.user(is_staff=True, is_superuser=True))
    form = {"code": "WINTER-27", "credits": 10, "max_uses": 5, "is_enabled": "on"}
    inline = {
        "redemptions-TOTAL_FORMS": 0,
        "redemptions-INITIAL_FORMS": 0,
    }
    answer = browser.post("/admin/billing/promocode/add/", form | inline)
    assert answer.status_code == 302
    made = PromoCode.objects.get()
    changed = form | inline | {"credits": 99, "max_uses": 6, "code": "OTHER"}
    browser.post(f"/admin/billing/promocode/{made.pk}/change/", changed)
    made.refresh_from_db()
    assert (made.code, made.credits, made.max_uses) == ("WINTER-27", 10, 6)
    wrong = browser.post(
        "/admin/billing/promocode/add/", form | inline | {"code": "low case"}
    )
    assert "4 to 40 capitals" in wrong.content.decode()
    gone = browser.post(f"/admin/billing/promocode/{made.pk}/delete/", {"post": "yes"})
    assert gone.status_code == 403


@pytest.mark.parametrize(
    "fields", [{"code": "ab"}, {"code": "low-case"}, {"credits": 0}, {"used": 11}]
)
def test_database_refuses_invalid_codes(fields):
    with pytest.raises(IntegrityError):
        code(**fields)
