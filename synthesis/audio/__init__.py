"""Decode, join, measure and encode audio. Knows no models and no tenants.

All audio is mono. Samples are 16-bit integers in numpy arrays. They are processed block by
block, so an hour takes no more memory than a second.
"""

from synthesis.audio.decoding import BadAudio, NoSpeech, Samples, read_samples
from synthesis.audio.encoding import Encoded, encode
from synthesis.audio.formats import FORMATS, ChapterMark, Format
from synthesis.audio.joining import Joined, Part, join
from synthesis.audio.origin import Origin
from synthesis.audio.pieces import LOUDNESS_MS, PieceAudio, store_piece, store_silence
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
    "Origin",
    "Part",
    "PieceAudio",
    "Samples",
    "StreamEncoder",
    "encode",
    "join",
    "read_samples",
    "store_piece",
    "store_silence",
]
