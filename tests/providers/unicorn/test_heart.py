"""The natural voice: its words, what it can't read, its speeds."""

import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from providers.catalogue import sync
from providers.catalogue.defaults import default_voices
from providers.contract.base import Access, Failure, ProviderError, SpeechRequest
from providers.contract.words import split
from providers.unicorn import Unicorn
from providers.unicorn.engines import installed
from providers.unicorn.espeak import ESpeak
from providers.unicorn.hibari import voices
from providers.unicorn.hibari.engine import Model, Voices
from providers.unicorn.hibari.reading import Reader
from tests.cases import cases
from tests.providers.speaking import Heard, check, hear

ENVELOPE = 10  # ms


def sounding(heard: Heard) -> NDArray[np.bool_]:
    """Return for each 10 ms of the audio whether there is sound."""
    samples = np.abs(np.frombuffer(heard.audio, np.int16).astype(np.int32))
    step = heard.sample_rate * ENVELOPE // 1000
    whole = len(samples) // step * step
    loud: NDArray[np.bool_] = samples[:whole].reshape(-1, step).max(axis=1) > 300
    return loud


def silences(heard: Heard, least: float = 0.1) -> list[float]:
    """Return the lengths of the silences between sounds, in seconds."""
    loud = np.flatnonzero(sounding(heard))
    gaps = np.diff(loud) * ENVELOPE / 1000
    return [round(float(gap), 2) for gap in gaps if gap >= least]


def test_it_speaks_with_the_times_of_all_words():
    text = "The echo comes back, before you have turned around. Nobody had told her."
    heard = hear(text, "heart")
    check(heard)
    assert heard.sample_rate == 24_000
    assert heard.spoken == [text[u.word_start : u.word_end] for u in split(text)]
    assert 3.5 < heard.seconds < 6
    assert heard.words[0].start < 0.1
    assert heard.seconds - heard.words[-1].end < 0.05


def test_words_begin_when_they_are_heard():
    """Words after a pause: the onset of the sound is known without another aligner."""
    heard = hear("Stop. Take. Pick. Talk. Cut. Bake. Ten.", "heart")
    loud = sounding(heard)
    for word in heard.words[1:]:
        at = round(word.start * 1000 / ENVELOPE)
        onset = at - 8 + int(np.flatnonzero(loud[at - 8 :])[0])
        assert -0.02 <= onset * ENVELOPE / 1000 - word.start <= 0.08, word


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("Dr. Smith paid $3.2 billion.", ["Dr", "Smith", "paid", "$3.2", "billion"]),
        ("On 10/12/2019 at 9:30 am.", ["On", "10/12/2019", "at", "9:30", "am"]),
        ("for 5 km & more", ["for", "5", "km", "&", "more"]),
        ("don't l’homme well-known", ["don't", "l’homme", "well-known"]),
        ("hi 🙂 → you ½ ♥", ["hi", "🙂", "→", "you", "½", "♥"]),
        ("see https://example.com/a?b=1.", ["see", "https://example.com/a?b=1"]),
        ("x" * 300, ["x" * 300]),
        ("a [link](http://b.c) *bold*", ["a", "link](http://b.c", "*bold*"]),
        ("٣ and ४ and Ⅳ", ["٣", "and", "४", "and", "Ⅳ"]),
        ("Henry VIII. Chapter IV", ["Henry", "VIII", "Chapter", "IV"]),
        ("  “Quoted”—then…more", ["Quoted", "then", "more"]),
        ("Ầ Žižkov Łódź ħ", ["Ầ", "Žižkov", "Łódź", "ħ"]),
    ],
)
def test_words_are_found_in_the_text_as_sent(text, spoken):
    heard = hear(text, "heart")
    check(heard)
    assert heard.spoken == spoken


@pytest.mark.parametrize(
    "foreign",
    "Привет 你好 こんにちは 안녕하세요 שלום مرحبا नमस्ते Γειά สวัสดี ქართული".split(),
)
def test_what_it_cannot_read_another_voice_speaks(foreign):
    text = f"We say {foreign}, you see."
    heard = hear(text, "heart")
    check(heard)
    assert "".join(heard.spoken).startswith(f"Wesay{foreign[0]}")
    assert heard.spoken[-2:] == ["you", "see"]
    alone = hear(foreign, "heart")
    check(alone)
    # As long as what that voice makes of it alone.
    before, after = hear("We say", "heart"), hear(", you see.", "heart")
    rest = heard.seconds - before.seconds - after.seconds
    assert alone.seconds > 0.2
    assert rest == pytest.approx(alone.seconds, abs=0.45)


