"""Names of files in the storage.

All files of a job are below `jobs/<job>/`, so deleting them is deleting one folder. A name
contains the render (a number that grows when a scene is spoken again) and the fence of the
claim that made the file, so that two processes never write the same file.
"""

import re
import unicodedata

from django.core.files.storage import default_storage

from kit.files.storage import delete_tree
from synthesis.models import Job, Scene


def job_folder(job: Job) -> str:
    """Return the folder of all files of `job`."""
    return f"jobs/{job.pk}"


def scene_folder(scene: Scene) -> str:
    """Return the folder of all files of `scene`."""
    return f"jobs/{scene.job_id}/{scene.pk}"


def pieces_folder(scene: Scene) -> str:
    """Return the folder for the pieces of a scene's current render."""
    return f"{scene_folder(scene)}/{scene.render}"


def piece_name(scene: Scene, ordinal: int) -> str:
    """Return the name of a piece under the scene's current fence, without extension."""
    return f"{pieces_folder(scene)}/{ordinal:06d}-{scene.fence}"


def scene_name(scene: Scene) -> str:
    """Return the name of a scene's finished audio, without extension."""
    return f"{scene_folder(scene)}/{scene.render}-{scene.fence}"


def delete_render(scene: Scene, render: int) -> None:
    """Delete all files of one render of a scene; safe to repeat.

    Also those that a holder stored who had lost its lease.
    """
    folder = scene_folder(scene)
    delete_tree(default_storage, f"{folder}/{render}")
    try:
        _, names = default_storage.listdir(folder)
    except FileNotFoundError:
        return
    for name in names:
        if name.startswith(f"{render}-"):
            default_storage.delete(f"{folder}/{name}")


def download_name(scene: Scene, extension: str) -> str:
    """Return the file name for downloads of a scene's audio, such as `001-opening.mp3`."""
    title = slug(scene.heard.title)
    return (
        f"{scene.index:03d}-{title}{extension}"
        if title
        else (f"{scene.index:03d}{extension}")
    )


def slug(title: str) -> str:
    """Return `title` as a file name: lower-case letters of any script, digits, hyphens."""
    folded = unicodedata.normalize("NFC", title).casefold()
    return re.sub(r"[\W_]+", "-", folded).strip("-")[:60].strip("-")
