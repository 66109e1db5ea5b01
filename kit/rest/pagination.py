"""Cursor pagination, stable while rows are added."""

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Field, QuerySet
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request
from rest_framework.views import APIView

from kit.errors import NotFound


class NewestFirst(CursorPagination):
    """Cursor pagination by id, newest first: UUIDv7 sort by creation time."""

    ordering: str | tuple[str, ...] = "-id"
    page_size = 50
    page_size_query_param = "limit"
    max_page_size = 200

    def paginate_queryset(
        self,
        queryset: QuerySet[Any] | Sequence[Any],
        request: Request,
        view: APIView | None = None,
    ) -> list[Any] | None:
        """Return the page that the request asks for.

        Raises:
            NotFound: the cursor is invalid.
        """
        assert isinstance(queryset, QuerySet)
        self._model = queryset.model
        return super().paginate_queryset(queryset, request, view)

    def decode_cursor(self, request: Request) -> Cursor | None:
        """Return the cursor of the request, after checking its position.

        Raises:
            NotFound: the position is no value of the column that sorts the list.
        """
        cursor = super().decode_cursor(request)
        if cursor is not None and cursor.position is not None:
            field = self._model._meta.get_field(self.ordering[0].lstrip("-"))
            assert isinstance(field, Field)
            try:
                field.clean(cursor.position, None)
            except ValidationError as error:
                raise NotFound from error
        return cursor
