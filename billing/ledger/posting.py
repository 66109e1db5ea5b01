"""Post transfers of credits: lock the wallet, and write all rows in one statement.

Only `billing.ledger` uses it. All that a posting changes is computed from its transfers:
the entries, and the columns of wallet, lots and reservation that sum them. So they can't
disagree.
"""

import hashlib
import itertools
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias
from uuid import UUID

import psycopg
from django.db import connection
from django.db.backends.utils import CursorWrapper
from psycopg.types.numeric import Int8Dumper

from billing.ledger import chain
from billing.models import LedgerEntry, LedgerTransaction, Lot, Reservation, Wallet
from kit.db.transactions import needs_transaction
from kit.ids import new_id

Bucket: TypeAlias = LedgerEntry.Bucket
Kind: TypeAlias = LedgerTransaction.Kind

LOT_COLUMNS = (
    *("available", "reserved", "consumed", "expired", "revoked", "adjusted", "repaid"),
)
LOT_COLUMN = {
    Bucket.AVAILABLE: "available",
    Bucket.RESERVED: "reserved",
    Bucket.USAGE: "consumed",
    Bucket.BREAKAGE: "expired",
    Bucket.REFUND: "revoked",
    Bucket.ADJUST: "adjusted",
    Bucket.DEBT: "repaid",
}
"""The column of a lot that holds the credits of a bucket."""

WALLET_COLUMN = {
    Bucket.AVAILABLE: ("available", 1),
    Bucket.RESERVED: ("reserved", 1),
    Bucket.DEBT: ("debt", -1),
    Bucket.USAGE: ("consumed", 1),
    Bucket.FUNDING: ("granted", -1),
    Bucket.BREAKAGE: ("granted", -1),
    Bucket.REFUND: ("granted", -1),
    Bucket.ADJUST: ("granted", -1),
}
"""The column of a wallet that an entry in a bucket changes, and its sign."""

# NO KEY: rows with a foreign key to the wallet may be inserted meanwhile.
_LOCK = """
SELECT id, environment, available, debt, seq, chain_hash, low_at, is_low
FROM billing_wallet
WHERE id = {wallet} FOR NO KEY UPDATE
"""
LOCK = _LOCK.format(wallet="%(wallet)s")
LOCK_BY_RESERVATION = _LOCK.format(
    wallet="(SELECT wallet_id FROM billing_reservation WHERE key = %(key)s)"
)
LOCK_BY_LOT = _LOCK.format(
    wallet="(SELECT wallet_id FROM billing_lot WHERE id = %(lot)s)"
)
LOCK_BY_SOURCE = _LOCK.format(
    wallet="(SELECT wallet_id FROM billing_lot"
    " WHERE environment = %(environment)s AND source = %(source)s)"
)

_OPEN_RESERVATION = """
opened AS (
    INSERT INTO billing_reservation
        (id, wallet_id, key, job, user_id, amount, captured, released, deadline,
         created_at)
    VALUES (%(reservation)s, %(wallet)s, %(reservation_key)s, %(job)s, %(user)s,
            %(held)s, 0, 0, %(deadline)s, %(drawn_at)s)
), slice AS (
    INSERT INTO billing_reservationslice
        (wallet_id, reservation_id, lot_id, ordinal, amount)
    SELECT %(wallet)s, %(reservation)s, lot, ordinal, -available
    FROM unnest(%(lots)s::bigint[], %(available)s::bigint[]) WITH ORDINALITY
        AS drawn (lot, available, ordinal)
)"""
_SETTLE_RESERVATION = """
settled AS (
    UPDATE billing_reservation
    SET captured = captured + %(captured)s, released = released + %(released)s
    WHERE id = %(reservation)s
)"""
_POST = """
WITH posted AS (
    SELECT %(id)s::uuid AS id, %(wallet)s::bigint AS wallet_id,
        %(environment)s::text AS environment, %(seq)s::bigint AS seq,
        %(kind)s::text AS kind, %(key)s::text AS key, %(fingerprint)s::text AS fingerprint,
        %(reservation)s::uuid AS reservation_id, %(actor)s::text AS actor,
        %(reason)s::text AS reason, %(ticket)s::text AS ticket,
        statement_timestamp() AS created_at, %(entries)s::uuid[]::text AS entries,
        %(entry_lots)s::bigint[]::text AS entry_lots, %(buckets)s::text[]::text AS buckets,
        %(amounts)s::bigint[]::text AS amounts, %(balances)s::bigint[]::text AS balances,
        {lot} AS lot, {reservation} AS reservation
), chained AS (
    INSERT INTO billing_ledgertransaction
        (id, wallet_id, environment, seq, kind, key, fingerprint, reservation_id,
         actor, reason, ticket, created_at, chain_hash)
    SELECT id, wallet_id, environment, seq, kind, key, fingerprint, reservation_id,
           actor, reason, ticket, created_at, {link}
    FROM posted RETURNING chain_hash
), entered AS (
    INSERT INTO billing_ledgerentry
        (id, transaction_id, wallet_id, seq, lot_id, bucket, amount, balance_after)
    SELECT entry.id, %(id)s, %(wallet)s, %(seq)s, lot, bucket, amount, balance
    FROM unnest(%(entries)s::uuid[], %(entry_lots)s::bigint[], %(buckets)s::text[],
                %(amounts)s::bigint[], %(balances)s::bigint[])
        AS entry (id, lot, bucket, amount, balance)
), moved AS (
    UPDATE billing_lot AS lot
    SET available = lot.available + delta.available,
        reserved = lot.reserved + delta.reserved,
        consumed = lot.consumed + delta.consumed,
        expired = lot.expired + delta.expired,
        revoked = lot.revoked + delta.revoked,
        adjusted = lot.adjusted + delta.adjusted,
        repaid = lot.repaid + delta.repaid
    FROM unnest(%(lots)s::bigint[], %(available)s::bigint[], %(reserved)s::bigint[],
                %(consumed)s::bigint[], %(expired)s::bigint[], %(revoked)s::bigint[],
                %(adjusted)s::bigint[], %(repaid)s::bigint[])
        AS delta (lot, available, reserved, consumed, expired, revoked, adjusted, repaid)
    WHERE lot.id = delta.lot
)"""
_COUNT = """
UPDATE billing_wallet
SET available = available + %(wallet_available)s,
    reserved = reserved + %(wallet_reserved)s,
    debt = debt + %(wallet_debt)s,
    granted = granted + %(wallet_granted)s,
    consumed = consumed + %(wallet_consumed)s,
    seq = %(seq)s,
    chain_hash = (SELECT chain_hash FROM chained),
    last_activity_at = CASE WHEN %(is_activity)s THEN statement_timestamp()
                            ELSE last_activity_at END
WHERE id = %(wallet)s
"""


