"""A real browser on a real server, with a real worker behind it."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.core.cache import cache
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests import processes, whole_catalogue

_HERE = Path(__file__).parent
_FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --mute-audio"
    " --disable-background-networking --disable-component-update --disable-sync"
).split()
_PATIENCE = 20_000  # ms, on a machine that has other things to do
_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what lies here."""
    for item in items:
        if _HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """The installed Chromium; without one the tests are skipped, and say so."""
    program = next(filter(None, map(shutil.which, _NAMES)), None)
    if program is None:
        pytest.skip(f"no browser on PATH: none of {', '.join(_NAMES)} is installed")
    # Playwright keeps an event loop in this thread, which makes Django suspect that the
    # fixtures' own queries were asynchronous. They are not.
    expect.set_options(timeout=_PATIENCE)
    before = os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=_FLAGS)
        yield browser
        browser.close()
    if before is None:
        del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]
    else:
        os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = before


@pytest.fixture(scope="package")
def worker(chromium: Browser, django_db_setup: None) -> Iterator[None]:
    """A worker process on the test database that speaks what the pages submit."""
    with processes.running(
        processes.start_worker("local,remote,files", pool="threads")
    ):
        yield


@pytest.fixture
def site(live_server: object, transactional_db: None) -> str:
    """The address of a server with voices, whose visitors have all their tries."""
    cache.clear()  # the limits of the test before
    whole_catalogue.fill()
    return str(live_server.url)  # type: ignore[attr-defined]


@pytest.fixture
def visit(chromium: Browser, site: str) -> Iterator[Callable[..., Page]]:
    """Open the first page in a browser of its own: `visit(locale="de-DE", ...)`.

    Whatever the browser complains about (an exception, a refusal by the content security
    policy, a file that is missing) fails the test, answers of the API apart.
    """
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def opened(path: str = "/", **options: object) -> Page:
        settings = {"locale": "en-US", "base_url": site} | options
        context = chromium.new_context(**settings)  # type: ignore[arg-type]
        context.set_default_timeout(_PATIENCE)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda message: (
                complaints.append(f"{message.text} ({message.location['url']})")
                if message.type in ("error", "warning")
                and "/api/" not in message.location["url"]
                else None
            ),
        )
        page.goto(path)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []
