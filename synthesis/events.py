"""Webhook events of jobs, and functions that emit them.

Speech at once is a job too. Its end is emitted as well, since the client may have
disconnected before the answer.
"""

from typing import Any

from kit.db.transactions import needs_transaction
from synthesis.models import Job, Scene
from synthesis.serializers import JobSerializer, SceneSerializer
from webhooks.emit import emit
from webhooks.events import EventType

_ID = "019a9e61-5e3c-7b1d-8f35-b2a0ce51a7d1"
_JOBS = f"https://ozvena.example.com/api/v1/jobs/{_ID}"


def _job(
    status: str, done: int, ended: int, charged: int, **more: Any
) -> dict[str, Any]:
    """Return an example payload of a job with three scenes, for the documentation."""
    return {
        "transaction_id": _ID,
        "title": "Chapter one",
        "status": status,
        "environment": "PRODUCTION",
        "format": "mp3",
        "characters": 5230,
        "cost": 5230,
        "charged": charged,
        "refunded": 0,
        "billed_to": "credits",
        "progress": {
            "scenes_total": 3,
            "scenes_done": done,
            "percent": 100 * ended // 3,
        },
        "paused": False,
        "reason": "",
        "metadata": {"book": 7},
        "created_at": "2026-11-20T09:12:44.180000Z",
        "finished_at": "2026-11-20T09:13:05.020000Z",
        "links": {"self": _JOBS}
        | {kind: f"{_JOBS}/{kind}" for kind in ("zip", "audio", "m4b", "srt", "vtt")},
        **more,
    }


JOB_COMPLETED = EventType(
    "job.completed",
    "All scenes of a job have their audio.",
    _job("completed", 3, 3, 5230),
)
JOB_PARTIAL = EventType(
    "job.partial",
    "A job has ended. Some of its scenes failed and were not charged.",
    _job("partial", 2, 3, 4030, refunded=1200),
)
JOB_FAILED = EventType(
    "job.failed",
    "No scene of a job could be spoken. Nothing was charged.",
    _job("failed", 0, 3, 0, refunded=5230),
)
JOB_CANCELED = EventType(
    "job.canceled",
    "A job was canceled. What was spoken before is charged and kept.",
    _job("canceled", 1, 3, 1200, refunded=4030, reason="blocked"),
)
SCENE_COMPLETED = EventType(
    "scene.completed",
    "A scene of a job has its audio.",
    _job("processing", 1, 1, 1200, finished_at=None)
    | {
        "scene": {
            "id": "019a9e61-5e3c-7b1d-8f35-b2a0ce51a7d2",
            "index": 1,
            "title": "Opening",
            "voice": "unicorn:en-gb",
            "spoken_by": "unicorn:en-gb",
            "status": "completed",
            "characters": 1200,
            "duration_ms": 78_450,
            "audio_url": f"{_JOBS}/scenes/1/audio",
            "words_url": f"{_JOBS}/scenes/1/words",
            "error": None,
        }
    },
)

_ENDS = {
    Job.Status.COMPLETED: JOB_COMPLETED,
    Job.Status.PARTIAL: JOB_PARTIAL,
    Job.Status.FAILED: JOB_FAILED,
    Job.Status.CANCELED: JOB_CANCELED,
}


@needs_transaction
def emit_job_ended(job: Job) -> None:
    """Emit the end of a saved job to all endpoints and to the job's `webhook_url`."""
    event_type = _ENDS[Job.Status(job.status)]
    emit(job.workspace_id, event_type, lambda: _shown(job), url=job.webhook_url)


@needs_transaction
def emit_scene_completed(job: Job, scene: Scene) -> None:
    """Emit that a scene has its audio.

    Not for speech at once: the end of such a job says the same about its only scene.
    """
    if job.source == Job.Source.JOBS:
        emit(
            job.workspace_id,
            SCENE_COMPLETED,
            lambda: _shown(job) | {"scene": dict(SceneSerializer(scene).data)},
        )


def _shown(job: Job) -> dict[str, Any]:
    return dict(JobSerializer(job, with_scenes=False).data)
