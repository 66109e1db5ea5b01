"""The threshold of the event `credits.low`, set over HTTP and on the page."""

import json

import pytest

from accounts.models import User
from billing.ledger.wallets import wallet_of
from billing.models import Wallet
from tests import factories
from tests.billing.factories import release, reserve
from tests.webhooks import factories as hooks
from webhooks.models import Event

pytestmark = pytest.mark.django_db

PATH = "/api/v1/credits/notices"


@pytest.fixture
def ada() -> User:
    return factories.user("ada@example.com")


def patch(client, body: object, query: str = ""):
    text = json.dumps(body)
    return client.patch(PATH + query, text, content_type="application/json")


def test_threshold_is_1000_by_default(ada):
    client = factories.api(factories.token(ada))
    assert client.get(PATH).json() == {"low_at": 1000}


def test_threshold_is_set_for_one_environment(ada):
    client = factories.api(factories.token(ada))
    assert patch(client, {"low_at": 250}).json() == {"low_at": 250}
    assert client.get(PATH).json() == {"low_at": 250}
    assert client.get(f"{PATH}?environment=sandbox").json() == {"low_at": 1000}
    assert patch(client, {"low_at": 0}, "?environment=sandbox").status_code == 200
    values = Wallet.objects.filter(workspace=factories.workspace(ada))
    assert dict(values.values_list("environment", "low_at")) == {
        "PRODUCTION": 250,
        "SANDBOX": 0,
    }


@pytest.mark.parametrize("value", [-1, "many", None, 10**12 + 1, 1.5])
def test_invalid_threshold_is_refused(ada, value):
    client = factories.api(factories.token(ada))
    answer = patch(client, {"low_at": value})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert client.get(PATH).json() == {"low_at": 1000}


def test_members_read_and_owners_change_the_threshold():
    owner, member = factories.user(), factories.user()
    team = factories.team(owner, member)
    client = factories.api(factories.token(member, workspace=team))
    assert client.get(PATH).status_code == 200
    assert patch(client, {"low_at": 5}).status_code == 403
    assert patch(factories.api(), {"low_at": 5}).status_code == 401
    client = factories.api(factories.token(owner, workspace=team))
    assert patch(client, {"low_at": 5}).status_code == 200


def test_a_new_threshold_sends_no_event_until_it_is_crossed(ada):
    workspace = factories.workspace(ada)
    hooks.endpoint(workspace, events=["credits.low"])
    wallet = wallet_of(workspace, "PRODUCTION")
    client = factories.api(factories.token(ada))
    patch(client, {"low_at": 9000})  # there are 5000
    reserve(wallet, 10)
    assert not Event.objects.exists()
    patch(client, {"low_at": 4900})
    release()
    reserve(wallet, 100, key="job:1:2")
    assert not Event.objects.exists()
    reserve(wallet, 1, key="job:1:3")
    [event] = Event.objects.all()
    assert json.loads(event.text)["data"]["available"] == 4899


def test_threshold_is_set_on_the_page_of_credits(ada):
    browser = factories.browser(ada)
    assert 'value="1000"' in browser.get("/credits").content.decode()
    answer = browser.post("/credits/notices", {"low_at": 75}, follow=True)
    assert 'value="75"' in answer.content.decode()
    wallets = Wallet.objects.filter(workspace=factories.workspace(ada))
    assert wallets.get(environment="PRODUCTION").low_at == 75


def test_page_shows_the_error_of_an_invalid_threshold(ada):
    browser = factories.browser(ada)
    answer = browser.post("/credits/notices", {"low_at": "-5"})
    assert answer.status_code == 400
    assert 'role="alert"' in answer.content.decode()
    assert not Wallet.objects.exclude(low_at=1000).exists()
