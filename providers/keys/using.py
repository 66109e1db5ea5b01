"""A workspace's own keys: checked, sealed, and opened for nobody but the provider.

A key is in the clear while its provider is called with it, and nowhere else: not in the
database, a task, a log, an answer or an error. No transaction is open during such a call.
"""

import logging
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from accounts.caller import Caller
from accounts.models import Membership, User, Workspace
from accounts.roles import Act, demand
from kit import quotas
from kit.errors import Invalid, NotFound, RateLimited
from kit.mail import outbox
from kit.requests import client_network
from kit.rotation import Sealed
from kit.secrets import CannotOpen, Secret, open_sealed, seal
from kit.work import bells
from providers.catalogue import voices
from providers.contract.base import Access, Failure, KeyStatus, ProviderError
from providers.contract.registry import get_provider
from providers.errors import (
    InvalidProviderKey,
    KeyNotChecked,
    OwnKeyNotTaken,
    OwnKeyRefused,
    UnknownProvider,
)
from providers.models import Provider, ProviderKey
from providers.models.querysets import PLATFORM, ProviderKeyQuerySet

CHECK = "providers.tasks.check_key"
LEARN = "providers.tasks.learn_voices"
QUEUE = "remote"
_OWN = "workspace:"
_QUOTA = "provider_key"
_SHORTEST = 12  # characters, of which four are shown
_LONGEST = 4_400  # Polly's may hold a session token
_CHECKED = ["status", "checked_at", "failure", "failed_at"]
_SAVED = ["sealed_key", "last4", "region", "due_at", "created_by"]
_STALE = timedelta(hours=20)
"""How old the last check of a key is when the nightly one looks at it again."""
_UNHEARD = timedelta(seconds=30)
"""How long a bell for a key is waited for before it is rung again."""
_SILENT = 3
"""Keys of one region in a row that get no answer before the rest are left for the night."""
_OF_THE_ACCOUNT = {Failure.RATE_LIMITED, Failure.BUSY}

logger = logging.getLogger(__name__)


def save(caller: Caller, slug: str, key: Secret, *, region: str = "") -> ProviderKey:
    """Check a key with its provider, then keep it in place of the one before.

    Raises:
        NotAllowed: not for this member.
        UnknownProvider, OwnKeyNotTaken: no such provider, or none that takes keys.
        Invalid: what was sent is no key, or no region of the provider's; nobody was asked.
        RateLimited: too many keys were checked today.
        InvalidProviderKey: the provider refuses it.
        KeyNotChecked: the provider doesn't answer; what was there stays.
    """
    demand(caller.member_role, Act.MANAGE_KEYS)
    provider = _taker(slug)
    _look_at(provider, key, region)
    _take_check(caller)
    status = _ask(provider, _access(provider, key, region))
    now = timezone.now()
    is_to_learn = not get_provider(slug).has_voice_table
    row = ProviderKey(
        workspace=caller.workspace,
        provider=provider,
        sealed_key=sealed(key, caller.workspace.pk, slug),
        last4=key.reveal_text()[-4:],
        region=region,
        status=status,
        checked_at=now,
        due_at=now + _UNHEARD if is_to_learn else None,
        failure="",
        failed_at=None,
        created_by=caller.user,
    )
    with transaction.atomic(durable=True):
        # One statement: of two that save at once, the later one stays, as a whole.
        ProviderKey.objects.bulk_create(
            [row],
            update_conflicts=True,
            unique_fields=["workspace", "provider"],
            update_fields=[*_CHECKED, *_SAVED],
        )
        row = ProviderKey.objects.for_workspace(caller.workspace).get(provider=provider)
        if is_to_learn:
            bells.ring_on_commit(LEARN, QUEUE, args=[str(row.pk)])
    return row


def remove(caller: Caller, slug: str) -> None:
    """Erase a key. Scenes that were to be spoken with it fail, and cost nothing.

    Raises:
        NotAllowed: not for this member.
        NotFound: there is none.
    """
    demand(caller.member_role, Act.MANAGE_KEYS)
    mine = ProviderKey.objects.for_workspace(caller.workspace)
    row = mine.filter(provider=slug).first()
    if row is None:
        raise NotFound
    erase(row)


