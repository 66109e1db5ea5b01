"""Speak a chunk completely: in smaller cuts if it is too long or its audio incomplete."""

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import BinaryIO, cast
from urllib.parse import quote

from django.core.cache import cache
from redis.exceptions import RedisError

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
# Some voices of Google refuse a sentence of 300 characters, and no document says which.
_LONGEST_SENTENCE = 250  # characters, for a voice that refused a longer one
_BY_SENTENCE = Limit(1_000_000, sentence=_LONGEST_SENTENCE)
_REMEMBERED = 30 * 24 * 3600  # seconds; forgotten, it costs one call that isn't billed

logger = logging.getLogger(__name__)


def speak(
    scene: Scene, chunk: Chunk, target: BinaryIO, *, is_retry: bool
) -> CallResult:
    """Speak `chunk` of `scene` completely, into the empty file `target`.

    If the vendor refuses the chunk as too long, its long sentences are cut, or else the
    chunk; a voice that refused a long sentence isn't sent another for a while.

    Raises:
        ProviderError: INCOMPLETE, something is still missing; else as `calling.speak`.
        UpstreamUnavailable: the provider may not be called now.
    """
    may_be_long = len(chunk.text) > _LONGEST_SENTENCE
    if may_be_long and _refuses_long_sentences(scene.speaker):
        cuts = _cuts(scene, chunk, _BY_SENTENCE)
        if len(cuts) > 1:
            return _speak_cuts(scene, cuts, target, _speak_completely)
    try:
        return _speak_completely(scene, chunk, target, is_retry=is_retry)
    except ProviderError as error:
        if error.kind is not Failure.TOO_LONG:
            raise
        cuts = _cuts(scene, chunk, _BY_SENTENCE)
        if len(cuts) > 1:
            _remember_refusal(scene.speaker)
        else:
            cuts = _cuts(scene, chunk, _shorter(chunk))
        if len(cuts) < 2:
            raise
    return _speak_cuts(scene, cuts, target, _speak_completely)


def _speak_completely(
    scene: Scene, chunk: Chunk, target: BinaryIO, *, is_retry: bool
) -> CallResult:
    """Speak a chunk; if something is missing in the audio, again in smaller cuts.

    What was found is stored for operators.

    Raises:
        ProviderError: INCOMPLETE, something is still missing; else as `calling.speak`.
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
        cuts = _cuts(scene, chunk, _shorter(chunk))
        if len(cuts) < 2:
            raise ProviderError(Failure.INCOMPLETE, "it can't be cut")
        result = _speak_cuts(scene, cuts, target, calling.speak)
    except ProviderError as error:
        if error.kind in (Failure.INCOMPLETE, Failure.UNSPEAKABLE):
            found.save()
            raise ProviderError(Failure.INCOMPLETE, whole.flaw) from error
        raise
    found.is_mended = True
    found.save()
    return result


def _shorter(chunk: Chunk) -> Limit:
    """Return the limit of cuts of about a quarter of the chunk."""
    return Limit(max(len(chunk.text) // _CUTS, _SHORTEST_CUT))


def _cuts(scene: Scene, chunk: Chunk, limit: Limit) -> list[Chunk]:
    """Return the cuts of a chunk within `limit`, with offsets in the scene's text."""
    return [
        replace(cut, start=chunk.start + cut.start, end=chunk.start + cut.end)
        for cut in splitting.split(chunk.text, limit, language_of(scene.speaker))
    ]


def _refuses_long_sentences(voice: str) -> bool:
    """Return whether a voice refused a long sentence lately; False without the cache."""
    try:
        return bool(cache.get(_key(voice)))
    except (RedisError, OSError):
        return False


def _remember_refusal(voice: str) -> None:
    with suppress(RedisError, OSError):
        cache.set(_key(voice), True, timeout=_REMEMBERED)


def _key(voice: str) -> str:
    return f"refuses-long-sentences:{quote(voice)}"


def _speak_cuts(
    scene: Scene,
    cuts: list[Chunk],
    target: BinaryIO,
    say: Callable[..., CallResult],
) -> CallResult:
    """Speak each of `cuts` with `say`, and join their audio in `target`.

    Raises:
        ProviderError: INCOMPLETE, something is missing in a cut; else as `say`.
    """
    results = []
    with draft_folder() as folder:
        for number, cut in enumerate(cuts):
            with (folder / str(number)).open("w+b") as file:
                result = say(scene, cut, file, is_retry=False)
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
            cut.start - cuts[0].start + word.char_start,
            cut.start - cuts[0].start + word.char_end,
        )
        for cut, result, start in zip(cuts, results, joined.starts, strict=True)
        for word in result.words
    ]
    is_exact = all(result.timing == EXACT for result in results)
    return CallResult(stored, words, EXACT if is_exact else ESTIMATED)


def _open(path: Path) -> BinaryIO:
    return cast(BinaryIO, path.open("rb"))
