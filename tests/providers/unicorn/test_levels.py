"""All built-in voices are equally loud, and none is clipped."""

import numpy as np
import pytest

from config.pages.landing import EXAMPLES
from providers.unicorn import levels
from providers.unicorn.voices import voices
from tests.providers.speaking import hear

# Other texts than that of the measurement.
PROSE = {example.language: example.text for example in EXAMPLES}
KINDS = ("", "-female", "-bright", "-deep", "-whisper")


def test_every_voice_has_a_gain():
    """`python -m benchmarks gains` measures new ones."""
    in_package = {
        name for name, voice in voices().items() if voice.info.engine == "espeak"
    } | {"heart"}
    assert in_package - levels.gains().keys() == set()


@pytest.mark.parametrize(
    ("language", "accents"),
    [
        ("en-US", ("en-us", "en-gb")),
        *(("de", ("de",)), ("fr-FR", ("fr-fr",)), ("es", ("es-es", "es-419"))),
        *(("uk", ("uk",)), ("sk", ("sk",))),
    ],
)
def test_voices_are_equally_loud(language, accents):
    named = [accent + kind for accent in accents for kind in KINDS]
    for voice in [*named, "heart"] if language == "en-US" else named:
        heard = hear(PROSE[language], voice)
        measured = levels.loudness(heard.audio, heard.sample_rate)
        assert measured == pytest.approx(-19, abs=1), voice
        assert heard.loudest < 32_200, voice


def test_loud_sounds_are_rounded_and_never_clipped():
    wave = (np.sin(np.arange(4_000) / 90) * 20_000).astype("<i2")
    raised = np.frombuffer(levels.raised(wave.tobytes(), 1.5), "<i2")
    assert 26_000 < raised.max() < 32_200
    assert (np.diff(raised[:120]) > 0).all()  # no flat tops
    assert np.frombuffer(levels.raised(wave.tobytes(), 9.0), "<i2").max() < 32_200
    quiet = (wave // 10).astype("<i2")
    twice = np.frombuffer(levels.raised(quiet.tobytes(), 2.0), "<i2")
    assert np.abs(twice.astype(int) - 2 * quiet).max() <= 1
    assert levels.raised(wave.tobytes(), 1.0) == wave.tobytes()