def erase(row: ProviderKey) -> None:
    """Erase a key; harmless to repeat."""
    ProviderKey.objects.filter(pk=row.pk).delete()


def check_again(caller: Caller, slug: str) -> ProviderKey:
    """Ask the provider about a key that is kept, and note what it says.

    Raises:
        NotAllowed: not for this member.
        NotFound: there is none.
        RateLimited: too many keys were checked today.
        KeyNotChecked: the provider doesn't answer; what is known stays.
    """
    demand(caller.member_role, Act.MANAGE_KEYS)
    mine = ProviderKey.objects.for_workspace(caller.workspace)
    row = mine.filter(provider=slug).select_related("provider").first()
    if row is None:
        raise NotFound
    _take_check(caller)
    try:
        check(row)
    except ProviderKey.DoesNotExist as error:  # removed at this moment
        raise NotFound from error
    except ProviderError as error:
        raise KeyNotChecked(provider=row.provider.name) from error
    return row


def held_by(workspace: Workspace) -> dict[str, ProviderKey]:
    """Return the keys of `workspace` by their providers, without what is sealed."""
    rows = ProviderKey.objects.for_workspace(workspace).select_related("provider")
    return {row.provider_id: row for row in rows}


def demand_usable(row: ProviderKey) -> None:
    """Let a key pass that its provider has not refused.

    Raises:
        OwnKeyRefused: it has.
    """
    if row.failure:
        raise OwnKeyRefused(provider=row.provider.name)


def credential_of(workspace_id: UUID) -> str:
    """Return the credential that a workspace's own keys are, for any provider."""
    return f"{_OWN}{workspace_id}"


def regions_of(credentials: Collection[str]) -> dict[tuple[str, str], str]:
    """Return the regions of workspaces' own keys, by provider and credential."""
    own = {
        UUID(name.removeprefix(_OWN)) for name in credentials if name.startswith(_OWN)
    }
    if not own:
        return {}
    rows = ProviderKey.objects.filter(workspace__in=own)
    found = rows.values_list("provider", "workspace", "region")
    return {(slug, credential_of(owner)): region for slug, owner, region in found}


def access_with(provider: Provider, credential: str) -> Access:
    """Return how `provider` is called with a credential, now: ours, or a workspace's own.

    Ours never stands in for one that is gone.

    Raises:
        ProviderError: OWN_KEY_MISSING, it was removed; OWN_KEY_REFUSED, it can't be used.
    """
    if credential == PLATFORM:
        return voices.access_for(provider)
    row = _rows_of(provider.slug, credential).select_related("provider").first()
    if row is None:
        raise ProviderError(Failure.OWN_KEY_MISSING)
    if row.failure:
        raise ProviderError(Failure.OWN_KEY_REFUSED)
    try:
        return _access_with(row)
    except CannotOpen as error:
        raise ProviderError(Failure.OWN_KEY_REFUSED, str(error)) from error


@contextmanager
def blamed(slug: str, credential: str) -> Iterator[None]:
    """Say of a workspace's own key that it was refused, and have it checked soon.

    A refusal may be about a voice or a place alone, so it is the check that decides.
    """
    try:
        yield
    except ProviderError as error:
        if credential == PLATFORM or error.kind is not Failure.BAD_KEY:
            raise
        doubted = _rows_of(slug, credential)
        doubted.update(due_at=Now() + _UNHEARD)
        for key_id in doubted.values_list("pk", flat=True):
            bells.ring(CHECK, QUEUE, args=[str(key_id)])
        raise ProviderError(Failure.OWN_KEY_REFUSED, str(error)) from error


