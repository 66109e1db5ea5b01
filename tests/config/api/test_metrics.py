"""The metrics, and who may read them."""

import json
import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from kit.models import QuotaCounter
from providers.models import Provider, Upstream, Voice
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)

TOKEN = "a token of the tests"
_LINE = re.compile(
    r'[a-z_]+(\{[a-z]+="([^"\\\n]|\\.)*"(,[a-z]+="([^"\\\n]|\\.)*")*\})? [\d.e+-]+'
)


def read(token: str = f"Bearer {TOKEN}"):
    return Client(headers={"Authorization": token}).get("/metrics")


@pytest.mark.parametrize("token", ["", "Bearer ", "Bearer None"])
def test_metrics_are_disabled_without_a_token(token) -> None:
    assert read(token).status_code == 404


@pytest.mark.parametrize("token", ["", "Bearer wrong", TOKEN, "Bearer a tokén"])
def test_metrics_require_the_token(settings, token) -> None:
    settings.METRICS_TOKEN = TOKEN
    answer = read(token)
    assert answer.status_code == 401
    assert b"ozvena_" not in answer.content
    operator = factories.browser(factories.user(is_staff=True))
    assert operator.get("/metrics").status_code == 401


def test_metrics_come_from_the_database(settings) -> None:
    settings.METRICS_TOKEN = TOKEN
    unicorn = Provider.objects.create(slug="unicorn", name="Unicorn")
    Voice.objects.create(
        id="unicorn:en", provider=unicorn, provider_voice="en", name="E", language="en"
    )
    scenes = [{"text": "One."}, {"text": "Two."}]
    answer = factories.api(factories.token()).post(
        "/api/v1/jobs",
        json.dumps({"scenes": scenes, "voice": "unicorn:en"}),
        content_type="application/json",
    )
    assert answer.status_code == 202
    now = timezone.now()
    scripted = Provider.objects.create(slug="scripted", name="Scripted")
    Upstream.objects.create(
        provider=scripted,
        calls=7,
        seconds=10.5,
        failures={"down": 2, "busy": 1},
        failing_since=now,
        open_until=now + timedelta(minutes=1),
    )
    for number in range(2):
        Upstream.objects.create(
            provider=scripted,
            region='a"\\\nb',
            credential=f"key:{number}",
            calls=3,
            failures={"bad_key": 1},
        )
    QuotaCounter.objects.create(
        name="provider_spend", subject="scripted", period=now.date(), used=99
    )

    answer = read()

    assert answer.status_code == 200
    assert answer["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "no-store" in answer["Cache-Control"]
    lines = answer.content.decode().splitlines()
    ours = 'provider="scripted",region="",credential="platform"'
    own = r'provider="scripted",region="a\"\\\nb",credential="own"'
    for expected in (
        f"ozvena_provider_calls_total{{{ours}}} 7",
        f"ozvena_provider_calls_total{{{own}}} 6",
        f"ozvena_provider_call_seconds_total{{{ours}}} 10.5",
        f'ozvena_provider_failures_total{{{ours},kind="down"}} 2',
        f'ozvena_provider_failures_total{{{own},kind="bad_key"}} 2',
        f'ozvena_provider_upstreams{{{ours},state="open"}} 1',
        f'ozvena_provider_upstreams{{{ours},state="closed"}} 0',
        f'ozvena_provider_upstreams{{{own},state="closed"}} 2',
        'ozvena_provider_spend_today{provider="scripted"} 99',
        'ozvena_scenes_waiting{queue="local"} 2',
        'ozvena_scenes_waiting{queue="remote"} 0',
        'ozvena_jobs_unfinished{status="queued"} 1',
    ):
        assert expected in lines
    samples = [line for line in lines if not line.startswith("#")]
    assert all(_LINE.fullmatch(line) for line in samples)
    assert len(samples) == len(set(samples))
