"""Each test begins with no kept connection, and trusts the authority of the tests."""

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