def check(row: ProviderKey) -> None:
    """Ask the provider about a kept key; note what it says, and tell the owner bad news.

    Harmless to repeat. A key that was replaced meanwhile is left alone.

    Raises:
        ProviderError: the provider doesn't answer; nothing is changed.
    """
    row.refresh_from_db()
    checked = bytes(row.sealed_key)
    try:
        status = _status(row.provider, _access_with(row))
    except CannotOpen:
        logger.exception("a key of a workspace can't be opened")
        return
    now = timezone.now()
    row.status = status or KeyStatus.UNKNOWN
    row.failure = "" if status else Failure.BAD_KEY
    failed_at = None if status else row.failed_at or now
    row.checked_at, row.failed_at = now, failed_at
    with transaction.atomic(durable=True):
        same = ProviderKey.objects.select_for_update(of=("self",)).filter(
            pk=row.pk, sealed_key=checked
        )
        before = same.values_list("failure", flat=True).first()
        same.update(**{name: getattr(row, name) for name in _CHECKED})
        if before == "" and row.failure:
            _tell_owner(row)


def check_all() -> int:
    """Check every key that was not looked at today; return how many were.

    Those go first whose turn was longest ago, whatever came of it. Where several keys of a
    region get no answer, its others are not asked in this run; an account that is asked
    too much stands for itself alone. A run that is killed is gone on with by the next.
    """
    due = ProviderKey.objects.filter(checked_at__lt=Now() - _STALE)
    turns = due.order_by(F("tried_at").asc(nulls_first=True), "checked_at")
    unanswered: Counter[tuple[str, str]] = Counter()
    learned: set[str] = set()
    count = 0
    for key_id in list(turns.values_list("pk", flat=True)):
        row = _row(key_id)
        if row is None or unanswered[row.provider_id, row.region] >= _SILENT:
            continue
        ProviderKey.objects.filter(pk=key_id).update(tried_at=Now())
        try:
            check(row)
        except ProviderKey.DoesNotExist:
            continue  # it has just been removed
        except ProviderError as error:
            logger.warning("a key of %s can't be checked: %s", row.provider_id, error)
            if error.kind not in _OF_THE_ACCOUNT:
                unanswered[row.provider_id, row.region] += 1
        else:
            count += 1
            unanswered[row.provider_id, row.region] = 0
            if not row.failure and row.provider_id not in learned:
                learned.add(row.provider_id)
                learn_voices(key_id)
    return count


def sweep() -> None:
    """Ring again for the keys that no worker has come to look at."""
    due = ProviderKey.objects.filter(due_at__lte=Now())
    for key_id in due.order_by("due_at").values_list("pk", flat=True)[: bells.MOST]:
        # Another dispatcher may be quicker.
        if due.filter(pk=key_id).update(due_at=Now() + _UNHEARD):
            bells.ring(CHECK, QUEUE, args=[str(key_id)])


def check_one(key_id: UUID) -> None:
    """Check a key that gave reason to doubt it, and see which voices it can list."""
    try:
        row = _row(key_id)
        if row is not None:
            check(row)
            _learn(row)
    except ProviderKey.DoesNotExist:
        return
    except ProviderError as error:
        logger.warning("a key can't be checked: %s", error)
    finally:
        _looked_at(key_id)


def learn_voices(key_id: UUID) -> None:
    """Add the public voices that a key can list, if nobody else here can list them."""
    try:
        if (row := _row(key_id)) is not None:
            _learn(row)
    finally:
        _looked_at(key_id)


def _looked_at(key_id: UUID) -> None:
    ProviderKey.objects.filter(pk=key_id).update(due_at=None)


def _learn(row: ProviderKey) -> None:
    has_table = get_provider(row.provider_id).has_voice_table
    if row.failure or has_table or voices.is_available(row.provider):
        return
    try:
        access = _access_with(row)
        connection.close()
        changes = voices.learn(row.provider, access)
    except (ProviderError, CannotOpen) as error:
        logger.warning("no voices of %s by an own key: %s", row.provider_id, error)
    else:
        logger.info("voices of %s by an own key: %s", row.provider_id, changes)


def _rows_of(slug: str, credential: str) -> ProviderKeyQuerySet:
    workspace_id = UUID(credential.removeprefix(_OWN))
    return ProviderKey.objects.filter(workspace=workspace_id, provider=slug)


def _row(key_id: UUID) -> ProviderKey | None:
    rows = ProviderKey.objects.select_related("provider")
    is_open = {"workspace__is_blocked": False, "workspace__closed_at": None}
    return rows.filter(pk=key_id, **is_open).first()


