"""Told by accounts what happens to workspaces."""

from django.core.files.storage import default_storage
from django.db import transaction

from accounts.models import Workspace
from kit.files.storage import delete_tree
from kit.work import bells
from synthesis.jobs.blocking import CANCEL, cancel_suspended
from synthesis.models import Job
from synthesis.outputs import files
from synthesis.outputs.exporting import export

__all__ = ["blocked", "closed", "export", "purge"]


def blocked(workspace: Workspace) -> None:
    """Have the work of suspended ones canceled, once the open transaction has committed.

    The calendar does the same every minute, should the bell be lost.
    """
    bells.ring_on_commit(CANCEL, "local")


def closed(workspace: Workspace) -> None:
    """Have the work of a closed workspace canceled, in the same way."""
    bells.ring_on_commit(CANCEL, "local")


def purge(workspace: Workspace) -> None:
    """Remove the jobs of a workspace with all their files; safe to interrupt and repeat.

    Files go before their job's row, so a crash in between leaves a row that is found again.
    """
    cancel_suspended()
    jobs = Job.objects.filter(workspace=workspace).order_by("pk")
    for job in jobs.iterator(chunk_size=100):
        delete_tree(default_storage, files.job_folder(job))
        with transaction.atomic(durable=True):
            job.delete()
