"""Refusing a body takes little CPU time and a short answer, whatever it contains.

CPU time of this process is measured, which does not depend on other processes. The limit is
about five times what the slowest of these takes. Validating each item before the list is
counted, or quadratic work, takes 19 s and more.
"""

import json
import re
import time
from collections.abc import Callable
from copy import deepcopy
from functools import cache
from typing import Any

import pytest
from django.conf import settings
from django.http import HttpResponseBase
from django.test.client import BOUNDARY, MULTIPART_CONTENT
from drf_spectacular.generators import SchemaGenerator

from kit.rest.parsers import MAX_VALUES
from tests.tenancy.asking import body_of, rolled_back
from tests.tenancy.table import CALLS, PAGES, ROWS, Call, Row
from tests.tenancy.test_ids import url_of, values_of
from tests.tenancy.test_routes import is_watched, ours
from tests.tenancy.world import Asker, World

MOST_SECONDS = 0.5  # of CPU time; twice that for a script of full length that is taken
MOST_ANSWERED = 64 * 1024  # bytes
LONG = 1_000_000  # characters

_ALL: list[Row | Call] = [*ROWS, *CALLS]
TAKES_BODY = [row for row in _ALL if row.method in ("POST", "PUT", "PATCH")]
"""Every route and method of the API: `test_routes.py` sees to that."""

