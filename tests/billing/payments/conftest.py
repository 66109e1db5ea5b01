"""All tests of payments: in development, where the demo gateway is on, with products."""

import pytest

from billing.plans import products


@pytest.fixture(autouse=True)
def development(settings):
    settings.DEVELOPMENT = True


@pytest.fixture
def offers(db):
    products.sync()
