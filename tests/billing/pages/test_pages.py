"""Pages of usage and credits."""

import csv
from datetime import UTC, datetime
from io import StringIO

import pytest

from accounts.people import blocking
from billing.ledger.wallets import wallet_of
from billing.models import PromoCode
from billing.pages import charts
from billing.reports.usage import Range
from kit.ids import new_id
from tests import factories
from tests.billing.factories import grant, reserve
from tests.billing.reports.test_history import spoken
from tests.billing.subscribers import start, subscriber

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def workspace():
    return subscriber()


@pytest.fixture
def ada(workspace):
    return workspace.memberships.get().user


def test_usage_of_a_new_account(ada):
    page = factories.browser(ada).get("/usage").content.decode()
    assert "<strong>5,000</strong> of 5,000 left" in page
    assert "Nothing was spoken in this period." in page


def test_usage_page_shows_totals_bars_and_tables(ada, workspace):
    start(workspace)
    spoken(workspace, datetime.now(UTC), 1234, voice="unicorn:sk")
    page = factories.browser(ada).get("/usage?days=7").content.decode()
    assert "<strong>900,000</strong> of 900,000 left this month" in page
    assert "1,234 credits for 1,234 characters in 1 scene." in page
    assert page.count("<rect ") == 1
    assert 'height="160.0"' in page
    assert "unicorn:sk" in page
    by_token = factories.browser(ada).get("/usage?group=token").content.decode()
    assert "Pages, without a token" in by_token


def test_usage_as_csv(ada, workspace):
    spoken(workspace, datetime.now(UTC), 5)
    answer = factories.browser(ada).get("/usage.csv?days=7&group=voice")
    rows = list(csv.reader(StringIO(b"".join(answer).decode())))
    assert rows[1][:3] == ["unicorn:en-us", "1", "5"]


@pytest.mark.parametrize(
    "path", ["/usage?days=8", "/usage?days=x", "/usage?group=day", "/usage.csv?group=x"]
)
def test_unknown_ranges_and_groups_are_not_found(ada, path):
    assert factories.browser(ada).get(path).status_code == 404


def test_pages_show_the_chosen_workspace(ada):
    team = factories.team(ada)
    grant(wallet_of(team, "SANDBOX"), 4321)
    ada.preferences = {"workspace": str(team.pk), "environment": "SANDBOX"}
    ada.save()
    page = factories.browser(ada).get("/credits").content.decode()
    assert "<strong>4,321</strong> to spend" in page


def test_a_code_is_redeemed_on_the_page(ada):
    PromoCode.objects.create(code="SPRING-27", credits=700, max_uses=1)
    browser = factories.browser(ada)
    answer = browser.post("/credits", {"code": "spring-27"}, follow=True)
    page = answer.content.decode()
    assert "700 credits were added." in page
    assert "Added: Promo code SPRING-27" in page
    assert "<strong>5,700</strong> to spend" in page
    again = browser.post("/credits", {"code": "spring-27"})
    assert again.status_code == 400
    assert "have already redeemed this code" in again.content.decode()
    assert browser.post("/credits", {"code": ""}).status_code == 400


def test_movements_are_paginated(ada, workspace):
    w = wallet_of(workspace, "PRODUCTION")
    for _ in range(60):
        grant(w, 1)
    browser = factories.browser(ada)
    first = browser.get("/credits").content.decode()
    assert "?before=12" in first
    second = browser.get("/credits?before=12").content.decode()
    assert "Added: Sign-up" in second
    assert "?before=" not in second
    assert browser.get("/credits?before=" + "9" * 30).status_code == 200
    assert browser.get("/credits?before=x").status_code == 200


def test_refused_threshold_shows_a_working_page(ada, workspace):
    w = wallet_of(workspace, "PRODUCTION")
    for _ in range(60):
        grant(w, 1)
    browser = factories.browser(ada)
    answer = browser.post("/credits/notices", {"low_at": "-5"})
    assert answer.status_code == 400
    page = answer.content.decode()
    assert page.count('method="post" action="/credits"') == 1
    assert page.count('method="post" action="/credits/notices"') == 1
    assert 'href="/credits?before=12#movements"' in page
    w.refresh_from_db()
    assert w.low_at == 1000


def test_movements_link_to_their_jobs(ada, workspace):
    w = wallet_of(workspace, "PRODUCTION")
    job = new_id()
    reserve(w, 10, key=f"job:{job}:1", job=str(job))
    reserve(w, 10, key="job:other:1", job="other")
    page = factories.browser(ada).get("/credits").content.decode()
    assert (
        f'Held for a job <a href="/api/v1/jobs/{job}" title="Job {job}">'
        f"…{str(job)[-8:]}</a>"
    ) in page
    assert "Held for a job other" in page
    assert page.count("/api/v1/jobs/") == 1


def test_blocked_users_see_nothing(ada):
    browser = factories.browser(ada)
    blocking.block(ada)
    for path in ("/usage", "/usage.csv", "/credits", "/statements"):
        assert browser.get(path).status_code == 403


def test_bar_heights_are_proportional():
    days = Range.of(datetime(2027, 3, 1).date(), datetime(2027, 3, 4).date()).days
    made = charts.bars(days, {days[0]: 100, days[1]: 50, days[3]: 1})
    assert [(bar.y, bar.height) for bar in made] == [
        (0.0, 160.0),
        (80.0, 80.0),
        (160.0, 0.0),
        (158.0, 2.0),
    ]
    assert [bar.x for bar in made] == [22.5, 202.5, 382.5, 562.5]
    assert {bar.width for bar in made} == {135.0}
    assert [bar.height for bar in charts.bars(days, {})] == [0.0] * 4
