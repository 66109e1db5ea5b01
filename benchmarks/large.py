"""Compare balance and statements at 10 million and 10 thousand entries: `make bench-large`.

Loads a small and then a large ledger by COPY into a temporary PostgreSQL. Requests `GET
/api/v1/credits` and `GET /api/v1/credits/entries` for a customer with half of all entries:
the first page, and one from the middle of the history. Does the same with the page
*Credits* and monthly statements. The ratio of the 95th percentiles is compared with the
limit. At the end the large ledger is verified, as every night.

The history covers a year; the last thousand rounds are in the current month. So past
months are closed, as the schedule does it, and the statement of the current month has the
same number of entries in both ledgers.

Takes some minutes and about 6 GB in the temporary directory, which are removed.
"""

import base64
import os
import random
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import urlencode

import django

os.environ |= {"RATE_OTHER": "100000000/m"}

import tests.services  # noqa: F401 - starts PostgreSQL before the settings are read

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from django.test import Client  # noqa: E402
from django.utils import timezone  # noqa: E402

from benchmarks import verdicts  # noqa: E402
from billing.ledger import invariants  # noqa: E402
from billing.ledger.wallets import wallet_of  # noqa: E402
from billing.models import Wallet  # noqa: E402
from billing.reports import closed_months, statements  # noqa: E402
from tests import factories  # noqa: E402
from tests.billing.chaining import rehash  # noqa: E402

SMALL = 10_000  # entries
LARGE = int(os.environ.get("BENCH_ENTRIES", "10000000"))
OTHERS = 1_000  # wallets with the other half of the entries
OLD_LOTS = 200  # of the large customer, expired long ago
RECENT = 1_000  # rounds in the current month
REQUESTS = 300
LIMIT = 3.0  # ratio
NEEDED = 8 << 30  # bytes free
_GRANTED = 10**12
_ENDED = "2026-01-01"
_BATCH = 100_000  # rounds in memory before they are written


def main() -> None:
    """Print the response times and their ratios."""
    free = shutil.disk_usage(os.environ["OZVENA_HOME"]).free
    if LARGE > SMALL * 100 and free < NEEDED:
        sys.exit(f"This needs {NEEDED >> 30} GB, but only {free >> 30} GB are free.")
    call_command("migrate", verbosity=0)
    customer = factories.user("large@example.com")
    ours = wallet_of(factories.workspace(customer), "PRODUCTION")
    others = [
        wallet_of(factories.team(customer, name=str(n)), "PRODUCTION")
        for n in range(OTHERS)
    ]
    client = factories.api(factories.token(customer))
    browser = factories.browser(customer)
    for one in (client, browser):
        one.defaults["SERVER_NAME"] = "127.0.0.1"
    figures = []
    for entries in (SMALL, LARGE):
        began = time.monotonic()
        _load(entries, [ours, *others])
        taken = time.monotonic() - began
        print(f"{entries:,} entries loaded in {taken:.0f} s", flush=True)
        ours.refresh_from_db()
        for month in statements.months(ours)[1:]:
            closed_months.close(ours, month)
        requests = _requests(client, browser, ours)
        figures.append({name: _measure(ask) for name, ask in requests})
    small, large = figures
    for name, before in small.items():
        ratio = large[name] / before
        print(
            f"{name}: p95 {before:.1f} ms at {SMALL:,} entries, {large[name]:.1f} ms at "
            f"{LARGE:,}, {ratio:.2f} times; limit {LIMIT:.0f} times: "
            f"{verdicts.judge(ratio <= LIMIT)}"
        )
    began = time.monotonic()
    bad = {
        result.invariant.name: result.count
        for result in invariants.verify()
        if result.count
    }
    print(
        f"proof of {LARGE:,} entries: {time.monotonic() - began:.0f} s, violations {bad}: "
        f"{verdicts.judge(not bad, 'BROKEN')}"
    )


def _requests(
    client: Client, browser: Client, wallet: Wallet
) -> Iterator[tuple[str, Callable[[], Any]]]:
    middle = Wallet.objects.get(pk=wallet.pk).seq // 2
    cursor = base64.b64encode(urlencode({"p": middle}).encode()).decode()
    pages = {
        "balance": "/api/v1/credits",
        "statement, first page": "/api/v1/credits/entries",
        "statement, in the middle": "/api/v1/credits/entries?"
        + urlencode({"cursor": cursor}),
    }
    for name, address in pages.items():
        yield name, partial(client.get, address)
    yield "page of movements", partial(browser.get, "/credits")
    yield (
        "page of movements, in the middle",
        partial(browser.get, f"/credits?before={middle}"),
    )
    now, over, *_ = statements.months(wallet)
    yield "statement of this month", partial(browser.get, f"/statements/{now:%Y-%m}")
    yield (
        "statement of the month before",
        partial(browser.get, f"/statements/{over:%Y-%m}"),
    )