# What a field is sent: made of so many values, or characters.
VALUES: dict[str, Callable[[int], Any]] = {
    "a list of nothing": lambda size: [None] * size,
    "a list of empty objects": lambda size: [{}] * (size // 2),
    "a list of short texts": lambda size: ["a"] * size,
    "a list of scenes": lambda size: [{"text": "a"}] * (size // 2),
    "an object of many members": lambda size: dict.fromkeys(map(str, range(size))),
    "an object with a long name": lambda size: {"k" * 10 * size: 1},
    "headings": lambda size: "# a\n" * (10 * size // 4),
    "line ends": lambda size: "a\r\n" * (10 * size // 3),
    "a long word": lambda size: "é" * 10 * size,
    "marks": lambda size: "a" + "\u0301" * 10 * size,
    "addresses": lambda size: "a@a." * (10 * size // 4),
    "deep": lambda size: json.loads("[" * 25 + "{}" + "]" * 25),
    "a long number": lambda size: int("9" * 4000),
    "a small number": lambda size: -1e300,
    "true": lambda size: True,
}

NO_OBJECT = {
    "nested beyond all measure": b'{"a":' * 500_000,
    "brackets": b"[" * LONG,
    "too many objects": b'{"text": [' + b"{}," * 349_525 + b"{}]}",
    "quotes": b'{"a": "' + rb"\"" * LONG + b'"}',
    "many texts": b'{"a": [' + b'"",' * 600_000 + b'""]}',
    "long numbers": b'{"a": [' + b"9" * 4000 + (b"," + b"9" * 4000) * 250 + b"]}",
    "one name again and again": b'{"a": 1' + b', "a": 1' * 90_000 + b"}",
    "white space": b" " * LONG,
    "no UTF-8": b'{"a": "' + b"\xff" * LONG,
}


@cache
def schema() -> Any:
    return SchemaGenerator().get_schema(request=None, public=True)


def fields_of(row: Row | Call) -> dict[str, str]:
    """Return the fields that a route's body may have, with their types, by its schema."""
    path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", f"/api/v1/{row.route}")
    operation = schema()["paths"][path][row.method.lower()]
    if "requestBody" not in operation:
        return {}
    (content,) = operation["requestBody"]["content"].values()
    name = content["schema"]["$ref"].rpartition("/")[2]
    fields = schema()["components"]["schemas"][name]["properties"]
    return {field: about.get("type", "any") for field, about in fields.items()}


def send(asker: Asker, method: str, url: str, body: bytes, kind: str) -> Any:
    """Send a body; fail if the answer costs, or says, too much."""
    began = time.process_time()
    response: HttpResponseBase = asker.client.generic(
        method, url, body, kind, headers=asker.headers
    )
    spent = time.process_time() - began
    answer = body_of(response)
    about = (asker.name, method, url, body[:60], len(body), response.status_code)
    assert response.status_code < 500, about
    allowed = MOST_SECONDS if response.status_code >= 300 else 2 * MOST_SECONDS
    assert spent < allowed, (spent, about)
    # A page shows a form again with what was sent.
    most = MOST_ANSWERED + (0 if kind == "application/json" else len(body))
    assert len(answer) < most, (len(answer), about)
    return response


def send_json(asker: Asker, row: Row | Call, url: str, body: bytes) -> Any:
    with rolled_back():
        return send(asker, row.method, url, body, "application/json")


@pytest.fixture(autouse=True)
def no_caller_is_limited(settings: Any) -> None:
    settings.REFUSED_BODIES = 10_000_000


def url_for(world: World, row: Row | Call) -> str:
    if isinstance(row, Row):
        return url_of(row, values_of(row, world.alice.things))
    return f"/api/v1/{row.route}"


@pytest.mark.parametrize("row", TAKES_BODY, ids=str)
def test_no_field_costs_much(world: World, row: Row | Call) -> None:
    url = url_for(world, row)
    fields = fields_of(row)
    # Where all fields are simple, less shows whether the work grows faster than the body.
    is_simple = not {"array", "object", "any"} & set(fields.values())
    size = MAX_VALUES // max(len(fields), 1) // (20 if is_simple else 1) - 1
    askers = [world.askers["owner"][0]]
    if isinstance(row, Call) and row.guest != 401:
        askers += world.askers["guest"]
    for make in VALUES.values() if fields else ():
        body = json.dumps(dict.fromkeys(fields, make(size))).encode()
        for asker in askers:
            send_json(asker, row, url, body)


@pytest.mark.parametrize("name", NO_OBJECT)
def test_what_is_no_object_is_refused_quickly(world: World, name: str) -> None:
    row = next(row for row in CALLS if (row.method, row.route) == ("POST", "jobs"))
    for asker in (world.askers["owner"][0], world.askers["guest"][0]):
        send_json(asker, row, "/api/v1/jobs", NO_OBJECT[name])


_VOICE = {"voice": "scripted:one"}
_SCENE = {"text": "a", "title": "A", "options": {"pitch": 1}}

SCRIPTS: dict[str, tuple[dict[str, Any], str, str]] = {
    # the error codes for an owner and a guest; "" if nothing is wrong
    "as many scenes as there may be": (
        {"scenes": [_SCENE] * 5_000},
        "",
        "text_too_long",
    ),
    "and one more": ({"scenes": [_SCENE] * 5_001}, "text_too_long", "text_too_long"),
    "empty scenes": ({"scenes": [{}] * 5_000}, "invalid", "invalid"),
    "scenes that are no scenes": ({"scenes": ["a"] * 5_000}, "invalid", "invalid"),
    "the last one is wrong": (
        {"scenes": [_SCENE] * 4_999 + [{}]},
        "invalid",
        "text_too_long",
    ),
    "wrong options": (
        {"scenes": [{"text": "a", "options": {"a" * n: 1 for n in range(33)}}] * 500},
        "invalid",
        "invalid",
    ),
    "chapters beyond all measure": (
        {"text": "# a\n" * 1_600_000, "split": "chapters"},
        "text_too_long",
        "text_too_long",
    ),
    "as many chapters as letters": (
        {"text": "# a\n" * 249_999, "split": "chapters"},
        "text_too_long",
        "text_too_long",
    ),
    "hardly any headings": (
        {"text": "a\n" * 499_999, "split": "chapters"},
        "",
        "text_too_long",
    ),
    "nearly headings": (
        {"text": "Prologue\n" * 111_000, "split": "chapters"},
        "",
        "text_too_long",
    ),
    "a text of line ends": ({"text": "a\r\n" * 499_999}, "", "text_too_long"),
    "a text of white space": ({"text": " \r\n" * 700_000}, "empty_text", "empty_text"),
    "a text of marks": (
        {"text": "a" + "\u0301" * 999_999},
        "endless_character",
        "text_too_long",
    ),
    "a text of flags": ({"text": "🇩" * 999_999 + "x"}, "", "text_too_long"),
    "a text of marks within limits": (
        {"text": ("a" + "\u0301" * 90) * 10_000},
        "",
        "text_too_long",
    ),
    "a long fallback": (
        {"text": "a", "fallback": ["scripted:one"] * 90_000},
        "invalid",
        "invalid",
    ),
    "deep metadata": (
        {"text": "a", "metadata": json.loads("[" * 28 + "]" * 28)},
        "",
        "guest_provider",
    ),
    "wide metadata": (
        {"text": "a", "metadata": list(range(90_000))},
        "invalid",
        "invalid",
    ),
    "long metadata": ({"text": "a", "metadata": "a" * 7_000_000}, "invalid", "invalid"),
    "unknown fields": (
        {"text": "a", **{f"field {n}": n for n in range(90_000)}},
        "",
        "guest_provider",
    ),
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_no_script_costs_much_before_it_is_taken(world: World, name: str) -> None:
    script, *expected = SCRIPTS[name]
    body = json.dumps(script | _VOICE, ensure_ascii=False).encode()
    for who, code in zip(("owner", "guest"), expected, strict=True):
        asker = world.askers[who][0]
        row = _call("POST", "estimate" if who == "owner" else "jobs")
        answer = send_json(asker, row, url_for(world, row), body)
        assert answer.json().get("code", "") == code, answer.content[:300]


# --- Forms -----------------------------------------------------------------------------

_SIZE = settings.BODY_LIMITS["/"] - 1000
_FORM = "application/x-www-form-urlencoded"
_FILE = (
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n'
)
_FIELD = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="f"\r\n\r\n\r\n'

FORMS: dict[str, tuple[str, str]] = {
    "one long field": (_FORM, "email=" + "a" * _SIZE),
    "written in codes": (_FORM, "email=" + "%41" * (_SIZE // 3)),
    "addresses": (_FORM, "email=" + "a@a." * (_SIZE // 4)),
    "many fields": (_FORM, "a&" * (_SIZE // 2)),
    "as many as there may be": (_FORM, "a=" + "%41" * 80 + ("&a=" + "%41" * 80) * 998),
    "one long file": (MULTIPART_CONTENT, _FILE + "a" * (_SIZE - 500)),
    "many files": (MULTIPART_CONTENT, (_FILE + "a\r\n") * (_SIZE // 200)),
    "many empty parts": (MULTIPART_CONTENT, _FIELD * (_SIZE // 200)),
    "no parts": (MULTIPART_CONTENT, f"--{BOUNDARY}\r\n" * (_SIZE // 100)),
    "headers without end": (
        MULTIPART_CONTENT,
        f"--{BOUNDARY}\r\n" + "a: b\r\n" * (_SIZE // 7),
    ),
}


@pytest.mark.parametrize("name", FORMS)
def test_no_form_costs_much(world: World, name: str) -> None:
    """Every page is sent every form, whatever it expects."""
    kind, body = FORMS[name]
    urls = [
        route for route in ours() if not is_watched(route) and "admin/" not in route
    ]
    urls += [url_of(page, values_of(page, world.alice.things)) for page in PAGES]
    assert len(urls) > 40
    for url in urls:
        for who in ("in_personal", "guest_at_page"):
            (asker,) = world.askers[who]
            cookies = deepcopy(asker.client.cookies)  # a form may log out
            with rolled_back():
                send(asker, "POST", f"/{url.lstrip('/')}", body.encode(), kind)
            asker.client.cookies = cookies


def _call(method: str, route: str) -> Call:
    (found,) = (row for row in CALLS if (row.method, row.route) == (method, route))
    return found
