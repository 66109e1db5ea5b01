"""No query of the ledger reads a wallet's whole history: each uses an index.

A small table is read from end to end whatever its indexes, so the plans are asked for
with that, and with sorting, made dear.
"""

from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from billing.ledger.lots import DRAWABLE
from billing.ledger.reservations import HELD
from billing.ledger.wallets import _HOLDINGS
from billing.models import LedgerEntry, LedgerTransaction, Lot, Wallet
from billing.reports import movements
from tests.billing.factories import capture, reserve, wallet

pytestmark = pytest.mark.django_db


def plan(statement: str, parameters: Any = None) -> str:
    with transaction.atomic(), connection.cursor() as cursor:
        # What other tests left in the indexes is not to weigh in.
        cursor.execute("REINDEX TABLE billing_lot")
        cursor.execute("REINDEX TABLE billing_ledgerentry")
        cursor.execute("ANALYZE")
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_bitmapscan = off")
        cursor.execute("SET LOCAL enable_sort = off")
        cursor.execute(f"EXPLAIN {statement}", parameters)
        return "\n".join(row[0] for row in cursor.fetchall())


@pytest.fixture
def used() -> Wallet:
    """A wallet with a long history: most of its lots are empty."""
    wallet(("pack", 5))
    w = wallet(("promo", 50), *[("pack", 1)] * 80, ("pack", 200))
    reserve(w, 130, key="job:long ago:1", job="long ago")
    capture(130, "scene:long ago:1", "job:long ago:1")
    for n in range(20):
        reserve(w, 5, key=f"job:{n}:1", job=str(n))
        capture(5, f"scene:{n}:1", f"job:{n}:1")
    return w


@pytest.mark.parametrize("newest", [False, True])
def test_statement_uses_its_index(used, newest):
    entries = LedgerEntry.objects.statement(used)
    if not newest:
        entries = entries.filter(seq__lte=20)
    sql, parameters = entries[:51].query.sql_with_params()
    explained = plan(sql, parameters)
    assert "Index Scan using entry_statement" in explained
    assert "Sort" not in explained
    assert "Seq Scan" not in explained


def test_page_of_movements_reads_only_its_rows(used):
    with CaptureQueriesContext(connection) as asked:
        movements.page(used, before=20, size=5)
    postings, entries = (plan(query["sql"]) for query in asked)
    assert "Index Scan Backward using ledger_transaction_numbered" in postings
    assert "billing_ledgerentry" not in postings
    assert "Index Scan" in entries
    assert "billing_ledgertransaction" not in entries
    for explained in (postings, entries):
        assert "Seq Scan" not in explained


def test_entries_of_a_job_are_found_by_the_job(used):
    caused = LedgerEntry.objects.of_job(used.workspace, "7")
    assert caused.count() == 4
    explained = plan(*caused[:51].query.sql_with_params())
    assert "reservation_of_job" in explained
    assert "Index Scan using entry_statement" not in explained


def test_balance_reads_only_lots_with_credits(used):
    explained = plan(_HOLDINGS, {"wallet": used.pk})
    assert "lot_draw" in explained
    assert "billing_ledger" not in explained
    assert "Seq Scan" not in explained


def test_verbs_read_only_lots_and_slices(used):
    drawn = plan(DRAWABLE, {"wallet": used.pk, "key": "job:1:1"})
    held = plan(HELD, {"reservation": "job:1:1", "key": "scene:1:1"})
    assert "lot_draw" in drawn
    for explained in (drawn, held):
        assert "entry" not in explained
        assert "Seq Scan" not in explained


def test_admin_search_uses_indexes(used):
    posted = LedgerTransaction.objects.filter(key="scene:7:1")
    explained = plan(*posted.query.sql_with_params())
    assert "Index Scan using ledger_transaction_once" in explained
    explained = plan(*Lot.objects.filter(source="test:1").query.sql_with_params())
    assert "Index Scan using lot_source_once" in explained


def test_scheduled_tasks_find_lots_by_expiry(used):
    ended = plan(*Lot.objects.ended().values_list("pk").query.sql_with_params())
    assert "Seq Scan" not in ended
    assert "Index Cond: (expires_at <=" in ended
