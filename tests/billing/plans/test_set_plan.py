"""Operators set plans, with the command and in the admin."""

from io import StringIO

import pytest
from django.contrib.auth.models import Permission
from django.core.management import CommandError, call_command
from django.db import transaction
from django.urls import reverse

from accounts.models import AuditEntry
from billing.ledger.wallets import wallet_of
from billing.models import Plan, Store, Subscription
from billing.plans import products, subscriptions
from kit.ids import new_id
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada():
    products.sync()
    return factories.user("ada@example.com")


@pytest.fixture
def back_office(db):
    return factories.browser(factories.user(is_staff=True, is_superuser=True))


def set_plan(*arguments):
    out = StringIO()
    call_command("set_plan", *arguments, stdout=out)
    return out.getvalue()


def test_command_sets_and_ends_a_plan(ada):
    workspace = factories.workspace(ada)
    said = set_plan("Ada@example.com", "plus", "--reason", "Friend")
    given = Subscription.objects.get()
    until = given.period_end.isoformat(timespec="seconds")
    assert said == f"plus until {until}\n"
    assert (given.workspace, given.store, given.environment) == (
        workspace,
        "operator",
        "PRODUCTION",
    )
    workspace.refresh_from_db()
    assert workspace.tier == "paid"
    assert wallet_of(workspace, "PRODUCTION").available == 905_000
    entry = AuditEntry.objects.latest("pk")
    assert (entry.action, entry.reason) == ("set plan plus", "Friend")
    assert set_plan("ada@example.com", "none") == "no plan\n"
    assert set_plan("ada@example.com", "none") == "no plan\n"
    workspace.refresh_from_db()
    assert workspace.tier == "free"


def test_the_command_takes_an_environment(ada):
    set_plan("ada@example.com", "plus", "--environment", "sandbox")
    workspace = factories.workspace(ada)
    assert workspace.tier == "free"
    assert wallet_of(workspace, "SANDBOX").available == 905_000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nobody@example.com", "plus"), "There is no user with the address"),
        (("ada@example.com", "gold"), "There is no plan 'gold'. Plans: plus,"),
        (("ada@example.com", "plus", "--environment", "mars"), "--environment"),
    ],
)
def test_command_shows_errors_in_one_line(ada, arguments, message):
    with pytest.raises(CommandError, match=message):
        set_plan(*arguments)
    assert Subscription.objects.count() == 0


def test_command_cannot_change_a_plan_billed_by_a_store(ada):
    with transaction.atomic():
        subscriptions.start(
            factories.workspace(ada), Plan.objects.get(key="plus"), store=Store.STRIPE
        )
    with pytest.raises(CommandError, match="billed by Stripe"):
        set_plan("ada@example.com", "none")


def test_operators_set_plans_in_the_admin(ada, back_office):
    workspace = factories.workspace(ada)
    wallet = wallet_of(workspace, "PRODUCTION")
    path = reverse("admin:billing_wallet_set_plan", args=[wallet.pk])
    page = back_office.get(path).content.decode()
    assert "no plan" in page
    plan = Plan.objects.get(key="plus")
    answer = back_office.post(
        path, {"key": str(new_id()), "plan": plan.pk, "reason": "Partner"}
    )
    assert answer.status_code == 302
    assert Subscription.objects.get().plan == plan
    workspace.refresh_from_db()
    assert workspace.tier == "paid"
    entry = AuditEntry.objects.filter(model="billing.Wallet").latest("pk")
    assert (entry.action, entry.reason) == ("Set plan plus: Partner", "Partner")
    assert "Plus until" in back_office.get(path).content.decode()
    back_office.post(path, {"key": str(new_id()), "plan": "", "reason": "Over"})
    assert Subscription.objects.get().status == "canceled"


def test_setting_a_plan_needs_a_reason(ada, back_office):
    wallet = wallet_of(factories.workspace(ada), "PRODUCTION")
    plan = Plan.objects.get(key="plus")
    path = reverse("admin:billing_wallet_set_plan", args=[wallet.pk])
    answer = back_office.post(
        path, {"key": str(new_id()), "plan": plan.pk, "reason": " "}
    )
    assert "This field is required" in answer.content.decode()
    assert Subscription.objects.count() == 0


def test_admin_shows_the_error_of_a_refused_plan(ada, back_office):
    workspace = factories.workspace(ada)
    plan = Plan.objects.get(key="plus")
    with transaction.atomic():
        subscriptions.start(workspace, plan, store=Store.APP_STORE)
    wallet = wallet_of(workspace, "PRODUCTION")
    answer = back_office.post(
        reverse("admin:billing_wallet_set_plan", args=[wallet.pk]),
        {"key": str(new_id()), "plan": "", "reason": "Over"},
    )
    assert "This plan is billed by App Store" in answer.content.decode()
    assert Subscription.objects.get().status == "active"


def test_setting_a_plan_needs_a_permission(ada):
    staff = factories.user(is_staff=True)
    staff.user_permissions.add(Permission.objects.get(codename="view_wallet"))
    wallet = wallet_of(factories.workspace(ada), "PRODUCTION")
    path = reverse("admin:billing_wallet_set_plan", args=[wallet.pk])
    assert factories.browser(staff).get(path).status_code == 403


def test_subscriptions_are_shown_and_not_edited(ada, back_office):
    set_plan("ada@example.com", "plus")
    row = Subscription.objects.get()
    listed = back_office.get("/admin/billing/subscription/?q=ada@example.com")
    assert "Plus" in listed.content.decode()
    address = f"/admin/billing/subscription/{row.pk}/change/"
    assert back_office.get(address).status_code == 200
    assert back_office.post(address, {"status": "ended"}).status_code == 403
