"""Poison told apart from bad luck.

A scene whose holder vanished may have killed it, or may only have been there when somebody
else did. After three such losses it is spoken in a process of its own, with the worker as
witness: only when that process ends by itself while the worker lives on is the scene to
blame. A worker that is killed takes the process along and blames nobody.
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

_SUSPECT_CRASHES = 3  # lost holders
_MAX_STRIKES = 3  # proven kills
COMMAND = [sys.executable, str(settings.BASE_DIR / "manage.py"), "speak_scene"]


class Killed(Exception):
    """A scene has ended the process that was to speak it, with this status."""


def is_suspect(scene: Scene) -> bool:
    """Whether too many holders of this scene have vanished."""
    return scene.crashes >= _SUSPECT_CRASHES


def speak_in_subprocess(scene: Scene) -> None:
    """Speak and settle a suspect scene that we hold in a child process.

    Raises:
        Killed: that did not end by itself, or failed at once.
    """
    child = subprocess.Popen(
        [*COMMAND, str(scene.pk), str(scene.fence)],
        stdin=subprocess.PIPE,  # never written to: its end tells that we died
    )
    if status := child.wait():
        raise Killed(status)


@one_transaction
def record_strike(scene: Scene) -> None:
    """Blame a scene that we hold for the end of its process; fail it at the third time.

    Raises:
        LeaseLost: somebody else holds the scene now, or it was canceled.
    """
    job = settlement.lock_job(scene)
    held = claims.lock_held(scene)
    if held.strikes + 1 >= _MAX_STRIKES:
        settlement.fail_held(job, held, INTERNAL_ERROR)
    else:
        claims.settle(held, Scene.Status.QUEUED, strikes=F("strikes") + 1)
