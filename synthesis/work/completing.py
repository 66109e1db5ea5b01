"""Speak a chunk completely: what is missing in its audio is spoken again, or it fails."""

import logging
from functools import partial
from pathlib import Path
from typing import BinaryIO, cast

from kit.files.storage import draft_folder
from providers.catalogue.voices import language_of
from providers.contract.base import Encoding, Failure, Limit, ProviderError, Word
from synthesis import audio
from synthesis.audio.timing import ESTIMATED, EXACT
from synthesis.models import Flaw, Scene
from synthesis.text import splitting
from synthesis.text.splitting import Chunk
from synthesis.work import calling
from synthesis.work.calling import CallResult

_CUTS = 4  # a chunk that is not complete is spoken in about this many
_SHORTEST_CUT = 40  # characters

logger = logging.getLogger(__name__)


def speak(
    scene: Scene, chunk: Chunk, target: BinaryIO, *, is_retry: bool
) -> CallResult:
    """Speak `chunk` of `scene` completely, into the empty file `target`.

    If something is missing in the audio, the chunk is spoken again in smaller cuts. What
    was found is stored for operators.

    Raises:
        ProviderError: INCOMPLETE, something is still missing; else as `calling.speak`.
        UpstreamUnavailable: the provider may not be called now.
    """
    whole = calling.speak(scene, chunk, target, is_retry=is_retry)
    if not whole.flaw:
        return whole
    whole.record_success()  # the call itself was fine
    found = Flaw(
        scene=scene,
        voice=scene.speaker,
        char_start=chunk.start,
        char_end=chunk.end,
        detail=whole.flaw,
    )
    logger.warning("scene %s, %s: %s", scene.pk, scene.speaker, whole.flaw)
    try:
        result = _speak_in_cuts(scene, chunk, target)
    except ProviderError as error:
        if error.kind in (Failure.INCOMPLETE, Failure.UNSPEAKABLE):
            found.save()
            raise ProviderError(Failure.INCOMPLETE, whole.flaw) from error
        raise
    found.is_mended = True
    found.save()
    return result


def _speak_in_cuts(scene: Scene, chunk: Chunk, target: BinaryIO) -> CallResult:
    """Speak a chunk in smaller cuts, and join their audio in `target`.

    Raises:
        ProviderError: INCOMPLETE, something is missing in a cut, or none can be smaller.
    """
    limit = Limit(max(len(chunk.text) // _CUTS, _SHORTEST_CUT))
    cuts = splitting.split(chunk.text, limit, language_of(scene.speaker))
    if len(cuts) < 2:
        raise ProviderError(Failure.INCOMPLETE, "it can't be cut")
    results = []
    with draft_folder() as folder:
        for number, cut in enumerate(cuts):
            with (folder / str(number)).open("w+b") as file:
                result = calling.speak(scene, cut, file, is_retry=False)
            result.record_success()
            if result.flaw:
                raise ProviderError(Failure.INCOMPLETE, result.flaw)
            results.append(result)
        parts = [
            audio.Part(
                partial(_open, folder / str(number)),
                max(0, round(cut.pause_ms / scene.speed) - result.audio.quiet_end_ms),
            )
            for number, (cut, result) in enumerate(zip(cuts, results, strict=True))
        ]
        rate = results[0].audio.sample_rate
        joined = audio.join(parts, rate=rate)
        target.seek(0)
        target.truncate()
        stored = audio.store_piece(
            (block.astype("<i2").tobytes() for block in joined.blocks()),
            Encoding("pcm", rate),
            target,
        )
    seconds = stored.samples / rate
    words = [
        Word(
            min(start + word.start, seconds),
            min(start + word.end, seconds),
            cut.start + word.char_start,
            cut.start + word.char_end,
        )
        for cut, result, start in zip(cuts, results, joined.starts, strict=True)
        for word in result.words
    ]
    is_exact = all(result.timing == EXACT for result in results)
    return CallResult(stored, words, EXACT if is_exact else ESTIMATED)


def _open(path: Path) -> BinaryIO:
    return cast(BinaryIO, path.open("rb"))
