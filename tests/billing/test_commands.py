from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from accounts.models import AuditEntry
from billing.ledger.wallets import wallet_of
from billing.models import LedgerTransaction, Lot
from tests import factories

pytestmark = pytest.mark.django_db


def grant(*arguments: str) -> str:
    out = StringIO()
    call_command("grant", *arguments, stdout=out)
    return out.getvalue()


def test_grant_adds_a_pack_and_prints_the_balance():
    user = factories.user("ada@example.com")
    assert grant("Ada@example.com", "250", "--reason", "Sorry") == "5250\n"
    wallet = wallet_of(factories.workspace(user), "PRODUCTION")
    posted = LedgerTransaction.objects.filter(wallet=wallet).latest("seq")
    assert (posted.kind, posted.reason, posted.actor) == (
        "grant",
        "Sorry",
        "command line",
    )
    lot = Lot.objects.get(entries__transaction=posted, entries__bucket="funding")
    assert (lot.kind, lot.available, lot.expires_at) == ("pack", 250, None)
    assert grant("ada@example.com", "250", "--reason", "Sorry") == "5500\n"


def test_grant_keeps_the_ticket_and_is_audited():
    user = factories.user("ada@example.com")
    grant("ada@example.com", "250", "--reason", "Sorry", "--ticket", "T-7")
    wallet = wallet_of(factories.workspace(user), "PRODUCTION")
    assert wallet.transactions.latest("seq").ticket == "T-7"
    audited = AuditEntry.objects.get(object_id=str(wallet.pk))
    assert (audited.action, audited.reason, audited.actor_email) == (
        "Granted 250",
        "Sorry",
        "",
    )


def test_grant_takes_environment_and_bucket():
    user = factories.user("ada@example.com")
    options = ["--environment", "sandbox", "--bucket", "promo", "--reason", "Try"]
    assert grant("ada@example.com", "1", *options) == "5001\n"
    sandbox = wallet_of(factories.workspace(user), "SANDBOX")
    assert sorted(sandbox.lots.values_list("kind", "available")) == [
        ("promo", 1),
        ("promo", 5000),
    ]
    assert wallet_of(factories.workspace(user), "PRODUCTION").available == 5000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("nobody@example.com", "5", "--reason", "R"),
            "There is no user with the address",
        ),
        (("not an address", "5", "--reason", "R"), "There is no user with the address"),
        (("ada@example.com", "0", "--reason", "R"), "a whole number from 1"),
        (("ada@example.com", "-5", "--reason", "R"), "a whole number from 1"),
        (("ada@example.com", "1.5", "--reason", "R"), "a whole number from 1"),
        (("ada@example.com", "1" + "0" * 13, "--reason", "R"), "a whole number from 1"),
        (("ada@example.com", "5"), "--reason"),
        (("ada@example.com", "5", "--reason", " "), "1 to 500 characters"),
        (("ada@example.com", "5", "--reason", "r" * 501), "1 to 500 characters"),
        (
            ("ada@example.com", "5", "--reason", "R", "--ticket", "t" * 101),
            "at most 100 characters",
        ),
        (("ada@example.com", "5", "--reason", "R", "--bucket", "x"), "--bucket"),
        (("ada@example.com", "5", "--reason", "R", "--environment", "x"), "--env"),
    ],
)
def test_grant_shows_errors_in_one_line_and_grants_nothing(arguments, message):
    factories.user("ada@example.com")
    with pytest.raises(CommandError, match=message):
        grant(*arguments)
    assert LedgerTransaction.objects.count() == 2
