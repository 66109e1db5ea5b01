from collections.abc import Iterator

import pytest

from tests.webhooks.receiver import Receiver, listening


@pytest.fixture
def receiver(settings) -> Iterator[Receiver]:
    """A server on this machine, which webhooks may call."""
    settings.WEBHOOK_ALLOW_LOOPBACK = True
    with listening() as server:
        yield server


@pytest.fixture
def no_bells(monkeypatch: pytest.MonkeyPatch) -> None:
    """No bell rings: the test sends the deliveries itself."""
    for name in ("ring", "ring_soon"):
        monkeypatch.setattr(f"kit.work.bells.{name}", lambda *args, **kwargs: None)
