"""API of jobs, for tokens and guests."""

import json
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from celery import current_app
from django.db import connection

from billing.models import LedgerTransaction
from synthesis.models import Job, Scene
from tests import factories
from tests.cases import cases

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("voices"),
]

JOBS = "/api/v1/jobs"


@pytest.fixture
def owner():
    return factories.user("alice@example.com")


@pytest.fixture
def api(owner):
    return factories.api(factories.token(owner))


def post(client, url: str, body: object, **headers: str):
    return client.post(
        url, json.dumps(body), content_type="application/json", headers=headers
    )


def test_submit_poll_and_fetch(api, speak_all) -> None:
    body = {
        "title": "Two echoes",
        "scenes": [
            {"title": "Opening", "text": "Hello world."},
            {"text": "Goodbye.", "voice": "scripted:two"},
        ],
        "voice": "scripted:one",
        "metadata": {"any": ["json"]},
    }
    answer = post(api, JOBS, body)
    assert answer.status_code == 202
    job = answer.json()
    assert uuid.UUID(job["transaction_id"]).version == 7
    assert {key: job[key] for key in ("status", "environment", "characters")} == {
        "status": "queued",
        "environment": "PRODUCTION",
        "characters": 20,
    }
    assert (job["cost"], job["charged"], job["refunded"]) == (20, 0, 0)
    assert job["progress"] == {"scenes_total": 2, "scenes_done": 0, "percent": 0}
    assert job["metadata"] == {"any": ["json"]}
    assert [scene["audio_url"] for scene in job["scenes"]] == [None, None]
    assert api.get(f"{JOBS}/{job['transaction_id']}/scenes/1/audio").json()["code"] == (
        "not_ready"
    )

    speak_all()

    done = api.get(job["links"]["self"]).json()
    assert (done["status"], done["charged"]) == ("completed", 20)
    assert done["progress"] == {"scenes_total": 2, "scenes_done": 2, "percent": 100}
    assert done["finished_at"] is not None
    first = done["scenes"][0]
    assert (first["index"], first["title"], first["error"]) == (1, "Opening", None)
    audio = api.get(first["audio_url"])
    assert audio["Content-Type"] == "audio/mpeg"
    assert 'filename="001-opening.mp3"' in audio["Content-Disposition"]
    assert len(b"".join(audio.streaming_content)) == int(audio["Content-Length"])
    words = api.get(first["words_url"]).json()
    assert [word["word"] for word in words["words"]] == ["Hello", "world"]


def test_lists_are_paged_newest_first_without_scenes(api) -> None:
    ids = [
        post(api, JOBS, {"text": f"{n}.", "voice": "scripted:one"}).json()[
            "transaction_id"
        ]
        for n in range(3)
    ]
    page = api.get(f"{JOBS}?limit=2").json()
    assert [job["transaction_id"] for job in page["results"]] == ids[:0:-1]
    assert "scenes" not in page["results"][0]
    rest = api.get(page["next"]).json()
    assert [job["transaction_id"] for job in rest["results"]] == ids[:1]
    assert rest["next"] is None
    assert api.get(f"{JOBS}?status=completed").json()["results"] == []
    assert api.get(f"{JOBS}?status=odd").status_code == 400
    assert len(api.get(f"{JOBS}?provider=scripted").json()["results"]) == 3


def test_an_estimate_writes_nothing_and_equals_the_price(api) -> None:
    body = {"text": " Twelve char\r\n", "voice": "scripted:one"}
    told = post(api, "/api/v1/estimate", body).json()
    assert told == {
        "characters": 11,
        "cost": 11,
        "available": 5000,
        "affordable": True,
        "scenes": 1,
        "voice": "scripted:one",
        "voices": ["scripted:one"],
    }
    assert Job.objects.count() == 0
    assert post(api, JOBS, body).json()["cost"] == 11


