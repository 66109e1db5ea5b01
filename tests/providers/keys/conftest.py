"""All providers, their local vendors, and a user with own keys."""

import pytest

from providers.contract.registry import ADAPTERS, get_adapter
from providers.models import Provider
from tests import factories


@pytest.fixture(autouse=True)
def bells(monkeypatch):
    rung = []

    def ring(task, queue, count=1, *, args=()):
        rung.append((task, list(args)))

    for name in ("ring", "ring_soon"):  # immediately instead of in the thread
        monkeypatch.setattr(f"kit.work.bells.{name}", ring)
    return rung


@pytest.fixture(autouse=True)
def _providers():
    """Create all providers, without their voices."""
    Provider.objects.bulk_create(
        Provider(slug=slug, name=get_adapter(slug).name) for slug in ADAPTERS
    )


@pytest.fixture
def vendor(stage, monkeypatch):
    def begin(slug: str):
        found = stage(slug)
        monkeypatch.setenv(f"{slug.upper()}_BASE_URL", found.access.base_url)
        return found

    return begin


@pytest.fixture
def alice():
    return factories.user("alice@example.com")


@pytest.fixture
def api(alice):
    return factories.api(factories.token(alice))
