"""What a token of the sandbox reaches: nothing of production, and nothing shared."""

from typing import Any

import pytest
from django.db import connection, transaction

from accounts.caller import Environment
from accounts.models import Workspace
from billing.ledger.wallets import wallet_of
from tests import factories
from tests.tenancy.asking import ask, body_of, rolled_back
from tests.tenancy.table import CALLS, ROWS, Call, Row
from tests.tenancy.test_ids import url_of, values_of
from tests.tenancy.test_lists import API, expected
from tests.tenancy.world import World

_SEEN = "{last_used_at,last_seen_at,ip}"
_COUNTERS = {"kit_quotacounter"}
"""Tables of counters, which count a workspace's requests in both environments."""


def _outside() -> set[tuple[str, str, bool]]:
    """Return each row outside the sandbox: table, hash, whether it has an environment."""
    tables = connection.introspection.django_table_names(only_existing=True)
    asked = " UNION ALL ".join(
        f"SELECT '{table}', md5((row - '{_SEEN}'::text[])::text),"
        f" row ? 'environment' FROM"
        f' (SELECT to_jsonb(t) AS row FROM "{table}" t) r WHERE'
        " coalesce(row->>'environment', '') <> 'SANDBOX' AND"
        " NOT coalesce(row->>'wallet_id', '') IN ("
        "SELECT id::text FROM billing_wallet WHERE environment = 'SANDBOX')"
        for table in set(tables) - _COUNTERS
    )
    with connection.cursor() as cursor:
        cursor.execute(asked)
        return {(table, text, has_one) for table, text, has_one in cursor.fetchall()}


def _of(entry: Call | Row, world: World) -> tuple[str, int]:
    """Return the URL that an entry of the tables stands for, and the expected status."""
    (asker,) = world.askers["sandbox"]
    if isinstance(entry, Row):
        values = values_of(entry, world.alice.things)
        return url_of(entry, values), expected(entry.sandbox, asker)
    own = expected(entry.owner, asker)
    return API + entry.route, own if entry.sandbox is None else entry.sandbox


@pytest.mark.parametrize("entry", [*CALLS, *ROWS], ids=str)
def test_a_token_of_the_sandbox_reaches_only_the_sandbox(
    world: World, entry: Any
) -> None:
    """Neither shown nor changed: things of production, and what both share."""
    (asker,) = world.askers["sandbox"]
    shown = {"workspace", "provider", "team_key", "page_key"}
    hidden = [
        value.encode()
        for name, value in world.alice.things.items()
        if name not in shown
    ]
    url, status = _of(entry, world)
    hidden = [value for value in hidden if value not in url.encode()]
    with transaction.atomic():
        team = Workspace.objects.get(pk=world.alice.team.pk)
        factories.grant(wallet_of(team, Environment.SANDBOX), 1_000)
    before = _outside()

    with rolled_back():
        response = ask(asker, entry.method, url, entry.body)
        answer = body_of(response)
        after = _outside()

    assert response.status_code == status
    assert not [value for value in hidden if value in answer]
    assert before - after == set()
    assert {table for table, _, has_one in after - before if has_one} == set()
