"""The role of `billing/app_role.sql` can do what the product needs, and no more."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.conf import settings
from django.db import ProgrammingError, connection, transaction

from billing.models import Usage
from tests.billing import factories
from tests.billing.reports.test_usage import record

pytestmark = pytest.mark.django_db(transaction=True)
SCRIPT = (Path(settings.BASE_DIR) / "billing/app_role.sql").read_text()


@contextmanager
def as_the_app() -> Iterator[None]:
    """Use the permissions of the role, then roll back."""
    with transaction.atomic(), connection.cursor() as cursor:
        for _ in range(2):  # safe to repeat
            cursor.execute(SCRIPT)
        cursor.execute("SET LOCAL ROLE ozvena_app")
        yield
        transaction.set_rollback(True)


def run(statement: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def test_ledger_works_with_the_role():
    w = factories.wallet(("pack", 100))
    with as_the_app():
        factories.reserve(w, 30)
        factories.capture(10)
        factories.release()
        factories.grant(w, 5)
        factories.adjust(w, -5)
        record(w.workspace)
        assert factories.columns(w) == (90, 0, 10)
        assert Usage.objects.count() == 1


@pytest.mark.parametrize(
    "table", ["ledgertransaction", "ledgerentry", "usage", "wallet"]
)
@pytest.mark.parametrize("statement", ["UPDATE {} SET id = id", "TRUNCATE {} CASCADE"])
def test_role_cannot_change_append_only_rows(table, statement):
    factories.wallet(("pack", 100))
    if table == "wallet" and statement.startswith("UPDATE"):
        return  # balances are updated; the entries prove them
    with as_the_app(), pytest.raises(ProgrammingError, match="permission denied"):
        run(statement.format(f"billing_{table}"))


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM billing_ledgerentry",
        "ALTER TABLE billing_ledgerentry DISABLE TRIGGER ALL",
        "SET session_replication_role = replica",
    ],
)
def test_role_cannot_disable_triggers(statement):
    with as_the_app(), pytest.raises(ProgrammingError):
        run(statement)
