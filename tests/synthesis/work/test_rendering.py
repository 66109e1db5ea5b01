"""Rendering: pieces are stored before they are recorded, and never spoken twice."""

import json

import pytest
from django.core.files.storage import default_storage

from kit.work import claims
from providers.contract.base import Failure, Limit, ProviderError
from providers.limits import upstreams
from providers.models import Upstream
from synthesis.models import Job, Piece, Scene
from synthesis.work import rendering, worker
from tests import factories
from tests.synthesis import scripted
from tests.synthesis.claim import claim

pytestmark = pytest.mark.django_db(transaction=True)

SENTENCES = [
    "The first sentence is spoken before all the others.",
    "The second one follows after a short while.",
    "The third one ends the scene.",
]
TEXT = " ".join(SENTENCES)  # the scripted provider takes 60 characters a call


def test_a_scene_is_spoken_in_pieces_and_joined(submitted, speak_all) -> None:
    job = submitted(factories.caller(), TEXT)

    speak_all()

    scene = job.scenes.get()
    assert scripted.calls == SENTENCES
    assert scene.status == Scene.Status.COMPLETED
    pieces = list(scene.pieces.order_by("ordinal"))
    assert [scene.text[p.char_start : p.char_end] for p in pieces] == SENTENCES
    assert [p.samples for p in pieces] == [
        len(text) * scripted.PER_CHARACTER for text in SENTENCES
    ]
    assert scripted.contexts == [
        (scene.text[: p.char_start][-300:], scene.text[p.char_end :][:300])
        for p in pieces
    ]
    spoken_ms = sum(p.samples for p in pieces) * 1000 / scripted.RATE
    pauses_ms = sum(p.pause_ms for p in pieces[:-1])
    assert scene.duration_ms == pytest.approx(spoken_ms + pauses_ms, abs=1)


def test_word_times_count_from_the_start_of_the_scene(submitted, speak_all) -> None:
    job = submitted(factories.caller(), TEXT)

    speak_all()

    scene = job.scenes.get()
    told = rendering.read_words(scene.words)
    assert told["timing"] == "exact"
    words = told["words"]
    assert [w["word"] for w in words] == [w.strip(".") for w in TEXT.split()]
    assert all(scene.text[w["char_start"] : w["char_end"]] == w["word"] for w in words)
    first = scene.pieces.get(ordinal=1)
    second_starts = first.samples / scripted.RATE + first.pause_ms / 1000
    assert words[9]["word"] == "The"
    assert words[9]["start"] == pytest.approx(second_starts, abs=0.001)
    times = [time for w in words for time in (w["start"], w["end"])]
    assert times == sorted(times)
    assert times[-1] <= scene.duration_ms / 1000


def test_pieces_from_before_a_failure_are_kept(submitted, speak_all) -> None:
    job = submitted(factories.caller(), TEXT)
    scripted.fail_at[3] = ProviderError(Failure.DOWN, retry_after=0)

    speak_all()

    assert scripted.calls == [*SENTENCES, SENTENCES[2]]
    assert Piece.objects.filter(scene__job=job).count() == 3
    job.refresh_from_db()
    assert job.status == Job.Status.COMPLETED


def test_a_stored_piece_without_its_row_is_not_spoken_again(submitted) -> None:
    submitted(factories.caller(), TEXT)
    claimed = claim()
    with claims.keep_lease(claimed) as lease:
        rendering.render(claimed, lease, format="mp3")
    names = list(Piece.objects.order_by("ordinal").values_list("audio", flat=True))
    Piece.objects.filter(ordinal__gt=1).delete()  # killed between storing and recording
    scripted.calls.clear()

    Scene.objects.update(status="queued", lease_until=None)
    again = claim()
    with claims.keep_lease(again) as lease:
        rendering.render(again, lease, format="mp3")

    assert scripted.calls == []
    found = list(Piece.objects.order_by("ordinal").values_list("audio", flat=True))
    assert found == names


@pytest.mark.parametrize("amount", [30, 52, 100, 1000])
def test_a_limit_that_changes_in_between_repeats_and_loses_nothing(
    submitted, speak_all, monkeypatch, amount
) -> None:
    job = submitted(factories.caller(), TEXT)
    scripted.fail_at[3] = ProviderError(Failure.BUSY, retry_after=900)
    worker.work("remote")
    upstreams.reset(Upstream.objects.get())
    assert Piece.objects.count() == 2
    scripted.reset()

    monkeypatch.setattr(scripted.Scripted, "limit", Limit(amount))  # a new version
    speak_all()

    scene = job.scenes.get()
    assert scene.status == Scene.Status.COMPLETED
    words = rendering.read_words(scene.words)["words"]
    assert [w["word"] for w in words] == [w.strip(".") for w in TEXT.split()]
    pieces = list(scene.pieces.order_by("ordinal"))
    assert [p.ordinal for p in pieces] == list(range(1, len(pieces) + 1))
    spoken = [scene.text[p.char_start : p.char_end] for p in pieces]
    assert " ".join(spoken) == TEXT
    # Chunks that are cut as before are not spoken again.
    assert scripted.calls == (SENTENCES[2:] if amount == 52 else spoken)


def test_an_incomplete_piece_is_ignored(submitted) -> None:
    submitted(factories.caller(), TEXT)
    claimed = claim()
    with claims.keep_lease(claimed) as lease:
        rendering.render(claimed, lease, format="mp3")
    last = Piece.objects.get(ordinal=3)
    default_storage.delete(last.audio)  # killed after the words, before the audio
    last.delete()
    scripted.calls.clear()

    Scene.objects.update(status="queued", lease_until=None)
    again = claim()
    with claims.keep_lease(again) as lease:
        rendering.render(again, lease, format="mp3")

    assert scripted.calls == SENTENCES[2:]


def test_stored_pieces_have_a_description(submitted, speak_all) -> None:
    job = submitted(factories.caller(), TEXT)
    speak_all()
    piece = Piece.objects.get(ordinal=2)
    with default_storage.open(f"{piece.audio.rsplit('.', 1)[0]}.json") as file:
        about = json.load(file)
    assert (about["char_start"], about["char_end"]) == (
        piece.char_start,
        piece.char_end,
    )
    assert (about["samples"], about["sample_rate"]) == (piece.samples, scripted.RATE)
    assert len(about["words"]) == 8
    assert Job.objects.get(pk=job.pk).status == Job.Status.COMPLETED


def test_a_lost_lease_stops_the_work_before_the_next_call(submitted) -> None:
    submitted(factories.caller(), TEXT)
    claimed = claim()
    with claims.keep_lease(claimed) as lease:
        lease.lost.set()
        with pytest.raises(claims.LeaseLost):
            rendering.render(claimed, lease, format="mp3")
    assert scripted.calls == []
