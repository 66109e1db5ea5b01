"""`GET /api/v1/usage`: two shapes, exact."""

from datetime import UTC, datetime
from fractions import Fraction

import pytest
from django.db import IntegrityError, transaction

from accounts.models import Membership
from accounts.people import blocking
from billing.ledger.wallets import wallet_of
from billing.models import Lot, Pack, Purchase, Store
from billing.payments import purchases
from billing.plans import subscriptions
from billing.reports.standing import percentage
from tests import factories
from tests.billing.factories import (
    adjust,
    capture,
    grant,
    lapse,
    refund,
    release,
    reserve,
    reverse,
)
from tests.billing.subscribers import plan, run, start, subscriber

pytestmark = pytest.mark.django_db(transaction=True)
USAGE = "/api/v1/usage"


@pytest.fixture
def workspace():
    return subscriber()


@pytest.fixture
def wallet(workspace):
    return wallet_of(workspace, "PRODUCTION")


def owner(workspace):
    return workspace.memberships.get(role="owner").user


def usage(workspace, **headers):
    api = factories.api(factories.token(owner(workspace)), **headers)
    answer = api.get(USAGE)
    assert answer.status_code == 200
    return answer.json()


def spend(wallet, credits, key="job:9:1"):
    reserve(wallet, credits, key=key)
    capture(credits, key=f"scene:{key}", reservation=key)


def test_a_free_user(workspace, wallet):
    spend(wallet, 1666)
    assert usage(workspace) == {
        "user_tier": "free",
        "lifetime_limit": 5000,
        "current_usage": 1666,
        "remaining_characters": 3334,
        "usage_percentage": 33,
        "message": "Subscribe for monthly credits or purchase additional credits.",
        "plan_renewal_date": None,
        "plan_term": None,
        "plan_term_in_days": None,
        "plan_key": None,
        "plan_gross_cost": None,
        "trialing": False,
        "credits": {
            "subscription": None,
            "non_expiring_tokens": {
                "balance": 3334,
                "total_granted": 5000,
                "total_consumed": 1666,
                "purchases": [
                    {"source": "free_grant", "characters": 5000, "price_usd": 0}
                ],
            },
        },
    }


def test_a_subscriber(workspace, wallet, clock):
    clock.set(2027, 1, 5)
    start(workspace)
    sell(wallet, "credit_pack_1hr", Store.APP_STORE)
    spend(wallet, 150_000)
    month = {
        "monthly_limit": 900_000,
        "current_usage": 150_000,
        "remaining_characters": 750_000,
        "usage_percentage": 17,
        "reset_date": "2027-02-05T12:00:00.000Z",
    }
    assert usage(workspace) == {
        "user_tier": "premium",
        **month,
        "plan_renewal_date": "February 5, 2027",
        "plan_term": "monthly",
        "plan_term_in_days": 30,
        "plan_key": "plus",
        "plan_gross_cost": 2.99,
        "trialing": False,
        "credits": {
            "subscription": {"plan_key": "plus", **month},
            "non_expiring_tokens": {
                "balance": 30_000,
                "total_granted": 30_000,
                "total_consumed": 0,
                "purchases": [
                    {"source": "free_grant", "characters": 5000, "price_usd": 0},
                    {
                        "source": "iap",
                        "product_lookup_key": "credit_pack_1hr",
                        "characters": 25_000,
                        "price_usd": 2.99,
                    },
                ],
            },
        },
    }


def sell(wallet, key, store, external_id="pay_1", **paid):
    with transaction.atomic():
        return purchases.sell(
            wallet,
            Pack.objects.get(key=key),
            store=store,
            external_id=external_id,
            **paid,
        )


def test_the_month_pays_first_and_then_the_rest(workspace, wallet):
    start(workspace)
    spend(wallet, 903_000)
    body = usage(workspace)
    assert (body["current_usage"], body["remaining_characters"]) == (900_000, 0)
    assert body["usage_percentage"] == 100
    non_expiring = body["credits"]["non_expiring_tokens"]
    assert (non_expiring["balance"], non_expiring["total_consumed"]) == (2000, 3000)
    assert non_expiring["total_granted"] == 5000


def test_held_credits_are_not_left(workspace, wallet):
    reserve(wallet, 1000)
    body = usage(workspace)
    assert (body["current_usage"], body["remaining_characters"]) == (1000, 4000)
    non_expiring = body["credits"]["non_expiring_tokens"]
    assert (non_expiring["balance"], non_expiring["total_granted"]) == (4000, 5000)
    assert non_expiring["total_consumed"] == 0
    release()
    assert usage(workspace)["remaining_characters"] == 5000


def test_a_trial(workspace, clock):
    clock.set(2027, 1, 5)
    start(workspace, is_trial=True, store_account="cus_1")
    body = usage(workspace)
    assert (body["user_tier"], body["trialing"]) == ("premium", True)
    assert body["monthly_limit"] == 900_000
    assert body["reset_date"] == "2027-01-12T12:00:00.000Z"
    assert body["plan_renewal_date"] == "January 12, 2027"


