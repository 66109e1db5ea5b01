"""The invariants of the ledger, as SQL that counts their violations.

They hold for all wallets at every commit. One statement checks all of them, so they see
one moment of the database. `manage.py verify_ledger`, the nightly check and the tests run
the same statement. An app above billing adds its own in `invariants` of its AppConfig.

I12 is meant to check that each payment of a gateway was granted once: every lot that came
from a gateway's event names it, and every processed event has its posting. While no
gateway events are stored, it checks what the ledger alone can show.
"""

import itertools
from dataclasses import dataclass

from django.db import connection

from billing.ledger import chain
from kit.registry import registered


@dataclass(frozen=True, slots=True)
class Invariant:
    """A rule that always holds. `violations` is SQL for the number of violations."""

    name: str
    title: str
    violations: str


@dataclass(frozen=True, slots=True)
class Result:
    """The number of violations of an invariant."""

    invariant: Invariant
    count: int


# A scene's id, and the number of its render: see `billing.reports.usage.key_of`.
_KEY_OF_SCENE = "^scene:[0-9a-f]{8}-[0-9a-f-]{27}:[0-9]+$"

INVARIANTS = (
    Invariant(
        "I1",
        "each transaction has entries, which sum to zero",
        """
        SELECT count(*) FROM billing_ledgertransaction AS posted
        LEFT JOIN (
            SELECT transaction_id, sum(amount) AS total
            FROM billing_ledgerentry GROUP BY transaction_id
        ) AS entries ON entries.transaction_id = posted.id
        WHERE entries.total IS DISTINCT FROM 0
        """,
    ),
    Invariant(
        "I2",
        "all entries sum to zero",
        """
        SELECT count(*) FROM (SELECT sum(amount) AS total FROM billing_ledgerentry) AS x
        WHERE total <> 0
        """,
    ),
    Invariant(
        "I3",
        "wallets, and the balance after each entry, equal the sum of the entries",
        """
        SELECT (
            SELECT count(*) FROM billing_wallet AS wallet
            LEFT JOIN (
                SELECT wallet_id,
                    sum(amount) FILTER (WHERE bucket = 'available') AS available,
                    sum(amount) FILTER (WHERE bucket = 'reserved') AS reserved,
                    -sum(amount) FILTER (WHERE bucket = 'debt') AS debt,
                    -sum(amount) FILTER
                        (WHERE bucket IN ('funding', 'breakage', 'refund', 'adjust'))
                        AS granted,
                    sum(amount) FILTER (WHERE bucket = 'usage') AS consumed
                FROM billing_ledgerentry GROUP BY wallet_id
            ) AS entries ON entries.wallet_id = wallet.id
            WHERE (wallet.available, wallet.reserved, wallet.debt, wallet.granted,
                   wallet.consumed)
                IS DISTINCT FROM
                (coalesce(entries.available, 0), coalesce(entries.reserved, 0),
                 coalesce(entries.debt, 0), coalesce(entries.granted, 0),
                 coalesce(entries.consumed, 0))
        ) + (
            SELECT count(*) FROM (
                SELECT balance_after, sum(amount)
                    FILTER (WHERE bucket IN ('available', 'debt'))
                    OVER (PARTITION BY wallet_id ORDER BY seq, id) AS balance
                FROM billing_ledgerentry
            ) AS entries
            WHERE balance_after <> coalesce(balance, 0)
        )
        """,
    ),
    Invariant(
        "I4",
        "lots equal the sum of their entries, and their columns sum to the grant",
        """
        SELECT count(*) FROM billing_lot AS lot
        LEFT JOIN (
            SELECT lot_id,
                -sum(amount) FILTER (WHERE bucket = 'funding') AS granted,
                sum(amount) FILTER (WHERE bucket = 'available') AS available,
                sum(amount) FILTER (WHERE bucket = 'reserved') AS reserved,
                sum(amount) FILTER (WHERE bucket = 'usage') AS consumed,
                sum(amount) FILTER (WHERE bucket = 'breakage') AS expired,
                sum(amount) FILTER (WHERE bucket = 'refund') AS revoked,
                sum(amount) FILTER (WHERE bucket = 'adjust') AS adjusted,
                sum(amount) FILTER (WHERE bucket = 'debt') AS repaid
            FROM billing_ledgerentry GROUP BY lot_id
        ) AS entries ON entries.lot_id = lot.id
        WHERE (lot.granted, lot.available, lot.reserved, lot.consumed, lot.expired,
               lot.revoked, lot.adjusted, lot.repaid)
            IS DISTINCT FROM
            (entries.granted, entries.available, coalesce(entries.reserved, 0),
             coalesce(entries.consumed, 0), coalesce(entries.expired, 0),
             coalesce(entries.revoked, 0), coalesce(entries.adjusted, 0),
             coalesce(entries.repaid, 0))
        OR lot.granted <> lot.available + lot.reserved + lot.consumed + lot.expired
            + lot.revoked + lot.adjusted + lot.repaid
        """,
    ),
    Invariant(
        "I5",
        "wallets equal the sum of their lots",
        """
        SELECT count(*) FROM billing_wallet AS wallet
        LEFT JOIN (
            SELECT wallet_id, sum(available) AS available, sum(reserved) AS reserved
            FROM billing_lot GROUP BY wallet_id
        ) AS lots ON lots.wallet_id = wallet.id
        WHERE wallet.available <> coalesce(lots.available, 0)
            OR wallet.reserved <> coalesce(lots.reserved, 0)
        """,
    ),
    Invariant(
        "I6",
        "reserved credits of wallets and lots equal what open reservations hold",
        """
        WITH part AS (
            SELECT reservation_id, lot_id, wallet_id, amount,
                sum(amount) OVER (PARTITION BY reservation_id ORDER BY ordinal) AS upto
            FROM billing_reservationslice
        ), held AS (
            SELECT part.*, least(part.amount, greatest(
                part.upto - reservation.captured - reservation.released, 0)) AS left
            FROM part
            JOIN billing_reservation AS reservation
                ON reservation.id = part.reservation_id
        )
        SELECT (
            SELECT count(*) FROM billing_wallet AS wallet
            LEFT JOIN (
                SELECT wallet_id, sum(amount - captured - released) AS left
                FROM billing_reservation GROUP BY wallet_id
            ) AS open ON open.wallet_id = wallet.id
            WHERE wallet.reserved <> coalesce(open.left, 0)
        ) + (
            SELECT count(*) FROM billing_lot AS lot
            LEFT JOIN (
                SELECT lot_id, sum(held.left) AS left FROM held GROUP BY lot_id
            ) AS open ON open.lot_id = lot.id
            WHERE lot.reserved <> coalesce(open.left, 0)
        ) + (
            SELECT count(*) FROM billing_reservation AS reservation
            LEFT JOIN (
                SELECT reservation_id, sum(amount) AS amount
                FROM part GROUP BY reservation_id
            ) AS slices ON slices.reservation_id = reservation.id
            LEFT JOIN (
                SELECT posted.reservation_id,
                    sum(amount) FILTER (WHERE bucket = 'reserved' AND amount > 0) AS held,
                    sum(amount) FILTER (WHERE bucket = 'usage') AS used,
                    -sum(amount) FILTER
                        (WHERE bucket = 'reserved' AND kind = 'release') AS freed
                FROM billing_ledgertransaction AS posted
                JOIN billing_ledgerentry AS entry ON entry.transaction_id = posted.id
                WHERE posted.reservation_id IS NOT NULL
                GROUP BY posted.reservation_id
            ) AS entries ON entries.reservation_id = reservation.id
            WHERE slices.amount IS DISTINCT FROM reservation.amount
                OR entries.held IS DISTINCT FROM reservation.amount
                OR coalesce(entries.used, 0) <> reservation.captured
                OR coalesce(entries.freed, 0) <> reservation.released
                OR reservation.captured + reservation.released > reservation.amount
        )
        """,
    ),
    Invariant(
        "I7",
        "each wallet's transactions are numbered from 1 without gaps",
        """
        SELECT count(*) FROM billing_wallet AS wallet
        LEFT JOIN (
            SELECT wallet_id, count(DISTINCT seq) AS numbers, count(*) AS all_of_them,
                min(seq) AS first, max(seq) AS last
            FROM billing_ledgertransaction GROUP BY wallet_id
        ) AS posted ON posted.wallet_id = wallet.id
        WHERE (wallet.seq, wallet.seq, wallet.seq, least(wallet.seq, 1))
            IS DISTINCT FROM
            (coalesce(posted.numbers, 0), coalesce(posted.all_of_them, 0),
             coalesce(posted.last, 0), coalesce(posted.first, 0))
        """,
    ),
    Invariant(
        "I8",
        "a source has one lot per environment, a key one transaction per wallet",
        """
        SELECT (
            SELECT count(*) FROM (
                SELECT FROM billing_lot GROUP BY environment, source HAVING count(*) > 1
            ) AS x
        ) + (
            SELECT count(*) FROM (
                SELECT FROM billing_ledgertransaction
                GROUP BY wallet_id, key HAVING count(*) > 1
            ) AS x
        )
        """,
    ),
    Invariant(
        "I9",
        "refunds took back no more of a lot than was granted",
        """
        SELECT count(*) FROM billing_lot AS lot
        LEFT JOIN (
            SELECT lot_id, sum(amount) AS revoked FROM billing_ledgerentry
            WHERE bucket = 'refund' GROUP BY lot_id
        ) AS entries ON entries.lot_id = lot.id
        WHERE greatest(lot.revoked, entries.revoked) > lot.granted
        """,
    ),
    Invariant(
        "I10",
        "nothing was drawn from a lot that had expired or not begun",
        """
        SELECT count(*) FROM billing_reservationslice AS slice
        JOIN billing_reservation AS reservation ON reservation.id = slice.reservation_id
        JOIN billing_lot AS lot ON lot.id = slice.lot_id
        WHERE reservation.created_at < lot.effective_at
            OR reservation.created_at >= lot.expires_at
        """,
    ),
    Invariant(
        "I11",
        "entries carry the wallet, environment and number of their transaction",
        """
        SELECT (
            SELECT count(*) FROM billing_ledgertransaction AS posted
            JOIN billing_wallet AS wallet ON wallet.id = posted.wallet_id
            LEFT JOIN billing_reservation AS reservation
                ON reservation.id = posted.reservation_id
            WHERE posted.environment <> wallet.environment
                OR reservation.wallet_id <> posted.wallet_id
        ) + (
            SELECT count(*) FROM billing_ledgerentry AS entry
            JOIN billing_ledgertransaction AS posted ON posted.id = entry.transaction_id
            LEFT JOIN billing_lot AS lot ON lot.id = entry.lot_id
            WHERE entry.wallet_id <> posted.wallet_id OR entry.seq <> posted.seq
                OR lot.wallet_id <> posted.wallet_id
                OR lot.environment <> posted.environment
        )
        """,
    ),
    Invariant(
        "I12",
        "each lot comes from one grant, reversal or adjustment with its reason",
        """
        SELECT (
            SELECT count(*) FROM billing_lot AS lot
            LEFT JOIN (
                SELECT entry.lot_id, count(*) AS times,
                    bool_and(CASE posted.kind
                        WHEN 'grant' THEN true
                        WHEN 'reverse' THEN lot.restores_id IS NOT NULL
                        WHEN 'adjust' THEN lot.kind = 'adjust' ELSE false END) AS fits
                FROM billing_ledgerentry AS entry
                JOIN billing_ledgertransaction AS posted
                    ON posted.id = entry.transaction_id
                JOIN billing_lot AS lot ON lot.id = entry.lot_id
                WHERE entry.bucket = 'funding' GROUP BY entry.lot_id
            ) AS origin ON origin.lot_id = lot.id
            WHERE origin.times IS DISTINCT FROM 1 OR NOT origin.fits
        ) + (
            SELECT count(*) FROM billing_ledgertransaction
            WHERE kind = 'adjust' AND (actor = '' OR reason = '')
        )
        """,
    ),
    Invariant(
        "I13",
        "postings are as they were written: they give the hashes of their wallet's chain",
        f"""
        SELECT (
            SELECT count(*) FROM (
                SELECT posted.chain_hash,
                    {chain.hash_of(chain.CONTENT, previous="posted.before")} AS derived
                FROM (
                    SELECT posting.*, coalesce(lag(chain_hash)
                        OVER (PARTITION BY wallet_id ORDER BY seq), '') AS before
                    FROM ({chain.POSTINGS}) AS posting
                ) AS posted
            ) AS link
            WHERE chain_hash <> derived
        ) + (
            SELECT count(*) FROM billing_wallet AS wallet
            LEFT JOIN (
                SELECT DISTINCT ON (wallet_id) wallet_id, chain_hash
                FROM billing_ledgertransaction ORDER BY wallet_id, seq DESC
            ) AS last ON last.wallet_id = wallet.id
            WHERE wallet.chain_hash <> coalesce(last.chain_hash, '')
        )
        """,  # noqa: S608 - names of our own tables
    ),
    Invariant(
        "I14",
        "each reservation is there, with the slices that its posting drew, in their order",
        """
        SELECT count(*) FROM (
            SELECT posted.reservation_id,
                array_agg((entry.wallet_id, entry.lot_id, entry.amount) ORDER BY entry.id)
                    AS parts
            FROM billing_ledgertransaction AS posted
            JOIN billing_ledgerentry AS entry ON entry.transaction_id = posted.id
            WHERE posted.kind = 'reserve' AND entry.bucket = 'reserved'
            GROUP BY posted.reservation_id
        ) AS drawn
        FULL JOIN (
            SELECT reservation_id,
                array_agg((wallet_id, lot_id, amount) ORDER BY ordinal) AS parts
            FROM billing_reservationslice GROUP BY reservation_id
        ) AS slices ON slices.reservation_id = drawn.reservation_id
        LEFT JOIN billing_reservation AS reservation
            ON reservation.id = drawn.reservation_id
        WHERE slices.parts IS DISTINCT FROM drawn.parts OR reservation.id IS NULL
        """,
    ),
    Invariant(
        "I15",
        "each charge of a scene has its usage, which is as it was written",
        f"""
        SELECT (
            SELECT count(*) FROM (
                SELECT posted.key, wallet.workspace_id, wallet.environment, reservation.job,
                    sum(entry.amount) AS credits,
                    coalesce(sum(entry.amount) FILTER (WHERE lot.kind = 'allowance'), 0)
                        AS from_subscription
                FROM billing_ledgertransaction AS posted
                JOIN billing_wallet AS wallet ON wallet.id = posted.wallet_id
                JOIN billing_ledgerentry AS entry
                    ON entry.transaction_id = posted.id AND entry.bucket = 'usage'
                LEFT JOIN billing_lot AS lot ON lot.id = entry.lot_id
                LEFT JOIN billing_reservation AS reservation
                    ON reservation.id = posted.reservation_id
                WHERE posted.kind = 'capture' AND posted.key ~ '{_KEY_OF_SCENE}'
                GROUP BY posted.id, wallet.id, reservation.id
            ) AS charge
            FULL JOIN (
                SELECT 'scene:' || scene || ':' || render AS key, * FROM billing_usage
                WHERE credits > 0
            ) AS used ON used.key = charge.key
            WHERE (used.workspace_id, used.environment, used.job, used.credits,
                   used.from_subscription)
                IS DISTINCT FROM
                (charge.workspace_id, charge.environment, charge.job, charge.credits,
                 charge.from_subscription)
        ) + (
            SELECT count(*) FROM billing_usage AS used
            WHERE used.content_hash <> {chain.USAGE}
        )
        """,  # noqa: S608 - names of our own tables
    ),
)


def every() -> list[Invariant]:
    """Return the invariants of the ledger, and those of the apps that spend credits."""
    return [*INVARIANTS, *itertools.chain(*registered("invariants").values())]


def verify() -> list[Result]:
    """Return the violations of every invariant, counted at one moment."""
    checked = every()
    query = " UNION ALL ".join(
        f"SELECT {place}, ({invariant.violations})"
        for place, invariant in enumerate(checked)
    )
    with connection.cursor() as cursor:
        cursor.execute(f"{query} ORDER BY 1")
        counts = [count for _, count in cursor.fetchall()]
    return [
        Result(invariant, count)
        for invariant, count in zip(checked, counts, strict=True)
    ]
