"""Record each charge, and sum usage by day, provider, voice or token."""

import datetime
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, QuerySet, Sum
from django.db.models.expressions import RawSQL
from django.db.models.functions import TruncDay
from django.utils import timezone

from accounts.caller import Caller
from accounts.models import ApiToken
from accounts.roles import Permission, has_permission
from billing.ledger import chain, wallets
from billing.models import Payer, Split, Usage
from kit.db.transactions import needs_transaction
from kit.errors import Invalid

GROUPS = {"day": "day", "provider": "provider", "voice": "voice", "token": "token_id"}
"""Ways to group a usage history, and the column of each."""
LONGEST_RANGE = 366  # days; an index finds them
_DEFAULT_RANGE = 30  # days
# Far from the bounds of `datetime.date`, so that days can be added.
_EARLIEST, _LATEST = datetime.date(2000, 1, 1), datetime.date(2100, 12, 31)


@dataclass(frozen=True, slots=True)
class Charge:
    """A spoken scene to charge, without knowledge of jobs."""

    workspace_id: uuid.UUID
    environment: str
    user_id: uuid.UUID | None
    token_id: uuid.UUID | None
    job: str
    scene: str
    render: int
    provider: str
    voice: str
    characters: int
    split: Split
    payer: str  # for a scene that costs no credits: guest, admin, own_key…


def key_of(scene: str, render: int) -> str:
    """Return the key of the capture that pays a render of a scene.

    The check of the ledger finds the usage of a capture by it.
    """
    return f"scene:{scene}:{render}"


@needs_transaction
def record(charge: Charge) -> None:
    """Insert the usage row of a charge, in the transaction that captures its credits.

    A render is charged once: a second row for it is an IntegrityError. A scene without a
    price is activity too; it has no capture, so it is recorded in the wallet here.
    """
    split = charge.split
    payer = charge.payer
    if split.credits:
        payer = Payer.CREDITS
    elif split.subscription:
        payer = Payer.SUBSCRIPTION
    columns: dict[str, Any] = {
        "workspace_id": charge.workspace_id,
        "environment": charge.environment,
        "user_id": charge.user_id,
        "token_id": charge.token_id,
        "job": charge.job,
        "scene": charge.scene,
        "render": charge.render,
        "provider": charge.provider,
        "voice": charge.voice,
        "characters": charge.characters,
        "credits": split.subscription + split.credits,
        "from_subscription": split.subscription,
        "from_credits": split.credits,
        "billed_to": str(payer),
    }
    values = list(columns.values())
    columns["content_hash"] = RawSQL(chain.USAGE_AS_INSERTED, values)  # noqa: S611 - ours
    Usage(**columns).save(force_insert=True)
    if not split.credits and not split.subscription:
        wallets.record_activity(charge.workspace_id, charge.environment)


@dataclass(frozen=True, slots=True)
class Range:
    """A range of days (UTC), both ends included."""

    first: datetime.date
    last: datetime.date

    @classmethod
    def of(
        cls, first: datetime.date | None = None, last: datetime.date | None = None
    ) -> "Range":
        """Return the requested range; by default the last 30 days.

        Raises:
            Invalid: it ends before it begins, is longer than a year, or is outside of the
                years 2000 to 2100.
        """
        for name, day in (("from", first), ("to", last)):
            if day and not _EARLIEST <= day <= _LATEST:
                raise Invalid({name: [f"Between {_EARLIEST} and {_LATEST}."]})
        today = timezone.now().astimezone(datetime.UTC).date()
        last = last or max(today, first or today)
        first = first or last - datetime.timedelta(days=_DEFAULT_RANGE - 1)
        if first > last:
            raise Invalid({"to": ["It is before `from`."]})
        if (last - first).days >= LONGEST_RANGE:
            raise Invalid({"from": [f"At most {LONGEST_RANGE} days at once."]})
        return cls(first, last)

    @property
    def days(self) -> list[datetime.date]:
        """Every day of the range."""
        count = (self.last - self.first).days + 1
        return [self.first + datetime.timedelta(days=n) for n in range(count)]

    @property
    def bounds(self) -> tuple[datetime.datetime, datetime.datetime]:
        """Start of the first day, and of the day after the last."""
        midnight = datetime.time(tzinfo=datetime.UTC)
        after = self.last + datetime.timedelta(days=1)
        return (
            datetime.datetime.combine(self.first, midnight),
            datetime.datetime.combine(after, midnight),
        )


def history(caller: Caller, days: Range, group: str) -> Iterator[dict[str, Any]]:
    """Yield the sums of each group of the usage that the caller may see.

    Days are in order, other groups have the largest first. Members see their own usage;
    owners and admins see all. A token also has its name.
    """
    rows = _visible(caller, days)
    if group == "day":
        rows = rows.annotate(day=TruncDay("created_at", tzinfo=datetime.UTC))
    column = GROUPS[group]
    sums = (
        rows.values(column)
        .annotate(
            spoken=Count("pk"),
            of_characters=Sum("characters"),
            of_credits=Sum("credits"),
            of_subscription=Sum("from_subscription"),
        )
        .order_by(*(["day"] if group == "day" else ["-of_credits", column]))
    )
    names = _token_names(caller) if group == "token" else {}
    for row in sums.iterator(chunk_size=500):
        key = row[column]
        if group == "day":
            key = key.date().isoformat()
        elif group == "token":
            key = str(key) if key else None
        yield {
            group: key,
            **({"name": names.get(row[column], "")} if group == "token" else {}),
            "scenes": row["spoken"],
            "characters": row["of_characters"],
            "credits": row["of_credits"],
            "split": {
                "subscription": row["of_subscription"],
                "credits": row["of_credits"] - row["of_subscription"],
            },
        }


def only_by(caller: Caller) -> uuid.UUID | None:
    """Return the user whose use of credits alone the caller may see; None for all.

    Members without the permission to see money see what they used themselves.
    """
    if caller.user and not has_permission(caller.member_role, Permission.SEE_MONEY):
        return caller.user.pk
    return None


def _visible(caller: Caller, days: Range) -> QuerySet[Usage]:
    start, end = days.bounds
    rows = Usage.objects.for_workspace(caller.workspace).filter(
        environment=str(caller.environment), created_at__gte=start, created_at__lt=end
    )
    if (user_id := only_by(caller)) is not None:
        rows = rows.filter(user_id=user_id)
    return rows


def _token_names(caller: Caller) -> dict[uuid.UUID, str]:
    tokens = ApiToken.objects.filter(workspace=caller.workspace)
    return dict(tokens.values_list("pk", "name"))
