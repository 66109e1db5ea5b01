"""When known words are heard, by the ear of another program: pocketsphinx."""

import re
from dataclasses import dataclass

import av
import numpy as np
from pocketsphinx import Decoder

from tests.providers.speaking import Heard

WITHIN = 0.15  # seconds between the time that is told and the one that is heard
ENOUGH = 0.97  # of the words

# How letters sound, for words that the dictionary lacks; the others are heard around them.
_SOUNDS = {
    **{"th": "TH", "sh": "SH", "ch": "CH", "ph": "F", "ck": "K", "wh": "W", "ng": "NG"},
    **{"ee": "IY", "ea": "IY", "oo": "UW", "ou": "AW", "ow": "OW", "oy": "OY"},
    **{"ai": "EY", "ay": "EY", "er": "ER", "or": "AO R", "ar": "AA R", "qu": "K W"},
    **{
        "a": "AE",
        "b": "B",
        "c": "K",
        "d": "D",
        "e": "EH",
        "f": "F",
        "g": "G",
        "h": "HH",
    },
    **{
        "i": "IH",
        "j": "JH",
        "k": "K",
        "l": "L",
        "m": "M",
        "n": "N",
        "o": "AA",
        "p": "P",
    },
    **{
        "q": "K",
        "r": "R",
        "s": "S",
        "t": "T",
        "u": "AH",
        "v": "V",
        "w": "W",
        "x": "K S",
    },
    **{"y": "IY", "z": "Z"},
}
_LETTERS = re.compile("|".join(_SOUNDS))


@dataclass(frozen=True, slots=True)
class Distance:
    """By how many seconds a word is told later than it is heard."""

    word: str
    seconds: float


class Aligner:
    """Finds the known words of a speech in its sound."""

    def __init__(self) -> None:
        self._decoder = Decoder(lm=None, samprate=16_000, loglevel="FATAL")
        self._spelled: set[str] = set()  # words that the dictionary lacked

    def distances(self, heard: Heard) -> list[Distance] | None:
        """Return the distances of the words that the aligner's dictionary has.

        None if it lost its way, and heard other words than those of the text.
        """
        words = list(_words(heard))
        for word, _ in words:
            if not self._decoder.lookup_word(word):
                sounds = (_SOUNDS[found] for found in _LETTERS.findall(word))
                self._decoder.add_word(word, " ".join(sounds) or "AH", update=True)
                self._spelled.add(word)
        self._decoder.set_align_text(" ".join(word for word, _ in words))
        self._decoder.start_utt()
        self._decoder.process_raw(_at_16_khz(heard), full_utt=True)
        self._decoder.end_utt()
        aligned = [
            (segment.word.partition("(")[0], segment.start_frame / 100)
            for segment in self._decoder.seg() or ()
            if segment.word[0] not in "<[("
        ]
        if [word for word, _ in aligned] != [word for word, _ in words]:
            return None
        return [
            Distance(word, start - at)
            for (word, start), (_, at) in zip(words, aligned, strict=True)
            if start is not None and word not in self._spelled
        ]


def _words(heard: Heard) -> list[tuple[str, float | None]]:
    """Return words as dictionaries spell them, and when each is to be heard.

    Of what is spoken as one word, such as `barred-tailed`, the first part alone has a time.
    """
    found: list[tuple[str, float | None]] = []
    for spoken, word in zip(heard.spoken, heard.words, strict=True):
        parts = re.findall("[a-z']*[a-z][a-z']*", spoken.lower().replace("’", "'"))
        starts = [word.start, *[None] * len(parts)]
        found += zip(parts, starts, strict=False)
    return found


def _at_16_khz(heard: Heard) -> bytes:
    resampler = av.AudioResampler(format="s16", layout="mono", rate=16_000)
    samples = np.frombuffer(heard.audio, np.int16)[np.newaxis]
    frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
    frame.sample_rate = heard.sample_rate
    frames = [*resampler.resample(frame), *resampler.resample(None)]
    sound = b"".join(part.to_ndarray()[0].tobytes() for part in frames)
    return sound + bytes(16_000)  # silence, or a short last word is not found
