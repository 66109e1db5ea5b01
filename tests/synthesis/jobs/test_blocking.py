"""Jobs of blocked customers are canceled, and their credits are released."""

import pytest
from django.db import transaction

from accounts.people import blocking as suspending
from billing.ledger.wallets import summary, wallet_of
from synthesis.jobs.blocking import cancel_suspended
from synthesis.models import Job
from synthesis.work import claiming
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)


def balance(caller):
    told = summary(wallet_of(caller.workspace, caller.environment))
    return told["balance"], told["reserved"]


@pytest.mark.parametrize("whom", ["user", "workspace"])
def test_queued_jobs_are_canceled_and_refunded(submitted, whom):
    caller, other = factories.caller(), factories.caller()
    job, kept = submitted(caller, "Hello.", "Again."), submitted(other, "Hello.")
    assert balance(caller) == (5000 - 12, 12)

    suspending.block(getattr(caller, whom))

    assert cancel_suspended() == 1
    assert cancel_suspended() == 0
    job.refresh_from_db()
    assert (job.status, job.reason) == ("canceled", "blocked")
    assert (job.charged, job.refunded) == (0, 12)
    assert balance(caller) == (5000, 0)
    kept.refresh_from_db()
    assert kept.status == "queued"


def test_jobs_of_team_members_continue(submitted):
    alice, bob = factories.user(), factories.user()
    team = factories.team(alice, bob)
    with transaction.atomic():
        factories.grant(wallet_of(team, factories.caller(alice).environment), 100)
    hers = submitted(factories.caller(alice, workspace=team), "Hello.")
    his = submitted(factories.caller(bob, workspace=team), "Hello.")

    suspending.block(bob)

    assert cancel_suspended() == 1
    states = {job.pk: job.status for job in Job.objects.all()}
    assert states == {hers.pk: "queued", his.pk: "canceled"}


def test_the_result_of_a_canceled_scene_is_discarded(submitted):
    caller = factories.caller()
    submitted(caller, "Hello.")
    scene = claiming.claim_next("remote")
    assert scene is not None

    suspending.block(caller.workspace)
    cancel_suspended()

    scene.refresh_from_db()
    assert scene.status == "canceled"
    assert balance(caller) == (5000, 0)


def test_blocking_rings_the_bell(submitted, monkeypatch):
    rung = []
    monkeypatch.setattr(
        "kit.work.bells.ring_soon", lambda task, *_, **__: rung.append(task)
    )
    alice = factories.user()

    suspending.block(alice)
    assert rung == ["synthesis.tasks.cancel_shut"]
    suspending.unblock(alice)
    assert len(rung) == 1
