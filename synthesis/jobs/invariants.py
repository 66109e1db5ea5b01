"""What jobs say of their credits, checked against the ledger (`billing.ledger.invariants`).

Jobs are deleted with their files or their account, and the ledger stays. So the checks go
from the jobs and scenes that are there to the ledger, and not back.
"""

from billing.ledger.invariants import Invariant

INVARIANTS = (
    Invariant(
        "I16",
        "jobs show the credits that the ledger captured and released for them",
        """
        SELECT count(*) FROM synthesis_job AS job
        LEFT JOIN (
            SELECT job, sum(captured) AS captured, sum(released) AS released
            FROM billing_reservation GROUP BY job
        ) AS held ON held.job = job.id::text
        LEFT JOIN (
            SELECT job, sum(from_subscription) AS from_subscription
            FROM billing_usage GROUP BY job
        ) AS used ON used.job = job.id::text
        WHERE job.charged <> coalesce(held.captured, 0)
            OR job.refunded <> coalesce(held.released, 0)
            OR job.charged_to_subscription <> coalesce(used.from_subscription, 0)
        """,
    ),
    Invariant(
        "I17",
        "each completed scene has its usage, also one that cost nothing",
        """
        SELECT count(*) FROM synthesis_scene AS spoken
        WHERE status = 'completed' AND NOT EXISTS (
            SELECT FROM billing_usage AS used WHERE used.scene = spoken.id::text
        )
        """,
    ),
)