def _measure(ask: Callable[[], Any]) -> float:
    """Return the 95th percentile of the response times in milliseconds."""
    taken = []
    for turn in range(REQUESTS + 20):
        began = time.perf_counter()
        answer = ask()
        if turn >= 20:
            taken.append((time.perf_counter() - began) * 1000)
        assert answer.status_code == 200, answer.content
    return statistics.quantiles(taken, n=20)[-1]


class _Account:
    """The current state of a wallet while its history is generated."""

    def __init__(self, wallet: Wallet, lot: int) -> None:
        self.wallet = wallet.pk
        self.lot = lot
        self.seq = 0
        self.balance = _GRANTED
        self.used = 0


def _load(entries: int, wallets: list[Wallet]) -> None:
    """Replace the ledger by one with `entries` entries, and analyze the tables."""
    accounts = [_Account(wallet, lot) for lot, wallet in enumerate(wallets, 1)]
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(
            "TRUNCATE billing_closedmonth, billing_ledgerentry, billing_ledgertransaction,"
            " billing_reservationslice, billing_reservation, billing_lot CASCADE"
        )
        rebuild = _drop_indexes(cursor)
        rows = _Rows(cursor)
        old = len(accounts) + 1
        for account in accounts:
            _grant(rows, account, account.lot, _GRANTED)
        for lot in range(old, old + OLD_LOTS):
            _grant(rows, accounts[0], lot, 1)
            _expire(rows, accounts[0], lot)
        rng = random.Random(1)
        now = timezone.now()
        this_month = statements.midnight(statements.month_of(now))
        rounds = (entries - rows.entries) // 4
        for number in range(rounds):
            if number < rounds - RECENT:
                past = timedelta(days=365) * (1 - number / rounds)
                rows.at = this_month - timedelta(minutes=1) - past
            else:
                rows.at = now
            is_ours = rng.random() < 0.5
            account = accounts[0] if is_ours else rng.choice(accounts[1:])
            _spend(rows, account, rng.randint(1, 500))
            if rows.pending >= _BATCH:
                rows.flush()
        for account in accounts:
            rows.lot(account, account.lot, "pack", account.balance, account.used)
            cursor.execute(
                "UPDATE billing_wallet SET available = %s, reserved = 0, debt = 0,"
                " granted = %s, consumed = %s, seq = %s, is_low = false,"
                " created_at = %s WHERE id = %s",
                [
                    *(account.balance, _GRANTED, account.used, account.seq),
                    *(_Rows.FIRST, account.wallet),
                ],
            )
        for lot in range(old, old + OLD_LOTS):
            rows.lot(accounts[0], lot, "promo", 0, 0)
        rows.flush()
        for statement in rebuild:
            cursor.execute(statement)
        # Wallets that sign-up created and that are not measured.
        cursor.execute(
            "UPDATE billing_wallet SET available = 0, granted = 0, seq = 0,"
            " chain_hash = '' WHERE NOT id = ANY(%s)",
            [[account.wallet for account in accounts]],
        )
        rehash(cursor)
        cursor.execute("SET session_replication_role = DEFAULT")
        cursor.execute("VACUUM ANALYZE")


def _drop_indexes(cursor: Any) -> list[str]:
    """Drop indexes and constraints; return the statements that recreate them."""
    tables = [list(_Rows.TABLES)]
    cursor.execute(
        "SELECT conrelid::regclass, conname, pg_get_constraintdef(oid)"
        " FROM pg_constraint WHERE contype IN ('p', 'u', 'f')"
        " AND (conrelid = ANY(%s::regclass[]) OR confrelid = ANY(%s::regclass[]))"
        " ORDER BY contype = 'f', contype",
        tables * 2,
    )
    constraints = cursor.fetchall()
    for table, name, _ in reversed(constraints):
        cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    cursor.execute(
        "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = ANY(%s)", tables
    )
    indexes = cursor.fetchall()
    for name, _ in indexes:
        cursor.execute(f"DROP INDEX {name}")
    return [definition for _, definition in indexes] + [
        f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}"
        for table, name, definition in constraints
    ]


