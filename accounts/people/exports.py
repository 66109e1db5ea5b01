"""Export a user's own data: an archive (zip) of JSON and audio files.

An archive is a row that a worker processes. A second request within a day returns the same
archive. Higher apps add their data of a workspace by `accounts.lifecycle.export`. Secrets
and hashes are not exported.
"""

import io
import json
import shutil
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files.storage import default_storage
from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction
from django.db.models.functions import Now
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.text import slugify

from accounts import lifecycle
from accounts.caller import Caller, Environment
from accounts.lifecycle import Part, Scope, StoredFile, Table
from accounts.models import (
    ApiToken,
    Export,
    LoginSession,
    Membership,
    User,
    Workspace,
)
from kit import quotas
from kit.db.transactions import needs_transaction
from kit.errors import RateLimited
from kit.files.storage import delete_tree, draft_folder, save_path
from kit.mail import outbox
from kit.work import claims
from kit.work.loop import Work

KEPT_FOR = timedelta(hours=24)
"""How long an archive can be downloaded."""
PER_DAY = 5
"""Archives per user and day, of any kind."""
_UNFINISHED = (Export.Status.QUEUED, Export.Status.PROCESSING)


def newest(caller: Caller) -> Export | None:
    """Return the newest archive for `caller`; None if there is none.

    A user gets all workspaces. A token gets its creator's data in its own workspace and
    environment.
    """
    return (
        Export.objects.filter(**_scope(caller), created_at__gt=Now() - KEPT_FOR)
        .order_by("-pk")
        .first()
    )


def get_or_begin(caller: Caller) -> Export:
    """Return the newest archive, ready or not; queue a new one if there is none.

    Raises:
        RateLimited: the daily limit is reached.
    """
    export = newest(caller)
    if export is None or export.status == Export.Status.FAILED:
        with transaction.atomic(durable=True):
            return begin(caller)
    return export


@needs_transaction
def begin(caller: Caller) -> Export:
    """Queue a new archive and return it, or the unfinished one if there is one.

    Raises:
        RateLimited: the daily limit is reached.
    """
    return begin_for(**_scope(caller))


@needs_transaction
def begin_for(
    user: User, *, workspace: Workspace | None = None, environment: str = ""
) -> Export:
    """Queue an archive of a user's data, or of one workspace or environment; return it.

    See `begin`.
    """
    scope = {"user": user, "workspace": workspace, "environment": environment}
    new = Export(**scope)
    Export.objects.bulk_create([new], ignore_conflicts=True)
    export = Export.objects.filter(**scope).latest("pk")  # may just have been completed
    if export.pk == new.pk:
        if not quotas.take(
            "exports", str(user.pk), limit=PER_DAY, period=quotas.today()
        ):
            raise RateLimited(retry_after=quotas.seconds_left_today())
        work.ring_on_commit()
    return export


def prune() -> int:
    """Delete archives older than KEPT_FOR; return how many. Safe to repeat."""
    old = Export.objects.filter(created_at__lt=Now() - KEPT_FOR)
    count = 0
    for export in old.exclude(status__in=_UNFINISHED):
        delete_tree(default_storage, f"{folder_of(export.user)}/{export.pk}")
        export.delete()
        count += 1
    return count


def folder_of(user: User) -> str:
    """Return the storage folder of a user's archives."""
    return f"exports/{user.pk}"


def download_name(export: Export) -> str:
    """Return the file name under which an archive is downloaded."""
    return f"ozvena-{export.created_at:%Y-%m-%d}.zip"


def _scope(caller: Caller) -> dict[str, Any]:
    token = caller.token
    return {
        "user": caller.user,
        "workspace": token.workspace if token else None,
        "environment": token.environment if token else "",
    }


def _complete(export: Export, name: str) -> dict[str, Any]:
    """Notify the user by mail that an archive is ready; return its file name column."""
    if export.workspace_id is None:
        _notify(export)
    return {"file": name}


def _notify(export: Export) -> None:
    outbox.post(
        export.user.email,
        "Your data at Ozvena is ready",
        render_to_string(
            "accounts/mail/export.txt",
            {
                "page": settings.BASE_URL + reverse("account-page"),
                "until": export.created_at + KEPT_FOR,
            },
        ),
        useful_for=KEPT_FOR,
    )


