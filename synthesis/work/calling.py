"""Make one call to a provider, within all limits, and store its audio."""

import os
import threading
from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from time import monotonic
from typing import BinaryIO

from accounts.caller import Environment
from kit.db import connections
from providers.contract import http
from providers.contract.base import (
    CONTEXT,
    Access,
    Failure,
    ProviderError,
    SpeechRequest,
    Word,
)
from providers.contract.registry import get_adapter
from providers.keys import using
from providers.limits import ceilings, upstreams
from providers.models import Provider, Voice
from providers.models.querysets import PLATFORM
from synthesis import audio
from synthesis.audio import completeness, timing
from synthesis.models import Scene
from synthesis.text.splitting import Chunk

SCENE_PAUSE_MS = 1_000  # of a scene in which there is nothing to say
# Audio is decoded by half of the cores at most. The calls of a book end at the same time,
# and threads that compute would keep those waiting that begin a call for someone else.
_computing = threading.Semaphore(max(1, (os.cpu_count() or 1) // 2))


@dataclass(frozen=True, slots=True)
class CallResult:
    """The stored audio of one call, its word times, and what is missing in it."""

    audio: audio.PieceAudio
    words: list[Word]
    timing: str  # exact or estimated
    flaw: str = ""  # see `synthesis.audio.completeness`
    _permit: upstreams.Permit | None = None  # None: a local provider, or several calls
    _seconds: float = 0.0

    def record_success(self) -> None:
        """Record the call in the statistics of its upstream.

        Call it once the audio is stored: a statistic that can't be written must not lose
        audio that the vendor bills.
        """
        if self._permit is not None:
            with upstreams.database_errors_logged():
                upstreams.record_success(self._permit, seconds=self._seconds)


def options_of(scene: Scene) -> Mapping[str, object]:
    """Return the options of a scene's calls; a fallback of another provider has none."""
    is_asked = scene.provider == scene.voice.partition(":")[0]
    return scene.options if is_asked else {}


def speak(
    scene: Scene, chunk: Chunk, target: BinaryIO, *, is_retry: bool
) -> CallResult:
    """Call the provider for `chunk` of `scene`; write the audio to the empty file `target`.

    A chunk without a text is a pause, which needs no call.

    `is_retry`: an earlier call for the same chunk failed.

    Raises:
        ProviderError: the provider failed, or the voice was disabled meanwhile.
        UpstreamUnavailable: the provider may not be called now; see `providers.limits`.
    """
    if not chunk.text:
        silence = audio.store_silence(SCENE_PAUSE_MS, target)
        return CallResult(silence, [], timing.EXACT)
    voice = Voice.objects.enabled().filter(pk=scene.speaker).first()
    if voice is None:
        raise ProviderError(Failure.SWITCHED_OFF)
    request = SpeechRequest(
        text=chunk.text,
        voice=voice.provider_voice,
        speed=scene.speed,
        options=options_of(scene),
        before=scene.text[max(0, chunk.start - CONTEXT) : chunk.start],
        after=scene.text[chunk.end : chunk.end + CONTEXT],
    )
    return call(
        voice.provider,
        request,
        target,
        credential=scene.credential,
        holder=scene.holder,
        is_sandbox=scene.job.environment == Environment.SANDBOX,
        is_retry=is_retry,
    )


def call(
    provider: Provider,
    request: SpeechRequest,
    target: BinaryIO,
    *,
    credential: str,
    holder: str,
    is_sandbox: bool,
    is_retry: bool,
) -> CallResult:
    """Make one call, within all limits; write the audio to the empty file `target`.

    `holder` identifies the claim that calls, for `providers.limits.upstreams`.

    Raises:
        ProviderError: the provider failed.
        UpstreamUnavailable: the provider may not be called now.
    """
    access = using.access_for_credential(provider, credential)
    spent = ceilings.Spent()
    permit = None
    with ExitStack() as limits:
        if get_adapter(provider.slug).is_local:
            connections.give_back()
        else:
            if credential == PLATFORM:
                characters = len(request.text)
                spent = limits.enter_context(
                    ceilings.spending(provider, characters, is_sandbox=is_sandbox)
                )
            permit = limits.enter_context(
                upstreams.calling(
                    provider, credential, holder=holder, is_retry=is_retry
                )
            )
        # Connections are not shared between keys, nor with a key that was replaced. A
        # retry opens a new connection, so that no call is aborted twice.
        owner = (credential, hash(access.key))
        limits.enter_context(
            http.within(provider.limits, owner=owner, is_fresh=is_retry)
        )
        return _receive(provider, request, access, target, spent, permit)


def _receive(
    row: Provider,
    request: SpeechRequest,
    access: Access,
    target: BinaryIO,
    spent: ceilings.Spent,
    permit: upstreams.Permit | None,
) -> CallResult:
    words: list[Word] = []
    speech = get_adapter(row.slug).speak(request, access)
    try:
        stored = audio.store_piece(
            _audio_only(speech.parts, words, spent),
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
        speech.parts.close()  # a stream that is not audio may never end
    loudness = timing.Loudness(
        stored.loudness,
        audio.LOUDNESS_MS / 1000,
        stored.samples / stored.sample_rate,
    )
    timed, kind = timing.word_times(
        request.text, words, loudness, is_trusted=speech.has_all_times
    )
    known = timed if speech.has_all_times else None
    return CallResult(
        stored,
        timed,
        kind,
        completeness.flaw(request.text, known, loudness, speed=request.speed),
        permit,
        monotonic() - permit.began if permit else 0.0,
    )


def _audio_only(
    parts: Iterator[bytes | Word], words: list[Word], spent: ceilings.Spent
) -> Generator[bytes]:
    """Yield the audio of `parts`; append the words to `words`.

    Records in `spent` that audio has arrived, so that the call is counted. The caller may
    compute with a part until it takes the next one; few threads do so at a time.
    """
    for part in parts:
        if isinstance(part, Word):
            words.append(part)
        else:
            spent.has_audio = spent.has_audio or bool(part)
            with _computing:
                yield part
