"""Many clients that call random operations of the ledger while the server restarts.

`python -m tests.chaos.spenders FOLDER CLIENTS OPERATIONS` uses the database of the
settings. Each client is a process. If the server goes away, it repeats the operation under
the same key until it is answered. It prints a dot for each 100 operations, and writes a
file for each client to FOLDER with the answers.
"""

import json
import multiprocessing
import os
import random
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import django
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
# One connection each, reopened at once: a pool would wait longer and longer.
settings.DATABASES["default"]["OPTIONS"]["pool"] = False
django.setup()

from django.db import InterfaceError, OperationalError, connection, transaction  # noqa: E402
from django.utils import timezone  # noqa: E402

from accounts.models import Workspace  # noqa: E402
from billing import ledger  # noqa: E402
from billing.errors import LedgerBroken  # noqa: E402
from billing.ledger.wallets import wallet_of  # noqa: E402
from billing.models import LapseNotice, LedgerTransaction, Lot, Wallet  # noqa: E402
from kit.errors import AppError  # noqa: E402
from kit.ids import new_id  # noqa: E402

WALLETS = 40
PATIENCE = 300  # seconds without an answer


class Spender:
    """One client; `answers` are its confirmed postings: wallet, key, credits."""

    def __init__(self, seed: int, wallets: list[Wallet]) -> None:
        self.chance = random.Random(seed)
        self.wallets = wallets
        self.answers: list[tuple[int, str, str, int]] = []
        self.retries = 0
        self.refusals = 0
        self.held: list[tuple[Wallet, str]] = []
        self.bought: list[tuple[Wallet, str]] = []
        self.refunded: list[tuple[Wallet, str, str]] = []

    def operate(self) -> None:
        """Do one random operation, repeated until it is answered."""
        actions = (self.grant, self.reserve, self.capture, self.release, self.refund)
        rare = (self.reverse, self.adjust, self.expire, self.lapse, self.rebuild)
        common = self.chance.choices(actions, (3, 8, 8, 5, 1))[0]
        try:
            (common if self.chance.random() < 0.9 else self.chance.choice(rare))()
        except AppError:
            self.refusals += 1

    def grant(self) -> None:
        wallet = self.chance.choice(self.wallets)
        credits = self.chance.randint(1, 2000)
        kind = self.chance.choice(list(Lot.Kind))
        ends = kind in (Lot.Kind.ALLOWANCE, Lot.Kind.PROMO)
        lasts = timedelta(seconds=self.chance.choice([1, 5, 3600]))
        key = f"grant:{new_id()}"
        expires = timezone.now() + lasts if ends else None
        # Old enough to lapse, once its wallet has not been used for long.
        begins = timezone.now() - 3 * ledger.IDLE if kind == Lot.Kind.PROMO else None
        self._insist(
            lambda: ledger.grant(
                wallet,
                credits,
                key=key,
                kind=kind,
                source=key,
                reason="chaos",
                effective_at=begins,
                expires_at=expires,
            )
        )
        self.answers.append((wallet.pk, "grant", key, credits))
        if kind in (Lot.Kind.ALLOWANCE, Lot.Kind.PACK):
            self.bought.append((wallet, key))

    def reserve(self) -> None:
        wallet = self.chance.choice(self.wallets)
        credits = self.chance.randint(1, 400)
        key = f"job:{new_id()}:1"
        deadline = timezone.now() + timedelta(hours=1)
        self._insist(
            lambda: ledger.reserve(wallet, credits, key=key, job="1", deadline=deadline)
        )
        self.answers.append((wallet.pk, "reserve", f"reserve:{key}", credits))
        self.held.append((wallet, key))

    def capture(self) -> None:
        if self.held:
            wallet, reservation = self.chance.choice(self.held)
            credits = self.chance.randint(1, 120)
            key = f"capture:{new_id()}:1"
            self._insist(lambda: ledger.capture(reservation, credits, key=key))
            self.answers.append((wallet.pk, "capture", key, credits))

    def release(self) -> None:
        if self.held:
            wallet, key = self.held.pop(self.chance.randrange(len(self.held)))
            credits = self._insist(lambda: ledger.release(key))
            if credits:
                self.answers.append((wallet.pk, "release", f"release:{key}", credits))

    def refund(self) -> None:
        if self.bought:
            wallet, source = self.chance.choice(self.bought)
            parts: list[int | Fraction] = [50, Fraction(1, 3), Fraction(1)]
            part = self.chance.choice(parts)
            key = f"refund:{new_id()}"
            environment = wallet.environment
            credits = self._insist(
                lambda: ledger.refund(
                    source, part, environment=environment, key=key, reason="chaos"
                )
            )
            if credits:
                self.answers.append((wallet.pk, "refund", key, credits))
                self.refunded.append((wallet, source, key))

    def reverse(self) -> None:
        if self.refunded:
            place = self.chance.randrange(len(self.refunded))
            wallet, source, key = self.refunded.pop(place)
            environment = wallet.environment
            posted: LedgerTransaction = self._insist(
                lambda: ledger.reverse(
                    source, key, environment=environment, reason="chaos"
                )
            )
            self.answers.append((wallet.pk, "reverse", posted.key, 0))

    def adjust(self) -> None:
        wallet = self.chance.choice(self.wallets)
        credits = self.chance.choice([-300, -20, 20, 300])
        key = f"adjust:{new_id()}"
        allow_debt = self.chance.random() < 0.3
        self._insist(
            lambda: ledger.adjust(
                wallet,
                credits,
                key=key,
                reason="chaos",
                actor="chaos",
                ticket="chaos",
                allow_debt=allow_debt,
            )
        )
        self.answers.append((wallet.pk, "adjust", key, credits))

    def expire(self) -> None:
        ended = self._insist(lambda: Lot.objects.ended().values_list("pk").first())
        if ended:
            self._insist(lambda: ledger.expire(ended[0]))

    def lapse(self) -> None:
        """Make a wallet with a gift unused for two years, warn, and let the gift lapse."""
        wallet = self.chance.choice(self.wallets)
        long_ago = timezone.now() - 2 * ledger.IDLE

        def action() -> None:
            owned = Wallet.objects.select_for_update(no_key=True).filter(pk=wallet.pk)
            owned.get()
            lot = wallet.lots.filter(lapses=True, available__gt=0).first()
            if lot is None:
                return
            owned.update(last_activity_at=long_ago)
            LapseNotice.objects.get_or_create(
                wallet=wallet,
                stage=LapseNotice.Stage.IDLE_358,
                lapses_at=long_ago + ledger.IDLE,
                defaults={"credits": lot.available, "created_at": long_ago},
            )
            ledger.lapse(lot.pk)

        self._insist(action)

    def rebuild(self) -> None:
        """Prove a wallet against its entries while others spend from it."""
        wallet = self.chance.choice(self.wallets)
        try:
            found = self._insist(lambda: ledger.rebuild(wallet.pk))
        except LedgerBroken as broken:
            found = [broken]
        if found:
            raise RuntimeError(f"{wallet} was not as its entries say: {found}")

    def _insist(self, action: Callable[[], Any]) -> Any:
        """Call `action` in its own transaction, repeated until the server answers."""
        until = time.monotonic() + PATIENCE
        while True:
            try:
                with transaction.atomic(durable=True):
                    return action()
            except (OperationalError, InterfaceError):
                if time.monotonic() > until:
                    raise
                self.retries += 1
                connection.close()
                time.sleep(0.05)


def _run(number: int, folder: Path, wallets: list[Wallet], operations: int) -> None:
    spender = Spender(number, wallets)
    for done in range(1, operations + 1):
        spender.operate()
        if done % 100 == 0:
            os.write(1, b".")
    told = {
        "answers": spender.answers,
        "retries": spender.retries,
        "refusals": spender.refusals,
    }
    (folder / f"{number}.json").write_text(json.dumps(told))


def main() -> None:
    """Open the wallets and start all clients."""
    folder, clients, operations = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    workspaces = [Workspace.objects.create(name="Chaos") for _ in range(WALLETS // 2)]
    wallets = [
        wallet_of(workspace, environment)
        for workspace in workspaces
        for environment in ("PRODUCTION", "SANDBOX")
    ]
    connection.close()  # forked clients share none
    context = multiprocessing.get_context("fork")
    processes = [
        context.Process(target=_run, args=(n, folder, wallets, operations // clients))
        for n in range(clients)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    failed = [process.exitcode for process in processes if process.exitcode]
    sys.exit(f"clients ended with {failed}" if failed else 0)


if __name__ == "__main__":
    main()
