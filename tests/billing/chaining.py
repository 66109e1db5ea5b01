"""Hash the postings of wallets anew, after a test has changed what they cover."""

from typing import Any

from billing.ledger import chain

_REHASH = f"""
WITH hashed AS (
    SELECT posted.id, posted.wallet_id, posted.seq, pg_temp.chained({chain.CONTENT})
        OVER (PARTITION BY posted.wallet_id ORDER BY posted.seq) AS hash
    FROM ({chain.POSTINGS}) AS posted {{where}}
), told AS (
    UPDATE billing_ledgertransaction AS old SET chain_hash = hashed.hash
    FROM hashed WHERE hashed.id = old.id
)
UPDATE billing_wallet AS old SET chain_hash = hashed.hash
FROM hashed WHERE hashed.wallet_id = old.id AND hashed.seq = old.seq
"""
_CHAINED = f"""
CREATE OR REPLACE FUNCTION pg_temp.next_hash(bytea, text) RETURNS bytea
    LANGUAGE sql IMMUTABLE AS $$ SELECT {chain.hash_of("$2", previous="$1")} $$;
CREATE OR REPLACE AGGREGATE pg_temp.chained(text)
    (SFUNC = pg_temp.next_hash, STYPE = bytea, INITCOND = '');
"""


def rehash(cursor: Any, wallet: int | None = None) -> None:
    """Write the hashes of a wallet's postings, or of all, as if they were posted so.

    The cursor must be one without the ledger's triggers.
    """
    cursor.execute(_CHAINED)
    where = "" if wallet is None else "WHERE posted.wallet_id = %(wallet)s"
    cursor.execute(_REHASH.format(where=where), {"wallet": wallet})
