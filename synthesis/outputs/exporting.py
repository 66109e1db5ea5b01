"""The part of a data export that jobs have: texts, word times and audio."""

from collections.abc import Iterator
from typing import Any

from accounts.lifecycle import Part, Scope, StoredFile, Table
from synthesis import audio
from synthesis.models import Job, Scene
from synthesis.models.querysets import JobQuerySet
from synthesis.outputs import files


def export(scope: Scope) -> Iterator[Part]:
    """Yield the jobs in `scope` that are not deleted, and the files of their scenes."""
    jobs = _jobs(scope)
    yield Table("jobs.json", map(_job, jobs.iterator(chunk_size=50)))
    for job in jobs.filter(files_removed_at=None).iterator(chunk_size=50):
        extension = audio.FORMATS[job.format].extension
        scenes = Scene.objects.filter(job=job).without_text().order_by("index")
        for scene in scenes.iterator(chunk_size=500):
            heard = scene.heard
            if heard.audio:
                name = f"audio/{job.pk}/{files.download_name(scene, extension)}"
                words = name.removesuffix(extension) + ".words.json"
                yield StoredFile(name, heard.audio)
                yield StoredFile(words, heard.words)


def _jobs(scope: Scope) -> JobQuerySet:
    jobs = Job.objects.for_workspace(scope.workspace).order_by("pk")
    if scope.person:
        jobs = jobs.filter(created_by=scope.person)
    if scope.environment:
        jobs = jobs.filter(environment=scope.environment)
    return jobs


def _job(job: Job) -> dict[str, Any]:
    return {
        "id": job.pk,
        "title": job.title,
        "environment": job.environment,
        "status": job.status,
        "format": job.format,
        "characters": job.characters,
        "cost": job.cost,
        "charged": job.charged,
        "refunded": job.refunded,
        "billed_to": job.billed_to,
        "webhook_url": job.webhook_url,
        "metadata": job.metadata,
        "created_at": job.created_at,
        "finished_at": job.finished_at,
        "scenes": list(
            job.scenes.order_by("index").values(
                "index",
                "title",
                "text",
                "voice",
                "speed",
                "options",
                "status",
                "error_code",
                "duration_ms",
            )
        ),
    }
