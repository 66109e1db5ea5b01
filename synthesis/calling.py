"""One call of a provider: whether it may be made, and whether its answer counts."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from django.db import connection

from accounts.caller import Environment
from providers import ceilings, http, keys, upstreams
from providers.base import Access, Failure, ProviderError, SpeechRequest, Word
from providers.models import Provider
from providers.querysets import PLATFORM
from providers.registry import get_provider
from synthesis import audio, timing
from synthesis.models import Scene
from synthesis.text import Chunk


@dataclass(frozen=True, slots=True)
class Answered:
    """Audio that was stored, and the words that came with it."""

    audio: audio.PieceAudio
    words: list[Word]
    timing: str  # where their times come from


def speak(scene: Scene, chunk: Chunk, target: BinaryIO, *, is_retry: bool) -> Answered:
    """Have `chunk` spoken for `scene` into the empty file `target`.

    `is_retry` says that a call for the same was made before and failed.

    Raises:
        ProviderError: the provider failed.
        Blocked: it is not called now; see `providers.upstreams` and `providers.ceilings`.
    """
    row = Provider.objects.get(slug=scene.provider)
    request = SpeechRequest(
        text=chunk.text,
        voice=scene.speaker.partition(":")[2],
        speed=scene.speed,
        options=scene.options,
    )
    access = keys.access_with(row, scene.credential)
    with (
        _leave(scene, row, len(chunk.text), is_retry=is_retry),
        http.within(row.limits),
    ):
        return _heard(row, request, access, target)


@contextmanager
def _leave(
    scene: Scene, row: Provider, characters: int, *, is_retry: bool
) -> Iterator[None]:
    """Let the block make one call. No connection is held: those are for who queries."""
    if get_provider(row.slug).is_local:
        connection.close()
        yield
        return
    calling = upstreams.calling(
        row, scene.credential, holder=scene.holder, is_retry=is_retry
    )
    if scene.credential != PLATFORM:
        with calling:
            yield
        return
    is_sandbox = scene.job.environment == Environment.SANDBOX
    with ceilings.spending(row, characters, is_sandbox=is_sandbox), calling:
        yield


def _heard(
    row: Provider, request: SpeechRequest, access: Access, target: BinaryIO
) -> Answered:
    words: list[Word] = []
    speech = get_provider(row.slug).speak(request, access)
    try:
        stored = audio.store_piece(
            _audio_only(speech.parts, words),
            speech.encoding,
            target,
            text=request.text,
            speed=request.speed,
        )
    except audio.NoSpeech as error:
        raise ProviderError(Failure.NO_SPEECH, str(error)) from error
    except audio.BadAudio as error:
        raise ProviderError(Failure.BAD_AUDIO, str(error)) from error
    finally:
        speech.parts.close()  # what is no audio may go on for ever
    loudness = timing.Loudness(
        stored.loudness,
        audio.LOUDNESS_MS / 1000,
        stored.samples / stored.sample_rate,
    )
    is_trusted = get_provider(row.slug).is_local
    return Answered(
        stored, *timing.timed(request.text, words, loudness, is_trusted=is_trusted)
    )


def _audio_only(parts: Iterator[bytes | Word], words: list[Word]) -> Iterator[bytes]:
    """Yield the audio among `parts` and put the words aside."""
    for part in parts:
        if isinstance(part, Word):
            words.append(part)
        else:
            yield part
