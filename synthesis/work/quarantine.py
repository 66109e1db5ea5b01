"""Isolate scenes that may crash their worker.

A scene whose worker died may have crashed it, or only have been claimed when something
else killed it. After three such losses the scene is spoken in a child process of the
worker. Only if the child dies while the worker lives is the scene the cause, and gets a
strike. If the worker is killed, the child ends with it, and the scene gets no strike.
"""

import subprocess
import sys

from django.conf import settings
from django.db.models import F

from kit.db.transactions import one_transaction
from kit.work import claims
from synthesis.errors import INTERNAL_ERROR
from synthesis.models import Scene
from synthesis.work import settlement

_SUSPECT_CRASHES = 3  # times that a worker died while it held the scene
_MAX_STRIKES = 3  # times that the scene ended its child process
COMMAND = [sys.executable, str(settings.BASE_DIR / "manage.py"), "speak_scene"]


class Killed(Exception):
    """A scene ended its child process with this exit status."""


def is_suspect(scene: Scene) -> bool:
    """Return whether too many workers died while they held this scene."""
    return scene.crashes >= _SUSPECT_CRASHES


def speak_in_subprocess(scene: Scene) -> None:
    """Speak and settle a scene that we hold, in a child process.

    Raises:
        Killed: the child was killed, or ended with an error.
    """
    child = subprocess.Popen(
        [*COMMAND, str(scene.pk), str(scene.fence)],
        stdin=subprocess.PIPE,  # never written to; it closes when we die
    )
    if status := child.wait():
        raise Killed(status)


@one_transaction
def record_strike(scene: Scene) -> None:
    """Record that a scene that we hold ended its process; fail it at the third time.

    Raises:
        LeaseLost: another worker holds the scene now, or it was canceled.
    """
    job = settlement.lock_job(scene)
    held = claims.lock_held(scene)
    if held.strikes + 1 >= _MAX_STRIKES:
        settlement.fail_held(job, held, INTERNAL_ERROR)
    else:
        claims.settle(held, Scene.Status.QUEUED, strikes=F("strikes") + 1)
