from collections.abc import Iterator

import pytest
from django.db import connection

from tests.webhooks.receiver import Receiver, listening


@pytest.fixture
def receiver(settings) -> Iterator[Receiver]:
    """A server on this machine, which webhooks may call."""
    settings.WEBHOOK_ALLOW_LOOPBACK = True
    with listening() as server:
        yield server


@pytest.fixture
def no_bells(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is woken: the test works the deliveries off itself."""
    for name in ("ring", "ring_soon"):
        monkeypatch.setattr(f"kit.work.bells.{name}", lambda *args, **kwargs: None)


@pytest.fixture(autouse=True)
def connection_is_kept(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keep the one connection of a test that is rolled back; senders give theirs back."""
    marker = request.node.get_closest_marker("django_db")
    if marker is not None and not marker.kwargs.get("transaction"):
        monkeypatch.setattr(connection, "close", lambda: None)
