"""Takes: what is heard of a scene that is spoken again, and what is no longer heard.

A scene's own columns are what a worker speaks. When a scene that has audio is spoken
again, its recording moves to a take, which is heard until the new audio is stored. Then
the take is superseded. If the new audio does not come, the two change places.
"""

from typing import Any

from django.utils import timezone

from billing.models import Payer
from kit.db.transactions import needs_transaction
from providers.models.querysets import PLATFORM
from synthesis.models import RECORDED, Assembly, Job, Recording, Scene, Take


@needs_transaction
def keep(scene: Scene) -> None:
    """Keep what is heard of a locked scene as its take; the caller queues and saves it.

    A scene without audio keeps nothing.
    """
    if scene.audio:
        scene.take = Take.objects.create(scene=scene, **_recording(scene))


@needs_transaction
def restore(job: Job, scene: Scene) -> None:
    """Make a locked scene again what is heard of it; the caller saves scene and job.

    What was to replace it is superseded.
    """
    take, scene.take = scene.take, None
    assert take is not None
    job.characters += take.characters - scene.characters
    heard, unheard = _recording(take), _recording(scene)
    _set(take, unheard)
    _set(scene, heard)
    if not job.charged and scene.credential != PLATFORM:
        job.billed_to = Payer.OWN_KEY  # as before the round that is given back
    scene.status = Scene.Status.COMPLETED
    scene.lease_until = None
    take.superseded_at = timezone.now()
    take.save()


@needs_transaction
def replace(job: Job, scene: Scene) -> None:
    """Supersede the take of a locked scene that has new audio; the caller saves it."""
    take, scene.take = scene.take, None
    if take is not None:
        take.superseded_at = timezone.now()
        take.save(update_fields=["superseded_at"])
        supersede_assemblies(job)


@needs_transaction
def number_render(scene: Scene) -> None:
    """Give a locked scene a new render; the pieces of the one before are superseded.

    The caller saves the scene.
    """
    if not scene.audio:
        Take.objects.create(
            scene=scene, superseded_at=timezone.now(), **_recording(scene)
        )
    scene.last_render += 1
    scene.render = scene.last_render


@needs_transaction
def supersede_assemblies(job: Job) -> None:
    """Supersede the assemblies of a locked job, since what they show has changed."""
    Assembly.objects.filter(job=job, superseded_at=None).update(
        superseded_at=timezone.now()
    )


def _recording(row: Recording) -> dict[str, Any]:
    return {name: getattr(row, name) for name in RECORDED}


def _set(row: Recording, recording: dict[str, Any]) -> None:
    for name, value in recording.items():
        setattr(row, name, value)
