"""Everybody can use the page: by keyboard, by screen reader, in both themes, on a phone."""

import re
from collections.abc import Callable
from typing import Literal

import pytest
from playwright.sync_api import Page, expect

from tests.browser import accessibility, demo

Visit = Callable[..., Page]
Theme = Literal["light", "dark"]

PHONE = {
    "viewport": {"width": 360, "height": 740},
    "is_mobile": True,
    "has_touch": True,
    "device_scale_factor": 2,
}
PAPER = {"light": "rgb(245, 248, 246)", "dark": "rgb(12, 20, 18)"}


def _paper(page: Page) -> str:
    return str(
        page.evaluate(
            "() => getComputedStyle(document.documentElement).backgroundColor"
        )
    )


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize("device", [{}, PHONE], ids=["desktop", "phone"])
def test_the_page_can_be_read_and_used_in_every_state(
    visit: Visit, device: dict[str, object]
) -> None:
    page = visit(reduced_motion="reduce", **device)
    demo.wait_for_voices(page)
    assert accessibility.problems(page) == []
    demo.speak(page, "One word after the other is lit while it is heard.")
    demo.wait_for_audio(page)
    demo.wait_until_heard(page, 0.3)
    page.locator("[data-audio]").evaluate("audio => audio.pause()")
    assert page.locator("[data-word].is-spoken").count() > 0
    assert accessibility.problems(page) == []
    demo.speak(page, "x" * 501)
    expect(page.get_by_role("alert")).not_to_have_text("")
    assert accessibility.problems(page) == []


def test_the_page_of_a_wrong_address_can_be_read(visit: Visit) -> None:
    page = visit()
    _goto_missing(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("Page not found.")
    assert accessibility.problems(page) == []


def _goto_missing(page: Page) -> None:
    """Open an address that does not exist, which the console rightly complains about."""
    page.route(
        "**/nowhere", lambda route: route.fulfill(response=route.fetch(), status=200)
    )
    page.goto("/nowhere")


@pytest.mark.usefixtures("worker")
def test_the_demo_works_by_keyboard_alone(visit: Visit) -> None:
    page = visit()
    demo.wait_for_voices(page)
    press = page.keyboard.press

    press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    press("Enter")
    expect(page.locator("#main")).to_be_focused()
    press("Tab")
    text = page.get_by_label("Your text")
    expect(text).to_be_focused()
    press("Control+a")
    page.keyboard.type("Keys are enough for all of this.")
    for _ in range(page.locator("[data-example]").count()):
        press("Tab")
    press("Tab")
    expect(page.get_by_label("Language")).to_be_focused()
    page.keyboard.type("Slovak")
    expect(page.get_by_label("Language")).to_have_value("sk")
    press("Tab")
    expect(page.get_by_label("Voice")).to_be_focused()
    press("ArrowDown")
    press("Tab")
    expect(page.get_by_label("Speed")).to_be_focused()
    press("Tab")
    expect(page.get_by_role("button", name="Speak")).to_be_focused()
    press("Control+Enter")
    demo.wait_for_audio(page)
    demo.wait_until_heard(page)

    press("Tab")
    position = page.get_by_role("slider", name="Position in the audio")
    expect(position).to_be_focused()
    press("Tab")
    pause = page.get_by_role("button", name="Pause")
    expect(pause).to_be_focused()
    press("Space")
    assert page.locator("[data-audio]").evaluate("audio => audio.paused")

    press("Shift+Tab")
    press("Home")
    assert demo.position(page) == 0
    starts = demo.starts(page)
    before = demo.position(page)
    press("ArrowRight")
    after_one = demo.position(page)
    press("ArrowRight")
    after_two = demo.position(page)
    assert before < after_one < after_two
    assert after_two == pytest.approx(
        min(starts, key=lambda s: abs(s - after_two)), abs=0.02
    )
    expect(position).to_have_attribute("aria-valuetext", _some_word_of(page))
    press("ArrowLeft")
    assert demo.position(page) == pytest.approx(after_one, abs=0.02)
    press("End")
    assert demo.position(page) == pytest.approx(demo.duration(page), abs=0.05)


def _some_word_of(page: Page) -> re.Pattern[str]:
    words = "|".join(re.escape(word) for word in demo.words(page))
    return re.compile(rf"0:\d\d of 0:\d\d, ({words})")


def test_what_has_the_focus_is_outlined(visit: Visit) -> None:
    page = visit()
    demo.wait_for_voices(page)
    seen: dict[str, str] = {}
    for _ in range(30):
        page.keyboard.press("Tab")
        seen |= page.evaluate(
            """() => {
              const { activeElement } = document;
              if (activeElement === document.body) return {}; // after the last one
              const { outlineStyle, outlineWidth } = getComputedStyle(activeElement);
              const name = activeElement.id || activeElement.textContent.trim();
              return { [name]: `${outlineStyle} ${outlineWidth}` };
            }"""
        )
    assert len(seen) > 15
    assert {name: look for name, look in seen.items() if look != "solid 3px"} == {}


@pytest.mark.parametrize("system", ["light", "dark"])
def test_the_theme_follows_the_system_until_it_is_switched(
    visit: Visit, system: Theme
) -> None:
    other: Theme = "dark" if system == "light" else "light"
    page = visit(color_scheme=system)
    assert _paper(page) == PAPER[system]
    switch = page.get_by_role("button", name="Dark theme")
    expect(switch).to_have_attribute("aria-pressed", str(system == "dark").lower())

    switch.click()
    assert _paper(page) == PAPER[other]
    expect(switch).to_have_attribute("aria-pressed", str(other == "dark").lower())
    page.reload(wait_until="commit")
    assert page.evaluate("() => document.documentElement.dataset.theme") == other
    assert _paper(page) == PAPER[other]

    page.get_by_role("button", name="Dark theme").click()
    assert _paper(page) == PAPER[system]
    page.emulate_media(color_scheme=other)  # the system has its say again
    assert _paper(page) == PAPER[other]


@pytest.mark.usefixtures("worker")
def test_nothing_is_wider_than_the_screen(visit: Visit) -> None:
    page = visit()
    demo.speak(page, "Donaudampfschifffahrtsgesellschaftskapitänsmütze " * 3)
    demo.wait_for_audio(page)
    for width in (320, 390, 768, 1024, 1440):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("() => document.documentElement.scrollWidth") == width


def test_words_keep_still_for_those_who_asked_for_it(visit: Visit) -> None:
    page = visit(reduced_motion="reduce")
    page.locator("[data-display]").evaluate("e => { e.dataset.state = 'working'; }")
    moving = page.evaluate("() => document.getAnimations().length")
    assert moving == 0
    assert page.evaluate(
        "() => getComputedStyle(document.documentElement).scrollBehavior"
    ) == ("auto")


def test_without_javascript_the_page_can_be_read(visit: Visit) -> None:
    page = visit(java_script_enabled=False)
    expect(page.get_by_text("The demo needs JavaScript")).to_be_visible()
    expect(page.get_by_role("button", name="Speak")).to_be_disabled()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.get_by_role("button", name="Dark theme")).to_be_hidden()
    expect(page.get_by_text("5 of 5 tries left today")).to_be_visible()
