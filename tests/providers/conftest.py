"""Local servers that imitate the vendors of remote adapters."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.providers.vendors.server import Vendor, serving
from tests.providers.vendors.stage import VENDORS


@pytest.fixture
def stage() -> Iterator[Callable[[str], Vendor]]:
    """Return a function that starts an adapter's vendor.

    The test fails if the vendor received an invalid request.
    """
    with ExitStack() as stack:
        yield lambda slug: stack.enter_context(serving(VENDORS[slug]()))
