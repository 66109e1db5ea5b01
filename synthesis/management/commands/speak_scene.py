"""`manage.py speak_scene SCENE FENCE`: speak one scene in a process of its own.

Not for people: a worker starts it for a scene that is suspected of killing its worker, and
holds the scene's lease meanwhile.
"""

import os
import sys
import threading
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from synthesis.models import Scene
from synthesis.work.worker import speak


class Command(BaseCommand):
    """Speak a scene that our parent process has claimed."""

    help = "Speak a claimed scene (started by workers)."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the scene's id and the fence under which it was claimed."""
        parser.add_argument("scene")
        parser.add_argument("fence", type=int)

    def handle(self, *args: Any, **options: Any) -> None:
        """Speak and settle; the fence decides whether it counts."""
        threading.Thread(target=_end_with_parent, daemon=True).start()
        scene = Scene.objects.get(pk=options["scene"])
        scene.fence = options["fence"]
        speak(scene)


def _end_with_parent() -> None:
    sys.stdin.buffer.read()  # returns when the parent's end of the pipe closes
    os._exit(1)
