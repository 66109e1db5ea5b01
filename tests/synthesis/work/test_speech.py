"""Speech at once: one request, one scene, one charge."""

import base64
import json
import threading
from datetime import timedelta

import pytest
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from billing.ledger.wallets import summary, wallet_of
from billing.models import LedgerTransaction
from kit.db import admission
from kit.models import IdempotencyRecord
from providers.contract.base import Failure, ProviderError
from providers.models import Provider
from synthesis.models import Job, Scene
from synthesis.work import dispatch, rendering, settlement, speech
from tests import factories
from tests.synthesis import scripted
from tests.synthesis.decoded import milliseconds_of

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("voices"),
]

URL = "/api/v1/speech"


@pytest.fixture
def owner():
    return factories.user()


@pytest.fixture
def api(owner):
    return factories.api(factories.token(owner))


@pytest.fixture
def credits(owner):
    wallet = wallet_of(factories.workspace(owner), "PRODUCTION")
    return lambda: (summary(wallet)["balance"], summary(wallet)["reserved"])


def post(client, body: object, **headers: str):
    return client.post(
        URL, json.dumps(body), content_type="application/json", headers=headers
    )


def test_speech_returns_audio_and_word_times(api, credits) -> None:
    sent = "\r\n Hello, \r\nbrave new wörld!  "
    answer = post(api, {"input": sent, "voice": "unicorn:en-us"})

    assert answer.status_code == 200
    told = answer.json()
    assert milliseconds_of(base64.b64decode(told["audio"])) == pytest.approx(
        told["duration_ms"], abs=1
    )
    words = told["word_timestamps"]
    assert [sent[w["char_start"] : w["char_end"]] for w in words] == [
        "Hello",
        "brave",
        "new",
        "wörld",
    ]
    assert [w["word"] for w in words] == ["Hello", "brave", "new", "wörld"]
    assert words[-1]["end"] <= told["duration_ms"] / 1000
    assert told["timing"] == "exact"
    assert (told["characters"], told["cost"], told["billed_to"]) == (24, 24, "credits")
    assert told["split"] == {"subscription": 0, "credits": 24}
    assert credits() == (4976, 0)
    assert Job.objects.get(pk=told["transaction_id"]).status == "completed"


@pytest.mark.parametrize("format_", ["mp3", "wav", "flac", "opus", "aac"])
def test_every_format_has_the_same_length(api, format_) -> None:
    body = {"input": "The same length.", "voice": "unicorn:en-us", "format": format_}
    told = post(api, body).json()
    # ADTS has no place for the encoder's delay: up to 3 frames of 1,024 samples.
    slack = 3 * 1024 / 22.05 if format_ == "aac" else 1
    length = milliseconds_of(base64.b64decode(told["audio"]))
    assert -1 <= length - told["duration_ms"] <= slack


def test_a_failed_provider_is_a_502_and_costs_nothing(api, credits) -> None:
    scripted.failures.append(ProviderError(Failure.BAD_REQUEST, "secret vendor words"))
    answer = post(api, {"input": "Hi.", "voice": "scripted:one"})
    assert (answer.status_code, answer.json()["code"]) == (502, "provider_failed")
    assert b"secret" not in answer.content
    assert credits() == (5000, 0)
    assert Job.objects.get().status == "failed"


def test_a_busy_provider_is_a_503(api, credits) -> None:
    scripted.failures.append(ProviderError(Failure.DOWN))
    answer = post(api, {"input": "Hi.", "voice": "scripted:one"})
    assert (answer.status_code, answer.json()["code"]) == (503, "provider_unavailable")
    assert credits() == (5000, 0)


def test_a_full_provider_is_a_503_and_nothing_is_written(api, credits) -> None:
    Provider.objects.filter(slug="scripted").update(max_concurrent=0)
    answer = post(api, {"input": "Hi.", "voice": "scripted:one"})
    assert answer.status_code == 503
    assert (Job.objects.count(), scripted.calls, credits()) == (0, [], (5000, 0))


@pytest.mark.parametrize("text", ["…", "!!! ??? …", "🎉🎉", "   "])
def test_nothing_to_say_is_an_empty_text(api, credits, text) -> None:
    answer = post(api, {"input": text, "voice": "unicorn:en-us"})
    assert (answer.status_code, answer.json()["code"]) == (400, "empty_text")
    assert credits() == (5000, 0)


def test_longer_texts_are_sent_to_jobs(api) -> None:
    answer = post(api, {"input": "x" * 5001, "voice": "unicorn:en-us"})
    assert (answer.status_code, answer.json()["code"]) == (400, "text_too_long")
    assert "/api/v1/jobs" in answer.json()["detail"]


