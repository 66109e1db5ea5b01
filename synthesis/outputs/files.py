"""Names of files in the storage.

Everything of a job lies below `jobs/<job>/`, so that removing it is removing one folder.
A name carries the render (it grows when a scene is spoken anew) and the fence of who made
the file, so that no two processes ever write the same one.
"""

import re
import unicodedata

from synthesis.models import Job, Scene


def job_folder(job: Job) -> str:
    """Return the folder of everything that belongs to `job`."""
    return f"jobs/{job.pk}"


def pieces_folder(scene: Scene) -> str:
    """Return the folder of the pieces of a scene's present render."""
    return f"jobs/{scene.job_id}/{scene.pk}/{scene.render}"


def piece_name(scene: Scene, ordinal: int) -> str:
    """Return the name of a piece made under the scene's present fence; no extension."""
    return f"{pieces_folder(scene)}/{ordinal:06d}-{scene.fence}"


def scene_name(scene: Scene) -> str:
    """Return the name of a scene's finished audio; no extension."""
    return f"jobs/{scene.job_id}/{scene.pk}/{scene.render}-{scene.fence}"


def download_name(scene: Scene, extension: str) -> str:
    """Return how a scene's audio is called where people save it: `001-opening.mp3`."""
    title = slug(scene.title)
    return (
        f"{scene.index:03d}-{title}{extension}"
        if title
        else (f"{scene.index:03d}{extension}")
    )


def slug(title: str) -> str:
    """Return `title` as lower-case letters, digits and hyphens, in any script."""
    folded = unicodedata.normalize("NFC", title).casefold()
    return re.sub(r"[\W_]+", "-", folded).strip("-")[:60].strip("-")
