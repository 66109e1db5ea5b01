"""The vendor of the tests for each adapter."""

from tests.providers.vendors.openai import Compatible, OpenAI
from tests.providers.vendors.server import Vendor

VENDORS: dict[str, type[Vendor]] = {
    "openai": OpenAI,
    "compatible": Compatible,
}