def test_second_trial_has_no_credits(workspace):
    start(workspace, is_trial=True, store_account="cus_1")
    other = subscriber("bob@example.com")
    start(other, external_id="sub_2", is_trial=True, store_account="cus_1")
    body = usage(other)
    assert (body["trialing"], body["monthly_limit"]) == (True, 0)
    assert (body["remaining_characters"], body["usage_percentage"]) == (0, 0)


def test_an_upgrade_raises_the_limit(workspace, wallet):
    subscription = start(workspace)
    spend(wallet, 500_000)
    run(subscriptions.change_plan, subscription, plan("studio"))
    body = usage(workspace)
    assert (body["plan_key"], body["plan_gross_cost"]) == ("studio", 14.99)
    assert (body["monthly_limit"], body["current_usage"]) == (5_000_000, 500_000)
    assert body["usage_percentage"] == 10


def test_renewed_month_starts_at_0(workspace, wallet, clock):
    clock.set(2027, 1, 5)
    subscription = start(workspace)
    spend(wallet, 500_000)
    clock.set(2027, 2, 5)
    run(subscriptions.renew, subscription)
    body = usage(workspace)
    assert (body["monthly_limit"], body["current_usage"]) == (900_000, 0)
    assert body["reset_date"] == "2027-03-05T12:00:00.000Z"
    # What was left of January is spendable for its day of grace, but not shown.
    assert wallet_of(workspace, "PRODUCTION").available == 400_000 + 900_000 + 5000


def test_yearly_plan_shows_its_months(workspace, clock):
    clock.set(2028, 1, 31)
    start(workspace, "plus_yearly")
    body = usage(workspace)
    assert (body["plan_term"], body["plan_term_in_days"]) == ("yearly", 365)
    assert body["plan_renewal_date"] == "January 31, 2029"
    assert body["reset_date"] == "2028-02-29T12:00:00.000Z"
    assert body["plan_gross_cost"] == 29.9


def test_plan_that_does_not_renew_has_no_renewal_date(workspace):
    subscription = start(workspace)
    run(subscriptions.cancel, subscription)
    body = usage(workspace)
    assert (body["user_tier"], body["plan_renewal_date"]) == ("premium", None)
    run(subscriptions.end, subscription)
    assert usage(workspace)["user_tier"] == "free"


def test_refunds_and_lapses_count_as_never_granted(workspace, wallet):
    start(workspace)
    sell(wallet, "credit_pack_1hr", Store.STRIPE)
    promo = Lot.objects.get(kind="promo", wallet=wallet)
    lapse(promo)
    non_expiring = usage(workspace)["credits"]["non_expiring_tokens"]
    assert (non_expiring["balance"], non_expiring["total_granted"]) == (25_000, 25_000)
    month = Lot.objects.get(kind="allowance", wallet=wallet).source
    refund(month, Fraction(1, 2), key="month")
    refund("purchase:stripe:pay_1", Fraction(2, 5), key="first")
    body = usage(workspace)
    assert (body["monthly_limit"], body["remaining_characters"]) == (450_000, 450_000)
    non_expiring = body["credits"]["non_expiring_tokens"]
    assert (non_expiring["balance"], non_expiring["total_granted"]) == (15_000, 15_000)
    assert non_expiring["purchases"][1] == {
        "source": "stripe",
        "product_lookup_key": "credit_pack_1hr",
        "characters": 15_000,
        "price_usd": 2.99,
    }
    # The rest comes back after some of it was spent: more is owed than there is.
    spend(wallet, 450_000 + 4_000)
    refund("purchase:stripe:pay_1", Fraction(3, 5), key="second")
    body = usage(workspace)
    assert (body["current_usage"], body["remaining_characters"]) == (450_000, 0)
    non_expiring = body["credits"]["non_expiring_tokens"]
    assert (non_expiring["balance"], non_expiring["total_granted"]) == (-4_000, 0)
    assert non_expiring["total_consumed"] == 4_000
    assert [one["source"] for one in non_expiring["purchases"]] == ["free_grant"]


def test_purchases_show_their_source(workspace, wallet):
    sell(wallet, "credit_pack_1hr", Store.PLAY_STORE, "a")
    sell(wallet, "credit_pack_5hr", Store.BTCPAY, "b", amount=1000, currency="EUR")
    grant(wallet, 7, source="grant:1", kind="pack")
    grant(wallet, 8, source="promo:SPRING:1", kind="promo")
    non_expiring = usage(workspace)["credits"]["non_expiring_tokens"]
    assert [
        (p["source"], p["characters"], p["price_usd"])
        for p in non_expiring["purchases"]
    ] == [
        ("free_grant", 5000, 0),
        ("iap", 25_000, 2.99),
        ("btcpay", 125_000, None),
        ("operator", 7, 0),
        ("promo_code", 8, 0),
    ]


def test_debt_of_a_workspace_without_lots(workspace):
    team = factories.team(owner(workspace))
    adjust(wallet_of(team, "PRODUCTION"), -70, allow_debt=True)
    api = factories.api(factories.token(owner(workspace), workspace=team))
    body = api.get(USAGE).json()
    assert (body["lifetime_limit"], body["current_usage"]) == (0, 0)
    non_expiring = body["credits"]["non_expiring_tokens"]
    assert non_expiring == {
        "balance": -70,
        "total_granted": -70,
        "total_consumed": 0,
        "purchases": [],
    }
    assert api.get("/api/v1/credits").json()["balance"] == -70


