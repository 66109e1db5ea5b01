"""Every route is in a table, or excluded for a reason."""

import re
from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.urls import URLPattern, URLResolver, get_resolver
from django_otp import DEVICE_ID_SESSION_KEY

from tests import factories
from tests.tenancy.asking import ask, changed_since, snapshot
from tests.tenancy.table import CALLS, PAGES, ROWS
from tests.tenancy.world import Asker, World

LEFT_OUT = {
    "login/link/<str:secret>/": "the secret is signed; see test_login_links.py",
    "demo-pay/<uuid:order_id>": "in development only; see test_orders.py",
    "hooks/<slug:gateway>": "signed by a gateway; see test_inbox.py",
    "statements/<month:month>": "a month of one's own; see test_statements.py",
    "statements/<month:month>.pdf": "a month of one's own; see test_statements.py",
    "api/v1/docs/": "a page, the same for everybody; see test_schema.py",
    "samples/<path:voice_id>.mp3": "public; see synthesis/test_samples.py",
}
"""Routes that are excluded, since they refer to no tenant's data."""

_METHODS = ("get", "post", "put", "patch", "delete")


def walk(patterns: list[Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for entry in patterns:
        route = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from walk(entry.url_patterns, route)
        elif isinstance(entry, URLPattern):
            yield route, entry.callback


def ours() -> dict[str, Any]:
    """Return all routes except the admin's, with their views."""
    found = walk(get_resolver().url_patterns)
    return {route: view for route, view in found if not route.startswith("admin/")}


def is_watched(route: str) -> bool:
    return "<" in route or "(?P" in route or route.startswith(("api/", "v1/"))


def tabled() -> dict[str, set[str]]:
    """Return the methods in the tables for each route."""
    methods: dict[str, set[str]] = {}
    rows: list[Any] = [*ROWS, *CALLS]
    for row in rows:
        methods.setdefault(f"api/v1/{row.route}", set()).add(row.method)
    for page in PAGES:
        methods.setdefault(page.route, set()).add(page.method)
    return methods


def test_every_route_is_in_a_table() -> None:
    """If this fails, add a row to `table.py` with the expected status of each caller."""
    watched = {route for route in ours() if is_watched(route)}

    assert watched - set(tabled()) - set(LEFT_OUT) == set()
    assert set(LEFT_OUT) <= watched
    assert [route for route in tabled() if route not in ours()] == []


def test_every_method_of_the_api_is_in_a_table() -> None:
    methods = {
        route: {name.upper() for name in _METHODS if hasattr(view.cls, name)}
        for route, view in ours().items()
        if is_watched(route) and hasattr(view, "cls") and route not in LEFT_OUT
    }

    assert len(methods) > 40
    assert methods == {route: tabled()[route] for route in methods}


def test_every_form_action_is_in_the_table() -> None:
    from accounts.pages.team import _ACTIONS
    from webhooks.pages.endpoints import _ENDPOINT_ACTIONS

    def verbs(route: str) -> set[str]:
        return {page.verb for page in PAGES if page.route.startswith(route)} - {""}

    names_nothing = {"create"}
    assert verbs("settings/team/") == set(_ACTIONS) - names_nothing
    assert verbs("webhooks/") == set(_ENDPOINT_ACTIONS)
    assert verbs("settings/provider-keys/") == {"remove", "check"}


# --- The back office ---------------------------------------------------------------------


_OPEN = {"/admin/login/", "/admin/logout/"}  # redirect every caller


def _back_office() -> list[str]:
    numbers = {"<int:content_type_id>": "1", "<path:object_id>": "1", "<id>": "1"}
    urls = []
    for route, _ in walk(admin.site.urls[0], "admin/"):
        for name, value in numbers.items():
            route = route.replace(name, value)
        route = re.sub(r"<[^>]+>", "1", route.replace("^", "").replace("$", ""))
        if "(?P" not in route:  # by regular expression
            urls.append(f"/{route}")
    return urls


def test_only_operators_enter_the_back_office(world: World) -> None:
    half = factories.user(is_staff=True, is_superuser=True)
    browser = factories.browser(half)
    session = browser.session
    del session[DEVICE_ID_SESSION_KEY]
    session.save()
    guest = world.askers["guest"][0]
    almost = Asker("an operator without the second factor", browser)
    others = [
        *(world.askers[name][0] for name in ("owner", "blocked")),
        *(world.askers[name][0] for name in ("operators", "token_at_page")),
    ]
    urls = [url for url in _back_office() if url not in _OPEN]
    before = snapshot()
    assert len(urls) > 80

    for number, url in enumerate(urls):
        # One check guards all of them, so the other callers take turns.
        for asker in (guest, almost, others[number % len(others)]):
            for method in ("GET", "POST"):
                response = ask(asker, method, url)
                status = response.status_code
                if status == 302:
                    assert response["Location"].startswith(("/admin/login/", "/login"))
                else:
                    assert status in (403, 404, 405), (asker.name, method, url)
    assert changed_since(before) == set()


def test_development_routes_exist_in_development_only(
    world: World, settings: Any
) -> None:
    for is_development, status in ((True, 200), (False, 404)):
        settings.DEVELOPMENT = is_development
        for asker in [*world.askers["guest"], *world.askers["owner"]]:
            assert ask(asker, "GET", "/dev/mail").status_code == status
