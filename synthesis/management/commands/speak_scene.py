"""`manage.py speak_scene SCENE FENCE`: speak one claimed scene in a child process.

Only workers start it, for a scene that may crash its process. The worker keeps the lease
of the scene meanwhile. See `synthesis.work.quarantine`.
"""

import os
import sys
import threading
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from synthesis.models import Scene
from synthesis.work.worker import speak


class Command(BaseCommand):
    """Speak a scene that the parent process has claimed."""

    help = "Speak a claimed scene. Started by workers, not by operators."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the scene's id and the fence of its claim."""
        parser.add_argument("scene", help="id of the scene")
        parser.add_argument("fence", type=int, help="fence of the worker's claim")

    def handle(self, *args: Any, **options: Any) -> None:
        """Speak and settle the scene; the result is discarded if the fence has changed."""
        threading.Thread(target=_end_with_parent, daemon=True).start()
        scene = Scene.objects.get(pk=options["scene"])
        scene.fence = options["fence"]
        speak(scene)


def _end_with_parent() -> None:
    sys.stdin.buffer.read()  # returns when the parent dies, which closes the pipe
    os._exit(1)
