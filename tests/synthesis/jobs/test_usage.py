"""Usage records of completed scenes, and monthly limits of tokens."""

import pytest
from django.db.models import Sum

from accounts import tokens
from billing.ledger.wallets import wallet_of
from billing.models import LedgerTransaction, TokenSpending, Usage
from providers.contract.base import Failure, ProviderError
from synthesis.models import Job
from tests import factories
from tests.billing.factories import grant, spent
from tests.synthesis import scripted

pytestmark = pytest.mark.django_db(transaction=True)
JSON = "application/json"


def rows():
    return list(
        Usage.objects.order_by("pk").values_list(
            "voice",
            "characters",
            "credits",
            "from_subscription",
            "from_credits",
            "billed_to",
        )
    )


def test_each_scene_is_a_usage_record(submitted, speak_all) -> None:
    caller = factories.caller()
    grant(wallet_of(caller.workspace, "PRODUCTION"), 12, kind="allowance")
    job = submitted(caller, "One. " * 2, "Two two.", metadata={"a": 1})
    speak_all()
    assert rows() == [
        ("scripted:one", 9, 9, 9, 0, "subscription"),
        ("scripted:one", 8, 8, 3, 5, "credits"),
    ]
    row = Usage.objects.earliest("pk")
    assert caller.user
    assert (row.workspace, row.environment) == (caller.workspace, "PRODUCTION")
    assert (row.user_id, row.token_id) == (caller.user.pk, None)
    assert (row.job, row.provider) == (str(job.pk), "scripted")
    job.refresh_from_db()
    assert job.charged == Usage.objects.aggregate(all=Sum("credits"))["all"]


def test_failed_scenes_are_no_usage(submitted, speak_all) -> None:
    scripted.failures.append(ProviderError(Failure.BAD_REQUEST, "vendor words"))
    submitted(factories.caller(), "This one fails.", "This one does not.")
    speak_all()
    assert [row[1] for row in rows()] == [18]


def test_guests_and_operators_are_counted_too(submitted, speak_all) -> None:
    submitted(factories.guest(), "Free.", voice="unicorn:en-us")
    submitted(factories.caller(factories.user(is_staff=True)), "On the house.")
    speak_all()
    assert sorted(row[1:] for row in rows()) == [
        (5, 0, 0, 0, "guest"),
        (13, 0, 0, 0, "admin"),
    ]


def test_speaking_a_scene_again_is_another_usage_record(voices, speak_all) -> None:
    user = factories.user()
    api = factories.api(factories.token(user))
    body = {"text": "Once.", "voice": "scripted:one"}
    job = api.post("/api/v1/jobs", body, JSON).json()["transaction_id"]
    speak_all()
    answer = api.patch(f"/api/v1/jobs/{job}/scenes/1", {"text": "Twice!!"}, JSON)
    assert answer.status_code == 202
    speak_all()
    found = Usage.objects.order_by("pk").values_list("render", "characters")
    assert list(found) == [(1, 5), (2, 7)]


def test_speech_at_once_is_a_usage_record(voices) -> None:
    api = factories.api(factories.token())
    body = {"input": "Right now.", "voice": "scripted:one"}
    assert api.post("/api/v1/speech", body, JSON).status_code == 200
    assert [row[1:3] for row in rows()] == [(10, 10)]
    assert Usage.objects.get().token_id is not None


@pytest.fixture
def limited(voices):
    user = factories.user("ada@example.com")
    token, text = tokens.issue(
        factories.workspace(user), user, name="T", monthly_credit_limit=30
    )
    return token, factories.api(text)


def test_a_token_past_its_limit_is_refused_and_nothing_is_written(
    limited, speak_all
) -> None:
    token, api = limited
    body = {"text": "x" * 20, "voice": "scripted:one"}
    assert api.post("/api/v1/jobs", body, JSON).status_code == 202
    postings = LedgerTransaction.objects.count()
    headers = {"Idempotency-Key": "again"}
    for path, sent in (
        ("/api/v1/jobs", body),
        ("/api/v1/speech", {"input": "y" * 11, "voice": "scripted:one"}),
    ):
        answer = api.post(path, sent, JSON, headers=headers)
        assert answer.status_code == 429
        assert answer.json()["code"] == "token_limit_reached"
        assert answer.json()["params"]["available"] == 10
        assert "Retry-After" not in answer.headers
    assert (Job.objects.count(), LedgerTransaction.objects.count()) == (1, postings)
    assert spent(token, "PRODUCTION") == 20
    speak_all()
    sent = {"input": "y" * 10, "voice": "scripted:one"}
    assert api.post("/api/v1/speech", sent, JSON).status_code == 200
    assert spent(token, "PRODUCTION") == 30


def test_released_credits_can_be_spent_again(limited, speak_all) -> None:
    token, api = limited
    body = {"text": "x" * 30, "voice": "scripted:one"}
    job = api.post("/api/v1/jobs", body, JSON).json()["transaction_id"]
    assert api.post(f"/api/v1/jobs/{job}/cancel").status_code == 200
    assert spent(token, "PRODUCTION") == 0
    scripted.failures.append(ProviderError(Failure.BAD_REQUEST, "vendor words"))
    assert api.post("/api/v1/jobs", body, JSON).status_code == 202
    speak_all()
    assert spent(token, "PRODUCTION") == 0
    job = Job.objects.latest("pk")
    assert api.post(f"/api/v1/jobs/{job.pk}/retry", {}, JSON).status_code == 202
    answer = api.post("/api/v1/jobs", body, JSON)
    assert answer.json()["code"] == "token_limit_reached"
    assert TokenSpending.objects.get().credits == 30