def test_a_word_that_no_voice_can_say_is_refused(monkeypatch):
    monkeypatch.setattr(ESpeak, "speak", lambda *_: iter([bytes(2_000)]))
    with pytest.raises(ProviderError) as caught:
        hear("We say Привет.", "heart")
    assert caught.value.kind == Failure.UNSPEAKABLE


@pytest.mark.parametrize("speed", [0.25, 0.5, 0.75, 1.5, 2.0, 3.0, 4.0])
def test_speeds(speed):
    text = "The echo comes back before you have turned around. It says the end."
    normal, heard = hear(text, "heart"), hear(text, "heart", speed=speed)
    check(heard)
    assert heard.spoken == normal.spoken
    assert heard.seconds == pytest.approx(normal.seconds / speed, rel=0.2)


@pytest.mark.parametrize("speed", [0.5, 1.0, 2.0])
def test_pauses_follow_the_speed(speed):
    heard = hear("One tree. Two trees.\n\nThree trees.", "heart", speed=speed)
    sentence, paragraph = silences(heard, 0.12)
    # The voice's own sounds end softly, more so if it speaks slowly.
    assert 0.28 < sentence * speed < 0.45
    assert 0.53 < paragraph * speed < 0.70


def test_abbreviations_make_no_pause():
    text = "Ms. Smith saw Fig. 7 on Jan. 7 with Dr. Who and J. K. Rowling vs. me."
    assert len(list(Reader().read(text, 200))) == 1


def test_the_beginning_and_end_are_not_silent():
    loud = sounding(hear("Hello there.", "heart"))
    assert loud[:4].any()
    assert loud[-6:].any()


def test_a_hard_wrapped_line_makes_no_pause():
    wrapped = hear("The echo comes back before you\nhave turned around", "heart")
    plain = hear("The echo comes back before you have turned around", "heart")
    assert wrapped.audio == plain.audio


def test_a_line_that_ends_an_item_a_verse_or_a_heading_pauses():
    table = [
        ("- milk\n- bread\n- eggs", ["milk", "bread"]),
        ("Roses are red\nViolets are blue", ["red"]),
        ("Roses are red\nviolets are blue", ["red"]),
        ("Chapter One\nIt was a dark night, and it rained all over town.", ["One"]),
        ("1. milk\n2. bread", ["milk"]),
    ]
    for (text, ends), case in cases(table):
        with case:
            heard = hear(text, "heart")
            check(heard)
            gaps = {
                heard.text[word.char_start : word.char_end]: following.start - word.end
                for word, following in pairwise(heard.words)
            }
            assert all(gaps[word] >= 0.12 for word in ends), gaps


@pytest.mark.parametrize("text", ["...", "!!!", "—", "* * *"])
def test_stops_alone_are_refused(text):
    with pytest.raises(ProviderError) as caught:
        Unicorn().speak(SpeechRequest(text, "heart"), Access())
    assert caught.value.kind == Failure.UNSPEAKABLE


def test_a_model_without_durations_gives_no_times(tmp_path, capsys, monkeypatch):
    """Loudness then estimates them, as it does for vendors without times."""
    (path,) = (m.path for m in voices.models().values() if m.is_in_package)
    changed = Path(tmp_path / "other.onnx")
    shutil.copy(path, changed)
    monkeypatch.setattr("providers.unicorn.hibari.engine._DURATIONS", "/Nowhere_0")
    model = Model(str(changed))
    assert not model.has_durations
    assert "word times are estimated" in capsys.readouterr().err
    request = {"text": "Hello.", "model": str(changed), "speed": 1, "is_british": False}
    kinds = [frame[:1] for frame in Voices().frames(request)]
    assert kinds == [b"T", b"A", b"."]


def test_no_word_is_longer_than_its_sound():
    heard = hear("A short one, then a rather extraordinarily long one.", "heart")
    for one, other in pairwise(heard.words):
        assert one.end <= other.start
        assert one.end - one.start < 1.5


@pytest.mark.django_db
def test_without_its_packages_another_voice_speaks_english(monkeypatch):
    monkeypatch.setattr(voices, "find_spec", lambda name: None)
    installed.cache_clear()
    try:
        assert {info.engine for info in Unicorn().voices(Access())} == {"espeak"}
        sync.sync(["unicorn"])
        assert default_voices("unicorn", ["en"])["en"].pk == "unicorn:en-us"
        with pytest.raises(ProviderError) as caught:
            hear("Hello.", "heart")
        assert caught.value.kind == Failure.UNKNOWN_VOICE
    finally:
        monkeypatch.undo()
        installed.cache_clear()
    sync.sync(["unicorn"])
    assert default_voices("unicorn", ["en"])["en"].pk == "unicorn:heart"