def _post(*, lot: str = "NULL::text", reservation: str = "NULL::text") -> str:
    link = chain.hash_of(chain.CONTENT, previous="%(chain_hash)s::bytea")
    return _POST.format(lot=lot, reservation=reservation, link=link)


POST_ALONE = _post() + _COUNT
POST_GRANT = _post(lot="(" + chain.LOT_OPENED.format(lot="%(opened)s") + ")") + _COUNT
POST_OPENING = (
    _post(
        reservation=chain.RESERVATION_OPENED.format(
            key="%(reservation_key)s::text",
            job="%(job)s::text",
            created_at="%(drawn_at)s::timestamptz",
        )
    )
    + ","
    + _OPEN_RESERVATION
    + _COUNT
)
POST_SETTLING = _post() + "," + _SETTLE_RESERVATION + _COUNT


class _Cursor(psycopg.Cursor[Any]):
    """A cursor that binds parameters on the server, and every integer as a bigint.

    Planning these statements costs more than running them. The driver prepares statements
    that run often, with one plan per combination of types; by default it chooses an
    integer's type by its value.
    """

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        super().__init__(connection)
        self.adapters.register_dumper(int, Int8Dumper)


@dataclass(frozen=True, slots=True)
class Transfer:
    """A move of `credits` > 0 of a lot from one bucket to another.

    Without a lot it is the part of an operator's adjustment that no lot can pay: a debt.
    """

    lot: int | None
    source: Bucket
    target: Bucket
    credits: int


@dataclass(frozen=True, slots=True)
class LockedWallet:
    """A locked wallet's columns, and the cursor to work with."""

    cursor: CursorWrapper
    id: int
    environment: str
    available: int
    debt: int
    seq: int
    chain_hash: bytes
    low_at: int
    is_low: bool


def require_positive(credits: int) -> None:
    """Raise ValueError unless `credits` is positive."""
    if credits <= 0:
        raise ValueError("a posting moves at least one credit")


def lock(wallet: int) -> LockedWallet:
    """Lock a wallet until the transaction ends, and return its current columns."""
    locked = _lock(LOCK, {"wallet": wallet})
    if locked is None:
        raise Wallet.DoesNotExist(f"wallet {wallet}")
    return locked


def lock_by_reservation(key: str) -> LockedWallet:
    """Lock the wallet of the reservation with this key."""
    locked = _lock(LOCK_BY_RESERVATION, {"key": key})
    if locked is None:
        raise Reservation.DoesNotExist(f"reservation {key}")
    return locked


def lock_by_lot(lot: int) -> LockedWallet:
    """Lock the wallet of a lot."""
    locked = _lock(LOCK_BY_LOT, {"lot": lot})
    if locked is None:
        raise Lot.DoesNotExist(f"lot {lot}")
    return locked


def lock_by_source(source: str, environment: str) -> LockedWallet | None:
    """Lock the wallet that has the lot of `source`; return None if there is none yet."""
    return _lock(LOCK_BY_SOURCE, {"source": source, "environment": environment})