def test_the_same_key_and_body_is_one_job(api) -> None:
    body = {"text": "Once.", "voice": "scripted:one"}
    first = post(api, JOBS, body, **{"Idempotency-Key": "k1"})
    second = post(api, JOBS, body, **{"Idempotency-Key": "k1"})
    other = post(api, JOBS, body | {"title": "x"}, **{"Idempotency-Key": "k1"})

    assert (first.status_code, second.status_code) == (202, 202)
    assert second.content == first.content
    assert "Idempotent-Replayed" not in first
    assert second["Idempotent-Replayed"] == "true"
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")
    assert Job.objects.count() == 1
    assert LedgerTransaction.objects.filter(kind="reserve").count() == 1


def test_twenty_parallel_requests_with_one_key_are_one_job(owner) -> None:
    token = factories.token(owner)
    body = {"text": "Once.", "voice": "scripted:one"}

    def send(_: int) -> tuple[int, str]:
        try:
            answer = post(factories.api(token), JOBS, body, **{"Idempotency-Key": "k"})
            return answer.status_code, answer.json().get("transaction_id", "")
        finally:
            connection.close()

    with ThreadPoolExecutor(10) as threads:
        answers = set(threads.map(send, range(20)))

    assert len(answers) == 1
    assert Job.objects.count() == 1


BAD_ORDERS: list[tuple[dict[str, object], int, str]] = [
    ({"text": "", "voice": "scripted:one"}, 400, "empty_text"),
    ({"text": " \r\n\t ", "voice": "scripted:one"}, 400, "empty_text"),
    ({"text": "Hi.", "voice": "scripted:none"}, 400, "unknown_voice"),
    ({"text": "Hi.", "voice": "nobody:one"}, 400, "unknown_provider"),
    ({"voice": "scripted:one"}, 400, "invalid"),
    ({"text": 5, "voice": "scripted:one"}, 400, "invalid"),
    ({"text": "Hi.", "voice": ["scripted:one"]}, 400, "invalid"),
    ({"text": "Hi.", "voice": "scripted:one", "speed": 9}, 400, "invalid"),
    ({"text": "Hi.", "voice": "scripted:one", "speed": True}, 400, "invalid"),
    ({"text": "Hi.", "voice": "scripted:one", "format": "mp4"}, 400, "invalid"),
    ({"text": "Hi.", "voice": "scripted:one", "markup": True}, 400, "invalid"),
    ({"scenes": [], "voice": "scripted:one"}, 400, "empty_text"),
    ({"scenes": "Hi.", "voice": "scripted:one"}, 400, "invalid"),
    ({"text": "x" * 1_000_001, "voice": "scripted:one"}, 400, "text_too_long"),
    ({"text": "x" * 2_000_000, "voice": "scripted:one"}, 400, "text_too_long"),
    ({"text": "x" * 5_001, "voice": "scripted:one"}, 429, "insufficient_credits"),
    (
        {"text": "Hi.", "voice": "scripted:one", "max_cost": 2},
        409,
        "price_changed",
    ),
    (
        {"scenes": [{"text": "a"}] * 5_001, "voice": "scripted:one"},
        400,
        "text_too_long",
    ),
]


def test_bad_orders_are_refused_and_leave_nothing(api, settings) -> None:
    settings.RATE_SYNTHESIS = "1000/m"
    good = {"text": "Fine.", "voice": "scripted:one"}
    for number, ((body, status, code), case) in enumerate(cases(BAD_ORDERS)):
        key = {"Idempotency-Key": f"bad {number}"}
        with case:
            answer = post(api, JOBS, body, **key)
            assert (answer.status_code, answer.json()["code"]) == (status, code)
            assert "X-Request-Id" in answer
            assert Job.objects.count() == Scene.objects.count() == number
            posted = LedgerTransaction.objects.exclude(kind="grant")
            assert posted.count() == number
            # The key is free again.
            assert post(api, JOBS, good, **key).status_code == 202


