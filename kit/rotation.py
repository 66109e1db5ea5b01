"""Key rotation: re-encrypt all stored secrets with the first encryption key.

Each app registers lists of its encrypted columns (`encrypted`, in `kit.registry`). A row is
rewritten only if its value has not changed since it was read, so this is safe while the
service works. A run that was interrupted is continued by the next one.
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
    """A column with encrypted values; empty and NULL ones are skipped."""

    model: type[Model]
    column: str
    context: Callable[[Any], str]  # returns the encryption context of a row

    def __str__(self) -> str:
        return f"{self.model._meta.label}.{self.column}"


@dataclass(slots=True)
class Count:
    """The result of the rotation of one column, in values."""

    encrypted: int = 0  # re-encrypted with the first key
    unreadable: int = 0  # not decrypted by any of our keys
    left: int = 0  # still encrypted with another key than the first


def columns() -> list[EncryptedColumn]:
    """Return the encrypted columns of all apps."""
    return [column for some in registered("encrypted").values() for column in some]


def rotate(batch: int = _BATCH) -> Iterator[tuple[EncryptedColumn, Count]]:
    """Re-encrypt values of older keys; yield each column with its result when done."""
    for column in columns():
        yield column, _rotate(column, batch)


def outdated(column: EncryptedColumn) -> QuerySet[Any]:
    """Return the rows whose value was encrypted with another key than the first."""
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
                logger.warning("could not re-encrypt: %s", error)
                count.unreadable += 1
                continue
            same = column.model._default_manager.filter(
                pk=row.pk, **{column.column: before}
            )
            # A value that was written meanwhile was encrypted with the first key.
            count.encrypted += same.update(**{column.column: after})
    count.left = outdated(column).count()
    return count


def _next(column: EncryptedColumn, batch: int, last: object) -> list[Any]:
    rows = outdated(column).order_by("pk")
    if last is not None:
        rows = rows.filter(pk__gt=last)
    return list(rows[:batch])