def fingerprint(*content: object) -> str:
    """Return a digest of the content of a posting, to detect a reused key."""
    text = "\0".join(str(part) for part in content)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def post(
    wallet: LockedWallet,
    kind: Kind,
    transfers: Sequence[Transfer],
    *,
    key: str,
    fingerprint: str,
    reason: str = "",
    actor: str = "",
    ticket: str = "",
    is_activity: bool = False,
    opens: Reservation | None = None,
    settles: UUID | None = None,
    captured: int = 0,
    released: int = 0,
) -> UUID:
    """Write one transaction, its entries and all derived columns; return its id.

    `opens` is a new reservation to insert; the transfers, in their order, are its slices.
    `settles` is the id of an existing one, which counts `captured` and `released` more
    credits. `is_activity` sets the wallet's time of last activity to now.
    """
    reservation = opens.id if opens else settles
    transaction = new_id()
    parameters: dict[str, Any] = {
        "id": transaction,
        "wallet": wallet.id,
        "environment": wallet.environment,
        "seq": wallet.seq + 1,
        "chain_hash": wallet.chain_hash,
        "kind": kind.value,
        "key": key,
        "fingerprint": fingerprint,
        "reservation": reservation,
        "actor": actor,
        "reason": reason,
        "ticket": ticket,
        "is_activity": is_activity,
        **_entries(wallet, transfers),
        **_lot_columns(transfers),
        **_wallet_columns(transfers),
    }
    if opens is not None:
        statement = POST_OPENING
        parameters |= {
            "reservation_key": opens.key,
            "job": opens.job,
            "user": opens.user_id,
            "held": opens.amount,
            "deadline": opens.deadline,
            "drawn_at": opens.created_at,
        }
    elif settles is not None:
        statement = POST_SETTLING
        parameters |= {"captured": captured, "released": released}
    elif transfers[0].source == Bucket.FUNDING:
        statement = POST_GRANT
        parameters |= {"opened": transfers[0].lot}
    else:
        statement = POST_ALONE
    wallet.cursor.execute(statement, parameters)
    return transaction


@needs_transaction
def _lock(statement: str, parameters: dict[str, Any]) -> LockedWallet | None:
    bare: Any = _Cursor(connection.connection)
    logs = connection.queries_logged
    cursor = (
        connection.make_debug_cursor(bare) if logs else connection.make_cursor(bare)
    )
    cursor.execute(statement, parameters)
    row = cursor.fetchone()
    return LockedWallet(cursor, *row) if row else None


def _sides(transfers: Iterable[Transfer]) -> Iterable[tuple[int | None, Bucket, int]]:
    """Return the two entries of each transfer: out of its source, into its target."""
    return itertools.chain.from_iterable(
        (
            (transfer.lot, transfer.source, -transfer.credits),
            (transfer.lot, transfer.target, transfer.credits),
        )
        for transfer in transfers
    )


def _entries(wallet: LockedWallet, transfers: Iterable[Transfer]) -> dict[str, Any]:
    balance = wallet.available - wallet.debt
    rows = []
    for lot, bucket, amount in _sides(transfers):
        if bucket in (Bucket.AVAILABLE, Bucket.DEBT):
            balance += amount
        rows.append((new_id(), lot, bucket.value, amount, balance))
    names = ("entries", "entry_lots", "buckets", "amounts", "balances")
    return dict(zip(names, map(_array, zip(*rows, strict=True)), strict=True))


def _lot_columns(transfers: Iterable[Transfer]) -> dict[str, str]:
    deltas: dict[int, dict[str, int]] = {}
    for transfer in transfers:
        if transfer.source == Bucket.FUNDING or transfer.lot is None:
            continue  # a new lot has these columns already; or there is no lot
        delta = deltas.setdefault(transfer.lot, dict.fromkeys(LOT_COLUMNS, 0))
        delta[LOT_COLUMN[transfer.source]] -= transfer.credits
        delta[LOT_COLUMN[transfer.target]] += transfer.credits
    columns = {
        name: _array(delta[name] for delta in deltas.values()) for name in LOT_COLUMNS
    }
    return {"lots": _array(deltas), **columns}


def _wallet_columns(transfers: Iterable[Transfer]) -> dict[str, int]:
    deltas = defaultdict(int, dict.fromkeys(("available", "reserved", "debt"), 0))
    for _, bucket, amount in _sides(transfers):
        column, sign = WALLET_COLUMN[bucket]
        deltas[column] += sign * amount
    return {
        f"wallet_{column}": deltas[column]
        for column in ("available", "reserved", "debt", "granted", "consumed")
    }


def _array(values: Iterable[object]) -> str:
    # PostgreSQL's array text, for numbers, ids and names: the driver would check the type
    # of every element, which takes longer than all the rest.
    return "{" + ",".join("NULL" if v is None else str(v) for v in values) + "}"
