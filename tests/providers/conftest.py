"""A vendor on this machine for each adapter that calls one."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.providers.vendors.server import Vendor, serving
from tests.providers.vendors.stage import VENDORS


@pytest.fixture
def stage() -> Iterator[Callable[[str], Vendor]]:
    """Start the vendor of an adapter; it must have had nothing to complain about."""
    with ExitStack() as stack:
        yield lambda slug: stack.enter_context(serving(VENDORS[slug]()))
