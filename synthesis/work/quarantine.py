"""Poison told apart from bad luck.

A scene whose holder vanished may have killed it, or may only have been there when somebody
else did. After three such losses it is spoken in a process of its own, with the worker as
witness: only when that process ends by itself while the worker lives on is the scene to
blame. A worker that is killed takes the process along and blames nobody.
"""

import logging
import subprocess
import sys

from django.conf import settings
from django.db import transaction
from django.db.models import F

from kit.work import claims
from synthesis.errors import INTERNAL_ERROR
from synthesis.models import Scene
from synthesis.work import settlement

_SUSPECT = 3  # lost holders
_STRIKES = 3  # proven kills
COMMAND = [sys.executable, str(settings.BASE_DIR / "manage.py"), "speak_scene"]

logger = logging.getLogger(__name__)


def is_suspect(scene: Scene) -> bool:
    """Whether too many holders of this scene have vanished."""
    return scene.crashes >= _SUSPECT


def speak_apart(scene: Scene) -> None:
    """Speak a suspect scene in a child process, and blame it if it kills that."""
    with claims.kept(scene):
        child = subprocess.Popen(
            [*COMMAND, str(scene.pk), str(scene.fence)],
            stdin=subprocess.PIPE,  # never written to: its end tells that we died
        )
        status = child.wait()
    if status == 0:
        return
    logger.error("scene %s ended its process: %s", scene.pk, status)
    try:
        with transaction.atomic(durable=True):
            job = settlement.lock_job(scene)
            held = claims.lock_held(scene)
            if held.strikes + 1 >= _STRIKES:
                settlement.fail_held(job, held, INTERNAL_ERROR)
            else:
                Scene.objects.filter(pk=held.pk).update(
                    strikes=F("strikes") + 1,
                    status=Scene.Status.QUEUED,
                    lease_until=None,
                )
    except claims.LeaseLost as lost:
        logger.info("dropped %s", lost)
