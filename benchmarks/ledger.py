"""Reserve and capture: through `billing.ledger`, against the same statements sent bare.

Each client is a process with a connection of its own; one round is a reservation and the
capture of all of it, two committed transactions. "Bare" sends the ledger's own statements
with psycopg as it comes, statements prepared, and does nothing else: what is left of the
difference is what our Python costs. Both run in turns, so that whatever else the machine
does slows both.
"""

import multiprocessing
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import psycopg
from django.db import connection, transaction

from accounts.models import Workspace
from billing import ledger, posting
from billing.models import Lot, Wallet
from billing.wallets import wallet_of
from kit.ids import new_id

CLIENTS = 8
TURNS = 3
TURN = 2.0  # seconds
LIMIT = 60  # per cent of the bare statements' rate
DEADLINE = datetime(2100, 1, 1, tzinfo=UTC)

Round = Callable[[int], None]


def main() -> bool:
    """Print the rates; return whether the limit is reached."""
    print("ledger: reserve + capture, rounds per second, 8 clients")
    reached = True
    for name, count in (("one hot wallet", 1), ("200 wallets", 200)):
        wallets = _wallets(count)
        code, bare = _measure(wallets)
        ratio = 100 * code / bare
        reached = reached and ratio >= LIMIT
        print(
            f"  {name:<16} code {code:7.0f}   bare {bare:7.0f}   "
            f"{ratio:5.1f} % (at least {LIMIT} %)"
        )
    return reached


def _wallets(count: int) -> list[int]:
    """Make wallets whose credits lie in three lots, and return their ids."""
    ids = []
    for _ in range(count):
        with transaction.atomic():
            wallet = wallet_of(Workspace.objects.create(name="Bench"), "PRODUCTION")
            for kind in (Lot.Kind.ALLOWANCE, Lot.Kind.PROMO, Lot.Kind.PACK):
                source = f"bench:{new_id()}"
                ledger.grant(
                    wallet, 10**9, key=source, kind=kind, source=source, reason=""
                )
        ids.append(wallet.pk)
    connection.close()
    connection.close_pool()  # type: ignore[attr-defined]  # the clients are forked, and must share no socket
    return ids


def _measure(wallets: list[int]) -> tuple[float, float]:
    totals = {_by_code: 0, _bare: 0}
    for _ in range(TURNS):
        for client in totals:
            totals[client] += _turn(client, wallets)
    return totals[_by_code] / (TURNS * TURN), totals[_bare] / (TURNS * TURN)


def _turn(client: Callable[[], Round], wallets: list[int]) -> int:
    context = multiprocessing.get_context("fork")
    counts: Any = context.SimpleQueue()
    barrier = context.Barrier(CLIENTS, timeout=60)

    def run(seed: int) -> None:
        chance = random.Random(seed)
        one_round = client()
        one_round(chance.choice(wallets))  # connects, and warms what is cached
        barrier.wait()
        done, end = 0, time.monotonic() + TURN
        while time.monotonic() < end:
            one_round(chance.choice(wallets))
            done += 1
        counts.put(done)

    processes = [context.Process(target=run, args=(seed,)) for seed in range(CLIENTS)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        if process.exitcode:
            raise RuntimeError("a client failed")
    return sum(counts.get() for _ in processes)


def _by_code() -> Round:
    def one_round(wallet: int) -> None:
        job = str(new_id())
        with transaction.atomic(durable=True):
            ledger.reserve(
                Wallet(pk=wallet), 100, key=f"job:{job}:1", job=job, deadline=DEADLINE
            )
        with transaction.atomic(durable=True):
            ledger.capture(f"job:{job}:1", 100, key=f"scene:{job}:1")

    return one_round


def _bare() -> Round:
    settings = connection.get_connection_params()
    bare = psycopg.connect(
        host=settings["host"], user=settings["user"], dbname=settings["dbname"]
    )

    def _one(statement: str, parameters: dict[str, Any]) -> Any:
        return bare.execute(statement, parameters).fetchone()

    def one_round(wallet: int) -> None:
        job = str(new_id())
        reservation = new_id()
        with bare.transaction():
            _, environment, available, debt, seq = _one(
                posting._LOCK, {"wallet": wallet}
            )
            key = f"job:{job}:1"
            now, _, lot, *_ = _one(ledger._DRAWABLE, {"wallet": wallet, "key": key})
            balance = available - debt - 100
            parameters = {
                "wallet": wallet,
                "environment": environment,
                "fingerprint": "0" * 32,
                "reservation": reservation,
                "actor": "",
                "reason": "",
                "lots": [lot],
                "expired": [0],
                "revoked": [0],
                "wallet_debt": 0,
                "wallet_granted": 0,
            }
            bare.execute(
                posting._POST_OPENING,
                parameters
                | {
                    "id": new_id(),
                    "seq": seq + 1,
                    "kind": "reserve",
                    "key": f"reserve:{key}",
                    "entries": [new_id(), new_id()],
                    "entry_lots": [lot, lot],
                    "buckets": ["available", "reserved"],
                    "amounts": [-100, 100],
                    "balances": [balance, balance],
                    "available": [-100],
                    "reserved": [100],
                    "consumed": [0],
                    "wallet_available": -100,
                    "wallet_reserved": 100,
                    "wallet_consumed": 0,
                    "is_activity": False,
                    "reservation_key": key,
                    "job": job,
                    "held": 100,
                    "deadline": DEADLINE,
                    "drawn_at": now,
                },
            )
        with bare.transaction():
            _, _, available, debt, seq = _one(
                posting._LOCK_BY_RESERVATION, {"key": key}
            )
            balance = available - debt
            scene = f"scene:{job}:1"
            _one(ledger._HELD, {"reservation": key, "key": scene})
            bare.execute(
                posting._POST_SETTLING,
                parameters
                | {
                    "id": new_id(),
                    "seq": seq + 1,
                    "kind": "capture",
                    "key": scene,
                    "entries": [new_id(), new_id()],
                    "entry_lots": [lot, lot],
                    "buckets": ["reserved", "usage"],
                    "amounts": [-100, 100],
                    "balances": [balance, balance],
                    "available": [0],
                    "reserved": [-100],
                    "consumed": [100],
                    "wallet_available": 0,
                    "wallet_reserved": -100,
                    "wallet_consumed": 100,
                    "is_activity": True,
                    "captured": 100,
                    "released": 0,
                },
            )

    return one_round