def _write(export: Export, lease: claims.Lease) -> str:
    """Write the archive and return its name in the storage."""
    name = f"{folder_of(export.user)}/{export.pk}/{export.fence}.zip"
    with draft_folder() as folder:
        draft = folder / "export.zip"
        _write_zip(draft, export, lease)
        lease.check()
        save_path(default_storage, name, draft)
    return name


def _write_zip(draft: Path, export: Export, lease: claims.Lease) -> None:
    with zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED) as archive:
        for part in _parts(export):
            lease.check()
            match part:
                case Table(name, rows):
                    with archive.open(name, "w", force_zip64=True) as target:
                        _write_json(io.TextIOWrapper(target, "utf-8"), rows)
                case StoredFile(name, stored):
                    _copy(archive, name, stored)


def _write_json(target: io.TextIOWrapper, rows: Any) -> None:
    """Write rows as a JSON array, one at a time, so that memory use stays constant."""
    with target:
        target.write("[")
        for number, row in enumerate(rows):
            target.write(",\n" if number else "\n")
            json.dump(row, target, cls=DjangoJSONEncoder, ensure_ascii=False)
        target.write("\n]\n")


def _copy(archive: zipfile.ZipFile, name: str, stored: str) -> None:
    """Copy a stored file uncompressed: audio is compressed already."""
    try:
        source = default_storage.open(stored)
    except FileNotFoundError:
        return  # deleted by retention after the row was read
    entry = zipfile.ZipInfo(name, timezone.now().timetuple()[:6])
    with source, archive.open(entry, "w", force_zip64=True) as target:
        shutil.copyfileobj(source, target)


def _parts(export: Export) -> Iterator[Part]:
    user = export.user
    memberships = Membership.objects.for_user(user)
    if export.workspace_id:
        memberships = memberships.filter(workspace=export.workspace_id)
    yield Table("account.json", [_account(user)])
    if export.environment != Environment.SANDBOX:  # a token of the sandbox sees none
        yield Table("logins.json", _logins(user))
    yield Table(
        "workspaces.json", [_membership(membership) for membership in memberships]
    )
    for membership in memberships:
        scope = Scope(
            membership.workspace,
            person=None if membership.role == Membership.Role.OWNER else user,
            environment=export.environment,
        )
        folder = _folder(membership)
        yield Table(f"{folder}/tokens.json", _tokens(scope))
        for part in lifecycle.export(scope):
            yield _below(folder, part)


def _below(folder: str, part: Part) -> Part:
    name = f"{folder}/{part.name}"
    if isinstance(part, Table):
        return Table(name, part.rows)
    return StoredFile(name, part.stored)


def _folder(membership: Membership) -> str:
    workspace = membership.workspace
    name = slugify(workspace.name, allow_unicode=True)[:40]
    return f"{name}-{str(workspace.pk)[-6:]}" if name else str(workspace.pk)


def _account(user: User) -> dict[str, Any]:
    return {
        "id": user.pk,
        "email": user.email,
        "created_at": user.created_at,
        "preferences": user.preferences,
    }


def _logins(user: User) -> Iterator[dict[str, Any]]:
    rows = LoginSession.objects.for_user(user).order_by("pk")
    yield from rows.values(
        "id", "ip", "user_agent", "method", "started_at", "last_seen_at", "ended_at"
    )


def _membership(membership: Membership) -> dict[str, Any]:
    workspace = membership.workspace
    return {
        "id": workspace.pk,
        "name": workspace.name,
        "kind": workspace.kind,
        "role": membership.role,
        "folder": _folder(membership),
        "created_at": workspace.created_at,
        "joined_at": membership.created_at,
    }


def _tokens(scope: Scope) -> Iterator[dict[str, Any]]:
    rows = ApiToken.objects.filter(workspace=scope.workspace)
    if scope.person:
        rows = rows.filter(created_by=scope.person)
    if scope.environment:
        rows = rows.filter(environment=scope.environment)
    yield from rows.order_by("pk").values(
        "id",
        "name",
        "prefix",
        "last4",
        "environment",
        "monthly_credit_limit",
        "created_at",
        "expires_at",
        "last_used_at",
        "revoked_at",
    )


work = Work(
    task="accounts.tasks.make_exports",
    queue="files",
    at_once=1,
    rows=Export.objects.all,
    perform=_write,
    complete=_complete,
    ended={"finished_at": Now()},
    pauses=(30,),
)
