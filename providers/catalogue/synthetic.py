"""How the speech of a voice is made: by a trained model, or by rules alone."""

from providers.catalogue.preferred import BUILT_IN
from providers.unicorn.engines import get_engine
from providers.unicorn.voices import voices


def is_trained(voice: str) -> bool:
    """Return whether a voice, by its id, is a model that was trained on recordings.

    All voices of other providers are taken for such.
    """
    provider, _, own = voice.partition(":")
    if provider != BUILT_IN or own not in (known := voices()):
        return True
    return get_engine(known[own].info.engine).is_neural
