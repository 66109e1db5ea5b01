"""The guest demo, from a typed sentence to words that light up while they are heard."""

import io
import itertools
import json
from collections.abc import Callable

import av
import numpy as np
import pytest
from playwright.sync_api import Page, Route, expect
from pytest_django import Settings

from synthesis.models import Job, Scene
from tests import factories
from tests.browser import demo

Visit = Callable[..., Page]
pytestmark = pytest.mark.usefixtures("worker")

# Notes the words in the order in which they light up.
_WATCH = """() => {
  window.lit = [];
  new MutationObserver((changes) => {
    for (const { target } of changes) {
      const word = Number(target.dataset.word);
      if (target.classList.contains("is-now") && window.lit.at(-1) !== word) {
        window.lit.push(word);
      }
    }
  }).observe(document.querySelector("[data-transcript]"), {
    subtree: true, attributes: true, attributeFilter: ["class"],
  });
}"""


def test_a_sentence_is_heard_and_its_words_light_up_in_order(visit: Visit) -> None:
    page = visit()
    page.evaluate(_WATCH)
    demo.speak(page, "Good morning, quiet valley of echoes.")
    demo.wait_for_audio(page)
    demo.wait_until_heard(page)
    assert demo.words(page) == ["Good", "morning,", "quiet", "valley", "of", "echoes."]

    demo.wait_for_end(page)
    assert demo.position(page) == pytest.approx(demo.duration(page), abs=0.05)
    lit = page.evaluate("() => window.lit")
    assert len(lit) >= 2
    assert all(before < after for before, after in itertools.pairwise(lit))
    assert page.locator("[data-word].is-spoken").count() == 6
    assert page.locator("[data-word].is-now").count() == 0


def test_what_is_played_is_speech_and_can_be_downloaded(visit: Visit) -> None:
    page = visit()
    demo.speak(page, "One two three four five.")
    demo.wait_for_audio(page)
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Download").click()
    assert waiting.value.suggested_filename.endswith(".mp3")
    content = waiting.value.path().read_bytes()
    samples, rate = _decoded(content)
    seconds = samples.size / rate
    assert seconds == pytest.approx(demo.duration(page), abs=0.1)
    assert float(np.sqrt(np.mean(np.square(samples)))) > 0.01  # not silence
    scene = Scene.objects.get()
    assert seconds == pytest.approx((scene.duration_ms or 0) / 1000, abs=0.1)


def test_words_are_found_by_characters_not_by_halves_of_them(visit: Visit) -> None:
    page = visit()
    demo.speak(page, "  😀 Hello 🎉 bright world.\r\nSecond line.  ")
    demo.wait_for_audio(page)
    assert demo.words(page)[-4:] == ["bright", "world.", "Second", "line."]
    assert page.locator("[data-transcript]").evaluate("e => e.textContent") == (
        "😀 Hello 🎉 bright world.\nSecond line."
    )
    assert page.locator("[data-count]").inner_text() == "36"
    assert Job.objects.get().characters == 36


def test_a_click_on_a_word_plays_from_there(visit: Visit) -> None:
    page = visit()
    demo.speak(page, "Morning comes early to the mountains in summer.")
    demo.wait_for_audio(page)
    page.locator("[data-word]", has_text="mountains").click()
    start = demo.starts(page)[5]
    assert demo.position(page) >= start
    demo.wait_until_heard(page, start)


def test_voices_are_chosen_by_language_and_the_visitors_own_comes_first(
    visit: Visit,
) -> None:
    page = visit(locale="de-DE")
    demo.wait_for_voices(page)
    expect(page.get_by_label("Language")).to_have_value("de")
    assert page.get_by_label("Your text").input_value().startswith("Ruf etwas ins Tal")
    page.get_by_label("Language").select_option(label="Slovak")
    page.get_by_label("Voice").select_option(label="Female")
    page.get_by_label("Speed").select_option("1.5")
    demo.speak(page, "Dobrý deň.")
    demo.wait_for_audio(page)
    scene = Scene.objects.get()
    assert (scene.voice, scene.speed) == ("unicorn:sk-female", 1.5)
    assert page.locator("[data-transcript]").get_attribute("lang") == "sk"


def test_an_example_brings_its_language(visit: Visit) -> None:
    page = visit()
    demo.wait_for_voices(page)
    page.get_by_role("button", name="Slovenčina").click()
    expect(page.get_by_label("Language")).to_have_value("sk")
    page.get_by_role("button", name="Speak").click()
    demo.wait_for_audio(page)
    assert Scene.objects.get().voice == "unicorn:sk"


def test_every_example_has_a_voice(visit: Visit) -> None:
    page = visit()
    demo.wait_for_voices(page)
    for chip in page.locator("[data-example]").all():
        chip.click()
        language = (chip.get_attribute("data-example") or "").split("-")[0]
        chosen = page.get_by_label("Language").input_value()
        assert chosen.split("-")[0] == language
        assert 0 < int(page.locator("[data-count]").inner_text()) <= 500


