"""A running counterpart of Stripe, with the keys of both modes, and a buyer."""

import pytest

from billing.models import Plan
from tests import factories
from tests.billing.payments.stripe import server


@pytest.fixture
def stripe(settings, offers):
    settings.DEVELOPMENT = False
    settings.STRIPE_KEYS = {"PRODUCTION": server.LIVE, "SANDBOX": server.TEST}
    settings.STRIPE_HOOK_SECRETS = {
        "PRODUCTION": server.SECRETS[True],
        "SANDBOX": server.SECRETS[False],
    }
    Plan.objects.filter(key="studio").update(stripe_price="price_studio")
    with server.running() as account:
        settings.STRIPE_BASE_URL = account.url
        yield account


@pytest.fixture
def ada():
    return factories.user("ada@example.com")
