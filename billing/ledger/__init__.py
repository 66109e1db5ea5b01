"""The ledger: the only writer of wallets, lots, reservations and entries.

Each verb moves whole credits between buckets in one posting (`billing.ledger.posting`).
Every verb

- is a part of the use case's transaction: what that does besides commits or fails
  together with the posting;
- happens once per key: repeated, it changes nothing and gives the first result; a key
  that comes again for something else is refused;
- locks the wallet first. A caller that also locks a job or a scene does so before; lots
  and reservations are only ever written under the lock of their wallet.

| verb | what it does |
|---|---|
| `grant` | a new lot: bought, allowed for a month, or given |
| `reserve` `capture` `release` | hold credits for work, use them up, give back the rest |
| `expire` `lapse` | end a lot whose time is over, or that nobody used for a year |
| `refund` `reverse` | take back what was paid for, and undo that |
| `adjust` | an operator's correction, up or down |
| `extend` | no posting: a reservation is needed for longer |
| `rebuild` | no posting: the columns of a wallet, from its entries |

A *debt* is what a wallet owes after more was taken back than was left. It keeps as many
credits from being spent, and is repaid first by what is bought, by what an operator adds,
by what comes back from a reservation to such a lot, and by whatever lapses.

Time is the database's, read while the lock is held: two machines' clocks never decide
what a lot can pay for.
"""

from billing.ledger.corrections import adjust, refund, reverse
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
    "rebuild",
    "refund",
    "release",
    "reserve",
    "reverse",
]