class _Rows:
    """Collects rows and writes them with COPY."""

    TABLES = {
        "billing_lot": "id, wallet_id, environment, kind, priority, granted, available,"
        " reserved, consumed, expired, revoked, adjusted, repaid, source, effective_at,"
        " expires_at",
        "billing_reservation": "id, wallet_id, key, job, amount, captured, released,"
        " deadline, created_at",
        "billing_reservationslice": "wallet_id, reservation_id, lot_id, ordinal, amount",
        "billing_ledgertransaction": "id, wallet_id, environment, seq, kind, key,"
        " fingerprint, reservation_id, actor, reason, created_at, chain_hash",
        "billing_ledgerentry": "id, transaction_id, wallet_id, seq, lot_id, bucket,"
        " amount, balance_after",
    }

    FIRST = timezone.now() - timedelta(days=400)

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor
        self.at = self.FIRST
        self._lines: dict[str, list[str]] = {table: [] for table in self.TABLES}
        self.entries = 0
        self._ids = 0

    @property
    def pending(self) -> int:
        return len(self._lines["billing_reservation"])

    def new_id(self) -> str:
        self._ids += 1
        return f"01a00000000070008{self._ids:015x}"

    def lot(self, account: _Account, lot: int, kind: str, left: int, used: int) -> None:
        granted = left + used or 1
        expired = granted - left - used
        ends = _ENDED if kind == "promo" else r"\N"
        self._lines["billing_lot"].append(
            f"{lot}\t{account.wallet}\tPRODUCTION\t{kind}\t30\t{granted}\t{left}\t0\t"
            f"{used}\t{expired}\t0\t0\t0\tlarge:{lot}\t2025-01-01\t{ends}\n"
        )

    def reservation(self, account: _Account, credits: int) -> str:
        pk = self.new_id()
        self._lines["billing_reservation"].append(
            f"{pk}\t{account.wallet}\tjob:{pk}:1\t{pk}\t{credits}\t{credits}\t0\t"
            "2026-06-02\t2026-06-01\n"
        )
        self._lines["billing_reservationslice"].append(
            f"{account.wallet}\t{pk}\t{account.lot}\t1\t{credits}\n"
        )
        return pk

    def posting(
        self,
        account: _Account,
        kind: str,
        reservation: str | None,
        lot: int,
        moves: tuple[tuple[str, int, int], ...],
    ) -> None:
        pk = self.new_id()
        account.seq += 1
        self._lines["billing_ledgertransaction"].append(
            f"{pk}\t{account.wallet}\tPRODUCTION\t{account.seq}\t{kind}\t{kind}:{pk}\t"
            f"{'0' * 32}\t{reservation or chr(92) + 'N'}\t\t\t"
            f"{self.at:%Y-%m-%d %H:%M:%SZ}\t\n"
        )
        for bucket, amount, balance in moves:
            self._lines["billing_ledgerentry"].append(
                f"{self.new_id()}\t{pk}\t{account.wallet}\t{account.seq}\t{lot}\t"
                f"{bucket}\t{amount}\t{balance}\n"
            )
        self.entries += len(moves)

    def flush(self) -> None:
        for table, columns in self.TABLES.items():
            with self._cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
                copy.write("".join(self._lines[table]))
            self._lines[table].clear()


def _grant(rows: _Rows, account: _Account, lot: int, credits: int) -> None:
    before = 0 if credits == _GRANTED else account.balance
    moves = (("funding", -credits, before), ("available", credits, before + credits))
    rows.posting(account, "grant", None, lot, moves)


def _expire(rows: _Rows, account: _Account, lot: int) -> None:
    balance = account.balance
    moves = (("available", -1, balance), ("breakage", 1, balance))
    rows.posting(account, "expire", None, lot, moves)


def _spend(rows: _Rows, account: _Account, credits: int) -> None:
    account.balance -= credits
    account.used += credits
    left = account.balance
    reservation = rows.reservation(account, credits)
    held = (("available", -credits, left), ("reserved", credits, left))
    used = (("reserved", -credits, left), ("usage", credits, left))
    rows.posting(account, "reserve", reservation, account.lot, held)
    rows.posting(account, "capture", reservation, account.lot, used)


if __name__ == "__main__":
    main()
    verdicts.exit_if_missed()
