"""What a visitor does with the demo, in the words of the tests."""

from playwright.sync_api import Page, expect

# Functions, not expressions: the content security policy forbids eval.
_CAN_CHOOSE = "() => !document.querySelector('[data-voice]').disabled"
_MOVES_ON = "(since) => document.querySelector('[data-audio]').currentTime > since"
_HAS_ENDED = "() => document.querySelector('[data-audio]').ended"


def wait_for_voices(page: Page) -> None:
    """Wait until the menus are filled."""
    page.wait_for_function(_CAN_CHOOSE)


def speak(page: Page, text: str) -> None:
    """Type `text` and press the button."""
    wait_for_voices(page)
    page.get_by_label("Your text").fill(text)
    page.get_by_role("button", name="Speak").click()


def wait_for_audio(page: Page) -> None:
    """Wait until the audio is in the player."""
    expect(page.locator("[data-display]")).to_have_attribute("data-state", "ready")


def wait_until_heard(page: Page, since: float = 0.0) -> None:
    """Wait until the audio has moved on from `since` seconds."""
    page.wait_for_function(_MOVES_ON, arg=since)


def wait_for_end(page: Page) -> None:
    """Wait until the audio has been played to its end."""
    page.wait_for_function(_HAS_ENDED)


def words(page: Page) -> list[str]:
    """Return the words of the shown text that can light up."""
    return page.locator("[data-word]").all_inner_texts()


def starts(page: Page) -> list[float]:
    """Return when each of them starts, in seconds."""
    titles = page.locator("[data-word]").evaluate_all("all => all.map((e) => e.title)")
    return [float(title.split("–")[0]) for title in titles]


def position(page: Page) -> float:
    """Return where the audio is, in seconds."""
    return float(page.locator("[data-audio]").evaluate("audio => audio.currentTime"))


def duration(page: Page) -> float:
    """Return how long the audio is, in seconds."""
    return float(page.locator("[data-audio]").evaluate("audio => audio.duration"))
