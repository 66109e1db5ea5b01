"""Workers are killed with `kill -9`; no scene is lost, charged twice or given a strike.

`make test` runs a short form, `make chaos` the long one (CHAOS_JOBS, CHAOS_KILLS).
"""

import os
import random
import sys
import time

import pytest
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.db import transaction
from django.db.models import Sum

from billing.ledger.wallets import summary, wallet_of
from billing.models import LedgerEntry, LedgerTransaction
from providers.catalogue import sync
from synthesis.jobs import quotes
from synthesis.jobs.quotes import Order, RequestedScene
from synthesis.jobs.submit import submit
from synthesis.models import Job, Scene
from tests import factories, processes

pytestmark = pytest.mark.system

JOBS = int(os.environ.get("CHAOS_JOBS", "24"))
KILLS = int(os.environ.get("CHAOS_KILLS", "3"))
SCENES = 4
CUSTOMERS = 10
_WORDS = "echo river seven lantern quiet morning harbour paper window".split()


def _text(rng: random.Random) -> str:
    return " ".join(rng.choices(_WORDS, k=rng.randint(20, 120))).capitalize() + "."


@pytest.mark.django_db(transaction=True)
def test_killed_workers_lose_no_scene_and_give_no_strikes() -> None:
    rng = random.Random(7)
    sync.sync()
    callers = [factories.caller() for _ in range(CUSTOMERS)]
    wallets = [wallet_of(caller.workspace, caller.environment) for caller in callers]
    texts = [[_text(rng) for _ in range(SCENES)] for _ in range(JOBS)]
    price = sum(len(text) for script in texts for text in script)
    for wallet in wallets:
        with transaction.atomic():
            factories.grant(wallet, price)
    before = sum(summary(wallet)["balance"] for wallet in wallets)

    dispatcher = processes.start_dispatcher()
    worker = processes.start_worker()
    kills = claims = 0
    deadline = time.monotonic() + 1200
    try:
        for number in range(KILLS + 1):
            # Some jobs before each kill, so that a worker is busy.
            for script in texts[number :: KILLS + 1]:
                order = Order(
                    [RequestedScene(text, "unicorn:en-us") for text in script]
                )
                caller = rng.choice(callers)
                with transaction.atomic():
                    submit(caller, quotes.quote(caller, order))
            if number < KILLS:
                # It has claimed a scene since it started, and is killed at work.
                while _claims() == claims:
                    assert time.monotonic() < deadline, _what_is_left()
                    time.sleep(0.02)
                time.sleep(rng.uniform(0.0, 1.5))
                processes.kill(worker)
                kills += 1
                claims = _claims()
                worker = processes.start_worker()
        while Job.objects.exclude(status=Job.Status.COMPLETED).exists():
            assert time.monotonic() < deadline, _what_is_left()
            time.sleep(0.2)
    finally:
        processes.kill(worker)
        processes.kill(dispatcher)

    sys.stdout.write(
        f"{JOBS} jobs of {SCENES} scenes, {kills} kills: {_what_is_left()}\n"
    )
    assert kills >= KILLS
    assert Scene.objects.filter(status=Scene.Status.COMPLETED).count() == JOBS * SCENES
    assert not Scene.objects.filter(strikes__gt=0).exists()
    captures = LedgerTransaction.objects.filter(kind="capture")
    assert captures.count() == JOBS * SCENES
    assert captures.values("key").distinct().count() == JOBS * SCENES
    usage = LedgerEntry.objects.filter(bucket="usage")
    assert sum(usage.values_list("amount", flat=True)) == price
    after = [summary(wallet) for wallet in wallets]
    assert sum(told["balance"] for told in after) == before - price
    assert [told["reserved"] for told in after] == [0] * CUSTOMERS
    for name in Scene.objects.values_list("audio", flat=True):
        assert default_storage.size(name) > 0
    call_command("verify_ledger")


def _claims() -> int:
    return Scene.objects.aggregate(claims=Sum("fence"))["claims"] or 0


def _what_is_left() -> str:
    left = Scene.objects.exclude(status=Scene.Status.COMPLETED)
    lost = Scene.objects.filter(crashes__gt=0).count()
    return f"{left.count()} scenes left, {lost} lost their holder on the way"
