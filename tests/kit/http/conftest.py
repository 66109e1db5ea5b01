"""Each test starts without kept connections, and trusts the tests' authority."""

from collections.abc import Iterator

import pytest

from kit.http import connections
from kit.http.pool import KEPT
from tests.kit.http import certificates


@pytest.fixture(autouse=True)
def none_kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(connections, "tls", certificates.trusting)
    KEPT.clear()
    yield
    KEPT.clear()
