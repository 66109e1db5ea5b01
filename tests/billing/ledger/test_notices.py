"""Webhook events about credits."""

import json

import pytest

from accounts.models import Workspace
from billing.events import CREDITS_GRANTED
from tests import factories as people
from tests.billing.factories import grant, wallet
from tests.webhooks import factories as hooks
from webhooks.models import Event

pytestmark = pytest.mark.django_db


def test_grant_sends_one_event_to_subscribers() -> None:
    w = wallet()
    hooks.endpoint(Workspace.objects.get(pk=w.workspace_id), events=["credits.granted"])

    for _ in range(2):
        grant(w, 500, key="k", kind="pack", source="s", reason="Thanks")

    event = Event.objects.get()
    assert event.type == CREDITS_GRANTED.name
    assert json.loads(event.text)["data"] == {
        "environment": "PRODUCTION",
        "available": 500,
        "reserved": 0,
        "granted": 500,
        "bucket": "pack",
        "reason": "Thanks",
    }


def test_without_subscribers_no_event_is_written() -> None:
    people.user()
    assert not Event.objects.exists()
