"""Access to every route with an id, by callers with and without permission."""

import re

import pytest

from accounts.models import Workspace
from providers.models import ProviderKey
from tests import factories
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
from tests.tenancy.table import (
    CALLS,
    CHANGES_NOTHING,
    PAGES,
    ROWS,
    TAKES_FRESH_LOGIN,
    THINGS,
    Call,
    Page,
    Row,
)
from tests.tenancy.world import Asker, Tenant, World

_PARAMETER = re.compile(r"<\w+:(\w+)>")
API = "/api/v1/"


def values_of(row: Row | Page, things: dict[str, str]) -> dict[str, str]:
    """Return the values of the route's parameters."""
    names = _PARAMETER.findall(row.route)
    return {name: things[(THINGS | row.of)[name]] for name in names if name != "verb"}


def url_of(row: Row | Page, values: dict[str, str]) -> str:
    if isinstance(row, Page):
        values = values | {"verb": row.verb}
    path = _PARAMETER.sub(lambda found: values[found[1]], row.route)
    return ("/" if isinstance(row, Page) else API) + path


def form_of(row: Page, things: dict[str, str]) -> dict[str, str]:
    return {name: value.format(**things) for name, value in row.form.items()}


def expected(cell: int | tuple[int, int], asker: Asker) -> int:
    if isinstance(cell, int):
        return cell
    return cell[0 if asker.name == "cookie" else 1]


def columns(row: Row, world: World) -> list[tuple[str, Asker, int]]:
    """Return each asker with the method and the expected status."""
    names = ["stranger", "elsewhere", "guest", "operators", "sandbox", "member"]
    found = [
        (name, asker, expected(getattr(row, name), asker))
        for name in [*names, "owner"]
        for asker in world.askers[name]
    ]
    return [("blocked", asker, 403) for asker in world.askers["blocked"]] + found


def by_name(row: Row | Page) -> str:
    return str(row)


@pytest.mark.parametrize("row", ROWS, ids=by_name)
def test_each_caller_gets_the_status_of_the_table(world: World, row: Row) -> None:
    things = world.alice.things
    url = url_of(row, values_of(row, things))
    seen = {}
    before = snapshot()
    for name, asker, status in columns(row, world):
        with rolled_back():
            response = ask(asker, row.method, url, row.body)
            seen[name, asker.name] = (response.status_code, status)
            changed = changed_since(before)
        if status >= 400:
            assert changed == set(), f"{name} by {asker.name} was refused"
        elif row.method != "GET" and str(row) not in CHANGES_NOTHING:
            assert changed, f"{name} by {asker.name} has changed nothing"
    assert {who: got for who, (got, _) in seen.items()} == {
        who: wanted for who, (_, wanted) in seen.items()
    }


_FRESH = [row for row in [*ROWS, *CALLS] if str(row) in TAKES_FRESH_LOGIN]


def test_methods_that_take_a_fresh_login_are_in_the_table() -> None:
    assert {str(row) for row in _FRESH} == TAKES_FRESH_LOGIN


@pytest.mark.parametrize("row", _FRESH, ids=str)
def test_tokens_and_old_logins_are_not_fresh(world: World, row: Row | Call) -> None:
    url = f"{API}{row.route}"
    if isinstance(row, Row):
        url = url_of(row, values_of(row, world.alice.things))
    old = factories.browser(world.alice.owner)
    session = old.session
    session["logged_in_at"] -= 901
    session.save()
    askers = [
        *(world.askers[name][-1] for name in ("owner", "member", "stranger")),
        *(world.askers[name][-1] for name in ("elsewhere", "operators", "sandbox")),
        Asker("old login", old),
    ]
    before = snapshot()

    for asker in askers:
        response = ask(asker, row.method, url, row.body)
        comparable = (response.status_code, code_of(response))
        assert comparable == (403, "fresh_login_required"), asker.name
    assert changed_since(before) == set()


