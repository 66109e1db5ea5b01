"""Random use of the ledger, step by step against a model small enough to be obvious."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import inf
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from accounts.models import Workspace
from billing.errors import InsufficientCredits, LedgerKeyReused, ReservationExhausted
from billing.models import Reservation, Split, Wallet
from billing.wallets import spendable, summary, wallet_of
from kit.ids import new_id
from tests.billing import factories
from tests.billing.factories import violations

ORDER = {"allowance": 1, "promo": 2, "pack": 3, "adjust": 3}


@dataclass
class ModelLot:
    number: int
    kind: str
    granted: int
    days: int | None  # until it ends
    available: int
    source: str
    reserved: int = 0
    consumed: int = 0
    expired: int = 0
    lapsed: bool = False

    @property
    def place(self) -> tuple[int, float, int]:
        return ORDER[self.kind], inf if self.days is None else self.days, self.number


@dataclass
class ModelWallet:
    row: Wallet
    lots: list[ModelLot] = field(default_factory=list)

    @property
    def drawable(self) -> list[ModelLot]:
        lots = [lot for lot in self.lots if lot.available and not lot.lapsed]
        return sorted(lots, key=lambda lot: lot.place)


@dataclass
class Held:
    wallet: ModelWallet
    key: str
    amount: int
    parts: list[list[Any]]  # lot and what is left of it, in the order of capture
    captures: dict[str, tuple[int, Split]] = field(default_factory=dict)
    released: int | None = None

    @property
    def left(self) -> int:
        return sum(left for _, left in self.parts)


class Ledger(RuleBasedStateMachine):
    """Two wallets of one workspace, and everybody who spends from them."""

    reservations = Bundle("reservations")
    open_lots = Bundle("open_lots")

    @initialize()
    def open_wallets(self) -> None:
        workspace = Workspace.objects.create(name="Model")
        self.now: datetime = timezone.now()
        self.wallets = [
            ModelWallet(wallet_of(workspace, name))
            for name in ("PRODUCTION", "SANDBOX")
        ]

    @rule(
        target=open_lots,
        which=st.integers(0, 1),
        credits=st.integers(1, 500),
        kind=st.sampled_from(sorted(ORDER)),
        days=st.none() | st.integers(1, 5),
    )
    def grant(self, which: int, credits: int, kind: str, days: int | None) -> Any:
        wallet = self.wallets[which]
        if kind in ("pack", "adjust"):
            days = None  # they never end
        elif kind == "allowance":
            days = days or 30
        lot = ModelLot(
            len(wallet.lots), kind, credits, days, credits, source=f"model:{new_id()}"
        )
        for _ in range(2):  # the second time changes nothing
            self._grant(wallet, lot)
        wallet.lots.append(lot)
        with pytest.raises(LedgerKeyReused):
            self._grant(wallet, lot, more=1)
        return wallet, lot

    def _grant(self, wallet: ModelWallet, lot: ModelLot, more: int = 0) -> None:
        factories.grant(
            wallet.row,
            lot.granted + more,
            key=lot.source,
            source=lot.source,
            kind=lot.kind,
            expires_at=self.now + timedelta(days=lot.days) if lot.days else None,
        )

    @rule(target=reservations, which=st.integers(0, 1), credits=st.integers(1, 700))
    def reserve(self, which: int, credits: int) -> Held:
        wallet = self.wallets[which]
        held = Held(wallet, f"job:{new_id()}:1", credits, [])
        can_spend = sum(lot.available for lot in wallet.drawable)
        if can_spend < credits:
            with pytest.raises(InsufficientCredits) as refusal:
                factories.reserve(wallet.row, credits, key=held.key)
            assert refusal.value.params == {"needed": credits, "available": can_spend}
            held.amount = 0
            return held
        for lot in wallet.drawable:
            drawn = min(lot.available, credits - held.left)
            if drawn:
                lot.available -= drawn
                lot.reserved += drawn
                held.parts.append([lot, drawn])
        expected = _split([(lot, drawn) for lot, drawn in held.parts])
        for _ in range(2):
            row = factories.reserve(wallet.row, credits, key=held.key)
            assert row.split == expected
        return held

    @rule(held=reservations, credits=st.integers(1, 400))
    def capture(self, held: Held, credits: int) -> None:
        key = f"scene:{new_id()}:1"
        if not held.amount:
            with pytest.raises(Reservation.DoesNotExist):
                factories.capture(credits, key, held.key)
            return
        if credits > held.left:
            with pytest.raises(ReservationExhausted) as refusal:
                factories.capture(credits, key, held.key)
            assert refusal.value.params == {"left": held.left, "needed": credits}
            return
        used, left = [], credits
        for part in held.parts:
            taken = min(part[1], left)
            part[1] -= taken
            left -= taken
            part[0].reserved -= taken
            part[0].consumed += taken
            used.append((part[0], taken))
        held.captures[key] = (credits, _split(used))
        assert factories.capture(credits, key, held.key) == _split(used)

    @rule(held=reservations, more=st.integers(0, 1))
    def capture_again(self, held: Held, more: int) -> None:
        for key, (credits, split) in held.captures.items():
            if more:
                with pytest.raises(LedgerKeyReused):
                    factories.capture(credits + more, key, held.key)
            else:
                assert factories.capture(credits, key, held.key) == split

    @rule(held=reservations)
    def release(self, held: Held) -> None:
        if not held.amount:
            return
        if held.released is None:
            held.released = held.left
            for part in held.parts:
                lot, left = part
                part[1] = 0
                lot.reserved -= left
                if lot.lapsed:
                    lot.expired += left
                else:
                    lot.available += left
        assert factories.release(held.key) == held.released

    @rule(opened=consumes(open_lots))
    def lapse(self, opened: tuple[ModelWallet, ModelLot]) -> None:
        wallet, lot = opened
        if lot.days is None:
            return
        lot.lapsed = True
        factories.lapse(wallet.row.lots.get(source=lot.source))

    @invariant()
    def the_database_agrees(self) -> None:
        for wallet in getattr(self, "wallets", []):
            lots = wallet.lots
            assert factories.lots(wallet.row) == [
                (lot.kind, lot.available, lot.reserved, lot.consumed, lot.expired)
                for lot in lots
            ]
            available = sum(lot.available for lot in wallet.drawable)
            reserved = sum(lot.reserved for lot in lots)
            shown = summary(wallet.row)
            assert spendable(wallet.row) == shown["balance"] == available
            assert shown["reserved"] == reserved
            assert shown["total_consumed"] == sum(lot.consumed for lot in lots)
            assert (
                shown["total_granted"] - shown["total_consumed"] == available + reserved
            )
        assert violations() == {}


def _split(parts: list[tuple[ModelLot, int]]) -> Split:
    return Split.of((lot.kind, amount) for lot, amount in parts)


@pytest.mark.django_db(transaction=True)
def test_the_ledger_does_what_the_model_does():
    run_state_machine_as_test(
        Ledger,
        settings=settings(
            max_examples=20,
            stateful_step_count=25,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
