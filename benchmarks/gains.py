"""Measure the loudness of all built-in voices, and write the gain of each.

`python -m benchmarks gains` writes `providers/unicorn/gains.json`, to be committed: after a
new voice, or a new version of an engine. It isn't part of `make bench`.
"""

import json
from pathlib import Path

from providers.contract.base import Access, ProviderError, SpeechRequest
from providers.unicorn import Unicorn, levels
from providers.unicorn.voices import voices
from synthesis.samples.texts import text_for

_FILE = Path(levels.__file__).with_name("gains.json")
_ROUNDS = 2  # the second corrects what rounded peaks took away
_WITHIN = 0.1  # LU
_NUMBERS = "1, 2, 3, 4."


def main() -> None:
    """Measure every voice; a gain that fits already stays as it is."""
    gains = levels.gains()
    for voice, settings in voices().items():
        text = " ".join([text_for(settings.info.language)] * 4)
        for _ in range(_ROUNDS):
            off = levels.LOUDNESS - _loudness(f"{text} {_NUMBERS}", voice)
            if abs(off) < _WITHIN:
                break
            gains[voice] = round(gains.get(voice, 0.0) + off, 1)
        print(f"{voice}: {gains.setdefault(voice, 0.0):+.1f} dB")
    _FILE.write_text(json.dumps(gains, indent=0, sort_keys=True) + "\n")


def _loudness(text: str, voice: str) -> float:
    try:
        speech = Unicorn().speak(SpeechRequest(text, voice), Access())
        sound = b"".join(part for part in speech.parts if isinstance(part, bytes))
    except ProviderError:  # eSpeak's Greenlandic crashes on 10
        speech = Unicorn().speak(SpeechRequest(_NUMBERS, voice), Access())
        sound = b"".join(part for part in speech.parts if isinstance(part, bytes))
    return levels.loudness(sound, speech.encoding.sample_rate)