@pytest.mark.parametrize("part", [Fraction(1), Fraction(2, 5)])
def test_reversed_refund_belongs_to_the_purchase(workspace, wallet, part):
    sell(wallet, "credit_pack_1hr", Store.STRIPE)
    refund("purchase:stripe:pay_1", part)
    reverse("purchase:stripe:pay_1")
    non_expiring = usage(workspace)["credits"]["non_expiring_tokens"]
    assert non_expiring["purchases"][1:] == [
        {
            "source": "stripe",
            "product_lookup_key": "credit_pack_1hr",
            "characters": 25_000,
            "price_usd": 2.99,
        }
    ]


@pytest.mark.parametrize("part", [Fraction(1), Fraction(2, 5)])
def test_allowance_with_a_reversed_refund_is_complete(workspace, wallet, part):
    start(workspace)
    month = Lot.objects.get(kind="allowance", wallet=wallet).source
    spend(wallet, 300_000)
    refund(month, part)
    reverse(month)
    body = usage(workspace)
    assert [body[name] for name in ("monthly_limit", "current_usage")] == [
        900_000,
        300_000,
    ]


def test_repeated_payment_is_one_purchase(workspace, wallet):
    first = sell(wallet, "credit_pack_1hr", Store.STRIPE)
    assert sell(wallet, "credit_pack_1hr", Store.STRIPE) == first
    assert Purchase.objects.count() == 1
    wallet.refresh_from_db()
    assert wallet.available == 30_000
    sandbox = wallet_of(workspace, "SANDBOX")
    assert sell(sandbox, "credit_pack_1hr", Store.STRIPE) != first


def test_a_purchase_is_in_the_environment_of_its_lot(workspace, wallet):
    sell(wallet, "credit_pack_1hr", Store.STRIPE)
    with pytest.raises(IntegrityError, match="purchase_of_lot"):
        Purchase.objects.update(environment="SANDBOX")


def test_each_environment_has_its_own_standing(workspace):
    start(workspace, environment="SANDBOX")
    assert usage(workspace)["user_tier"] == "free"
    sandbox = usage(workspace, **{"X-Environment": "SANDBOX"})
    assert sandbox["user_tier"] == "premium"


def test_members_see_credits_but_no_prices(workspace):
    boss, bob = factories.user(), factories.user("bob@example.com")
    team = factories.team(boss, bob)
    start(team)
    seen = factories.browser(bob).get(USAGE, headers={"X-Workspace": str(team.pk)})
    body = seen.json()
    assert body["remaining_characters"] == 900_000
    assert body["plan_gross_cost"] is None
    assert body["credits"]["non_expiring_tokens"]["purchases"] == []
    Membership.objects.filter(user=bob, workspace=team).update(role="admin")
    seen = factories.browser(bob).get(USAGE, headers={"X-Workspace": str(team.pk)})
    assert seen.json()["plan_gross_cost"] == 2.99


def test_standing_of_other_workspaces_is_not_visible(workspace):
    start(workspace)
    stranger = factories.user("eve@example.com")
    headers = {"X-Workspace": str(workspace.pk)}
    assert factories.browser(stranger).get(USAGE, headers=headers).status_code == 404
    body = factories.api(factories.token(stranger), **headers).get(USAGE)
    assert body.json()["user_tier"] == "free"


def test_who_may_read_the_standing(workspace, settings):
    settings.ADMIN_ACCESS_KEY = "k" * 32
    assert factories.api().get(USAGE).json()["code"] == "authentication_required"
    assert factories.api("k" * 32).get(USAGE).json()["user_tier"] == "free"
    api = factories.api(factories.token(owner(workspace)))
    assert api.get(USAGE, headers={"X-Environment": "mars"}).status_code == 400
    blocking.block(workspace)
    assert api.get(USAGE).json()["code"] == "blocked"


def test_number_of_queries_does_not_grow_with_the_history(
    workspace, wallet, django_assert_max_num_queries
):
    start(workspace)
    for number in range(5):
        spend(wallet, 10, key=f"job:{number}:1")
        grant(wallet, 10)
    api = factories.api(factories.token(owner(workspace)))
    api.get(USAGE)
    with django_assert_max_num_queries(6):
        api.get(USAGE)


@pytest.mark.parametrize(
    ("part", "whole", "percent"),
    [(150_000, 900_000, 17), (15_000, 45_000, 33), (1, 2, 50), (1, 200, 1), (0, 0, 0)],
)
def test_percentages_are_rounded(part, whole, percent):
    assert percentage(part, whole) == percent


def test_dates_are_utc(workspace, clock):
    clock.now = datetime(2027, 1, 31, 23, 30, tzinfo=UTC)
    start(workspace)
    assert usage(workspace)["reset_date"] == "2027-02-28T23:30:00.000Z"
