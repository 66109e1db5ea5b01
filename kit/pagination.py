"""Pages of a list that others add to while it is read."""

from rest_framework.pagination import CursorPagination


class NewestFirst(CursorPagination):
    """Newest first by id: a UUIDv7 grows with time and is unique."""

    ordering: str | tuple[str, ...] = "-id"
    page_size = 50
    page_size_query_param = "limit"
    max_page_size = 200
