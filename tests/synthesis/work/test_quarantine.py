"""A scene that kills its process is failed; one that was claimed by chance is not."""

import signal
import sys
from datetime import timedelta

import pytest
from django.utils import timezone

from billing.ledger.wallets import summary, wallet_of
from synthesis.models import Job, Scene
from synthesis.work import dispatch, quarantine, worker
from tests import factories, processes
from tests.synthesis.claim import claim

pytestmark = pytest.mark.django_db(transaction=True)

VOICE = "unicorn:en-us"


def lose_holder() -> None:
    """Simulate a `kill -9` of a worker and the dispatcher's take-back of its scene."""
    claim("local")
    Scene.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    dispatch.sweep()


@pytest.fixture
def own_process(monkeypatch):
    """Configure child processes of workers to use the test database."""
    for name, value in processes.environment().items():
        monkeypatch.setenv(name, value)


def test_a_scene_of_killed_workers_is_spoken_in_the_end(submitted, own_process) -> None:
    job = submitted(factories.caller(), "Innocent.", voice=VOICE)
    for _ in range(3):
        lose_holder()
    assert job.scenes.get().crashes == 3

    assert worker.work("local") == 1

    scene = job.scenes.get()
    assert (scene.status, scene.strikes) == ("completed", 0)
    job.refresh_from_db()
    assert (job.status, job.charged) == ("completed", 9)


def test_a_scene_that_kills_its_process_fails_and_costs_nothing(
    submitted, monkeypatch
) -> None:
    caller = factories.caller()
    job = submitted(caller, "Poison.", voice=VOICE)
    for _ in range(3):
        lose_holder()
    deadly = f"import os; os.kill(os.getpid(), {int(signal.SIGKILL)})"
    monkeypatch.setattr(quarantine, "COMMAND", [sys.executable, "-c", deadly])

    assert worker.work("local") == 3

    scene = job.scenes.get()
    assert (scene.status, scene.error_code) == ("failed", "internal_error")
    assert summary(wallet_of(caller.workspace, "PRODUCTION"))["balance"] == 5000
    assert Job.objects.get().status == "failed"
