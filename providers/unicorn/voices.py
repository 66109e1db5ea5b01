"""The built-in voices, of all engines that are installed."""

from providers.unicorn.engines import EngineVoice, installed


def voices() -> dict[str, EngineVoice]:
    """Return all built-in voices by id."""
    return {
        name: voice for engine in installed() for name, voice in engine.voices().items()
    }
