"""The ledger: the only writer of wallets, lots, reservations and entries.

Each verb moves whole credits between buckets in one posting (`billing.ledger.posting`).
Every verb

- needs the caller's open transaction: the posting commits or fails together with the
  caller's own changes;
- is idempotent per key: a repeated call changes nothing and returns the first result; a
  key that is reused for something else is refused;
- locks the wallet first. A caller that also locks a job or a scene locks it before that.
  Lots and reservations are only written under the lock of their wallet.

| verb | what it does |
|---|---|
| `grant` | add a new lot: a purchase, a month's allowance, or a gift |
| `reserve` `capture` `release` | hold credits for work, charge them, give back the rest |
| `expire` `lapse` | end a lot whose time is over, or that was unused for a year |
| `refund` `reverse` | take back purchased credits, and undo that |
| `move` | move what is left of a purchase to another wallet |
| `adjust` | an operator's correction, up or down |
| `extend` | no posting: a later deadline for a reservation |
| `rebuild` | no posting: recompute the columns of a wallet from its entries |

A *debt* is what a wallet owes after more was taken back than was left. That many credits
can't be spent. A debt is repaid first by purchases, by what an operator adds, by credits
that are released from a reservation to such a lot, and by credits that lapse.

The time is the database's, read while the lock is held, so the clocks of two machines
never decide what a lot can pay for.
"""

from billing.ledger.corrections import adjust, move, moved_lots, refund, reverse
from billing.ledger.grants import grant
from billing.ledger.lapses import IDLE, NOTICE, expire, lapse
from billing.ledger.lots import LARGEST_GRANT
from billing.ledger.rebuilding import Difference, rebuild
from billing.ledger.reservations import capture, extend, release, reserve

__all__ = [
    "IDLE",
    "LARGEST_GRANT",
    "NOTICE",
    "Difference",
    "adjust",
    "capture",
    "expire",
    "extend",
    "grant",
    "lapse",
    "move",
    "moved_lots",
    "rebuild",
    "refund",
    "release",
    "reserve",
    "reverse",
]