@pytest.mark.parametrize(
    "raw",
    [
        b"not json",
        b"[1]",
        b'"text"',
        b"null",
        b'{"text": "a\\u0000b", "voice": "scripted:one"}',
        b'{"text": "a\\ud800b", "voice": "scripted:one"}',
        b'{"text": "\xff", "voice": "scripted:one"}',
        b'{"speed": NaN}',
        b"[" * 100_000,
        b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
    ],
)
def test_what_is_not_a_json_object_is_malformed(api, raw) -> None:
    answer = api.post(JOBS, raw, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_json")
    assert Job.objects.count() == 0


def test_ten_megabytes_are_too_large(api) -> None:
    answer = post(api, JOBS, {"text": "x" * 10_000_000, "voice": "scripted:one"})
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


def test_missing_credits_are_a_402(api) -> None:
    answer = post(api, JOBS, {"text": "x" * 6000, "voice": "scripted:one"})
    assert answer.status_code == 429
    assert answer.json()["params"] == {"needed": 6000, "available": 5000}
    assert "Retry-After" not in answer


def test_strangers_get_404(api, owner) -> None:
    job = post(api, JOBS, {"text": "Mine.", "voice": "scripted:one"}).json()
    stranger = factories.api(factories.token())
    missing = uuid.uuid4()
    for method, path in [
        ("get", ""),
        ("delete", ""),
        ("post", "/cancel"),
        ("post", "/pause"),
        ("post", "/resume"),
        ("post", "/retry"),
        ("post", "/links"),
        ("get", "/scenes"),
        ("get", "/scenes/1"),
        ("patch", "/scenes/1"),
        ("get", "/scenes/1/audio"),
        ("get", "/scenes/1/words"),
        ("get", "/zip"),
        ("get", "/audio"),
        ("get", "/m4b"),
        ("get", "/srt"),
        ("get", "/vtt"),
    ]:
        theirs = getattr(stranger, method)(f"{JOBS}/{job['transaction_id']}{path}")
        nobodys = getattr(stranger, method)(f"{JOBS}/{missing}{path}")
        assert theirs.status_code == nobodys.status_code == 404, path
        assert theirs.content == nobodys.content
    assert Job.objects.get().status == "queued"


def test_sandbox_speaks_with_the_built_in_voice_only(api) -> None:
    headers = {"X-Environment": "SANDBOX"}
    body = {"text": "Hi.", "voice": "scripted:one"}
    refused = post(api, JOBS, body, **headers)
    assert (refused.status_code, refused.json()["code"]) == (403, "sandbox_provider")
    taken = post(api, JOBS, body | {"voice": "unicorn:en-us"}, **headers)
    assert taken.json()["environment"] == "SANDBOX"
    assert LedgerTransaction.objects.get(kind="reserve").environment == "SANDBOX"


def test_a_broken_broker_does_not_refuse_a_job(api, monkeypatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ConnectionError("the broker is down")

    monkeypatch.setattr(current_app, "producer_or_acquire", refuse)
    answer = post(api, JOBS, {"text": "No bell.", "voice": "scripted:one"})
    assert answer.status_code == 202
    assert Scene.objects.get().status == "queued"


def test_a_character_that_no_call_takes_is_refused_before_it_is_charged(api) -> None:
    text = "All is well. a" + "\u0301" * 700
    for url, body in (
        (JOBS, {"text": text, "voice": "scripted:one"}),
        ("/api/v1/estimate", {"text": text, "voice": "scripted:one"}),
        ("/api/v1/speech", {"input": text, "voice": "scripted:one"}),
    ):
        answer = post(api, url, body)
        assert (answer.status_code, answer.json()["code"]) == (400, "endless_character")
        assert answer.json()["params"] == {"limit": 100}
    assert Job.objects.count() == 0
    assert not LedgerTransaction.objects.filter(key__startswith="job:").exists()
