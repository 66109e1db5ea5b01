"""Assemblies, files made of a whole job: a zip, joined audio, an audiobook with chapters.

An assembly is made from the stored pieces when it is first requested, and is kept with the
job. Speaking a scene again changes the job's version, so a new assembly is made.
"""

import hashlib
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import F

from kit.files.storage import draft_folder, save_path
from kit.work import claims
from kit.work.loop import Columns, Failed, Work
from providers.catalogue.voices import language_of
from synthesis import audio
from synthesis.errors import NotReady
from synthesis.models import Assembly, Job, Piece, Scene, Take
from synthesis.outputs import files
from synthesis.outputs.captions import CaptionScene
from synthesis.work.rendering import origin_of, parts_of, read_words

BETWEEN_SCENES_MS = 800


@dataclass(frozen=True, slots=True)
class Placed:
    """A spoken scene with its pieces and its start in the joined audio."""

    scene: Scene
    pieces: list[Piece]
    start: float  # seconds


def request(job: Job, kind: Assembly.Kind) -> Assembly:
    """Return the assembly of the job's current version; create and queue it if missing.

    One that failed is queued again.

    Raises:
        NotReady: a scene is not finished, or no scene was spoken.
    """
    version = _version(spoken_scenes(job), job.format)
    made = Assembly.objects.filter(job=job, kind=kind, superseded_at=None)
    found = made.filter(version=version).exclude(status=Assembly.Status.FAILED).first()
    if found is not None:
        return found
    with transaction.atomic(durable=True):
        # What changes a scene locks the job first and supersedes what exists by then.
        job = Job.objects.select_for_update(of=("self",)).get(pk=job.pk)
        assembly, is_new = made.get_or_create(
            job=job, kind=kind, version=_version(spoken_scenes(job), job.format)
        )
        if assembly.status == Assembly.Status.FAILED:
            is_new = bool(
                Assembly.objects.filter(
                    pk=assembly.pk, status=Assembly.Status.FAILED
                ).update(status=Assembly.Status.QUEUED, attempts=0, crashes=0)
            )
        if is_new:
            work.ring_on_commit()
    return assembly


def spoken_scenes(job: Job) -> list[Scene]:
    """Return the scenes of a job that can be heard, in order; their text is not loaded.

    Raises:
        NotReady: a scene was never spoken yet, or no scene was spoken.
    """
    scenes = list(Scene.objects.filter(job=job).without_text().order_by("index"))
    spoken = [scene for scene in scenes if scene.heard.audio]
    if not spoken or any(
        scene.status in (Scene.Status.QUEUED, Scene.Status.PROCESSING)
        for scene in scenes
        if not scene.heard.audio
    ):
        raise NotReady
    return spoken


def timeline(scenes: Sequence[Scene]) -> list[Placed]:
    """Return the start of each scene in the joined audio, computed from sample counts."""
    by_scene: dict[object, list[Piece]] = {scene.pk: [] for scene in scenes}
    renders = {scene.pk: scene.heard.render for scene in scenes}
    rows = Piece.objects.filter(scene__in=list(by_scene))
    for piece in rows.order_by("scene", "ordinal"):
        if piece.render == renders[piece.scene_id]:
            by_scene[piece.scene_id].append(piece)
    placed, start = [], 0.0
    for scene in scenes:
        pieces = by_scene[scene.pk]
        placed.append(Placed(scene, pieces, start))
        start += sum(piece.samples / piece.sample_rate for piece in pieces)
        start += sum(piece.pause_ms for piece in pieces[:-1]) / 1000
        start += BETWEEN_SCENES_MS / 1000
    return placed


def captions_of(job: Job) -> Iterator[CaptionScene]:
    """Return an iterator over the texts and word times of a job, for `captions`.

    Raises:
        NotReady: a scene is not finished, or no scene was spoken.
    """
    placed = timeline(spoken_scenes(job))
    speakers = {place.scene.heard.speaker for place in placed}
    languages = {speaker: language_of(speaker) for speaker in speakers}
    return (
        CaptionScene(
            text=_text_of(place.scene),
            words=read_words(place.scene.heard.words)["words"],
            offset=place.start,
            language=languages[place.scene.heard.speaker],
        )
        for place in placed
    )


def _text_of(scene: Scene) -> str:
    """Return the text of what is heard of a scene, even if it was changed meanwhile."""
    render = scene.heard.render
    texts = Scene.objects.filter(pk=scene.pk, render=render).values_list("text")
    takes = Take.objects.filter(scene=scene, render=render).values_list("text")
    return str(texts.union(takes).get()[0])


def _make(assembly: Assembly, lease: claims.Lease) -> tuple[str, int]:
    """Make and store the file of an assembly; return its name and size in the storage."""
    job = assembly.job
    scenes = spoken_scenes(job)
    if _version(scenes, job.format) != assembly.version:
        raise Failed("superseded", is_last=True)
    placed = timeline(scenes)
    name = f"{files.job_folder(job)}/{assembly.pk}-{assembly.fence}"
    with draft_folder() as folder:
        draft = folder / "assembly"
        if assembly.kind == Assembly.Kind.ZIP:
            name += ".zip"
            _zip(placed, draft, lease)
        else:
            is_book = assembly.kind == Assembly.Kind.M4B
            format = "m4b" if is_book else job.format  # noqa: A001
            name += audio.FORMATS[format].extension
            _join(job, placed, draft, lease, format=format)
        lease.check()
        size = draft.stat().st_size
        save_path(default_storage, name, draft)
    return name, size


def _record(assembly: Assembly, made: tuple[str, int]) -> Columns:
    name, size = made
    Job.objects.filter(pk=assembly.job_id).update(stored_bytes=F("stored_bytes") + size)
    return {"file": name, "stored_bytes": size}


def _zip(placed: list[Placed], target: Path, lease: claims.Lease) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for place in placed:
            lease.check()
            stored = place.scene.heard.audio
            extension = "." + stored.rsplit(".", 1)[1]
            inside = files.download_name(place.scene, extension)
            with (
                default_storage.open(stored) as source,
                archive.open(inside, "w", force_zip64=True) as entry,
            ):
                while block := source.read(1 << 16):
                    entry.write(block)


def _join(
    job: Job,
    placed: list[Placed],
    target: Path,
    lease: claims.Lease,
    *,
    format: str,  # noqa: A002
) -> None:
    """Join all scenes as samples and encode them once."""
    rate = max(piece.sample_rate for place in placed for piece in place.pieces)
    parts = []
    for place in placed:
        is_last = place is placed[-1]
        pause = 0 if is_last else BETWEEN_SCENES_MS
        parts += parts_of(place.pieces, end_pause_ms=pause)
    joined = audio.join(parts, rate=rate)

    def blocks() -> Iterator[audio.Samples]:
        for block in joined.blocks():
            lease.check()
            yield block

    chapters = [
        audio.ChapterMark(
            place.scene.heard.title or f"{place.scene.index}", place.start
        )
        for place in placed
    ]
    audio.encode(
        blocks(),
        rate=rate,
        format=format,
        target=target,
        title=job.title,
        chapters=chapters,
        origin=origin_of(place.scene.speaker for place in placed),
    )


def _version(scenes: Sequence[Scene], format: str) -> str:  # noqa: A002
    rows = "".join(
        f"{scene.pk}:{scene.heard.render}:{scene.heard.title}\n" for scene in scenes
    )
    return hashlib.sha256(f"{format}\n{rows}".encode()).hexdigest()


work = Work(
    task="synthesis.tasks.assemble",
    queue="files",
    at_once=2,
    rows=Assembly.objects.all,
    perform=_make,
    complete=_record,
)
