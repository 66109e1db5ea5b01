"""`billed_to` shows reserved credits until the job ends, then captured ones."""

import pytest
from django.db import transaction

from billing.ledger.wallets import wallet_of
from billing.models import Lot
from providers.contract.base import Failure, ProviderError
from synthesis.jobs import cancel
from synthesis.work import worker
from tests import factories
from tests.billing.factories import grant, violations
from tests.synthesis import scripted
from tests.synthesis.claim import claim

pytestmark = pytest.mark.django_db(transaction=True)
JSON = "application/json"


@pytest.fixture
def caller(voices):
    """A customer whose allowance pays for the first five characters."""
    caller = factories.caller()
    w = wallet_of(caller.workspace, "PRODUCTION")
    grant(w, 5, kind="allowance")
    grant(w, 100)
    assert Lot.objects.filter(wallet=w, kind="promo").exists()
    return caller


def test_a_job_that_spends_both_is_billed_to_credits(caller, submitted, speak_all):
    job = submitted(caller, "Five.", "More.")
    assert job.billed_to == "credits"
    speak_all()
    job.refresh_from_db()
    assert (job.charged, job.charged_to_subscription) == (10, 5)
    assert job.billed_to == "credits"


def test_only_captured_credits_count_as_payer(caller, submitted):
    job = submitted(caller, "Five.", "More.")
    worker.speak(claim())
    scripted.failures.append(ProviderError(Failure.BAD_REQUEST, "no"))
    worker.speak(claim())
    job.refresh_from_db()
    assert (job.status, job.charged, job.refunded) == ("partial", 5, 5)
    assert job.billed_to == "subscription"
    assert violations() == {}


def test_a_canceled_job_is_billed_to_what_paid(caller, submitted):
    job = submitted(caller, "Five.", "More.")
    worker.speak(claim())
    with transaction.atomic():
        cancel.cancel(job.pk)
    job.refresh_from_db()
    assert (job.charged, job.billed_to) == (5, "subscription")


def test_a_job_that_nothing_paid_for_keeps_what_was_reserved(caller, submitted):
    job = submitted(caller, "Five.", "More.")
    with transaction.atomic():
        cancel.cancel(job.pk)
    job.refresh_from_db()
    assert (job.charged, job.billed_to) == (0, "credits")


@pytest.mark.parametrize(("limit", "affordable"), [(None, True), (5, True), (4, False)])
def test_an_estimate_knows_the_limit_of_the_token(caller, limit, affordable):
    token = factories.token(caller.user, monthly_credit_limit=limit)
    answer = factories.api(token).post(
        "/api/v1/estimate", {"text": "Five.", "voice": "scripted:one"}, JSON
    )
    told = answer.json()
    assert (told["cost"], told["available"]) == (5, 5105)
    assert told["affordable"] is affordable
