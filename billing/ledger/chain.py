"""The hash chain of a wallet, as SQL: what a posting hashes, and how usage is hashed.

A posting's hash covers the hash before it, its transaction, its entries, and what it opens:
the terms of a lot, or of a reservation. If one of these rows is changed later, moved in
time or taken out, it no longer gives the stored hash. Columns that change as credits move
are not covered; other invariants compare those with the entries. See decision 16.
"""


def hash_of(content: str, *, previous: str = "''::bytea") -> str:
    """Return SQL for the hash of `content`, chained to the `previous` one (SQL, bytea)."""
    return f"sha256({previous} || convert_to({content}, 'UTF8'))"


CONTENT = """
ROW(posted.id, posted.wallet_id, posted.environment, posted.seq, posted.kind, posted.key,
    posted.fingerprint, posted.reservation_id, posted.actor, posted.reason, posted.ticket,
    extract(epoch FROM posted.created_at), posted.entries, posted.entry_lots,
    posted.buckets, posted.amounts, posted.balances, posted.lot, posted.reservation)::text
"""
"""SQL: what the hash of a posting covers, as text that depends on no setting."""

# `ledger.lapse` ends a lot that may lapse, so only other lots have a fixed end.
LOT_OPENED = """
SELECT ROW(kind, priority, source, lapses, restores_id, extract(epoch FROM effective_at),
    extract(epoch FROM created_at),
    CASE WHEN NOT lapses THEN extract(epoch FROM expires_at) END)::text
FROM billing_lot WHERE id = {lot}
"""
"""SQL: the columns of a lot that its opening fixes."""

RESERVATION_OPENED = "ROW({key}, {job}, extract(epoch FROM {created_at}))::text"
"""SQL: the columns of a reservation that its opening fixes, besides its amount."""

POSTINGS = f"""
SELECT transaction.*, entries, entry_lots, buckets, amounts, balances,
    ({LOT_OPENED.format(lot="entry.opened")}) AS lot,
    CASE WHEN kind = 'reserve' THEN (
        SELECT {RESERVATION_OPENED.format(key="key", job="job", created_at="created_at")}
        FROM billing_reservation WHERE id = transaction.reservation_id
    ) END AS reservation
FROM billing_ledgertransaction AS transaction
LEFT JOIN (
    SELECT transaction_id, array_agg(id ORDER BY id)::text AS entries,
        array_agg(lot_id ORDER BY id)::text AS entry_lots,
        array_agg(bucket::text ORDER BY id)::text AS buckets,
        array_agg(amount ORDER BY id)::text AS amounts,
        array_agg(balance_after ORDER BY id)::text AS balances,
        max(lot_id) FILTER (WHERE bucket = 'funding') AS opened
    FROM billing_ledgerentry GROUP BY transaction_id
) AS entry ON entry.transaction_id = transaction.id
"""  # noqa: S608 - names of our own tables
"""SQL: every transaction with all that its hash covers, as `posted` of `CONTENT`."""

_USED = """
ROW({workspace_id}, {environment}, {user_id}, {token_id}, {job}, {scene}, {render},
    {provider}, {voice}, {characters}, {credits}, {from_subscription}, {from_credits},
    {billed_to}, extract(epoch FROM {created_at}))::text
"""
_USED_TYPES = {
    "workspace_id": "uuid",
    "environment": "text",
    "user_id": "uuid",
    "token_id": "uuid",
    "job": "text",
    "scene": "text",
    "render": "bigint",
    "provider": "text",
    "voice": "text",
    "characters": "bigint",
    "credits": "bigint",
    "from_subscription": "bigint",
    "from_credits": "bigint",
    "billed_to": "text",
}


USAGE = hash_of(
    _USED.format(
        **{name: f"used.{name}" for name in _USED_TYPES}, created_at="used.created_at"
    )
)
"""SQL: the hash of the row `used` of usage."""

USAGE_AS_INSERTED = hash_of(
    _USED.format(
        **{name: f"%s::{type_}" for name, type_ in _USED_TYPES.items()},
        created_at="statement_timestamp()",
    )
)
"""SQL: the same of a row that this statement inserts, with its columns as parameters."""
