"""Rotating keys: everything is encrypted anew with the first of the encryption keys.

Each app registers lists of its sealed columns (`encrypted`, in `kit.registry`). A row is
rewritten only if it still holds what was read, so this runs beside everything else; what is
done stays done, and a run that was killed is gone on with by the next.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import BinaryField, F, Func, Model, Q, QuerySet, Value

from kit.registry import registered
from kit.secrets import CannotDecrypt, current_head, decrypt, encrypt

_BATCH = 200  # rows

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EncryptedColumn:
    """A column with encrypted values; empty ones and NULL hold nothing."""

    model: type[Model]
    column: str
    context: Callable[[Any], str]  # of a row: what its value is bound to

    def __str__(self) -> str:
        return f"{self.model._meta.label}.{self.column}"


@dataclass(slots=True)
class Count:
    """What was done with one column."""

    encrypted: int = 0  # again, by the first key
    unreadable: int = 0  # by no key that we have
    left: int = 0  # values that still need an older key


def columns() -> list[EncryptedColumn]:
    """Return every encrypted column there is."""
    return [column for some in registered("encrypted").values() for column in some]


def rotate(batch: int = _BATCH) -> Iterator[tuple[EncryptedColumn, Count]]:
    """Encrypt anew what another than the first key has; yield each column when done."""
    for column in columns():
        yield column, _rotate(column, batch)


def outdated(column: EncryptedColumn) -> QuerySet[Any]:
    """Return the rows whose value another than the first key has encrypted."""
    head = current_head()
    begins = Func(
        F(column.column),
        Value(1),
        Value(len(head)),
        function="substring",
        output_field=BinaryField(),
    )
    rows = column.model._default_manager.annotate(encrypted_by=begins)
    return rows.exclude(Q(**{column.column: None}) | Q(**{column.column: b""})).exclude(
        encrypted_by=head
    )


def _rotate(column: EncryptedColumn, batch: int) -> Count:
    count = Count()
    last = None
    while rows := _next(column, batch, last):
        for row in rows:
            last = row.pk
            before = bytes(getattr(row, column.column))
            context = column.context(row)
            try:
                after = encrypt(decrypt(before, context=context), context=context)
            except CannotDecrypt as error:
                logger.warning("left as it is: %s", error)
                count.unreadable += 1
                continue
            same = column.model._default_manager.filter(
                pk=row.pk, **{column.column: before}
            )
            # If it was written meanwhile, then by a process with the same first key.
            count.encrypted += same.update(**{column.column: after})
    count.left = outdated(column).count()
    return count


def _next(column: EncryptedColumn, batch: int, last: object) -> list[Any]:
    rows = outdated(column).order_by("pk")
    if last is not None:
        rows = rows.filter(pk__gt=last)
    return list(rows[:batch])
