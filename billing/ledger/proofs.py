"""Check the invariants of the ledger and store the result."""

import logging
import time

from billing.ledger import invariants
from billing.models import LedgerProof

logger = logging.getLogger(__name__)


def prove() -> LedgerProof:
    """Count the violations of every invariant, store and return the result.

    Each violated invariant is logged as an error: an operator has to look at it.
    """
    began = time.monotonic()
    results = invariants.verify()
    proof = LedgerProof.objects.create(
        duration_ms=round(1000 * (time.monotonic() - began)),
        counts={result.invariant.name: result.count for result in results},
        violations=sum(result.count for result in results),
    )
    for result in results:
        if result.count:
            logger.error(
                "ledger invariant %s is violated %s times: %s",
                result.invariant.name,
                result.count,
                result.invariant.title,
            )
    return proof
