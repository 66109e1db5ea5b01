"""The gallery of voices, as people use it."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from providers.models import Voice
from tests import factories
from tests.browser import accessibility

Visit = Callable[..., Page]


@pytest.mark.usefixtures("worker")
def test_a_sample_is_heard_in_place_and_one_at_a_time(visit: Visit) -> None:
    page = visit("/voices?language=sk")
    first = page.get_by_role("button", name="Play Slovak", exact=True)
    other = page.get_by_role("button", name="Play Slovak, deep")
    first.click()
    expect(first).to_have_attribute("aria-pressed", "true")
    with page.expect_response(re.compile(r"/samples/.*deep\.mp3")) as heard:
        other.click()
    assert heard.value.status in (200, 202)  # it may be made first
    expect(first).to_have_attribute("aria-pressed", "false")
    expect(other).to_have_attribute("aria-pressed", "true")
    expect(other).to_have_attribute("aria-pressed", "false")  # it has ended
    first.focus()
    page.keyboard.press("Space")
    expect(first).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("Enter")
    expect(first).to_have_attribute("aria-pressed", "false")


def test_voices_are_searched_by_keyboard(visit: Visit) -> None:
    page = visit("/voices")
    page.get_by_label("Search").focus()
    page.keyboard.type("scotland")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Language")).to_be_focused()
    page.keyboard.type("English")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Gender")).to_be_focused()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Show").press("Enter")
    expect(page.get_by_text("5 voices")).to_be_visible()
    assert "q=scotland" in page.url
    assert "language=en" in page.url


def test_an_id_is_copied(visit: Visit) -> None:
    page = visit("/voices?q=nahuatl")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy the id of Nahuatl (Classical)").first.click()
    expect(page.get_by_text("Copied")).to_be_visible()
    copied = page.evaluate("() => navigator.clipboard.readText()")
    assert Voice.objects.get(pk=copied).language == "nci"


def test_everybody_can_read_it(visit: Visit) -> None:
    page = visit("/voices")
    for width in (1280, 390, 320):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("() => document.documentElement.scrollWidth") == width
        if width > 320:
            assert accessibility.problems(page) == [], width


def test_it_needs_no_scripts(visit: Visit) -> None:
    page = visit("/voices", java_script_enabled=False)
    page.get_by_label("Language").select_option("de")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_text("5 voices")).to_be_visible()
    link = page.get_by_role("link", name="Play German", exact=True)
    assert link.get_attribute("href") == "/samples/unicorn%3Ade.mp3"
    expect(page.get_by_role("button", name="Copy")).to_have_count(0)


@pytest.mark.parametrize("with_scripts", [True, False])
def test_the_default_voice_is_chosen_in_place(visit: Visit, with_scripts: bool) -> None:
    page = visit("/voices?language=sk", java_script_enabled=with_scripts)
    alice = factories.user()
    session = factories.browser(alice).cookies["sessionid"].value
    page.context.add_cookies([{"name": "sessionid", "value": session, "url": page.url}])
    page.reload()
    choose = page.get_by_role("button", name="Use Slovak, deep by default")
    choose.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Slovak, deep is your default voice now.")).to_be_visible()
    expect(page.get_by_text("Your default", exact=True)).to_have_count(1)
    expect(choose).to_have_count(0)
    assert page.url.endswith("/voices?language=sk")
    if with_scripts:
        assert accessibility.problems(page) == []
        for width in (320, 1280):
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("() => document.documentElement.scrollWidth") == width
    page.get_by_role("button", name="Let the language decide").click()
    expect(page.get_by_role("button", name="by default")).to_have_count(5)
    alice.refresh_from_db()
    assert alice.preferences == {"voice": None}