def _taker(slug: str) -> Provider:
    """Return a provider that takes keys."""
    provider = Provider.objects.on_offer().filter(slug=slug).first()
    if provider is None:
        raise UnknownProvider(provider=slug)
    if not get_provider(slug).own_key:
        raise OwnKeyNotTaken(provider=provider.name)
    return provider


def _look_at(provider: Provider, key: Secret, region: str) -> None:
    """Refuse what can't be a key or is no region, without asking anybody."""
    wrong: dict[str, object] = {}
    text = key.reveal().decode(errors="replace")
    if not _SHORTEST <= len(text) <= _LONGEST:
        wrong["key"] = [f"A key has {_SHORTEST} to {_LONGEST} characters."]
    elif not (text.isascii() and text.isprintable()) or " " in text:
        wrong["key"] = ["A key has no spaces, line breaks or letters beyond ASCII."]
    regions = get_provider(provider.slug).regions
    if region not in regions:
        named = ", ".join(sorted(filter(None, regions))) or "none"
        wrong["region"] = [f"{provider.name} has these regions: {named}."]
    if wrong:
        raise Invalid(wrong)


def _take_check(caller: Caller) -> None:
    """Count one check; else this would tell anybody which stolen keys are good."""
    limit = settings.PROVIDER_KEY_CHECKS
    subjects = [(caller.subject, limit)]
    if caller.address:
        subjects.append((client_network(caller.address), 3 * limit))
    with transaction.atomic(durable=True):
        for subject, most in subjects:
            if not quotas.take(_QUOTA, subject, limit=most, period=quotas.today()):
                raise RateLimited(retry_after=quotas.seconds_left_today())


def _ask(provider: Provider, access: Access) -> KeyStatus:
    """Return what a provider says of a new key; see `save`."""
    try:
        status = _status(provider, access)
    except ProviderError as error:
        logger.warning("a key for %s can't be checked: %s", provider.slug, error)
        raise KeyNotChecked(provider=provider.name) from error
    if status is None:
        raise InvalidProviderKey(provider=provider.name)
    return status


def _status(provider: Provider, access: Access) -> KeyStatus | None:
    """Return what a provider says of a key; None if it refuses it.

    Raises:
        ProviderError: it doesn't answer.
    """
    # It may take its time; the pool's connections are for those who query.
    connection.close()
    try:
        return get_provider(provider.slug).check(access)
    except ProviderError as error:
        if error.kind is Failure.BAD_KEY:
            return None
        if error.kind.is_retryable:
            raise
        logger.warning("%s says nothing of a key: %s", provider.slug, error)
        return KeyStatus.UNKNOWN  # out of credit, say


def sealed(key: Secret, workspace_id: UUID, slug: str) -> bytes:
    """Return a key as it is kept: it opens in that workspace's row alone."""
    return seal(key, context=_context(workspace_id, slug))


def _access_with(row: ProviderKey) -> Access:
    context = _context(row.workspace_id, row.provider_id)
    key = open_sealed(row.sealed_key, context=context)
    return _access(row.provider, key, row.region)


def _access(provider: Provider, key: Secret, region: str) -> Access:
    return Access(key.reveal_text(), voices.base_url_of(provider), region)


def _context(workspace_id: UUID, slug: str) -> str:
    """Return what a key is bound to: there is one row for it."""
    return f"providers_providerkey:{workspace_id}:{slug}:key"


SEALED = [
    Sealed(
        ProviderKey,
        "sealed_key",
        lambda row: _context(row.workspace_id, row.provider_id),
    )
]


def _tell_owner(row: ProviderKey) -> None:
    """Mail the owner, with the row that says so, that a key is of no use any more."""
    owners: Any = User.objects.filter(
        memberships__workspace=row.workspace_id,
        memberships__role=Membership.Role.OWNER,
    )
    told = {
        "provider": row.provider.name,
        "last4": row.last4,
        "workspace": Workspace.objects.get(pk=row.workspace_id).name,
        "url": f"{settings.BASE_URL}{reverse('provider-keys-page')}",
    }
    text = render_to_string("providers/mail/key_refused.txt", told)
    for email in owners.values_list("email", flat=True):
        outbox.post(email, f"{row.provider.name} refuses your key", text)
