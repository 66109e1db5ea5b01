"""Render a scene that a worker holds: call the provider, store pieces, join and encode.

The text is split at the provider's limit. The audio of each call is stored before its row
is written, so paid audio survives a crash: the next try records the files that it finds,
and calls the provider for the rest. So a scene may also be put down between two pieces, and
be continued by another worker. The pieces are decoded, joined as samples, and encoded once.
No transaction is open while this runs.
"""

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, cast

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from kit.files.storage import draft_folder, save_path
from kit.work import claims
from providers.catalogue import synthetic
from providers.catalogue.voices import language_of
from providers.contract.registry import get_adapter
from providers.keys import using
from synthesis import audio
from synthesis.audio.timing import ESTIMATED, EXACT
from synthesis.models import Piece, Scene
from synthesis.outputs import files
from synthesis.text import splitting
from synthesis.text.splitting import Chunk
from synthesis.work import calling, completing


@dataclass(frozen=True, slots=True)
class Rendered:
    """The finished files of a scene."""

    audio: str  # name in the storage
    words: str  # name in the storage
    timing: str  # exact or estimated
    duration_ms: int
    stored_bytes: int = 0  # of these files and the pieces


@dataclass(frozen=True, slots=True)
class Spoken:
    """What is stored of a scene."""

    pieces: Sequence[Piece] | None  # all of them; None: some are not spoken yet
    characters: int  # of the pieces that were spoken now

    @property
    def seconds(self) -> float:
        """How long the audio of all pieces is."""
        return sum(piece.samples / piece.sample_rate for piece in self.pieces or ())


def render(scene: Scene, lease: claims.Lease, *, format: str) -> Rendered:  # noqa: A002
    """Speak `scene` and store its files in `format`; return their names.

    Raises: as `speak`.
    """
    return join(scene, speak(scene, lease), lease, format=format)


def speak(scene: Scene, lease: claims.Lease, *, seconds: float | None = None) -> Spoken:
    """Speak the pieces of `scene` that are not stored yet; for some `seconds`, if given.

    No call begins after these, but there is at least one, unless `seconds` is 0. Stored
    pieces are kept for the next try if it fails.

    Raises:
        ProviderError: the provider failed.
        UpstreamUnavailable: the provider may not be called now.
        LeaseLost: another worker holds the scene now.
    """
    voice = scene.speaker.partition(":")[2]
    options = calling.options_of(scene)
    limit = get_adapter(scene.provider).limit_for(voice, scene.speed, options)
    chunks = splitting.split(scene.text, limit, language_of(scene.speaker))
    if not chunks:  # nothing to say, as in `* * *`: a pause
        chunks = [Chunk("", 0, len(scene.text), 0)]
    pieces = _recorded_pieces(scene, chunks)
    _record_stored(scene, chunks, pieces)
    is_retry = scene.attempts > 0  # true of the first call only: it failed before
    began, characters = time.monotonic(), 0
    for ordinal, chunk in enumerate(chunks, 1):
        if ordinal in pieces:
            continue
        is_over = seconds is not None and time.monotonic() - began >= seconds
        if is_over and (characters or not seconds):
            return Spoken(None, characters)
        lease.check()
        with using.reporting_bad_key(scene.provider, scene.credential):
            pieces[ordinal] = _speak(scene, ordinal, chunk, is_retry=is_retry)
        is_retry = False
        characters += len(chunk.text)
    return Spoken([pieces[n] for n in range(1, len(chunks) + 1)], characters)


def read_words(name: str) -> Any:
    """Return `{"words": […], "timing": …}`, as stored for a scene under `name`."""
    with default_storage.open(name) as file:
        return json.load(file)


def _recorded_pieces(scene: Scene, chunks: list[Chunk]) -> dict[int, Piece]:
    """Return the recorded pieces that match `chunks`, by ordinal; delete the other rows.

    If the text is now split elsewhere, mixing old and new pieces would repeat some of the
    text and leave out some.
    """
    spans = {n: (chunk.start, chunk.end) for n, chunk in enumerate(chunks, 1)}
    known, stale = {}, []
    for piece in Piece.objects.filter(scene=scene, render=scene.render):
        if spans.get(piece.ordinal) == (piece.char_start, piece.char_end):
            known[piece.ordinal] = piece
        else:
            stale.append(piece.pk)
    if stale:
        Piece.objects.filter(pk__in=stale).delete()
    return known


def _record_stored(scene: Scene, chunks: list[Chunk], known: dict[int, Piece]) -> None:
    """Record pieces that an earlier worker stored, if it died before it recorded them."""
    folder = files.pieces_folder(scene)
    try:
        _, names = default_storage.listdir(folder)
    except FileNotFoundError:
        return
    for name in sorted(names):
        stem, extension = name.rsplit(".", 1)
        if extension == "json" or not stem.split("-")[0].isdigit():
            continue
        ordinal = int(stem.split("-")[0])
        if ordinal in known or not 1 <= ordinal <= len(chunks):
            continue
        chunk = chunks[ordinal - 1]
        # The description is stored before the audio, so it exists if the audio does.
        with default_storage.open(f"{folder}/{stem}.json") as file:
            about = json.load(file)
        if (about["char_start"], about["char_end"]) == (chunk.start, chunk.end):
            known[ordinal] = _record(scene, ordinal, chunk, f"{folder}/{name}", about)


