"""No name, title or note has line breaks or control characters, at any door."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.test import RequestFactory
from rest_framework import serializers

from accounts.models import ApiToken, Workspace
from accounts.people import teams
from kit.mail import outbox
from kit.models import Mail
from kit.rest.fields import TextField
from kit.rest.lines import one_line, to_one_line
from kit.secrets import decrypt
from synthesis.models import Job
from synthesis.text.chapters import chapters_of
from tests import factories
from tests.cases import cases
from webhooks.models import Endpoint

REFUSED = ["\n", "\r", "\0", "\t", "\x1b", "\x7f", "\x85", "\u2028", "\u2029"]
REFUSED += ["\u202e", "\u2066", "\ud800"]
TAKEN = [
    "Ünïcode",
    "日本語",
    "नमस्ते",
    "👩\u200d👩",
    "می\u200cخواهم",
    'a "b" <c> & d',
    "\u200fא",
]

FREE = {
    ("LoginRequestSerializer", "code"),  # its rule leaves white space out
    ("PromoRequestSerializer", "code"),
    ("ProviderKeyRequestSerializer", "key"),  # its rules are stricter
    ("EndpointRequestSerializer", "url"),
    ("EndpointChangeSerializer", "url"),
    ("JobRequestSerializer", "webhook_url"),
    ("JobRequestSerializer", "text"),
    ("SceneRequestSerializer", "text"),
    ("SceneChangeSerializer", "text"),
    ("SpeechRequestSerializer", "input"),
}
"""Fields of requests that may have any characters."""

APPS = ("accounts", "billing", "config", "kit", "providers", "synthesis", "webhooks")


def _kinds_of(base: type[Any]) -> Iterator[type[Any]]:
    for kind in base.__subclasses__():
        if kind.__module__.split(".")[0] in APPS:
            yield kind
        yield from _kinds_of(kind)


def _fields_of(serializer: Any) -> Iterator[tuple[str, Any]]:
    for name, field in serializer().fields.items():
        yield name, getattr(field, "child", field)


def _refuses(field: Any) -> bool:
    return one_line in field.validators


def test_one_line() -> None:
    for text in REFUSED:
        with pytest.raises(ValidationError):
            one_line(f"A{text}B")
        assert to_one_line(f"A{text}B") == "A B"
    for text in TAKEN:
        one_line(text)
        assert to_one_line(text) == text


def test_every_text_of_a_request_has_one_line_or_is_listed() -> None:
    texts = {
        (kind.__name__, name): _refuses(field)
        for kind in _kinds_of(serializers.Serializer)
        for name, field in _fields_of(kind)
        if isinstance(field, TextField)
    }

    assert {key for key, is_checked in texts.items() if not is_checked} == FREE
    assert len(texts) > len(FREE) + 10


def test_every_form_checks_its_texts(rf: RequestFactory, db: None) -> None:
    """Those of the pages, of actions of operators, and of each row in the back office."""
    request = rf.get("/")
    request.user = factories.user(is_staff=True, is_superuser=True)
    request.session = {}  # type: ignore[assignment]
    kinds = list(_kinds_of(forms.Form))
    kinds += [
        page.get_form(request)
        for page in admin.site._registry.values()
        if page.model.__module__.split(".")[0] in APPS
        and (page.has_change_permission(request) or page.has_add_permission(request))
    ]
    unchecked = {
        (kind.__module__, kind.__name__, name)
        for kind in kinds
        for name, field in kind.base_fields.items()
        if type(field) is forms.CharField
        and not isinstance(field.widget, forms.Textarea)
        and not _refuses(field)
    }
    assert unchecked == set()
    assert len(kinds) >= 20


ROUTES = [
    ("POST", "workspaces", {"name": "{}"}),
    ("PATCH", "workspaces/{workspace}", {"name": "{}"}),
    ("POST", "tokens", {"name": "{}"}),
    ("POST", "jobs", {"text": "Hi.", "voice": "unicorn:en-us", "title": "{}"}),
    ("POST", "jobs", {"scenes": [{"text": "Hi.", "title": "{}"}]}),
    (
        "POST",
        "webhooks",
        {"url": "https://a.example/", "events": ["webhook.test"], "description": "{}"},
    ),
    ("PATCH", "webhooks/{endpoint}", {"description": "{}"}),
]


def test_a_name_of_two_lines_is_refused_and_nothing_is_saved(db: None) -> None:
    alice = factories.user()
    team = factories.team(alice)
    text = factories.token(alice, workspace=team)
    hook = Endpoint.objects.create(workspace=team, url="https://a.example/", events=[])
    bad = json.dumps("A\n\nYour account is closed.\u202e")[1:-1]
    counted = (Workspace, ApiToken, Job, Endpoint)
    before = [model._default_manager.count() for model in counted]
    for (method, route, body), case in cases(ROUTES):
        with case:
            answer = factories.api(text).generic(
                method,
                "/api/v1/" + route.format(workspace=team.pk, endpoint=hook.pk),
                json.dumps(body).replace("{}", bad),
                "application/json",
            )
            assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
            assert "Use one line" in answer.content.decode()
    assert [model._default_manager.count() for model in counted] == before
    team.refresh_from_db()
    assert team.name == "Team"


@pytest.mark.django_db
def test_mails_quote_names_and_have_subjects_of_one_line() -> None:
    alice = factories.user()
    team = factories.team(alice, name="Your account is closed")
    member = team.memberships.get(user=alice)
    teams.invite(member, "new@example.com", "member")

    row = Mail.objects.get(to="new@example.com")
    text = decrypt(row.encrypted_text, context=outbox._context(row)).reveal_text()
    assert 'Workspace: "Your account is closed"' in text
    assert outbox.post("a@example.com", "A\nB", "text").subject == "A B"


def test_titles_of_chapters_have_one_line() -> None:
    (chapter,) = chapters_of("# One\x1b\u2028Two\n\nText.")
    assert chapter.title == "One  Two"
