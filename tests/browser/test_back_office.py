"""The back office and the API reference, in a real browser under the real policies."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from accounts.login import links, second_factor
from tests import factories

Visit = Callable[..., Page]


def test_a_link_leads_an_operator_to_a_back_office_that_works(visit: Visit) -> None:
    root = factories.user("root@example.com", is_staff=True, is_superuser=True)
    second_factor.begin(root)
    recovery_codes = second_factor.confirm_without_code(root)
    factories.token(root, name="Robot")
    page = visit(f"/login/link/{links.make(root)}/")

    page.get_by_role("button", name="Log in").click()
    page.get_by_label("Code").fill(recovery_codes[0])
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("link", name="API tokens").first.click()

    expect(page.get_by_role("link", name="Robot")).to_be_visible()
    page.get_by_text("Filters").click()  # the theme's script opens them
    expect(page.get_by_role("heading", name="By environment")).to_be_visible()


def test_the_api_reference_is_drawn(visit: Visit) -> None:
    complaints: list[str] = []
    page = visit()
    page.on("console", lambda message: complaints.append(message.text))

    page.goto("/api/v1/docs/")

    expect(page.get_by_text("/api/v1/jobs", exact=True).first).to_be_visible()
    assert complaints == []
