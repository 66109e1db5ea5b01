"""A long local scene lets others go first between two pieces, and loses nothing by it."""

from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from billing.ledger.wallets import wallet_of
from billing.models import Usage
from kit.work import claims
from providers.contract.base import Failure, ProviderError
from providers.limits import upstreams
from providers.models import Provider
from synthesis.jobs import cancel
from synthesis.models import Gate, Job, Piece, Scene
from synthesis.work import claiming, dispatch, rendering, worker
from tests import factories
from tests.billing.factories import columns, violations
from tests.synthesis import scripted
from tests.synthesis.claim import claim

pytestmark = pytest.mark.django_db(transaction=True)

SENTENCES = [
    "The first sentence is spoken before all the others.",
    "The second one follows after a short while.",
    "The third one ends the scene.",
]
LONG = " ".join(SENTENCES)  # the scripted provider takes 60 characters a call


@pytest.fixture
def local(monkeypatch):
    """Let the scripted provider use this machine, and each slice end after a piece."""
    monkeypatch.setattr(scripted.Scripted, "is_local", True)
    monkeypatch.setitem(worker._SECONDS, "local", 1e-9)


def step(queue: str = "local") -> Scene:
    """Do what a slot of a worker does with one claim; return the scene as it is then."""
    held = claim(queue)
    worker.works[queue].do(held)
    held.refresh_from_db()
    return held


def test_it_goes_on_after_each_piece_and_is_charged_once(submitted, local) -> None:
    caller = factories.caller()
    job = submitted(caller, LONG)
    first = job.scenes.get().turn

    scene = step()

    assert (scene.status, scene.fence, scene.lease_until) == ("queued", 1, None)
    assert (scene.attempts, scene.crashes, scene.strikes) == (0, 0, 0)
    assert (scene.turn, scene.spoken) == (first + len(SENTENCES[0]), len(SENTENCES[0]))
    assert scripted.calls == SENTENCES[:1]
    assert Usage.objects.count() == 0

    assert step().status == "queued"
    assert step().status == "completed"
    assert scripted.calls == SENTENCES
    job.refresh_from_db()
    assert (job.status, job.charged) == ("completed", len(LONG))
    assert columns(wallet_of(caller.workspace, "PRODUCTION")) == (
        *(5000 - len(LONG), 0, len(LONG)),
    )
    assert Usage.objects.count() == 1
    assert violations() == {}
    words = rendering.read_words(job.scenes.get().words)["words"]
    assert [word["word"] for word in words] == [w.strip(".") for w in LONG.split()]


def test_a_short_job_goes_before_the_rest_of_two_books(submitted, local) -> None:
    books = [submitted(factories.caller(), *[LONG] * 3) for _ in range(2)]
    first, second = step(), step()
    assert {first.job, second.job} == set(books)

    clip = submitted(factories.caller(), "Just this.")

    assert step().job == clip
    assert Job.objects.get(pk=clip.pk).status == "completed"
    assert {step().job, step().job} == set(books)


def test_books_go_side_by_side_piece_by_piece(submitted, local) -> None:
    one = submitted(factories.caller(), LONG)
    other = submitted(factories.caller(), LONG)
    order = [step().job for _ in range(6)]
    assert order == [one, other] * 3


def test_a_kill_between_pieces_loses_none_and_pays_once(submitted, local) -> None:
    caller = factories.caller()
    job = submitted(caller, LONG)
    step()
    held = claim("local")
    with claims.keep_lease(held) as lease:
        rendering.speak(held, lease, seconds=1e-9)
    # Killed: the second piece is stored, and its slice was not settled.
    Scene.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    dispatch.sweep()
    assert Scene.objects.get().crashes == 1

    assert step().status == "completed"
    assert scripted.calls == SENTENCES
    assert Piece.objects.count() == 3
    job.refresh_from_db()
    assert (job.charged, Usage.objects.count()) == (len(LONG), 1)
    assert violations() == {}


def test_progress_clears_tries_and_crashes(submitted, local) -> None:
    submitted(factories.caller(), LONG)
    Scene.objects.update(attempts=3, crashes=2)
    scene = step()
    assert (scene.attempts, scene.crashes) == (0, 0)
    scripted.fail_at[2] = ProviderError(Failure.BUSY)
    scene = step()
    assert (scene.attempts, scene.spoken) == (1, len(SENTENCES[0]))


def test_a_job_that_is_canceled_between_pieces_is_not_charged(submitted, local) -> None:
    caller = factories.caller()
    job = submitted(caller, LONG)
    held = claim("local")
    with transaction.atomic():
        cancel.cancel(job.pk)
    worker.works["local"].do(held)
    assert Scene.objects.get().status == "canceled"
    assert columns(wallet_of(caller.workspace, "PRODUCTION")) == (5000, 0, 0)


def test_the_next_job_of_a_workspace_follows_its_whole_book(submitted, local) -> None:
    caller = factories.caller()
    book = submitted(caller, LONG)
    end = book.scenes.get().turn + len(LONG) + 50
    step()
    assert submitted(caller, "The next.").scenes.get().turn == end


def test_a_new_job_does_not_wait_until_others_have_come_as_far_as_idle_workers(
    submitted, local
) -> None:
    submitted(factories.caller(), LONG, LONG)
    first, ahead = claim("local"), claim("local")  # nothing else waited
    worker.works["local"].do(first)
    again = claim("local")
    assert again.pk == first.pk
    assert again.turn < ahead.turn

    clip = submitted(factories.caller(), "Just this.")

    assert clip.scenes.get().turn == again.turn
    worker.works["local"].do(again)
    assert step().job == clip


def test_each_queue_has_a_time_of_its_own(submitted, local, monkeypatch) -> None:
    caller = factories.caller()
    submitted(caller, LONG)
    step()
    assert Gate.objects.get().queue == "local"
    monkeypatch.setattr(scripted.Scripted, "is_local", False)
    assert submitted(caller, "Elsewhere.").scenes.get().turn == 0


def test_a_remote_scene_keeps_its_slot(submitted) -> None:
    submitted(factories.caller(), LONG)
    assert step("remote").status == "completed"
    assert scripted.calls == SENTENCES


def test_the_audio_of_a_remote_book_is_encoded_elsewhere(
    submitted, monkeypatch
) -> None:
    monkeypatch.setattr(worker, "MANY", 2)
    book = submitted(factories.caller(), *["A page."] * 4)
    clip = submitted(factories.caller(), "Just this.")
    assert [step("remote").queue for _ in range(3)] == ["files", "remote", "files"]
    assert Job.objects.get(pk=clip.pk).status == "completed"
    # The last two are finished at once.
    assert [step("remote").status for _ in range(2)] == ["completed"] * 2
    assert [step("files").status for _ in range(2)] == ["completed"] * 2
    assert Job.objects.get(pk=book.pk).status == "completed"


@pytest.fixture
def spoken(submitted, monkeypatch):
    """A scene whose audio is too long to be joined by those who speak."""
    monkeypatch.setattr(worker, "LONG", 0.5)
    submitted(factories.caller(), LONG)
    return step("remote")


def test_long_audio_is_joined_in_a_queue_of_its_own(spoken) -> None:
    assert (spoken.status, spoken.queue, spoken.spoken) == ("queued", "files", 0)
    assert claiming.claim_next("remote") is None

    scene = step("files")

    assert (scene.status, scene.queue) == ("completed", "files")
    assert scripted.calls == SENTENCES
    assert Job.objects.get().charged == len(LONG)
    assert violations() == {}


def test_joining_needs_no_provider(spoken, submitted) -> None:
    Provider.objects.filter(slug="scripted").update(max_concurrent=1, is_enabled=False)
    upstream = upstreams.upstream_of(Provider.objects.get(slug="scripted"))
    past = timezone.now() - timedelta(days=1)
    type(upstream).objects.update(
        failing_since=past, open_until=timezone.now() + timedelta(days=1), reason="down"
    )
    Scene.objects.update(ready_at=past)

    dispatch.sweep()
    held = claim("files")

    # Nor does it take the place of a call.
    assert not claiming.limits_reached("remote").providers
    worker.works["files"].do(held)
    assert Scene.objects.get().status == "completed"


def test_a_limit_that_changes_before_joining_sends_it_back(spoken, monkeypatch) -> None:
    Piece.objects.filter(ordinal=2).delete()
    monkeypatch.setattr("synthesis.work.rendering._record_stored", lambda *_: None)
    scripted.calls.clear()
    scene = step("files")
    assert (scene.status, scene.queue, scripted.calls) == ("queued", "remote", [])
    assert step("remote").queue == "files"
    assert scripted.calls == SENTENCES[1:2]
    assert step("files").status == "completed"
