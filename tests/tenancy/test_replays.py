"""A repeated request gets its first answer only from someone who may still ask for it."""

from typing import Any

import pytest

from accounts.models import Membership
from tests.tenancy.asking import ask, changed_since, code_of, rolled_back, snapshot
from tests.tenancy.table import CALLS, ROWS, Row
from tests.tenancy.test_ids import API, expected, url_of, values_of
from tests.tenancy.world import World

EVERY: list[Any] = [*CALLS, *ROWS]
FOR_SOME = [
    entry
    for entry in EVERY
    if entry.method in ("POST", "PATCH", "PUT")
    and entry.owner != entry.member
    and not entry.route.startswith("me/")
    and not entry.route.endswith("/reopen")
]
"""Methods that depend on the role in the workspace; not those of a user alone."""


@pytest.mark.parametrize("entry", FOR_SOME, ids=str)
def test_a_replay_comes_after_the_check_of_the_role(world: World, entry: Any) -> None:
    (asker, _) = world.askers["owner"]
    url = API + entry.route
    if isinstance(entry, Row):
        url = url_of(entry, values_of(entry, world.alice.things))
    alice = Membership.objects.filter(
        user=world.alice.owner, workspace=world.alice.team
    )
    key: Any = {"Idempotency-Key": "again"}
    with rolled_back():
        first = ask(asker, entry.method, url, entry.body, **key)
        assert first.status_code == expected(entry.owner, asker)
        alice.update(role="member")
        before = snapshot()

        again = ask(asker, entry.method, url, entry.body, **key)

        assert (again.status_code, code_of(again)) == (403, "permission_denied")
        assert changed_since(before) == set()


def test_those_methods_are_many() -> None:
    assert len(FOR_SOME) > 8


# --- Caches -----------------------------------------------------------------------------


_PRIVATE = {"audio", "words", "srt", "vtt"}
"""The last parts of routes that send files, which a browser may keep for its user."""
_FOR_ALL = {"providers", "voices"}
"""Lists that are nearly the same for everybody; a browser may keep them for a minute."""


@pytest.mark.parametrize("entry", EVERY, ids=str)
def test_no_cache_keeps_an_answer_of_the_api(world: World, entry: Any) -> None:
    """Errors too; a browser may keep files, but asks each time whether it may use them."""
    url = API + entry.route
    if isinstance(entry, Row):
        url = url_of(entry, values_of(entry, world.alice.things))
    for name in ("owner", "guest"):
        with rolled_back():
            answer = ask(world.askers[name][0], entry.method, url, entry.body)
            kept = answer.get("Cache-Control", "")
        last = entry.route.rsplit("/")[-1]
        if last in _PRIVATE | _FOR_ALL and answer.status_code == 200:
            assert "private" in kept
        else:
            assert "no-store" in kept, name
