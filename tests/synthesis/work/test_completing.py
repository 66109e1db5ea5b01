"""A piece whose audio lacks some of its text is spoken again, or costs nothing."""

import json

import pytest
from django.core.files.storage import default_storage

from billing.ledger.wallets import summary, wallet_of
from providers.contract.base import Limit
from providers.unicorn import espeak
from synthesis.models import Flaw, Job, Piece
from tests import factories
from tests.synthesis import scripted

pytestmark = pytest.mark.django_db(transaction=True)

YEARS = " ".join(map(str, range(1900, 1980)))


@pytest.fixture
def without_cuts(monkeypatch: pytest.MonkeyPatch) -> None:
    """eSpeak as it is: it reads a thousand phonemes of a clause, and drops the rest."""
    monkeypatch.setattr(espeak, "mark_clauses", lambda script, language: script)


def words_of(piece: Piece) -> list[list[float]]:
    """Return the words of a stored piece: start, end, and offsets in its text."""
    with default_storage.open(f"{piece.audio.rsplit('.', 1)[0]}.json") as file:
        words: list[list[float]] = json.load(file)["words"]
    return words


def test_what_was_dropped_is_spoken_in_smaller_cuts(
    submitted, speak_all, without_cuts
) -> None:
    caller = factories.caller()
    job = submitted(caller, YEARS, voice="unicorn:en-us")

    speak_all()

    job.refresh_from_db()
    assert (job.status, job.charged) == (Job.Status.COMPLETED, len(YEARS))
    flaw = Flaw.objects.get()
    assert (flaw.scene, flaw.voice, flaw.is_mended) == (
        job.scenes.get(),
        "unicorn:en-us",
        True,
    )
    assert flaw.detail == "29 of 80 words have no sound"
    piece = Piece.objects.get()
    assert (piece.char_start, piece.char_end) == (0, len(YEARS))
    words = words_of(piece)
    spoken = [YEARS[int(start) : int(end)] for _, _, start, end in words]
    assert spoken == YEARS.split()
    assert min(end - start for start, end, *_ in words) > 0.4
    assert words[-1][1] <= piece.samples / piece.sample_rate
    assert [w[0] for w in words] == sorted(w[0] for w in words)


def test_what_stays_incomplete_fails_and_costs_nothing(
    submitted, speak_all, monkeypatch
) -> None:
    """A voice that speaks a third of the text: 15 ms a character."""
    monkeypatch.setattr(scripted.Scripted, "limit", Limit(3_000))
    monkeypatch.setattr(scripted, "PER_CHARACTER", scripted.RATE * 15 // 1000)
    caller = factories.caller()
    text = "This sentence is one of many that are all the same. " * 12
    job = submitted(caller, text.strip())

    speak_all()

    scene = job.scenes.get()
    job.refresh_from_db()
    assert (job.status, scene.error_code) == (Job.Status.FAILED, "incomplete")
    assert (job.charged, Piece.objects.count()) == (0, 0)
    wallet = summary(wallet_of(caller.workspace, caller.environment))
    assert (wallet["balance"], wallet["reserved"]) == (5_000, 0)
    assert Flaw.objects.values_list("is_mended", "detail").get() == (
        False,
        f"9.3 s of sound for {len(text.strip())} characters",
    )
    # As a whole, then the first of the smaller cuts; no more is paid for.
    assert len(scripted.calls) == 2


def test_complete_speech_leaves_no_flaw(submitted, speak_all) -> None:
    submitted(factories.caller(), YEARS, voice="unicorn:en-us")
    submitted(factories.caller(), "The first of two sentences. The second.")

    speak_all()

    assert Flaw.objects.count() == 0
    assert set(Job.objects.values_list("status", flat=True)) == {"completed"}


def test_operators_see_what_was_missing(
    submitted, speak_all, without_cuts, back_office
) -> None:
    submitted(factories.caller(), YEARS, voice="unicorn:en-us")
    speak_all()
    page = back_office.get("/admin/synthesis/flaw/")
    assert page.status_code == 200
    assert b"29 of 80 words have no sound" in page.content
