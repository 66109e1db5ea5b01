"""Measure how many expired and deleted jobs a day are removed, with their files.

Jobs of three scenes with a piece each are written to the temporary database and storage
of the tests, and removed by the task of the calendar. It works for a limited time of each
minute, so a day's number is its rate within that time.
"""

import os
import time
from datetime import timedelta

import django

import tests.services  # noqa: F401 - starts PostgreSQL before the settings are read

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from django.core.files.base import ContentFile  # noqa: E402
from django.core.files.storage import default_storage  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.utils import timezone  # noqa: E402

from accounts.models import Workspace  # noqa: E402
from accounts.people import signup  # noqa: E402
from benchmarks import verdicts  # noqa: E402
from kit.ids import new_id  # noqa: E402
from kit.work.loop import SHIFT  # noqa: E402
from synthesis.models import Job, Piece, Scene  # noqa: E402
from synthesis.outputs import files, retention  # noqa: E402

JOBS = 600
SCENES = 3
LIMIT = 100_000  # jobs a day
_MINUTES = 24 * 60


def main() -> None:
    """Print how many jobs a day are removed."""
    call_command("migrate", verbosity=0)
    signup.sign_up("purge@example.com")
    workspace = Workspace.objects.get(members__email="purge@example.com")
    for number in range(JOBS):
        _write(workspace, is_deleted=number % 2 == 0)
    began = time.perf_counter()
    removed = retention.purge(seconds=600)
    seconds = time.perf_counter() - began
    assert removed == JOBS, removed
    a_day = removed / seconds * SHIFT * _MINUTES
    print(
        f"{removed} jobs of {SCENES} scenes removed in {seconds:.1f} s: {a_day:,.0f} a day;"
        f" limit {LIMIT:,}: {verdicts.judge(a_day >= LIMIT)}"
    )
    print(f"load {os.getloadavg()[0]:.1f}")


def _write(workspace: Workspace, *, is_deleted: bool) -> None:
    past = timezone.now() - timedelta(days=60)
    job = Job.objects.create(
        workspace=workspace,
        environment="PRODUCTION",
        status=Job.Status.COMPLETED,
        characters=3,
        cost=0,
        billed_to="credits",
        stored_bytes=4 * SCENES,
        is_deleted=is_deleted,
        deleted_at=past if is_deleted else None,
        expires_at=past,
    )
    for index in range(1, SCENES + 1):
        scene = Scene(
            id=new_id(),
            job=job,
            workspace=workspace,
            index=index,
            text="A.",
            voice="unicorn:en-us",
            provider="unicorn",
            characters=2,
            cost=0,
            queue=Scene.Queue.LOCAL,
            turn=index,
            status=Scene.Status.COMPLETED,
            duration_ms=1,
        )
        name = files.scene_name(scene)
        scene.audio, scene.words = f"{name}.mp3", f"{name}.words.json"
        scene.save(force_insert=True)
        piece = files.piece_name(scene, 1)
        Piece.objects.create(
            scene=scene,
            render=1,
            ordinal=1,
            char_start=0,
            char_end=2,
            audio=f"{piece}.flac",
            samples=1,
            sample_rate=16_000,
        )
        for stored in (scene.audio, scene.words, f"{piece}.flac", f"{piece}.json"):
            default_storage.save(stored, ContentFile(b"x"))
