"""One set of tenants for all tests of this folder; each test rolls back its changes."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.core.management import call_command

from providers.contract import registry
from tests.synthesis import catalogue, scripted
from tests.tenancy import asking
from tests.tenancy import world as worlds


@pytest.fixture(scope="package")
def shared_world(django_db_setup: None, django_db_blocker: Any) -> Iterator[Any]:
    """Create and commit the world; tests run in transactions that are rolled back."""
    with django_db_blocker.unblock(), pytest.MonkeyPatch.context() as patched:
        cache.clear()
        asking.forget_hashes()
        scripted.reset()
        catalogue.fill(patched)
        patched.setattr(scripted.Scripted, "own_key", True)
        try:
            yield worlds.build()
        finally:
            registry.get_adapter.cache_clear()
            scripted.reset()
            call_command("flush", interactive=False, inhibit_post_migrate=True)


@pytest.fixture
def world(
    shared_world: worlds.World,
    db: None,
    settings: Any,
) -> worlds.World:
    """The shared world, for one test."""
    settings.ADMIN_ACCESS_KEY = worlds.ADMIN_KEY
    settings.RATE_SYNTHESIS = settings.RATE_OTHER = "100000/m"
    return shared_world
