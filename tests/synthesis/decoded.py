"""Audio as a player hears it."""

import io

import av
from av.container import InputContainer


def milliseconds_of(audio: bytes) -> float:
    """Return how long the decoded audio is."""
    with av.open(io.BytesIO(audio)) as container:
        assert isinstance(container, InputContainer)
        samples = 0
        for frame in container.decode(audio=0):
            samples += frame.samples
        return samples * 1000 / container.streams.audio[0].rate
