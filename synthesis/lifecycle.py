"""Told by accounts when a workspace opens."""

from accounts.models import Workspace


def opened(workspace: Workspace) -> None:
    """Do nothing yet."""
