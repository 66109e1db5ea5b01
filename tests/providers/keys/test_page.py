"""The page of own keys."""

import pytest

from providers.models import ProviderKey
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)

PAGE = "/settings/provider-keys"


@pytest.fixture
def office(alice):
    return factories.browser(alice)


@pytest.fixture
def openai(vendor):
    return vendor("openai")


def text(response) -> str:
    return str(response.content.decode())


def test_a_key_is_saved_checked_and_removed(office, openai):
    empty = text(office.get(PAGE))
    assert "You have no keys yet." in empty
    assert '<option value="openai">OpenAI</option>' in empty
    assert '<option value="unicorn">' not in empty
    sent = {"provider": "openai", "key": f" {openai.key}\n", "region": ""}
    page = text(office.post(PAGE, sent, follow=True))
    assert "OpenAI accepted the key …test." in page
    assert "Works." in page
    assert openai.key not in page
    page = text(office.post(f"{PAGE}/openai/check", follow=True))
    assert "OpenAI accepted the key." in page
    openai.key = "an0ther"
    page = text(office.post(f"{PAGE}/openai/check", follow=True))
    assert "OpenAI rejected the key." in page
    assert "Rejected since" in page
    page = text(office.post(f"{PAGE}/openai/remove", follow=True))
    assert "The key was removed." in page
    assert ProviderKey.objects.count() == 0
    assert office.post(f"{PAGE}/openai/remove").status_code == 404
    assert office.post(f"{PAGE}/openai/check").status_code == 404


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ({"provider": "openai", "key": "wr0ng-k3y-it"}, "OpenAI rejected this key."),
        ({"provider": "openai", "key": "wr0ng k3y of it"}, "no spaces"),
        ({"provider": "openai", "key": ""}, "required"),
        (
            {"provider": "openai", "key": "wr0ng-k3y-it", "region": "x/#"},
            "not one of the available",
        ),
        (
            {"provider": "openai", "key": "wr0ng-k3y-it", "region": "westeurope"},
            "has these regi",
        ),
        ({"provider": "unicorn", "key": "wr0ng-k3y-it"}, "not one of the available"),
    ],
)
def test_page_shows_errors_but_not_the_key(office, openai, sent, told):
    answer = office.post(PAGE, sent)
    assert answer.status_code == 400
    assert told in text(answer)
    assert "wr0ng" not in text(answer)
    assert ProviderKey.objects.count() == 0


def test_regions_are_listed_by_their_providers(office):
    page = text(office.get(PAGE))
    assert '<option value="" selected>Default</option>' in page
    polly = page.partition('<optgroup label="Amazon Polly">')[2]
    assert '<option value="eu-west-1">eu-west-1</option>' in polly
    assert '<optgroup label="OpenAI">' not in page


def test_page_is_closed_to_guests_and_strangers(alice, openai):
    anonymous = factories.browser(factories.user())
    anonymous.logout()
    assert anonymous.get(PAGE)["Location"].startswith("/login")
    factories.provider_key(factories.workspace(alice), "openai")
    stranger = factories.browser(factories.user())
    assert "You have no keys yet." in text(stranger.get(PAGE))
    assert stranger.post(f"{PAGE}/openai/remove").status_code == 404
    assert stranger.post(f"{PAGE}/openai/burn").status_code == 404
    assert stranger.get(f"{PAGE}/openai/remove").status_code == 405
    assert ProviderKey.objects.count() == 1


def test_the_default_provider_is_chosen(office, alice, openai):
    page = text(office.get(PAGE))
    assert "Default provider" in page

    done = text(
        office.post("/settings/default-provider", {"provider": "openai"}, follow=True)
    )

    assert "OpenAI is your default provider now." in done
    assert '<option value="openai" selected>OpenAI</option>' in done
    alice.refresh_from_db()
    assert alice.preferences == {"default_provider": "openai"}
    for wrong in ("nonsense", ""):
        answer = office.post("/settings/default-provider", {"provider": wrong})
        assert answer.status_code == 404
    alice.refresh_from_db()
    assert alice.preferences == {"default_provider": "openai"}
