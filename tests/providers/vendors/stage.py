"""The imitated vendor of each adapter."""

from tests.providers.vendors.clouds import Azure, Deepgram, Google, Polly
from tests.providers.vendors.openai import Compatible, LemonFox, OpenAI
from tests.providers.vendors.server import Vendor
from tests.providers.vendors.streaming import Cartesia, ElevenLabs

VENDORS: dict[str, type[Vendor]] = {
    "openai": OpenAI,
    "elevenlabs": ElevenLabs,
    "google": Google,
    "azure": Azure,
    "lemonfox": LemonFox,
    "deepgram": Deepgram,
    "cartesia": Cartesia,
    "polly": Polly,
    "compatible": Compatible,
}
