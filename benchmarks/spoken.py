"""Measure how much of whole books is spoken, by both built-in engines.

`BOOKS` is a folder of EPUB files. Each piece is stored and checked as a worker does it;
of the natural voice, every tenth.
"""

import os
import re
import tempfile
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from benchmarks import verdicts
from providers.contract.base import Access, SpeechRequest, Word
from providers.unicorn import Unicorn
from synthesis import audio
from synthesis.audio import completeness
from synthesis.audio.timing import Loudness
from synthesis.text.splitting import split

_VOICES = (("en-us", 1), ("heart", 10))  # and of how many pieces one is spoken


def main() -> None:
    """Print the pieces that the check finds incomplete."""
    for name, text in books():
        for voice, nth in _VOICES:
            _measure(name, text, voice, nth)


def books() -> Iterator[tuple[str, str]]:
    """Yield name and text of each book in `BOOKS`; print which can't be read."""
    paths = sorted(Path(os.environ.get("BOOKS", "/nowhere")).glob("*.epub"))
    if not paths:
        print("no books: BOOKS names a folder of EPUB files")
    for path in paths:
        try:
            yield path.stem, _text(path)
        except (OSError, BadZipFile) as error:
            print(f"{path.name}: {error}")


def _measure(name: str, text: str, voice: str, nth: int) -> None:
    texts = [chunk.text for chunk in split(text, Unicorn.limit, "en")[::nth]]
    flaws = [flaw for flaw in (_flaw(text, voice) for text in texts) if flaw]
    print(
        f"{name}, {voice}: {len(flaws)} of {len(texts)} pieces, "
        f"{sum(map(len, texts)):,} characters, are incomplete; limit 0: "
        f"{verdicts.judge(not flaws, 'MISSING')}"
    )
    for flaw in flaws[:5]:
        print(f"    {flaw}")


def _flaw(text: str, voice: str) -> str:
    """Speak `text`; return what is missing in its audio, or nothing."""
    speech = Unicorn().speak(SpeechRequest(text, voice), Access())
    words: list[Word] = []

    def sound() -> Iterator[bytes]:
        for part in speech.parts:
            if isinstance(part, Word):
                words.append(part)
            else:
                yield part

    with tempfile.TemporaryFile() as target:
        stored = audio.store_piece(sound(), speech.encoding, target, text=text)
    seconds = stored.samples / stored.sample_rate
    loudness = Loudness(stored.loudness, audio.LOUDNESS_MS / 1000, seconds)
    return completeness.flaw(text, words, loudness, speed=1)


def _text(book: Path) -> str:
    with ZipFile(book) as archive:
        pages = [name for name in archive.namelist() if name.endswith(("html", "htm"))]
        whole = "\n\n".join(archive.read(page).decode() for page in pages)
    return unescape(re.sub("<[^>]+>", "", whole))
