"""Pagination of ledger entries."""

from kit.rest.pagination import NewestFirst


class ByNumber(NewestFirst):
    """Paginate entries newest first, by the number of their transaction in the wallet."""

    ordering = ("-seq", "-id")
    offset_cutoff = (
        100_000  # entries of one transaction; it has two for each lot that it drew on
    )