def _speak(scene: Scene, ordinal: int, chunk: Chunk, *, is_retry: bool) -> Piece:
    """Call the provider for one chunk, store its audio, and record the piece."""
    name = files.piece_name(scene, ordinal)
    with draft_folder() as folder:
        draft = folder / "piece"
        with draft.open("w+b") as target:
            answered = completing.speak(scene, chunk, target, is_retry=is_retry)
        stored, words = answered.audio, answered.words
        about = {
            "char_start": chunk.start,
            "char_end": chunk.end,
            "samples": stored.samples,
            "sample_rate": stored.sample_rate,
            # Less the silence that some voices leave at the end of their audio.
            "pause_ms": max(
                0, round(chunk.pause_ms / scene.speed) - stored.quiet_end_ms
            ),
            "words": [[w.start, w.end, w.char_start, w.char_end] for w in words],
            "timing": answered.timing,
            "bytes": draft.stat().st_size,
        }
        default_storage.save(f"{name}.json", ContentFile(json.dumps(about).encode()))
        audio_name = f"{name}{stored.extension}"
        save_path(default_storage, audio_name, draft)
    piece = _record(scene, ordinal, chunk, audio_name, about)
    answered.record_success()
    return piece


def _record(
    scene: Scene, ordinal: int, chunk: Chunk, name: str, about: dict[str, Any]
) -> Piece:
    """Record a stored piece, or return the row that another worker recorded first."""
    piece, _ = Piece.objects.get_or_create(
        scene=scene,
        render=scene.render,
        ordinal=ordinal,
        defaults={
            "char_start": chunk.start,
            "char_end": chunk.end,
            "audio": name,
            "samples": about["samples"],
            "sample_rate": about["sample_rate"],
            "pause_ms": about["pause_ms"],
            "stored_bytes": about["bytes"] + len(json.dumps(about)),
        },
    )
    return piece


def join(
    scene: Scene,
    spoken: Spoken,
    lease: claims.Lease,
    *,
    format: str,  # noqa: A002
) -> Rendered:
    """Join all pieces of a scene, encode them once, and store audio and words.

    Raises:
        LeaseLost: another worker holds the scene now.
    """
    lease.check()
    pieces = spoken.pieces
    assert pieces, scene
    rate = pieces[0].sample_rate
    joined = audio.join(parts_of(pieces), rate=rate)
    name = files.scene_name(scene)
    extension = audio.FORMATS[format].extension
    with draft_folder() as folder:
        draft = folder / f"scene{extension}"
        encoded = audio.encode(
            joined.blocks(),
            rate=rate,
            format=format,
            target=draft,
            title=scene.title,
            origin=origin_of([scene.speaker]),
        )
        words = folder / "words.json"
        seconds = encoded.duration_ms / 1000
        timing = _write_words(words, scene, pieces, joined.starts, seconds)
        stored_bytes = draft.stat().st_size + words.stat().st_size
        save_path(default_storage, f"{name}.words.json", words)
        save_path(default_storage, f"{name}{extension}", draft)
    return Rendered(
        audio=f"{name}{extension}",
        words=f"{name}.words.json",
        timing=timing,
        duration_ms=encoded.duration_ms,
        stored_bytes=stored_bytes + sum(piece.stored_bytes for piece in pieces),
    )


def origin_of(voices: Iterable[str]) -> audio.Origin:
    """Return what a file says about its origin, by the ids of its voices."""
    named = tuple(dict.fromkeys(voices))
    return audio.Origin(named, is_trained=any(map(synthetic.is_trained, named)))


def parts_of(pieces: Sequence[Piece], *, end_pause_ms: int = 0) -> list[audio.Part]:
    """Return pieces as `audio.join` takes them; `end_pause_ms` follows the last one."""
    return [
        audio.Part(
            partial(_open, piece.audio),
            end_pause_ms if number == len(pieces) else piece.pause_ms,
        )
        for number, piece in enumerate(pieces, 1)
    ]


def _open(name: str) -> BinaryIO:
    return cast(BinaryIO, default_storage.open(name))


def _write_words(
    target: Path,
    scene: Scene,
    pieces: Sequence[Piece],
    starts: list[float],
    seconds: float,
) -> str:
    """Write the word times of the scene, in the shape of the API; return their timing.

    A piece at a time: those of a book would take 100 MB. The timing is exact if it is
    exact for every piece.
    """
    is_exact, separator = True, ""
    with target.open("w") as file:
        file.write('{"words": [')
        for piece, offset in zip(pieces, starts, strict=True):
            with default_storage.open(
                f"{piece.audio.rsplit('.', 1)[0]}.json"
            ) as stored:
                about = json.load(stored)
            is_exact &= about.get("timing") == EXACT
            for start, end, char_start, char_end in about["words"]:
                first, last = piece.char_start + char_start, piece.char_start + char_end
                word = {
                    "word": scene.text[first:last],
                    "start": round(min(offset + start, seconds), 3),
                    "end": round(min(offset + end, seconds), 3),
                    "char_start": first,
                    "char_end": last,
                }
                file.write(separator + json.dumps(word))
                separator = ", "
        timing = EXACT if is_exact else ESTIMATED
        file.write(f'], "timing": {json.dumps(timing)}}}')
    return timing
