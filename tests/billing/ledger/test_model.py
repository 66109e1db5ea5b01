"""Random use of every verb, compared with the model; all invariants after each step."""

import os
from datetime import timedelta
from fractions import Fraction
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from accounts.models import Workspace
from billing.errors import (
    InsufficientCredits,
    LedgerKeyReused,
    NotGranted,
    NotRefundable,
    NotRefunded,
    ReservationExhausted,
)
from billing.ledger.wallets import spendable, summary, wallet_of
from billing.models import LedgerTransaction, Lot, Reservation
from kit.ids import new_id
from tests.billing import factories
from tests.billing.factories import violations
from tests.billing.model import ORDER, Held, ModelLot, ModelWallet, split

FEW = 15
EXAMPLES = int(os.environ.get("MODEL_EXAMPLES", FEW))
WHICH = st.sampled_from([0, 0, 0, 1])  # the sandbox is there to stay untouched
YEAR = timedelta(days=366)
PARTS = st.integers(1, 100) | st.sampled_from(
    [Fraction(1, 3), Fraction(1, 2), Fraction(1)]
)


class Ledger(RuleBasedStateMachine):
    """Two wallets of one workspace, and all that is done with them."""

    reservations = Bundle("reservations")
    opened = Bundle("opened")
    refunds = Bundle("refunds")

    @initialize()
    def open_wallets(self) -> None:
        workspace = Workspace.objects.create(name="Model")
        self.wallets = [
            ModelWallet(wallet_of(workspace, name))
            for name in ("PRODUCTION", "SANDBOX")
        ]

    @rule(
        target=opened,
        which=WHICH,
        credits=st.integers(1, 100),
        kind=st.sampled_from(sorted(ORDER)),
        days=st.none() | st.integers(1, 5),
    )
    def grant(self, which: int, credits: int, kind: str, days: int | None) -> Any:
        wallet = self.wallets[which]
        if kind in ("pack", "adjust"):
            days = None  # they never end
        elif kind == "allowance":
            days = days or 30
        lot = ModelLot(len(wallet.lots), kind, credits, days, f"model:{new_id()}")
        expires = timezone.now() + timedelta(days=days) if days else None
        if kind in ("allowance", "pack"):
            with pytest.raises(NotGranted):
                self._refund(wallet, lot, 1, f"early:{new_id()}")
            wallet.was_used()
        for _ in range(2):  # the second time changes nothing
            self._grant(wallet, lot, expires)
        wallet.open(lot)
        with pytest.raises(LedgerKeyReused):
            self._grant(wallet, lot, expires, more=1)
        return wallet, lot

    def _grant(
        self, wallet: ModelWallet, lot: ModelLot, expires: Any, more: int = 0
    ) -> None:
        factories.grant(
            wallet.row,
            lot.granted + more,
            key=lot.source,
            source=lot.source,
            kind=lot.kind,
            expires_at=expires,
        )

    @rule(target=reservations, which=WHICH, credits=st.integers(1, 200))
    def reserve(self, which: int, credits: int) -> Held:
        wallet = self.wallets[which]
        held = Held(wallet, f"job:{new_id()}:1", credits, [])
        if wallet.net < credits:
            with pytest.raises(InsufficientCredits) as refusal:
                factories.reserve(wallet.row, credits, key=held.key)
            left = max(0, wallet.net)
            assert refusal.value.params == {"needed": credits, "available": left}
            held.amount = 0
            return held
        drawn = wallet.draw(credits)
        for lot, part in drawn:
            lot.reserved += part
            held.parts.append([lot, part])
        for _ in range(2):
            row = factories.reserve(wallet.row, credits, key=held.key)
            assert row.split == split(drawn)
        with pytest.raises(LedgerKeyReused):
            factories.reserve(wallet.row, credits + 1, key=held.key)
        return held

    @rule(held=reservations, credits=st.integers(1, 100))
    def capture(self, held: Held, credits: int) -> None:
        key = f"capture:{new_id()}:1"
        if not held.amount:
            with pytest.raises(Reservation.DoesNotExist):
                factories.capture(credits, key, held.key)
            return
        if credits > held.left:
            with pytest.raises(ReservationExhausted) as refusal:
                factories.capture(credits, key, held.key)
            assert refusal.value.params == {"left": held.left, "needed": credits}
            return
        used = held.take(credits)
        for lot, taken in used:
            lot.reserved -= taken
            lot.consumed += taken
        held.wallet.was_used()
        held.captures[key] = (credits, split(used))
        assert factories.capture(credits, key, held.key) == split(used)

    @rule(held=reservations, more=st.integers(0, 1))
    def capture_again(self, held: Held, more: int) -> None:
        for key, (credits, paid) in held.captures.items():
            if more:
                with pytest.raises(LedgerKeyReused):
                    factories.capture(credits + more, key, held.key)
            else:
                assert factories.capture(credits, key, held.key) == paid

    @rule(held=reservations)
    def release(self, held: Held) -> None:
        if not held.amount:
            return
        if held.released is None:
            held.released = held.left
            for lot, left in held.take(held.left):
                held.wallet.give_back(lot, left)
        assert factories.release(held.key) == held.released

    @rule(opened=opened)
    def come_to_its_end(self, opened: tuple[ModelWallet, ModelLot]) -> None:
        wallet, lot = opened
        if lot.days is not None and not lot.has_ended:
            lot.has_ended = True
            factories.lapse(self._row(wallet, lot))

    @rule(opened=opened)
    def expire(self, opened: tuple[ModelWallet, ModelLot]) -> None:
        wallet, lot = opened
        expected = wallet.end(lot) if lot.has_ended else 0
        assert factories.expire(self._row(wallet, lot)) == expected

    @rule(which=WHICH)
    def sleep_a_year(self, which: int) -> None:
        self.wallets[which].sleep()
        factories.shift(self.wallets[which].row, YEAR)

    @rule(opened=opened)
    def lapse(self, opened: tuple[ModelWallet, ModelLot]) -> None:
        wallet, lot = opened
        lapsed = 0
        if lot.kind == "promo" and lot.is_idle and not lot.has_ended:
            lapsed = wallet.end(lot)
            lot.has_ended = lapsed > 0
        assert factories.lapse_idle(self._row(wallet, lot)) == lapsed

    @rule(target=refunds, opened=opened, part=PARTS)
    def refund(self, opened: tuple[ModelWallet, ModelLot], part: Any) -> Any:
        wallet, lot = opened
        key = f"refund:{new_id()}"
        if lot.kind not in ("pack", "allowance"):
            with pytest.raises(NotRefundable):
                self._refund(wallet, lot, part, key)
            return wallet, lot, key, 0
        taken = wallet.refund(lot, part)
        for _ in range(2 if taken else 1):
            assert self._refund(wallet, lot, part, key) == taken
        if taken:
            with pytest.raises(LedgerKeyReused):
                self._refund(wallet, lot, 301, key)
        return wallet, lot, key, taken

    def _refund(self, wallet: ModelWallet, lot: ModelLot, part: Any, key: str) -> int:
        return factories.refund(
            lot.source, part, environment=wallet.row.environment, key=key
        )

    @rule(refunded=refunds)
    def reverse(self, refunded: tuple[ModelWallet, ModelLot, str, int]) -> None:
        wallet, lot, key, credits = refunded
        environment = wallet.row.environment
        if not credits:
            with pytest.raises(NotRefunded):
                factories.reverse(lot.source, key, environment=environment)
            return
        posted = factories.reverse(lot.source, key, environment=environment)
        source = f"reversal:{LedgerTransaction.objects.get(key=key).pk}"
        assert posted.key == f"reverse:{key}"
        if source not in {known.source for known in wallet.lots}:
            wallet.open(
                ModelLot(
                    *(len(wallet.lots), lot.kind, credits, lot.days, source),
                    has_ended=lot.has_ended,
                    is_idle=lot.is_idle,
                    restores=lot,
                )
            )

    @rule(
        which=WHICH,
        credits=st.integers(-120, 60).filter(bool),
        allow_debt=st.booleans(),
    )
    def adjust(self, which: int, credits: int, allow_debt: bool) -> None:
        wallet = self.wallets[which]
        key = f"adjust:{new_id()}"
        fields: dict[str, Any] = {"key": key, "allow_debt": allow_debt}
        if credits < 0 and wallet.net < -credits and not allow_debt:
            with pytest.raises(InsufficientCredits):
                factories.adjust(wallet.row, credits, **fields)
            return
        for _ in range(2):
            factories.adjust(wallet.row, credits, **fields)
        with pytest.raises(LedgerKeyReused):
            factories.adjust(wallet.row, 1000, **fields)
        if credits > 0:
            wallet.open(ModelLot(len(wallet.lots), "adjust", credits, None, key))
            return
        drawn = wallet.draw(-credits)
        for lot, part in drawn:
            lot.adjusted += part
        wallet.debt += -credits - sum(part for _, part in drawn)

    @staticmethod
    def _row(wallet: ModelWallet, lot: ModelLot) -> Lot:
        return wallet.row.lots.get(source=lot.source)

    @invariant()
    def the_database_agrees(self) -> None:
        for wallet in getattr(self, "wallets", []):
            lots = wallet.lots
            wallet.row.refresh_from_db()
            rows = wallet.row.lots.order_by("id").values_list(
                *("granted", "available", "reserved", "consumed"),
                *("expired", "revoked", "adjusted", "repaid"),
            )
            assert list(rows) == [lot.columns for lot in lots]
            reserved = sum(lot.reserved for lot in lots)
            shown = summary(wallet.row)
            assert spendable(wallet.row) == max(0, wallet.net)
            assert (shown["balance"], shown["debt"]) == (wallet.net, wallet.debt)
            assert shown["reserved"] == reserved
            assert shown["total_consumed"] == sum(lot.consumed for lot in lots)
            assert (
                shown["total_granted"] - shown["total_consumed"]
                == wallet.net + reserved
            )
        assert violations() == {}


@pytest.mark.django_db(transaction=True)
def test_ledger_matches_the_model():
    run_state_machine_as_test(
        Ledger,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=40,
            deadline=None,
            derandomize=EXAMPLES == FEW,  # `make chaos` tries new ones each time
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
