"""The audit log of operators' actions: who did what, to which row, from where and why."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from django.db.models import BinaryField, Model
from django.db.models.functions import Now
from django.http import HttpRequest
from django.utils.encoding import force_str

from accounts.models import AuditEntry, User
from kit.requests import client_address, current_request_id

KEPT_FOR = timedelta(days=730)
_MASK = "•••"
_SECRET_WORDS = {
    "key",
    "secret",
    "seed",
    "digest",
    "password",
    "hash",
    "encrypted",
    "code",
}


def record(
    action: str,
    subject: Model | None = None,
    *,
    request: HttpRequest | None = None,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    reason: str = "",
) -> AuditEntry:
    """Write an audit entry for an action; without `request`, it was a command.

    `before` and `after` are snapshots of the row. Unchanged fields are left out.
    """
    actor = getattr(request, "user", None)
    if before is not None and after is not None:
        changed = [name for name in after if before.get(name) != after[name]]
        before = {name: before.get(name) for name in changed}
        after = {name: after[name] for name in changed}
    return AuditEntry.objects.create(
        actor_id=actor.pk if isinstance(actor, User) else None,
        actor_email=actor.email if isinstance(actor, User) else "",
        ip=client_address(request) if request else None,
        request_id=current_request_id() if request else "",
        action=action[:40],
        model=subject._meta.label if subject else "",
        object_id=str(subject.pk) if subject else "",
        object_name=force_str(subject)[:200] if subject else "",
        before=before,
        after=after,
        reason=reason,
    )


def snapshot(row: Model) -> dict[str, Any]:
    """Return a row's columns as JSON values, with secrets masked.

    Many-to-many relations that the admin edits, such as groups, are lists of ids.
    """
    columns = {
        field.name: _MASK
        if _is_secret(field.name) or isinstance(field, BinaryField)
        else _plain(field.value_from_object(row))
        for field in row._meta.concrete_fields
    }
    relations = {
        field.name: _related_ids(field, row)
        for field in _many_to_many(row)
        if field.remote_field.through._meta.auto_created
    }
    return columns | relations


def prune() -> None:
    """Delete entries older than KEPT_FOR; triggers refuse to delete newer ones."""
    AuditEntry.objects.filter(created_at__lt=Now() - KEPT_FOR).delete()


def _many_to_many(row: Model) -> Iterable[Any]:
    return row._meta.many_to_many


def _related_ids(field: Any, row: Model) -> list[Any]:
    other = field.m2m_reverse_field_name()
    rows = field.remote_field.through._default_manager.filter(
        **{field.m2m_field_name(): row.pk}
    )
    return [_plain(key) for key in rows.order_by(other).values_list(other, flat=True)]


def _is_secret(name: str) -> bool:
    return not _SECRET_WORDS.isdisjoint(name.lower().split("_"))


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | str | list | dict):
        return value
    return _MASK if isinstance(value, bytes | memoryview) else force_str(value)