@pytest.mark.parametrize("row", ROWS, ids=by_name)
def test_foreign_and_missing_ids_get_the_same_response(world: World, row: Row) -> None:
    theirs = values_of(row, world.alice.things)
    missing_ids = {name: unknown_id() for name in theirs}
    instead = {missing_ids[name]: theirs[name] for name in theirs}
    for name, asker, status in columns(row, world):
        is_inside = name in ("member", "owner") or (name, status) == ("sandbox", 403)
        if status < 400 or is_inside:
            continue
        with rolled_back():
            foreign = comparable(ask(asker, row.method, url_of(row, theirs), row.body))
        with rolled_back():
            missing = ask(asker, row.method, url_of(row, missing_ids), row.body)
        assert foreign == comparable(missing, **instead), f"{name} by {asker.name}"


def test_a_key_of_another_workspace_stays(world: World) -> None:
    """The route contains a provider, which exists for every workspace."""
    ours = ProviderKey.objects.filter(workspace__in=[world.alice.team.pk])
    before = ours.values().get()

    for asker in world.askers["stranger"]:
        url = f"{API}provider-keys/scripted"
        with rolled_back():
            assert ask(asker, "PUT", url, {"key": "my-0wn-k3y-now"}).status_code == 200
            assert ask(asker, "DELETE", url).status_code == 204
            assert ask(asker, "DELETE", url).status_code == 404
            assert ours.values().get() == before


_NESTED = [row for row in ROWS if len(_PARAMETER.findall(row.route)) > 1]


@pytest.mark.parametrize("row", _NESTED, ids=by_name)
def test_foreign_ids_in_own_routes_are_not_found(world: World, row: Row) -> None:
    """For example a stranger's own job with the id of another's scene."""
    own = values_of(row, world.mallory.things)
    last = list(own)[-1]
    foreign = own | {last: values_of(row, world.alice.things)[last]}
    missing_ids = own | {last: unknown_id()}
    asker = world.askers["stranger"][0]
    before = snapshot()

    answer = ask(asker, row.method, url_of(row, foreign), row.body)
    missing = ask(asker, row.method, url_of(row, missing_ids), row.body)

    assert answer.status_code == 404
    assert comparable(answer) == comparable(
        missing, **{missing_ids[last]: foreign[last]}
    )
    assert changed_since(before) == set()
    with rolled_back():
        mine = ask(asker, row.method, url_of(row, own), row.body)
        assert mine.status_code == expected(row.owner, asker)


@pytest.mark.parametrize("row", ROWS, ids=by_name)
def test_a_blocked_workspace_refuses_cookies_and_tokens(world: World, row: Row) -> None:
    url = url_of(row, values_of(row, world.alice.things))
    Workspace.objects.filter(pk=world.alice.team.pk).update(is_blocked=True)
    before = snapshot()

    for asker in [*world.askers["owner"], *world.askers["member"]]:
        response = ask(asker, row.method, url, row.body)
        assert (response.status_code, code_of(response)) == (403, "blocked")
    # The id names the blocked workspace; the request is made from another one.
    if "workspace_id" in row.route and not row.of:
        by_cookie = ask(world.askers["elsewhere"][0], row.method, url, row.body)
        assert (by_cookie.status_code, code_of(by_cookie)) == (403, "blocked")
    assert changed_since(before) == set()


@pytest.mark.parametrize("row", PAGES, ids=by_name)
def test_each_caller_gets_the_page_status_of_the_table(world: World, row: Page) -> None:
    things = world.alice.things
    url = url_of(row, values_of(row, things))
    before = snapshot()
    statuses = {
        "blocked_personal": 403,
        "member_personal": row.member,
        "stranger_personal": row.stranger,
        "guest_at_page": 302,
        "token_at_page": 302,
        "in_personal": row.owner,
    }
    for name, status in statuses.items():
        (asker,) = world.askers[name]
        with rolled_back():
            response = ask(asker, row.method, url, form_of(row, things), is_form=True)
            assert response.status_code == status, name
            changed = bool(changed_since(before))
        may_change = name == "in_personal" and row.method == "POST"
        assert changed == (may_change and str(row) not in CHANGES_NOTHING), name


