"""Word times have offsets in the text as it was sent."""

import json
from typing import Any

import pytest

from synthesis.models import Scene
from tests import factories

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("voices"),
]
# CRLF, blanks before and after, and accents that are characters of their own.
SENT = " \t\r\n\r\nCafe\u0301 noir,\r\nde\u0301ja\u0300 vu.\r\n\r\n  Trois\n mots. \r\n"
WORDS = ["Cafe\u0301", "noir", "de\u0301ja\u0300", "vu", "Trois", "mots"]
BOOK = (
    "\r\n\r\n  Before all.\r\n\r\n##  The first # \r\n\r\n Hello\r\nthere.\r\n"
    "# Two ##\r\nAnd more.\n\nChapter 3\r\n\r\nThe end.\r\n"
)


@pytest.fixture
def api():
    return factories.api(factories.token())


@pytest.fixture
def send(api):
    def ask(path: str, body: object, method: str = "post"):
        return getattr(api, method)(
            f"/api/v1/{path}", json.dumps(body), content_type="application/json"
        )

    return ask


def word_times(api, job: str, scene: int = 1) -> Any:
    told = api.get(f"/api/v1/jobs/{job}/scenes/{scene}/words").json()
    assert told["timing"] == "exact"
    return told["words"]


def cut(sent: str, words: list[dict]) -> list[str]:
    assert [w["word"] for w in words] == [
        sent[w["char_start"] : w["char_end"]] for w in words
    ]
    return [w["word"] for w in words]


@pytest.mark.parametrize("voice", ["scripted:one", "unicorn:en-us"])
def test_words_of_a_job(api, send, speak_all, voice) -> None:
    job = send("jobs", {"text": SENT, "voice": voice}).json()["transaction_id"]
    speak_all()
    assert cut(SENT, word_times(api, job)) == WORDS


def test_words_of_each_scene(api, send, speak_all) -> None:
    scenes = [{"text": SENT}, {"text": "As it is."}, {"text": "\n\nLower."}]
    body = {"scenes": scenes, "voice": "scripted:one"}
    job = send("jobs", body).json()["transaction_id"]
    speak_all()
    assert cut(SENT, word_times(api, job, 1)) == WORDS
    assert cut("As it is.", word_times(api, job, 2)) == ["As", "it", "is"]
    assert cut("\n\nLower.", word_times(api, job, 3)) == ["Lower"]
    shifts = list(Scene.objects.order_by("index").values_list("shifts", flat=True))
    assert shifts[1:] == [[], [[0, 2]]]


def test_words_of_speech_at_once_and_of_its_job(api, send) -> None:
    told = send("speech", {"input": SENT, "voice": "scripted:one"}).json()
    assert cut(SENT, told["word_timestamps"]) == WORDS
    assert word_times(api, told["transaction_id"]) == told["word_timestamps"]


def test_words_of_chapters_count_in_the_whole_text(api, send, speak_all) -> None:
    body = {"text": BOOK, "split": "chapters", "voice": "scripted:one"}
    job = send("jobs", body).json()
    assert len(job["scenes"]) == 4
    speak_all()
    spoken = [cut(BOOK, word_times(api, job["transaction_id"], n)) for n in range(1, 5)]
    assert spoken == [
        ["Before", "all"],
        ["The", "first", "Hello", "there"],
        ["Two", "And", "more"],
        ["Chapter", "3", "The", "end"],
    ]
    starts = [w["char_start"] for w in word_times(api, job["transaction_id"], 3)]
    assert starts == [BOOK.index("Two"), BOOK.index("And"), BOOK.index("more")]


def test_a_changed_text_resets_offsets_and_other_edits_keep_them(
    api, send, speak_all
) -> None:
    job = send("jobs", {"text": SENT, "voice": "scripted:one"}).json()["transaction_id"]
    speak_all()
    scene = f"jobs/{job}/scenes/1"
    send(scene, {"voice": "scripted:two"}, "patch")
    speak_all()
    assert cut(SENT, word_times(api, job)) == WORDS
    send(scene, {"text": "\r\nNew\r\nwords."}, "patch")
    speak_all()
    assert cut("\r\nNew\r\nwords.", word_times(api, job)) == ["New", "words"]
    send(scene, {"text": "Plain."}, "patch")
    speak_all()
    assert cut("Plain.", word_times(api, job)) == ["Plain"]
    assert Scene.objects.get().shifts == []


def test_captions_still_find_their_words(api, send, speak_all) -> None:
    job = send("jobs", {"text": SENT, "voice": "scripted:one"}).json()["transaction_id"]
    speak_all()
    answer = api.get(f"/api/v1/jobs/{job}/srt")
    text = b"".join(answer).decode()
    assert "Cafe\u0301 noir, de\u0301ja\u0300 vu." in text.replace("\n", " ")
