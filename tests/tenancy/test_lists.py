"""Access to every API route without an id, and the rows that it returns."""

import base64
import itertools
import json
from typing import Any

import pytest

from accounts.models import Workspace
from tests.tenancy.asking import (
    ask,
    body_of,
    changed_since,
    code_of,
    comparable,
    rolled_back,
    snapshot,
    unknown_id,
)
from tests.tenancy.table import CALLS, COUNTS_TRIES, Call, Cell
from tests.tenancy.test_doors import METHODS, forged
from tests.tenancy.world import Asker, World

API = "/api/v1/"


LISTS = [call for call in CALLS if call.shows]
PAGED = [call for call in LISTS if call.route not in {"me", "credits"}]


def by_name(call: Call) -> str:
    return str(call)


def expected(cell: Cell, asker: Asker) -> int:
    if isinstance(cell, int):
        return cell
    return cell[0 if asker.name == "cookie" else 1]


def call_by(asker: Asker, call: Call, query: str = "", **headers: Any) -> Any:
    return ask(asker, call.method, API + call.route + query, call.body, **headers)


@pytest.mark.parametrize("call", CALLS, ids=by_name)
def test_each_caller_may_call_what_the_table_says(world: World, call: Call) -> None:
    before = snapshot()
    for name in ("blocked", "guest", "operators", "member", "owner"):
        for asker in world.askers[name]:
            status = 403 if name == "blocked" else expected(getattr(call, name), asker)
            with rolled_back():
                response = call_by(asker, call)
                assert response.status_code == status, (name, asker.name)
                changed = changed_since(before)
            if status >= 400 and call.route not in COUNTS_TRIES:
                assert changed == set(), (name, asker.name)
            elif call.method != "GET" and call.is_watched and status < 400:
                assert changed != set(), (name, asker.name)


@pytest.mark.parametrize("call", CALLS, ids=by_name)
def test_a_blocked_workspace_is_refused(world: World, call: Call) -> None:
    Workspace.objects.filter(pk=world.alice.team.pk).update(is_blocked=True)
    before = snapshot()

    for asker in world.askers["owner"]:
        response = call_by(asker, call)
        assert (response.status_code, code_of(response)) == (403, "blocked")
    assert changed_since(before) == set()


@pytest.mark.parametrize("call", LISTS, ids=by_name)
def test_lists_contain_nothing_of_others(world: World, call: Call) -> None:
    own = world.alice.things[call.shows].encode()
    shared = {world.alice.things["received"].encode(), b"", own[:0]}
    everything = {value.encode() for value in world.alice.things.values()} - shared

    for asker in world.askers["owner"]:
        assert own in body_of(call_by(asker, call))
    for name in ("stranger", "operators", "guest"):
        for asker in world.askers[name]:
            answer = body_of(call_by(asker, call))
            assert not [value for value in everything if value in answer], asker.name


_OF_A_PERSON = {"me/logins", "me/invitations", "workspaces"}
_IN_A_WORKSPACE = [call for call in LISTS if call.route not in _OF_A_PERSON]


@pytest.mark.parametrize("call", _IN_A_WORKSPACE, ids=by_name)
def test_lists_contain_nothing_of_the_users_other_workspaces(world, call) -> None:
    for asker in world.askers["elsewhere"]:
        answer = body_of(call_by(asker, call))
        assert world.alice.things[call.shows].encode() not in answer


# --- X-Workspace -------------------------------------------------------------------------


@pytest.mark.parametrize("call", CALLS, ids=by_name)
def test_a_login_can_not_enter_foreign_workspaces(world: World, call: Call) -> None:
    asker = Asker("cookie", world.askers["stranger_personal"][0].client)
    before = snapshot()
    hers, mine = (tenant.things["workspace"] for tenant in (world.alice, world.mallory))
    odd = [
        str(Workspace.objects.get(kind="guests").pk),
        str(Workspace.objects.get(kind="operators").pk),
        "nonsense",
        "",
        "\xff",
        f"{hers},{mine}",
    ]

    # The header is read in one place, so two invalid values per call are enough.
    turn = CALLS.index(call)
    answers = [
        comparable(call_by(asker, call, **{"X-Workspace": wanted}))
        for wanted in (unknown_id(), hers, odd[turn % 6], odd[(turn + 3) % 6])
    ]

    assert answers[0][0] == 404
    assert all(answer == answers[0] for answer in answers)
    assert changed_since(before) == set()


@pytest.mark.parametrize("call", CALLS, ids=by_name)
def test_a_token_stays_in_its_workspace(world: World, call: Call) -> None:
    for name in ("stranger", "operators", "guest"):
        asker = world.askers[name][-1]
        plain = Asker(asker.name, asker.client)
        ask(plain, "GET", f"{API}me")  # records the use, which lists of tokens show
        with rolled_back():
            alone_answer = comparable(call_by(plain, call))
        for wanted in (world.alice.things["workspace"], "nonsense"):
            with rolled_back():
                response = call_by(plain, call, **{"X-Workspace": wanted})
                assert response.status_code == alone_answer[0]
                if call.method == "GET" and call.route != "me/export":  # it has an id
                    assert comparable(response) == alone_answer