def test_a_repeated_request_returns_the_stored_audio_for_free(api, credits) -> None:
    body = {"input": "Only once.", "voice": "scripted:one"}
    first = post(api, body, **{"Idempotency-Key": "one"})
    second = post(api, body, **{"Idempotency-Key": "one"})
    assert second["Idempotent-Replayed"] == "true"
    assert second.json() == first.json()
    assert scripted.calls == ["Only once."]
    assert credits() == (4990, 0)
    mismatch = post(api, body | {"speed": 2}, **{"Idempotency-Key": "one"})
    assert mismatch.json()["code"] == "idempotency_mismatch"


def test_a_repeated_request_after_a_failure_tries_again(api, credits) -> None:
    scripted.failures.append(ProviderError(Failure.DOWN))
    body = {"input": "Again.", "voice": "scripted:one"}
    assert post(api, body, **{"Idempotency-Key": "x"}).status_code == 503
    assert post(api, body, **{"Idempotency-Key": "x"}).status_code == 200
    assert credits() == (4994, 0)


def test_a_repeated_request_while_the_first_runs_is_refused(api, owner) -> None:
    body = {"input": "Slow.", "voice": "scripted:one"}
    post(api, body, **{"Idempotency-Key": "slow"})
    IdempotencyRecord.objects.update(status=None, body="")
    answer = post(api, body, **{"Idempotency-Key": "slow"})
    assert (answer.status_code, answer.json()["code"]) == (
        409,
        "idempotency_in_progress",
    )


def test_a_web_process_that_dies_leaves_nothing_reserved(
    api, credits, monkeypatch
) -> None:
    def die(*_: object, **__: object) -> None:
        raise SystemExit

    body = {"input": "Lost.", "voice": "scripted:one"}
    with monkeypatch.context() as patched:
        patched.setattr(speech, "render", die)
        patched.setattr(speech, "_fail", lambda *_: None)  # nor does it fail the job
        with pytest.raises(SystemExit):
            post(api, body, **{"Idempotency-Key": "lost"})
    assert credits() == (4995, 5)

    Scene.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    dispatch.sweep()

    assert Job.objects.get().status == "failed"
    assert credits() == (5000, 0)
    assert LedgerTransaction.objects.filter(kind="capture").count() == 0
    assert post(api, body, **{"Idempotency-Key": "lost"}).status_code == 200


@pytest.mark.parametrize("is_committed", [False, True])
@pytest.mark.parametrize("step", ["_record", "complete"])
def test_an_outage_of_the_database_loses_no_audio(
    api, credits, monkeypatch, step, is_committed
) -> None:
    """The connection breaks after a call, before or after the commit."""
    where = rendering if step == "_record" else settlement
    work = getattr(where, step)
    tries = []

    def break_off(*args: object) -> object:
        tries.append(args)
        if len(tries) == 1:
            if is_committed:
                work(*args)
                transaction.on_commit(lose_answer)
                if connection.in_atomic_block:
                    return Job.objects.get()
            raise OperationalError("the connection is closed")
        return work(*args)

    def lose_answer() -> None:
        if len(tries) == 1 and step == "complete":
            raise OperationalError("the connection is closed")

    monkeypatch.setattr(where, step, break_off)
    monkeypatch.setattr(speech, "_DATABASE_PAUSE", 0)

    answer = post(api, {"input": "Hello.", "voice": "scripted:one"})

    assert answer.status_code == 200
    assert milliseconds_of(base64.b64decode(answer.json()["audio"])) > 0
    assert scripted.calls == ["Hello."]
    assert credits() == (4994, 0)
    assert Job.objects.get().status == "completed"
    assert LedgerTransaction.objects.filter(kind="capture").count() == 1


def test_an_outage_that_lasts_is_a_503_and_its_credits_come_back(
    api, credits, monkeypatch
) -> None:
    def break_off(*_: object) -> None:
        raise OperationalError("the connection is closed")

    monkeypatch.setattr(settlement, "complete", break_off)
    monkeypatch.setattr(speech, "_DATABASE_PATIENCE", 0)

    answer = post(api, {"input": "Hello.", "voice": "scripted:one"})

    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert Job.objects.get().status == "failed"
    assert credits() == (5000, 0)


def test_too_many_waiting_requests_are_refused_before_anything_is_reserved(
    api, credits, monkeypatch
) -> None:
    full = threading.Semaphore(0)
    monkeypatch.setattr(admission, "_slots", full)
    monkeypatch.setattr(admission, "_waiting", full)

    spoken = post(api, {"input": "Hello.", "voice": "scripted:one"})
    queued = api.post(
        "/api/v1/jobs",
        json.dumps({"text": "Hello.", "voice": "scripted:one"}),
        content_type="application/json",
    )

    for answer in (spoken, queued):
        assert (answer.status_code, answer.json()["code"]) == (503, "overloaded")
        assert answer["Retry-After"] == "5"
    assert scripted.calls == []
    assert Job.objects.count() == 0
    assert credits() == (5000, 0)
