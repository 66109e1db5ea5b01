"""Pages of the ledger."""

from kit.rest.pagination import NewestFirst


class ByNumber(NewestFirst):
    """Newest first by the number of the transaction in its wallet, which has no gaps."""

    ordering = ("-seq", "-id")
    offset_cutoff = (
        100_000  # entries of one transaction; two for each lot that it drew on
    )
