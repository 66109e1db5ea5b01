"""What a person prefers is found again, in any browser."""

import time
from collections.abc import Callable

from playwright.sync_api import Page, expect

from accounts.models import User
from tests import factories
from tests.browser import demo

Visit = Callable[..., Page]


def _log_in(page: Page, person: User) -> None:
    client = factories.browser(person)
    page.context.add_cookies(
        [
            {
                "name": "sessionid",
                "value": client.cookies["sessionid"].value,
                "url": page.url,
            }
        ]
    )
    page.reload()


def _preferences(person: User) -> dict[str, object]:
    person.refresh_from_db()
    return dict(person.preferences)


def _until_saved(page: Page, action: Callable[[], object]) -> None:
    with page.expect_response(
        lambda answer: (
            answer.url.endswith("/api/v1/me") and answer.request.method == "PATCH"
        )
    ) as saved:
        action()
    assert saved.value.status == 200


def test_the_form_and_the_theme_are_found_again_elsewhere(visit: Visit) -> None:
    alice = factories.user("alice@example.com")
    page = visit(color_scheme="light")
    _log_in(page, alice)
    demo.wait_for_voices(page)
    _until_saved(
        page, lambda: page.locator("[data-text]").fill("Good morning, valley.")
    )
    _until_saved(page, lambda: page.locator("[data-speed]").select_option(index=0))
    _until_saved(page, lambda: page.locator("[data-theme-switch]").click())
    speed = page.locator("[data-speed]").input_value()
    voice = page.locator("[data-voice]").input_value()

    kept = _preferences(alice)
    assert kept["theme"] == "dark"
    assert kept["demo"] == {
        "text": "Good morning, valley.",
        "voice": voice,
        "speed": speed,
    }
    other = visit(color_scheme="light", locale="de-DE")
    _log_in(other, alice)
    demo.wait_for_voices(other)
    expect(other.locator("[data-text]")).to_have_value("Good morning, valley.")
    expect(other.locator("[data-speed]")).to_have_value(speed)
    expect(other.locator("[data-voice]")).to_have_value(voice)
    assert other.locator("html").get_attribute("data-theme") == "dark"


def test_what_was_just_written_is_kept_when_the_page_is_left(visit: Visit) -> None:
    alice = factories.user("alice@example.com")
    page = visit()
    _log_in(page, alice)
    demo.wait_for_voices(page)
    page.locator("[data-text]").fill("Left in a hurry.")
    page.goto("/settings/tokens")
    # The page that sent it is gone, so nobody sees the answer.
    deadline = time.monotonic() + 20
    while not (kept := _preferences(alice)) and time.monotonic() < deadline:
        page.wait_for_timeout(50)
    assert kept["demo"] == {"text": "Left in a hurry."}


def test_visitors_send_nothing(visit: Visit) -> None:
    page = visit()
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.method))
    demo.wait_for_voices(page)
    page.locator("[data-text]").fill("Nobody in particular.")
    page.locator("[data-theme-switch]").click()
    page.reload()
    demo.wait_for_voices(page)
    expect(page.locator("[data-text]")).to_have_value("Nobody in particular.")
    assert "PATCH" not in sent
