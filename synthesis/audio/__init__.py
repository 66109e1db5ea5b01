"""Audio: pieces as they come from providers, joined as samples and encoded once.

Everything is mono. Samples are 16-bit integers in numpy arrays; they come and go block by
block, so that an hour needs no more memory than a second. Knows no models and no tenants.
"""

from synthesis.audio.decoding import BadAudio, NoSpeech, Samples, read_samples
from synthesis.audio.encoding import Encoded, encode
from synthesis.audio.formats import FORMATS, ChapterMark, Format
from synthesis.audio.joining import Joined, Part, join
from synthesis.audio.pieces import LOUDNESS_MS, PieceAudio, store_piece
from synthesis.audio.streaming import StreamEncoder

__all__ = [
    "FORMATS",
    "LOUDNESS_MS",
    "BadAudio",
    "ChapterMark",
    "Encoded",
    "Format",
    "Joined",
    "NoSpeech",
    "Part",
    "PieceAudio",
    "Samples",
    "StreamEncoder",
    "encode",
    "join",
    "read_samples",
    "store_piece",
]