def test_tries_are_counted_down_and_end(visit: Visit, settings: Settings) -> None:
    settings.GUEST_PER_DAY = 2
    page = visit()
    expect(page.locator("[data-quota]")).to_have_text("2 of 2 tries left today")
    demo.speak(page, "First.")
    expect(page.locator("[data-quota]")).to_have_text("1 of 2 tries left today")
    demo.wait_for_audio(page)
    demo.speak(page, "Second.")
    expect(page.locator("[data-quota]")).to_contain_text("No tries left today.")
    demo.wait_for_audio(page)
    demo.speak(page, "Third.")
    expect(page.get_by_role("alert")).to_contain_text("Today’s 2 tries are used up.")
    expect(page.get_by_role("alert")).to_contain_text("You get new ones at")
    assert Job.objects.count() == 2
    page.reload()
    expect(page.locator("[data-quota]")).to_contain_text("No tries left today.")


def test_a_text_that_can_not_be_sent_says_why_and_costs_nothing(visit: Visit) -> None:
    page = visit()
    demo.speak(page, " \n\t ")
    alert = page.get_by_role("alert")
    expect(alert).to_have_text("There is nothing to say yet. Write a few words first.")
    expect(page.get_by_label("Your text")).to_be_focused()
    demo.speak(page, "é" * 500 + "!")
    expect(alert).to_have_text("That is 501 characters. One try takes up to 500.")
    page.get_by_label("Your text").fill("Short.")
    expect(alert).to_be_hidden()
    assert Job.objects.count() == 0
    expect(page.locator("[data-quota]")).to_have_text("5 of 5 tries left today")


def test_the_servers_refusals_are_told_in_its_own_words_or_ours(visit: Visit) -> None:
    page = visit()
    answers = [
        (
            400,
            "unknown_voice",
            "This voice is no longer here. Please choose another one.",
        ),
        (400, "text_too_long", "That is 6 characters. One try takes up to 500."),
        (429, "rate_limited", "That was a little fast. Try again in 7 seconds."),
        (403, "blocked", "This account is blocked."),
    ]
    for status, code, sentence in answers:
        refusal = {"code": code, "detail": "This account is blocked.", "params": {}}
        _answer(page, status, refusal)
        demo.speak(page, "Hello.")
        expect(page.get_by_role("alert")).to_have_text(sentence)
        expect(page.get_by_role("button", name="Try again")).to_be_hidden()
    _answer(page, 502, None)
    demo.speak(page, "Hello.")
    expect(page.get_by_role("alert")).to_contain_text("Something broke on our side.")
    expect(page.get_by_role("button", name="Try again")).to_be_visible()


def test_what_was_heard_stays_when_the_next_text_is_refused(visit: Visit) -> None:
    page = visit()
    demo.speak(page, "Keep this.")
    demo.wait_for_end(page)
    _answer(page, 429, {"code": "guest_limit", "detail": ""})
    demo.speak(page, "And this.")
    expect(page.get_by_role("alert")).to_contain_text("tries are used up.")
    assert demo.words(page) == ["Keep", "this."]
    page.get_by_role("button", name="Play").click()
    demo.wait_until_heard(page)


def test_whoever_is_faster_than_the_list_of_voices_waits_for_it(visit: Visit) -> None:
    page = visit("/favicon.ico")
    waiting: list[Route] = []
    page.route("**/api/v1/voices*", lambda route: waiting.append(route))
    page.goto("/")
    page.get_by_label("Your text").fill("Early.")
    page.keyboard.press("Control+Enter")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_label("Voice")).to_be_disabled()
    assert Job.objects.count() == 0
    waiting.pop().continue_()
    demo.wait_for_audio(page)
    assert Scene.objects.get().voice == "unicorn:heart"


def test_a_list_of_voices_that_fails_can_be_asked_for_again(visit: Visit) -> None:
    page = visit("/favicon.ico")
    page.route("**/api/v1/voices*", lambda route: route.fulfill(body="[]"), times=1)
    page.goto("/")
    expect(page.get_by_role("alert")).to_contain_text("Something broke on our side.")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("alert")).to_be_hidden()
    demo.speak(page, "There they are.")
    demo.wait_for_audio(page)


def test_text_that_no_voice_can_say_fails_in_a_sentence(visit: Visit) -> None:
    page = visit()
    demo.speak(page, "…")
    expect(page.get_by_role("alert")).to_contain_text(
        "There is nothing to say yet. Write a few words first."
    )
    demo.speak(page, "Words, then.")
    demo.wait_for_audio(page)
    expect(page.get_by_role("alert")).to_be_hidden()


def test_a_lost_answer_is_asked_for_again_and_stays_one_try(visit: Visit) -> None:
    page = visit()
    keys = []

    def lose_the_answer(route: Route) -> None:
        keys.append(route.request.headers["idempotency-key"])
        if len(keys) == 1:
            route.fetch()  # the server takes the job, and the connection breaks
            route.abort()
        else:
            route.continue_()

    page.route("**/api/v1/jobs", lose_the_answer)
    demo.speak(page, "Say this once.")
    expect(page.get_by_role("alert")).to_contain_text("We can’t be reached right now.")
    page.get_by_role("button", name="Try again").click()
    demo.wait_for_audio(page)
    assert len(keys) == 2
    assert len(set(keys)) == 1
    assert Job.objects.count() == 1
    expect(page.locator("[data-quota]")).to_have_text("4 of 5 tries left today")


