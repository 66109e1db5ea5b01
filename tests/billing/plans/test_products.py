"""Plans and packs."""

import pytest
from django.core.management import call_command
from django.db import IntegrityError, transaction

from billing.models import Pack, Plan
from billing.plans import products, seeds
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def back_office(db):
    return factories.browser(factories.user(is_staff=True, is_superuser=True))


def test_new_installation_has_the_seeds():
    assert products.sync() == len(seeds.PLANS) + len(seeds.PACKS)
    plus = Plan.objects.get(key="plus")
    assert (plus.monthly_allowance, plus.amount, plus.currency) == (900_000, 299, "USD")
    assert (plus.term, str(plus.price)) == ("monthly", "2.99")
    pack = Pack.objects.get(key="credit_pack_1hr")
    assert (pack.credits, pack.amount, pack.currency) == (25_000, 299, "USD")
    assert Plan.objects.filter(term="yearly").exists()


def test_edits_of_operators_are_kept():
    products.sync()
    Plan.objects.filter(key="plus").update(amount=499, is_offered=False, name="More")
    Pack.objects.filter(key="credit_pack_5hr").delete()
    assert products.sync() == 1
    plus = Plan.objects.get(key="plus")
    assert (plus.amount, plus.is_offered, plus.name) == (499, False, "More")
    assert products.sync() == 0


def test_release_adds_plans_and_packs(settings, capsys):
    call_command("sync_products")
    assert capsys.readouterr().out == "Plans and packs: 7 added.\n"


def test_guests_see_what_is_on_sale():
    products.sync()
    for client in (
        factories.api(),
        factories.api(factories.token()),
        factories.browser(factories.user()),
    ):
        plans = client.get("/api/v1/plans").json()
        assert [plan["key"] for plan in plans] == [
            "plus",
            "studio",
            "plus_yearly",
            "studio_yearly",
        ]
        assert plans[0] == {
            "key": "plus",
            "name": "Plus",
            "monthly_allowance": 900_000,
            "amount": 299,
            "currency": "USD",
            "term": "monthly",
            "trial_days": 7,
            "limits": {
                "rate_synthesis": 60,
                "rate_other": 600,
                "concurrency": 16,
                "retention_days": 90,
                "storage_mb": 20_000,
            },
        }
        packs = client.get("/api/v1/packs").json()
        assert packs[0] == {
            "key": "credit_pack_1hr",
            "name": "25,000 credits",
            "credits": 25_000,
            "amount": 299,
            "currency": "USD",
        }
        assert len(packs) == 3


def test_products_off_sale_are_not_listed():
    products.sync()
    Plan.objects.exclude(key="plus").update(is_offered=False)
    Pack.objects.update(is_offered=False)
    assert [p["key"] for p in factories.api().get("/api/v1/plans").json()] == ["plus"]
    assert factories.api().get("/api/v1/packs").json() == []


@pytest.mark.parametrize(
    "fields",
    [
        {"key": "Plus!"},
        {"currency": "usd"},
        {"term": "weekly"},
        {"concurrency": 0},
        {"retention_days": 0},
        {"storage_mb": 0},
        {"monthly_allowance": 10**12 + 1},
        {"key": "plus"},
        {"app_store_product": "plus_monthly"},
    ],
)
def test_database_refuses_invalid_plans(fields):
    products.sync()
    values = {
        "key": "other",
        "name": "Other",
        "amount": 1,
        "monthly_allowance": 1,
        "rate_synthesis": 1,
        "rate_other": 1,
        "concurrency": 1,
        "retention_days": 1,
        "storage_mb": 1,
    }
    with pytest.raises(IntegrityError), transaction.atomic():
        Plan.objects.create(**(values | fields))
    assert Plan.objects.count() == 4


@pytest.mark.parametrize("fields", [{"credits": 0}, {"key": "a b"}, {"currency": "US"}])
def test_database_refuses_invalid_packs(fields):
    values = {"key": "other", "name": "Other", "amount": 1, "credits": 1}
    with pytest.raises(IntegrityError), transaction.atomic():
        Pack.objects.create(**(values | fields))
    assert Pack.objects.count() == 0


PLAN_FORM = {
    "key": "mini",
    "name": "Mini",
    "monthly_allowance": "100",
    "amount": "99",
    "currency": "EUR",
    "term": "monthly",
    "trial_days": "0",
    "rate_synthesis": "30",
    "rate_other": "300",
    "concurrency": "8",
    "retention_days": "30",
    "storage_mb": "2000",
    "is_offered": "on",
}


def test_operators_add_and_edit_plans(back_office):
    answer = back_office.post("/admin/billing/plan/add/", PLAN_FORM)
    assert answer.status_code == 302
    plan = Plan.objects.get(key="mini")
    assert (plan.amount, plan.currency) == (99, "EUR")
    edited = PLAN_FORM | {"amount": "89", "key": "changed"}
    back_office.post(f"/admin/billing/plan/{plan.pk}/change/", edited)
    plan.refresh_from_db()
    assert (plan.amount, plan.key) == (89, "mini")


@pytest.mark.parametrize(
    ("field", "value", "complaint"),
    [
        ("currency", "euro", "Ensure this value has at most 3 characters"),
        ("currency", "eur", "Three capitals"),
        ("concurrency", "0", "greater than or equal to 1"),
        ("key", "credit_pack_1hr", "There is a pack credit_pack_1hr."),
        ("key", "A-1", "Lower-case letters"),
        ("amount", "-1", "greater than or equal to 0"),
    ],
)
def test_admin_shows_errors_of_invalid_products(back_office, field, value, complaint):
    products.sync()
    answer = back_office.post("/admin/billing/plan/add/", PLAN_FORM | {field: value})
    assert answer.status_code == 200
    assert complaint in answer.content.decode()
    assert Plan.objects.count() == 4


def test_products_cannot_be_deleted(back_office):
    products.sync()
    plan = Plan.objects.get(key="plus")
    answer = back_office.post(f"/admin/billing/plan/{plan.pk}/delete/", {"post": "yes"})
    assert answer.status_code == 403
    assert Plan.objects.filter(key="plus").exists()


def test_price_is_shown_with_all_digits():
    assert str(Plan(amount=2990).price) == "29.90"
    assert str(Plan(amount=5).price) == "0.05"
