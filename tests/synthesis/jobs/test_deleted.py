"""A job that was deleted is not changed, also by a request that found it before."""

import pytest
from django.db import transaction

from accounts.caller import Caller
from billing.ledger.wallets import summary, wallet_of
from kit.errors import NotFound
from providers.contract.base import Failure, ProviderError
from synthesis.jobs import again, cancel
from synthesis.models import Job, Scene
from tests import factories
from tests.billing.factories import violations
from tests.synthesis import scripted
from tests.synthesis.racing import STARTS, race

pytestmark = pytest.mark.django_db(transaction=True)
JSON = "application/json"


@pytest.fixture
def caller() -> Caller:
    return factories.caller()


def credits(caller: Caller) -> tuple[int, int]:
    told = summary(wallet_of(caller.workspace, caller.environment))
    return told["balance"], told["reserved"]


VERBS = {
    "cancel": lambda caller, job: cancel.cancel(job.pk),
    "pause": lambda caller, job: cancel.pause(job.pk),
    "resume": lambda caller, job: cancel.resume(job.pk),
    "retry": lambda caller, job: again.retry(caller, job.pk),
    "edit": lambda caller, job: again.edit(
        caller, job.pk, job.scenes.latest("index").pk, {"text": "New."}
    ),
    "retitle": lambda caller, job: again.edit(
        caller, job.pk, job.scenes.latest("index").pk, {"title": "New."}
    ),
}


@pytest.mark.parametrize("verb", VERBS)
def test_a_job_that_was_just_deleted_is_not_changed(
    caller, submitted, speak_all, verb
) -> None:
    job = submitted(caller, "Fails.", "Spoken.")
    scripted.failures.append(ProviderError(Failure.BAD_REQUEST, "no"))
    speak_all()
    with transaction.atomic(durable=True):
        cancel.delete(job.pk)
    before = list(Job.objects.values()), list(Scene.objects.values()), credits(caller)

    with pytest.raises(NotFound), transaction.atomic(durable=True):
        VERBS[verb](caller, job)

    after = list(Job.objects.values()), list(Scene.objects.values()), credits(caller)
    assert after == before


@pytest.mark.parametrize("waits", STARTS)
def test_a_change_races_the_deletion(caller, submitted, speak_all, waits) -> None:
    """Either it comes first and is canceled, or nothing is changed: no charge at all."""
    job = submitted(caller, "Old words.")
    speak_all()
    token = factories.token(caller.user)

    def change() -> int:
        return int(
            factories.api(token)
            .patch(f"/api/v1/jobs/{job.pk}/scenes/1", {"text": "New."}, JSON)
            .status_code
        )

    def delete() -> int:
        url = f"/api/v1/jobs/{job.pk}"
        return int(factories.api(token).delete(url).status_code)

    changed, deleted = race(change, delete, waits)

    assert deleted == 204
    assert changed in (202, 404)
    assert speak_all() == 0
    job.refresh_from_db()
    assert (job.is_deleted, job.status, job.charged) == (True, "completed", 10)
    assert job.rounds == (2 if changed == 202 else 1)
    assert credits(caller) == (4990, 0)
    assert violations() == {}
