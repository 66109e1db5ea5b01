"""Compare reserve and capture in `billing.ledger` with the same raw SQL statements.

Each client is a process with its own connection. A round is a reservation and its full
capture: two committed transactions. "Raw" sends the ledger's statements with the ledger's
cursor, prepared and with equally fast parameters, but with hardly any Python around them.
So the ratio shows the cost of our code. Both run in turn and the median ratio counts,
since other load on the machine slows both.

The server is the temporary one of the tests, which doesn't wait for the disk. On a real
server the difference is smaller.
"""

import multiprocessing
import os
import random
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import django
import psycopg

import tests.services  # noqa: F401 - starts PostgreSQL before the settings are read

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection, transaction  # noqa: E402

from accounts.models import Workspace  # noqa: E402
from benchmarks import verdicts  # noqa: E402
from billing import ledger  # noqa: E402
from billing.ledger import invariants, lots, posting, reservations  # noqa: E402
from billing.ledger.wallets import wallet_of  # noqa: E402
from billing.models import Lot, Wallet  # noqa: E402
from kit.ids import new_id  # noqa: E402

CLIENTS = 8
TURNS = 7
TURN = 1.0  # seconds
LIMIT = 60  # per cent of the raw statements' rate
DEADLINE = datetime(2100, 1, 1, tzinfo=UTC)

Round = Callable[[Wallet], None]


def main() -> None:
    """Print the rounds per second, their ratios, and violated invariants."""
    call_command("migrate", verbosity=0)
    for name, count in (("one hot wallet", 1), ("200 wallets", 200)):
        wallets = _wallets(count)
        pairs = [
            (_turn(_with_ledger, wallets), _turn(_raw, wallets)) for _ in range(TURNS)
        ]
        code, raw = (statistics.median(rates) for rates in zip(*pairs, strict=True))
        ratio = 100 * statistics.median(code / raw for code, raw in pairs)
        print(
            f"reserve + capture, {name}, {CLIENTS} clients: {code:.0f}/s with the ledger, "
            f"{raw:.0f}/s raw, {ratio:.0f} %; limit {LIMIT} %: "
            f"{verdicts.judge(ratio >= LIMIT)}"
        )
    bad = sum(result.count for result in invariants.verify())
    print(
        f"violations of the ledger's invariants after it: {bad}: "
        f"{verdicts.judge(not bad, 'BROKEN')}"
    )


def _wallets(count: int) -> list[Wallet]:
    """Return new wallets, each with credits in three lots."""
    wallets = []
    for _ in range(count):
        with transaction.atomic():
            wallet = wallet_of(Workspace.objects.create(name="Bench"), "PRODUCTION")
            for kind in (Lot.Kind.ALLOWANCE, Lot.Kind.PROMO, Lot.Kind.PACK):
                key = f"bench:{new_id()}"
                ends = DEADLINE if kind == Lot.Kind.ALLOWANCE else None
                ledger.grant(
                    wallet,
                    10**9,
                    key=key,
                    kind=kind,
                    source=key,
                    reason="",
                    expires_at=ends,
                )
        wallets.append(wallet)
    connection.close()
    connection.close_pool()  # type: ignore[attr-defined]  # forked clients must not share connections
    return wallets


def _turn(client: Callable[[], Round], wallets: list[Wallet]) -> float:
    """Run all clients concurrently; return rounds per second."""
    context = multiprocessing.get_context("fork")
    counts: Any = context.SimpleQueue()
    start = context.Barrier(CLIENTS)

    def run(seed: int) -> None:
        rng = random.Random(seed)
        one_round = client()
        for _ in range(10):  # connects and prepares the statements
            one_round(rng.choice(wallets))
        start.wait(60)
        done, end = 0, time.monotonic() + TURN
        while time.monotonic() < end:
            one_round(rng.choice(wallets))
            done += 1
        counts.put(done)

    processes = [context.Process(target=run, args=(seed,)) for seed in range(CLIENTS)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        if process.exitcode:
            raise RuntimeError("a client failed")
    return float(sum(counts.get() for _ in processes) / TURN)


def _with_ledger() -> Round:
    def one_round(wallet: Wallet) -> None:
        job = str(new_id())
        key = f"job:{job}:1"
        with transaction.atomic(durable=True):
            ledger.reserve(wallet, 100, key=key, job=job, deadline=DEADLINE)
        with transaction.atomic(durable=True):
            ledger.capture(key, 100, key=f"capture:{job}:1")

    return one_round


def _raw() -> Round:
    settings = connection.get_connection_params()
    client = psycopg.connect(
        host=settings["host"], user=settings["user"], dbname=settings["dbname"]
    )

    cursor = posting._Cursor(client)
    array = posting._array

    def run(statement: str, parameters: dict[str, Any]) -> psycopg.Cursor[Any]:
        return cursor.execute(statement, parameters)

    def one_round(wallet: Wallet) -> None:
        job = str(new_id())
        key, scene = f"job:{job}:1", f"capture:{job}:1"
        with client.transaction():
            locked = run(posting.LOCK, {"wallet": wallet.pk}).fetchone()
            assert locked
            _, environment, available, debt, seq, chain_hash, *_ = locked
            drawable = run(lots.DRAWABLE, {"wallet": wallet.pk, "key": key}).fetchone()
            assert drawable
            now, _, lot, *_ = drawable
            common = {
                "wallet": wallet.pk,
                "environment": environment,
                "fingerprint": "0" * 32,
                "reservation": new_id(),
                "actor": "",
                "reason": "",
                "ticket": "",
                "entry_lots": array([lot, lot]),
                "amounts": array([-100, 100]),
                "balances": array([available - debt - 100] * 2),
                "lots": array([lot]),
                "expired": array([0]),
                "revoked": array([0]),
                "adjusted": array([0]),
                "repaid": array([0]),
                "wallet_debt": 0,
                "wallet_granted": 0,
            }
            reserving = {
                "id": new_id(),
                "seq": seq + 1,
                "chain_hash": chain_hash,
                "kind": "reserve",
                "key": f"reserve:{key}",
                "entries": array([new_id(), new_id()]),
                "buckets": array(["available", "reserved"]),
                "available": array([-100]),
                "reserved": array([100]),
                "consumed": array([0]),
                "wallet_available": -100,
                "wallet_reserved": 100,
                "wallet_consumed": 0,
                "is_activity": False,
                "reservation_key": key,
                "job": job,
                "user": None,
                "held": 100,
                "deadline": DEADLINE,
                "drawn_at": now,
            }
            run(posting.POST_OPENING, common | reserving)
        with client.transaction():
            locked = run(posting.LOCK_BY_RESERVATION, {"key": key}).fetchone()
            assert locked
            _, _, available, debt, seq, chain_hash, *_ = locked
            run(reservations.HELD, {"reservation": key, "key": scene}).fetchall()
            capturing = {
                "id": new_id(),
                "seq": seq + 1,
                "chain_hash": chain_hash,
                "kind": "capture",
                "key": scene,
                "balances": array([available - debt] * 2),
                "entries": array([new_id(), new_id()]),
                "buckets": array(["reserved", "usage"]),
                "available": array([0]),
                "reserved": array([-100]),
                "consumed": array([100]),
                "wallet_available": 0,
                "wallet_reserved": -100,
                "wallet_consumed": 100,
                "is_activity": True,
                "captured": 100,
                "released": 0,
            }
            run(posting.POST_SETTLING, common | capturing)

    return one_round


if __name__ == "__main__":
    main()
    verdicts.exit_if_missed()
