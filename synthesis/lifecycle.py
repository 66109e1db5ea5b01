"""Told by accounts what happens to workspaces."""

from accounts.models import User, Workspace
from kit import bells
from synthesis.blocking import CANCEL


def opened(workspace: Workspace, user: User | None = None) -> None:
    """Do nothing: jobs need no preparation."""


def blocked(workspace: Workspace) -> None:
    """Have the work of suspended ones canceled, once the open transaction has committed.

    The calendar does the same every minute, should the bell be lost.
    """
    bells.ring_on_commit(CANCEL, "local")
