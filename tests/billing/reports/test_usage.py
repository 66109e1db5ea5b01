"""Charges are written once, with the capture; the database refuses invalid ones."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from accounts.models import Workspace
from billing.ledger.wallets import wallet_of
from billing.models import Split, Usage
from billing.reports import usage
from kit.ids import new_id
from tests.billing.factories import nothing_changes, shift, wallet

pytestmark = pytest.mark.django_db(transaction=True)


def charge(workspace: Workspace, **fields) -> usage.Charge:
    values: dict[str, Any] = {
        "workspace_id": workspace.pk,
        "environment": "PRODUCTION",
        "user_id": None,
        "token_id": None,
        "job": "1",
        "scene": str(new_id()),
        "render": 1,
        "provider": "unicorn",
        "voice": "unicorn:en-us",
        "characters": 10,
        "split": Split(0, 10),
        "payer": "credits",
    }
    return usage.Charge(**(values | fields))


def record(*args, **fields):
    with transaction.atomic():
        usage.record(charge(*args, **fields))


@pytest.fixture
def workspace():
    return wallet().workspace


@pytest.mark.parametrize(
    ("split", "payer", "billed_to"),
    [
        (Split(10, 0), "credits", "subscription"),
        (Split(0, 10), "subscription", "credits"),
        (Split(4, 6), "subscription", "credits"),
        (Split(), "own_key", "own_key"),
        (Split(), "guest", "guest"),
        (Split(), "admin", "admin"),
    ],
)
def test_usage_shows_what_paid(workspace, split, payer, billed_to):
    record(workspace, split=split, payer=payer)
    row = Usage.objects.get()
    assert row.billed_to == billed_to
    assert (row.from_subscription, row.from_credits) == (
        split.subscription,
        split.credits,
    )
    assert row.credits == split.subscription + split.credits


def test_record_is_one_insert(workspace, django_assert_num_queries):
    with transaction.atomic(), django_assert_num_queries(1):
        usage.record(charge(workspace))


@pytest.mark.parametrize(("hours", "is_noted"), [(2, True), (0.5, False)])
def test_free_speech_is_recorded_as_activity_once_an_hour(workspace, hours, is_noted):
    w, other = wallet_of(workspace, "PRODUCTION"), wallet()
    for one in (w, other):
        shift(one, timedelta(hours=hours))
    before = w.last_activity_at
    with nothing_changes(other):
        record(workspace, split=Split(), payer="own_key")
    w.refresh_from_db()
    assert (w.last_activity_at - before > timedelta(hours=1)) == is_noted


def test_a_render_is_charged_once(workspace):
    record(workspace, scene="a")
    with pytest.raises(IntegrityError):
        record(workspace, scene="a")
    record(workspace, scene="a", render=2)
    assert Usage.objects.count() == 2


@pytest.mark.parametrize(
    "fields",
    [
        {"billed_to": "nobody"},
        {"credits": 11},
        {"billed_to": "subscription"},
        {"environment": "MARS"},
    ],
)
def test_database_refuses_charges_that_do_not_add_up(workspace, fields):
    values = {
        "workspace": workspace,
        "environment": "PRODUCTION",
        "job": "1",
        "scene": "1",
        "render": 1,
        "provider": "unicorn",
        "voice": "v",
        "characters": 1,
        "credits": 10,
        "from_subscription": 0,
        "from_credits": 10,
        "billed_to": "credits",
    }
    with pytest.raises(IntegrityError):
        Usage.objects.create(**(values | fields))
    assert Usage.objects.count() == 0


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE billing_usage SET credits = 0",
        "DELETE FROM billing_usage",
        "TRUNCATE billing_usage",
    ],
)
def test_usage_cannot_be_changed_or_deleted(workspace, statement):
    record(workspace)
    with pytest.raises(IntegrityError, match="append-only"), connection.cursor() as c:
        c.execute(statement)
    assert Usage.objects.count() == 1
