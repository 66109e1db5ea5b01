"""Usage: recording each charge, and adding them up over days, voices and tokens."""

import datetime
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, QuerySet, Sum
from django.db.models.functions import TruncDay
from django.utils import timezone

from accounts.caller import Caller
from accounts.models import ApiToken
from accounts.roles import Permission, has_permission
from billing.ledger import wallets
from billing.models import Payer, Split, Usage
from kit.db.transactions import needs_transaction
from kit.errors import Invalid

GROUPS = {"day": "day", "provider": "provider", "voice": "voice", "token": "token_id"}
"""What a history can be grouped by, and the column of it."""
LONGEST_RANGE = 366  # days; an index serves them, whatever lies before
_DEFAULT_RANGE = 30  # days
# Far from where days can't be added any more.
_EARLIEST, _LATEST = datetime.date(2000, 1, 1), datetime.date(2100, 12, 31)


@dataclass(frozen=True, slots=True)
class Charge:
    """A scene that was spoken, as billing sees it."""

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
    payer: str  # of what costs nothing: guest, admin, own_key…


@needs_transaction
def record(charge: Charge) -> None:
    """Write down a charge that is captured with it. One insert.

    A render is charged once: a second row for it is an IntegrityError. What costs nothing
    is activity too, of which no capture tells the wallet.
    """
    split = charge.split
    payer = charge.payer
    if split.credits:
        payer = Payer.CREDITS
    elif split.subscription:
        payer = Payer.SUBSCRIPTION
    Usage(
        workspace_id=charge.workspace_id,
        environment=charge.environment,
        user_id=charge.user_id,
        token_id=charge.token_id,
        job=charge.job,
        scene=charge.scene,
        render=charge.render,
        provider=charge.provider,
        voice=charge.voice,
        characters=charge.characters,
        credits=split.subscription + split.credits,
        from_subscription=split.subscription,
        from_credits=split.credits,
        billed_to=payer,
    ).save(force_insert=True)
    if not split.credits and not split.subscription:
        wallets.touch(charge.workspace_id, charge.environment)


@dataclass(frozen=True, slots=True)
class Range:
    """Days, both included, UTC."""

    first: datetime.date
    last: datetime.date

    @classmethod
    def of(
        cls, first: datetime.date | None = None, last: datetime.date | None = None
    ) -> "Range":
        """Return the days that were asked for; without bounds, the last thirty.

        Raises:
            Invalid: it ends before it begins, is longer than a year, or out of this
                century.
        """
        for name, day in (("from", first), ("to", last)):
            if day and not _EARLIEST <= day <= _LATEST:
                raise Invalid({name: [f"Between {_EARLIEST} and {_LATEST}."]})
        today = timezone.now().astimezone(datetime.UTC).date()
        last = last or max(today, first or today)
        first = first or last - datetime.timedelta(days=_DEFAULT_RANGE - 1)
        if first > last:
            raise Invalid({"to": ["It lies before `from`."]})
        if (last - first).days >= LONGEST_RANGE:
            raise Invalid({"from": [f"At most {LONGEST_RANGE} days at once."]})
        return cls(first, last)

    @property
    def days(self) -> list[datetime.date]:
        """All of them."""
        count = (self.last - self.first).days + 1
        return [self.first + datetime.timedelta(days=n) for n in range(count)]

    @property
    def bounds(self) -> tuple[datetime.datetime, datetime.datetime]:
        """The first moment, and the first after."""
        midnight = datetime.time(tzinfo=datetime.UTC)
        after = self.last + datetime.timedelta(days=1)
        return (
            datetime.datetime.combine(self.first, midnight),
            datetime.datetime.combine(after, midnight),
        )


def history(caller: Caller, days: Range, group: str) -> Iterator[dict[str, Any]]:
    """Yield sums of what the caller may see: by day in order, else the largest first.

    Members see what they did themselves; owners and admins see all. A token is told by
    its name.
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


def _visible(caller: Caller, days: Range) -> QuerySet[Usage]:
    start, end = days.bounds
    rows = Usage.objects.for_workspace(caller.workspace).filter(
        environment=str(caller.environment), created_at__gte=start, created_at__lt=end
    )
    if caller.user and not has_permission(caller.member_role, Permission.SEE_MONEY):
        rows = rows.filter(user_id=caller.user.pk)
    return rows


def _token_names(caller: Caller) -> dict[uuid.UUID, str]:
    tokens = ApiToken.objects.filter(workspace=caller.workspace)
    return dict(tokens.values_list("pk", "name"))
