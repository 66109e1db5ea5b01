"""Rules for every route of the table: CSRF, methods and malformed ids."""

from typing import Any

import pytest
from django.test import Client

from tests.tenancy.asking import (
    ask,
    body_of,
    changed_since,
    comparable,
    snapshot,
    unknown_id,
)
from tests.tenancy.table import PAGES, ROWS, Page, Row
from tests.tenancy.test_ids import by_name, form_of, url_of, values_of
from tests.tenancy.world import Asker, World

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_UNSAFE = [row for row in ROWS if row.method != "GET"]
_FORMS = [row for row in PAGES if row.method == "POST"]
_ROUTES = {row.route: row for row in ROWS}
_PAGES = {row.route: row for row in PAGES}


def forged(asker: Asker) -> Asker:
    """Return a client with the same login, as used by another site."""
    client = Client(enforce_csrf_checks=True)
    client.cookies = asker.client.cookies
    return Asker("forged", client, asker.headers)


@pytest.mark.parametrize("row", _UNSAFE, ids=by_name)
def test_another_site_can_not_use_a_login(world: World, row: Row) -> None:
    url = url_of(row, values_of(row, world.alice.things))
    before = snapshot()

    response = ask(forged(world.askers["owner"][0]), row.method, url, row.body)

    assert response.status_code == 403
    assert b"X-CSRFToken" in body_of(response)
    assert changed_since(before) == set()


@pytest.mark.parametrize("row", _FORMS, ids=by_name)
def test_another_site_can_not_send_a_form(world: World, row: Page) -> None:
    things = world.alice.things
    url = url_of(row, values_of(row, things))
    before = snapshot()
    asker = forged(world.askers["in_personal"][0])

    response = ask(asker, "POST", url, form_of(row, things), is_form=True)

    assert response.status_code == 403
    assert changed_since(before) == set()


@pytest.mark.parametrize("route", _ROUTES)
def test_no_other_method_does_anything(world: World, route: str) -> None:
    url = url_of(_ROUTES[route], values_of(_ROUTES[route], world.alice.things))
    answered = {row.method for row in ROWS if row.route == route}
    before = snapshot()
    for method in set(METHODS) - answered:
        for asker in world.askers["owner"]:
            assert ask(asker, method, url).status_code == 405
    # A header that overrides the method is ignored.
    for name in ("X-HTTP-Method-Override", "X-Method-Override"):
        header: dict[str, Any] = {name: "DELETE"}
        method = "POST" if "PUT" in answered else "PUT"
        response = ask(world.askers["owner"][1], method, url, **header)
        assert response.status_code == 405
    assert changed_since(before) == set()


@pytest.mark.parametrize("route", _PAGES)
def test_no_other_method_does_anything_to_a_page(world: World, route: str) -> None:
    url = url_of(_PAGES[route], values_of(_PAGES[route], world.alice.things))
    answered = {row.method for row in PAGES if row.route == route}
    before = snapshot()
    for method in set(METHODS) - answered:
        response = ask(world.askers["in_personal"][0], method, url)
        assert response.status_code == 405, method
    assert changed_since(before) == set()


@pytest.mark.parametrize("route", _ROUTES)
def test_head_and_options_reveal_nothing_to_strangers(world: World, route: str) -> None:
    row = _ROUTES[route]
    theirs = values_of(row, world.alice.things)
    missing_ids = {name: unknown_id() for name in theirs}
    instead = {missing_ids[name]: theirs[name] for name in theirs}
    before = snapshot()
    for name in ("stranger", "elsewhere", "guest", "operators"):
        for asker in world.askers[name]:
            for method in ("HEAD", "OPTIONS"):
                foreign = ask(asker, method, url_of(row, theirs))
                missing = ask(asker, method, url_of(row, missing_ids))
                if "workspace_id" in route and (name, asker.name) == (
                    "elsewhere",
                    "cookie",
                ):
                    continue  # her own workspace, from either workspace
                assert comparable(foreign) == comparable(missing, **instead), (
                    name,
                    method,
                )
                if method == "HEAD":
                    assert foreign.status_code in (401, 403, 404, 405)
                    assert body_of(foreign) == b""
    assert changed_since(before) == set()


@pytest.mark.parametrize("route", [*_ROUTES, *_PAGES])
def test_an_id_has_one_form(world: World, route: str) -> None:
    """Other spellings of an id find nothing and cause no server error."""
    row = _ROUTES.get(route) or _PAGES[route]
    asker = world.askers["owner" if route in _ROUTES else "in_personal"][0]
    values = values_of(row, world.alice.things)
    before = snapshot()
    for name, value in values.items():
        for odd in (
            value.upper(),
            value.replace("-", ""),
            f"{{{value}}}",
            f"{value}%00",
            f"{value}%0A",
            f"{value}%20",
            f"%2e%2e/{value}",
            f"{value};x",
            "%ED%A0%80",
            "%FF",
            "%EF%BC%91" * 32,
        ):
            if name in ("scene", "provider"):
                continue  # a text to the router: see below; and a name that is no id
            response = ask(asker, row.method, url_of(row, values | {name: odd}))
            assert response.status_code in (400, 404), odd
    assert changed_since(before) == set()


@pytest.mark.parametrize(
    "odd",
    ["0", "-1", "2", "999999999999", "1%00", "%00", "%EF%BC%91", "1.0", "x" * 5000],
)
def test_a_scene_is_named_by_its_id_or_its_number(world: World, odd: str) -> None:
    job = world.alice.things["job"]

    response = ask(
        world.askers["owner"][1], "GET", f"/api/v1/jobs/{job}/scenes/{odd}/audio"
    )

    assert response.status_code == 404
