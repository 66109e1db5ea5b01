"""An engine's process that is killed costs a retry, and nothing else."""

import os
import signal
import threading
import time

import pytest

from billing.ledger.wallets import summary, wallet_of
from providers.models import Voice
from synthesis.models import Piece
from tests import factories
from tests.providers.unicorn.test_service import eventually, forks, needs_proc, service
from tests.synthesis.clock import let_pass

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("voices"),
    pytest.mark.system,
]
TEXT = "The echo comes back before you have turned around. " * 90  # two pieces


@needs_proc
def test_a_killed_engine_is_retried_and_nothing_is_lost(submitted, speak_all):
    Voice.objects.create(
        id="unicorn:heart",
        provider_id="unicorn",
        provider_voice="heart",
        name="Heart",
        language="en-US",
    )
    owner = factories.user()
    wallet = wallet_of(factories.workspace(owner), "PRODUCTION")
    before = summary(wallet)["balance"]
    pid = service()
    eventually(lambda: len(forks(pid, "hibari")) == os.cpu_count())
    job = submitted(factories.caller(owner), TEXT, voice="unicorn:heart")

    def kill() -> None:
        while not _busy(pid):
            time.sleep(0.005)
        for victim in forks(pid, "hibari"):
            os.kill(victim, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    speak_all()
    killer.join()
    job.refresh_from_db()
    scene = job.scenes.get()
    assert (scene.status, scene.attempts) == ("queued", 1)
    assert summary(wallet)["balance"] == before - len(TEXT.strip())
    let_pass(600)
    speak_all()
    scene.refresh_from_db()
    assert scene.status == "completed"
    assert Piece.objects.filter(scene=scene).count() == 2
    assert summary(wallet)["reserved"] == 0


def _busy(pid: int) -> bool:
    """Return whether a process of the engine has computed for a tenth of a second."""
    return any(_ticks(fork) > 10 for fork in forks(pid, "hibari"))


def _ticks(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return sum(map(int, file.read().rpartition(")")[2].split()[11:13]))
    except OSError:
        return 0