@pytest.mark.parametrize("row", PAGES, ids=by_name)
def test_pages_reveal_nothing_to_strangers(world: World, row: Page) -> None:
    theirs = world.alice.things
    missing_ids = {name: unknown_id() for name in theirs}
    instead = {missing_ids[name]: theirs[name] for name in theirs}
    for name in ("stranger_personal", "blocked_personal", "guest_at_page"):
        (asker,) = world.askers[name]
        foreign, missing = (
            ask(
                asker,
                row.method,
                url_of(row, values_of(row, things)),
                form_of(row, things),
                is_form=True,
            )
            for things in (theirs, missing_ids)
        )
        assert comparable(foreign) == comparable(missing, **instead), name


def _mixed(own: Tenant, other: Tenant) -> dict[str, str]:
    return other.things | {"workspace": own.things["workspace"]}


_OF_TEAMS = [
    row
    for row in PAGES
    if "workspace" in row.form and {"member", "invitation"} & set(row.form)
]


@pytest.mark.parametrize("row", _OF_TEAMS, ids=by_name)
def test_forms_of_a_team_change_no_other_team(world: World, row: Page) -> None:
    form = form_of(row, _mixed(world.mallory, world.alice))
    before = snapshot()

    response = ask(
        world.askers["stranger_personal"][0],
        "POST",
        url_of(row, {}),
        form,
        is_form=True,
    )

    assert response.status_code == 404
    assert changed_since(before) == set()


# --- Pages act where a person has chosen -------------------------------------------------


def _choose(world: World, name: str, workspace: str) -> int:
    (asker,) = world.askers[name]
    form = {"workspace": workspace, "environment": "PRODUCTION"}
    return ask(asker, "POST", "/settings/workspace", form, is_form=True).status_code


def test_a_foreign_workspace_can_not_be_chosen(world: World) -> None:
    before = snapshot()
    for workspace in (world.alice.things["workspace"], unknown_id(), "nonsense", ""):
        assert _choose(world, "stranger_personal", workspace) == 404
    assert changed_since(before) == set()


def test_choosing_a_workspace_needs_membership(world: World) -> None:
    """Preferences can have any value, since the API accepts them."""
    owner = world.mallory.owner
    owner.preferences = {"workspace": world.alice.things["workspace"]}
    owner.save(update_fields=["preferences"])
    (asker,) = world.askers["stranger_personal"]
    before = snapshot()

    for path in ("webhooks/{endpoint}", "deliveries/{delivery}"):
        url = "/" + path.format(**world.alice.things)
        assert ask(asker, "GET", url).status_code == 404
    listed = body_of(ask(asker, "GET", "/webhooks")).decode()
    assert world.alice.things["endpoint"] not in listed
    assert changed_since(before) == set()


def test_a_member_can_view_but_not_change_the_chosen_workspace(
    world: World,
) -> None:
    things = world.alice.things
    assert _choose(world, "member_personal", things["workspace"]) == 302
    (asker,) = world.askers["member_personal"]
    before = snapshot()

    for path, method, status in [
        ("webhooks/{endpoint}", "GET", 200),
        ("webhooks/{endpoint}/off", "POST", 302),
        ("webhooks/{endpoint}/delete", "POST", 302),
        ("webhooks/{endpoint}/rotate", "POST", 302),
        ("webhooks/{endpoint}/test", "POST", 302),
        ("deliveries/{delivery}", "GET", 200),
        ("deliveries/{delivery}/replay", "POST", 302),
        ("settings/tokens/{token}/revoke", "POST", 404),
    ]:
        url = "/" + path.format(**things)
        response = ask(asker, method, url, is_form=True)
        assert response.status_code == status, path
        assert changed_since(before) == set(), path
    listed = body_of(ask(asker, "GET", "/settings/tokens")).decode()
    assert things["token"] not in listed