# --- The environment ---------------------------------------------------------------------


@pytest.mark.parametrize("call", CALLS, ids=by_name)
def test_no_other_environment(world: World, call: Call) -> None:
    before = snapshot()
    wrong: list[tuple[str, dict[str, str]]] = [
        ("?environment=mars", {}),
        ("?environment=sandbox&environment=production", {}),
        ("?environment=sandbox%00", {}),
        ("?environment=sandbox", {"X-Environment": "PRODUCTION"}),
        ("", {"X-Environment": "\xff"}),
    ]
    askers = [
        (name, asker)
        for name in ("owner", "stranger", "guest", "operators")
        for asker in world.askers[name]
    ]
    # In turns: every call gets each asker and each kind of invalid value.
    asked = [
        (name, asker, *wrong[(CALLS.index(call) + number) % len(wrong)])
        for number, (name, asker) in enumerate(askers)
    ]
    assert len(asked) >= len(wrong)
    (bound,) = world.askers["sandbox"]
    asked += [
        ("sandbox", bound, "?environment=production", {}),
        ("sandbox", bound, "", {"X-Environment": "PRODUCTION"}),
    ]
    for name, asker, query, headers in asked:
        response = call_by(asker, call, query, **headers)
        assert (response.status_code, code_of(response)) == (
            400,
            "invalid_environment",
        ), (name, asker.name, query)
    assert changed_since(before) == set()


@pytest.mark.parametrize("route", ["jobs", "credits/entries"])
def test_sandbox_sees_nothing_of_production(world: World, route: str) -> None:
    (bound,) = world.askers["sandbox"]
    assert json.loads(body_of(ask(bound, "GET", API + route)))["results"] == []


# --- Pages -------------------------------------------------------------------------------


def _cursors(world: World) -> list[str]:
    texts = [
        f"p={world.alice.things['job']}",
        f"r=1&p={world.alice.things['job']}",
        "p=nonsense",
        "p=%00",
        "p=\ud800".encode("utf-8", "replace").decode(),
        "p=",
        "p=-1",
        "p=99999999999999999999999",
        "o=-1",
        "o=99999999999999999999",
        "o=x",
        "r=1&o=5&p=2026-01-01",
    ]
    found = [base64.b64encode(text.encode()).decode() for text in texts]
    return [*found, "", "x", "%00", "é", "x" * 5000, base64.b64encode(b"\xff").decode()]


@pytest.mark.parametrize("call", PAGED, ids=by_name)
def test_a_cursor_does_not_lead_to_foreign_rows(world: World, call: Call) -> None:
    theirs = [value.encode() for value in world.alice.things.values()]
    theirs.remove(world.alice.things["received"].encode())
    strangers = itertools.cycle(world.askers["stranger"])
    for cursor, asker in zip(_cursors(world), strangers, strict=False):
        url = f"{API}{call.route}"
        response = asker.client.get(url, {"cursor": cursor}, headers=asker.headers)
        assert response.status_code in (200, 404), cursor
        answer = body_of(response)
        links = json.loads(answer) if response.status_code == 200 else {}
        rows = json.dumps(links.get("results", [])).encode()
        assert not [value for value in theirs if value in rows], cursor


@pytest.mark.parametrize("call", PAGED, ids=by_name)
@pytest.mark.parametrize(
    "limit", ["0", "-1", "x", "%00", "1e3", "99999999999999999999"]
)
def test_invalid_limits_are_no_server_error(
    world: World, call: Call, limit: str
) -> None:
    asker = world.askers["owner"][1]
    response = call_by(asker, call, f"?limit={limit}")
    assert response.status_code == 200
    assert len(json.loads(body_of(response))["results"]) <= 200


# --- Doors -------------------------------------------------------------------------------

_CHANGING = [
    call
    for call in CALLS
    if call.method != "GET" and not call.route.startswith("auth/")
]


@pytest.mark.parametrize("call", _CHANGING, ids=by_name)
def test_another_site_can_not_use_a_login(world: World, call: Call) -> None:
    before = snapshot()

    response = call_by(forged(world.askers["owner"][0]), call)

    assert response.status_code == 403
    assert b"X-CSRFToken" in body_of(response)
    assert changed_since(before) == set()


@pytest.mark.parametrize("route", sorted({call.route for call in CALLS}))
def test_no_other_method_does_anything(world: World, route: str) -> None:
    answered = {call.method for call in CALLS if call.route == route}
    before = snapshot()
    for method in sorted(set(METHODS) - answered):
        response = ask(world.askers["owner"][1], method, API + route)
        assert response.status_code == 405, method
    assert changed_since(before) == set()