def test_a_connection_lost_while_waiting_is_taken_up_again(visit: Visit) -> None:
    page = visit()
    looks = itertools.count(1)

    def stumble(route: Route) -> None:
        if next(looks) <= 2:
            route.abort()
        else:
            route.continue_()

    page.route("**/api/v1/jobs/*", stumble)
    demo.speak(page, "Still here.")
    demo.wait_for_audio(page)
    assert next(looks) > 3


def test_a_file_lost_on_the_way_is_fetched_again_without_another_try(
    visit: Visit,
) -> None:
    page = visit()
    page.route("**/scenes/1/audio", lambda route: route.abort())
    demo.speak(page, "Say this once.")
    expect(page.get_by_role("alert")).to_contain_text("We can’t be reached right now.")
    page.unroute("**/scenes/1/audio")
    page.get_by_role("button", name="Try again").click()
    demo.wait_for_audio(page)
    assert Job.objects.count() == 1


def test_a_reload_changes_nothing(visit: Visit) -> None:
    page = visit()
    demo.wait_for_voices(page)
    page.get_by_label("Language").select_option("en-GB")
    page.get_by_label("Speed").select_option("1.25")
    demo.speak(page, "Keep this.")
    demo.wait_for_audio(page)
    before = demo.words(page)
    page.reload()
    demo.wait_for_audio(page)
    demo.wait_for_voices(page)
    assert demo.words(page) == before == ["Keep", "this."]
    assert page.get_by_label("Your text").input_value() == "Keep this."
    expect(page.get_by_label("Language")).to_have_value("en-GB")
    expect(page.get_by_label("Speed")).to_have_value("1.25")
    assert demo.position(page) == 0
    assert page.locator("[data-audio]").evaluate("audio => audio.paused")
    page.get_by_role("button", name="Play").click()
    demo.wait_until_heard(page)
    assert Job.objects.count() == 1


def test_a_job_that_is_gone_is_forgotten(visit: Visit) -> None:
    page = visit()
    demo.speak(page, "Keep this.")
    demo.wait_for_audio(page)
    Job.objects.update(is_deleted=True, deleted_at="2026-01-01T00:00:00Z")
    page.reload()
    expect(page.locator("[data-display]")).to_have_attribute("data-state", "idle")
    expect(page.get_by_role("alert")).to_be_hidden()
    assert page.get_by_label("Your text").input_value() == "Keep this."


def test_a_browser_that_wants_another_click_gets_it(visit: Visit) -> None:
    page = visit()
    page.evaluate(
        """() => {
          const audio = document.querySelector("[data-audio]");
          const play = audio.play;
          audio.play = () => {
            audio.play = play;
            return Promise.reject(new DOMException("", "NotAllowedError"));
          };
        }"""
    )
    demo.speak(page, "Silence first.")
    demo.wait_for_audio(page)
    expect(page.get_by_role("status")).to_contain_text("Press play to listen.")
    page.get_by_role("button", name="Play").click()
    demo.wait_until_heard(page)


def test_progress_is_told_to_screen_readers(visit: Visit) -> None:
    page = visit()
    page.evaluate(
        """() => {
          window.told = [];
          const status = document.querySelector("[role=status]");
          new MutationObserver(() => window.told.push(status.textContent))
            .observe(status, { childList: true });
        }"""
    )
    demo.speak(page, "Tell me.")
    demo.wait_for_audio(page)
    expect(page.get_by_role("status")).to_contain_text("Ready:")
    told = page.evaluate("() => window.told")
    assert told[0] == "Sending your text"
    assert told[-1].endswith("seconds, 2 words.")


def test_somebody_signed_in_pays_and_has_no_tries_to_count(
    visit: Visit, live_server: object
) -> None:
    person = factories.user()
    session = factories.browser(person).cookies["sessionid"].value
    page = visit()
    page.context.add_cookies([{"name": "sessionid", "value": session, "url": page.url}])
    page.reload()
    expect(page.get_by_text("You are logged in")).to_be_visible()
    demo.speak(page, "Hello.")
    demo.wait_for_audio(page)
    job = Job.objects.get()
    assert (job.workspace, job.charged) == (factories.workspace(person), 6)


def _decoded(content: bytes) -> tuple[np.ndarray, int]:
    """Return the samples of an MP3 file, from -1 to 1, and their rate in Hz."""
    with av.open(io.BytesIO(content), "r") as file:
        frames = [frame.to_ndarray() for frame in file.decode(audio=0)]
        rate = file.streams.audio[0].rate
    assert rate is not None
    return np.concatenate(frames, axis=1)[0].astype(float), rate


def _answer(page: Page, status: int, body: object) -> None:
    """Let the next submission be answered like this."""
    page.route(
        "**/api/v1/jobs",
        lambda route: route.fulfill(
            status=status,
            headers={"Retry-After": "7"},
            body=json.dumps(body) if body else "<h1>Bad gateway</h1>",
        ),
        times=1,
    )
