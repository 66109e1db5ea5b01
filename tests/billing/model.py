"""The ledger as a model small enough to be obvious: lists and integers, no rows."""

from dataclasses import dataclass, field
from math import floor, inf
from typing import Any

from billing.models import Split, Wallet

ORDER = {"allowance": 1, "promo": 2, "pack": 3, "adjust": 3}


@dataclass
class ModelLot:
    number: int
    kind: str
    granted: int
    days: int | None  # until it ends
    source: str
    available: int = 0
    reserved: int = 0
    consumed: int = 0
    expired: int = 0
    revoked: int = 0
    adjusted: int = 0
    repaid: int = 0
    has_ended: bool = False
    is_idle: bool = False  # its wallet was not used for a year
    restores: "ModelLot | None" = None

    @property
    def place(self) -> tuple[int, float, int]:
        return ORDER[self.kind], inf if self.days is None else self.days, self.number

    @property
    def columns(self) -> tuple[int, ...]:
        return (
            *(self.granted, self.available, self.reserved, self.consumed),
            *(self.expired, self.revoked, self.adjusted, self.repaid),
        )


@dataclass
class ModelWallet:
    row: Wallet
    lots: list[ModelLot] = field(default_factory=list)
    debt: int = 0

    @property
    def drawable(self) -> list[ModelLot]:
        lots = [lot for lot in self.lots if lot.available and not lot.has_ended]
        return sorted(lots, key=lambda lot: lot.place)

    @property
    def net(self) -> int:
        return sum(lot.available for lot in self.drawable) - self.debt

    def pay_debt(self, lot: ModelLot, credits: int) -> int:
        """Repay with credits of a lot; return what is left of them."""
        repaid = min(credits, self.debt)
        lot.repaid += repaid
        self.debt -= repaid
        return credits - repaid

    def open(self, lot: ModelLot) -> None:
        self.lots.append(lot)
        repays = lot.kind in ("pack", "adjust") or lot.restores
        lot.available = self.pay_debt(lot, lot.granted) if repays else lot.granted

    def give_back(self, lot: ModelLot, credits: int) -> None:
        """Return what was reserved of a lot."""
        lot.reserved -= credits
        if lot.has_ended:
            lot.expired += self.pay_debt(lot, credits)
        elif lot.kind in ("pack", "adjust"):
            lot.available += self.pay_debt(lot, credits)
        else:
            lot.available += credits

    def end(self, lot: ModelLot) -> int:
        """Let what is available of a lot lapse; return how much that is."""
        lapsed, lot.available = lot.available, 0
        lot.expired += self.pay_debt(lot, lapsed)
        return lapsed

    def draw(self, credits: int) -> list[tuple[ModelLot, int]]:
        """Take credits out of the lots, as far as they go."""
        parts = []
        for lot in self.drawable:
            if drawn := min(lot.available, credits):
                lot.available -= drawn
                credits -= drawn
                parts.append((lot, drawn))
        return parts

    def refund(self, bought: ModelLot, part: Any) -> int:
        """Take back a number of credits, or a share of the purchase."""
        left = part if isinstance(part, int) else floor(bought.granted * part + 0.5)
        total = 0
        for lot in self.lots:
            if lot is bought or lot.restores is bought:
                gone = lot.revoked + lot.expired + lot.adjusted
                taken = max(0, min(left, lot.granted - gone))
                unused = min(taken, lot.available)
                lot.available -= unused
                lot.repaid -= taken - unused
                lot.revoked += taken
                self.debt += taken - unused
                left -= taken
                total += taken
        return total

    def was_used(self) -> None:
        for lot in self.lots:
            lot.is_idle = False

    def sleep(self) -> None:
        """Let a year pass."""
        for lot in self.lots:
            lot.is_idle = True
            lot.has_ended |= lot.days is not None


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

    def take(self, credits: int) -> list[tuple[ModelLot, int]]:
        used = []
        for part in self.parts:
            taken = min(part[1], credits)
            part[1] -= taken
            credits -= taken
            used.append((part[0], taken))
        return used


def split(parts: list[tuple[ModelLot, int]]) -> Split:
    return Split.of((lot.kind, amount) for lot, amount in parts)
