"""Hooks that accounts calls when a workspace is blocked, closed, exported or removed."""

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
    """Cancel the jobs of a blocked workspace, after the open transaction commits.

    If the bell is lost, the calendar does the same within a minute.
    """
    bells.ring_on_commit(CANCEL, "calendar")


def closed(workspace: Workspace) -> None:
    """Cancel the jobs of a closed workspace in the same way."""
    bells.ring_on_commit(CANCEL, "calendar")


def purge(workspace: Workspace) -> None:
    """Delete all jobs of a workspace with their files. Safe to interrupt and to repeat.

    Files are deleted before the row of their job, so that a crash in between leaves a row
    that the next run finds.
    """
    cancel_suspended()
    jobs = Job.objects.filter(workspace=workspace).order_by("pk")
    for job in jobs.iterator(chunk_size=100):
        delete_tree(default_storage, files.job_folder(job))
        with transaction.atomic(durable=True):
            job.delete()
